"""The gradient of the local entropy against quadrature and closed forms, and the limits."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.compiling import quick, quick_jit
from tests.statistics import assert_mean, assert_uncorrelated, assert_variance

pytestmark = pytest.mark.usefixtures("standard_promotion")  # which `optax.adam` needs


def mean_after(burn_in):
    """Weights of new samples that make mu the plain mean of those after the burn-in."""

    def weight(count):
        return 1 / jnp.float32(1 + jnp.maximum(count - burn_in, 0))

    return weight


def outer_gradients(loss, points, key, *, scope, temperature, step, chains, steps):
    """gamma (x - mu) of independent chains around each point, as the outer optimizer is given it.

    One program for all points.
    """

    def chain(point, key):
        inner = to.leimkuhler_matthews(step, temperature, key=key)
        tx = to.local_entropy(
            inner, optax.sgd(1.0), num_inner_steps=2 * steps, scope=scope,
            new_sample_weight=mean_after(steps), divide_by_scope=False,
        )  # fmt: skip

        def inner_step(carry, _):
            x, state = carry
            updates, state = tx.update(jax.grad(loss)(x), state, x)
            return (optax.apply_updates(x, updates), state), None

        (x, _), _ = jax.lax.scan(inner_step, (point, tx.init(point)), length=2 * steps)
        return point - x

    around = jax.vmap(jax.vmap(chain, (None, 0)), (0, None))
    return np.asarray(jax.jit(around)(points, jax.random.split(key, chains)), np.float64)


def valleys(x):
    """A sharp deep valley at 0 beside a wide one at 2."""
    sharp, wide = -2.0 * jnp.exp(-50.0 * x**2), -1.5 * jnp.exp(-((x - 2.0) ** 2))
    return jnp.sum(sharp + wide + 0.05 * x**2)


def by_quadrature(point, scope, temperature):
    grid = np.linspace(point - 6, point + 6, 200_001)
    sharp, wide = -2.0 * np.exp(-50.0 * grid**2), -1.5 * np.exp(-((grid - 2.0) ** 2))
    energy = sharp + wide + 0.05 * grid**2 + scope / 2 * (grid - point) ** 2
    weights = np.exp(-(energy - energy.min()) / temperature)
    return scope * (point - np.sum(grid * weights) / np.sum(weights))


POINTS = (0.4, 1.0, 2.5)


@functools.cache
def gradients_between_the_valleys():
    return outer_gradients(
        valleys, jnp.array(POINTS, jnp.float32)[:, None], jax.random.key(0),
        scope=2.0, temperature=0.5, step=0.01, chains=512, steps=2_000,
    )  # fmt: skip


@pytest.mark.parametrize("point", POINTS)
def test_gradient_in_a_landscape_of_two_valleys(point):
    gradients = gradients_between_the_valleys()[POINTS.index(point)]
    expected = by_quadrature(point, 2.0, 0.5)
    assert_mean(gradients[:, 0], expected, name="local-entropy gradient", slack=0.005)


def test_gradient_of_a_quadratic_in_a_hundred_dimensions():
    """f = x A x / 2: the mean of x' is gamma x / (k + gamma) along an axis of curvature k."""
    curvatures = jnp.linspace(0.1, 3.0, 100)
    point = jnp.linspace(-1.0, 2.0, 100)
    (gradients,) = outer_gradients(
        lambda x: jnp.sum(curvatures * x**2) / 2, point[None], jax.random.key(1),
        scope=1.0, temperature=0.3, step=0.25, chains=256, steps=200,
    )  # fmt: skip
    expected = np.asarray(curvatures / (curvatures + 1.0) * point, np.float64)
    errors = np.std(gradients, axis=0, ddof=1) / np.sqrt(len(gradients))
    off = (np.mean(gradients, axis=0) - expected) / errors
    assert np.max(np.abs(off)) < 5
    assert_mean(gradients @ expected, expected @ expected, name="along the gradient")


OUTER = {
    "sgd": lambda: optax.sgd(0.1, momentum=0.9),
    "adam": lambda: optax.adam(0.01),
}


@pytest.mark.parametrize("name", OUTER)
def test_one_cold_step_without_scope_is_the_outer_optimizer(name):
    x = {"w": jnp.linspace(0.5, 2.0, 6).reshape(2, 3), "b": jnp.ones(2)}
    tx = to.local_entropy(
        optax.sgd(1.0), OUTER[name](), num_inner_steps=1, scope=0.0, new_sample_weight=1.0
    )

    def run(tx):
        tx = optax.with_extra_args_support(tx)

        def step(carry, _):
            x, state = carry
            updates, state = tx.update(jax.tree.map(jnp.sin, x), state, x)
            x = optax.apply_updates(x, updates)
            return (x, state), x

        return quick_jit(lambda: jax.lax.scan(step, (x, tx.init(x)), length=300)[1])()

    paths = run(tx), run(OUTER[name]())
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-4), *paths)


def batches_of(seed):
    return jax.random.normal(jax.random.key(seed), (60, 8, 3))


def loss(x, batch):
    return jnp.mean((batch @ x["w"] - 1.0) ** 2) + jnp.sum(x["b"] ** 2)


START = {"w": jnp.array([0.3, -0.7, 1.1]), "b": jnp.ones(2)}
MODES = {
    "entropy_sgd": lambda opaque: to.entropy_sgd(
        0.5, 1e-3, num_inner_steps=6, scope=0.1, scope_growth=0.2, opaque=opaque, key=0
    ),
    "entropy_adam": lambda opaque: to.entropy_adam(
        0.1, 1e-3, num_inner_steps=6, inner_learning_rate=0.1, opaque=opaque, key=0
    ),
    "langevin inside": lambda opaque: to.local_entropy(
        to.langevin(0.2, 1e-3, friction=1.0, key=0), optax.sgd(0.5), num_inner_steps=6,
        scope=to.scoping(0.1, 0.1), divide_by_scope=False, new_sample_weight=0.75, opaque=opaque,
    ),
}  # fmt: skip


@pytest.mark.quick("entropy_sgd")
@pytest.mark.parametrize("name", MODES)
def test_both_modes_are_one(name):
    """Given the same batches and key, the outer point takes the same path."""
    batches = batches_of(0)
    tx, opaque = MODES[name](False), MODES[name](True)

    def inner_step(carry, batch):
        x, state = carry
        updates, state = tx.update(jax.grad(loss)(x, batch), state, x)
        x = optax.apply_updates(x, updates)
        return (x, state), to.local_entropy_params(state, x)

    def outer_step(carry, batches):
        x, state = carry

        def grad_fn(x, i):
            return jax.grad(loss)(x, batches[i])

        grads = jax.grad(loss)(x, batches[0])
        updates, state = opaque.update(grads, state, x, grad_fn=grad_fn)
        x = optax.apply_updates(x, updates)
        return (x, state), x

    @quick_jit
    def both():
        successive = jax.lax.scan(inner_step, (START, tx.init(START)), batches)[1]
        grouped = batches.reshape(10, 6, 8, 3)
        return successive, jax.lax.scan(outer_step, (START, opaque.init(START)), grouped)[1]

    successive, at_once = both()
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a[5::6], b, rtol=1e-4, atol=1e-5),
        successive,
        at_once,
    )
    held = jax.tree.map(lambda a: np.array_equal(a[0], a[4]), successive)
    assert all(jax.tree.leaves(held)), "within a loop the outer point rests"


def test_the_authors_code_by_hand():
    """Velocity of the raw gradients, pull and noise after it, mean, and a fresh start."""
    decay, rate, weight = 0.9, 0.1, 0.25
    tx = quick(to.entropy_sgd(0.5, 0.0, num_inner_steps=3, scope=0.2, scope_growth=0.5, key=0))
    x = outer = mean = np.array([1.0, -2.0])
    velocity, steps, state = np.zeros(2), 0, tx.init(jnp.float32(x))
    for count in range(9):
        gradient = np.sin(x)
        updates, state = tx.update(np.float32(gradient), state, np.float32(x))

        velocity = decay * velocity + gradient
        mixed = gradient + decay * velocity
        inner = x - rate * (mixed + 0.2 * 1.5**steps * (x - outer))
        mean = (1 - weight) * mean + weight * inner
        if count % 3 == 2:
            outer = outer - 0.5 * (outer - mean)
            inner = mean = outer
            velocity, steps = np.zeros(2), steps + 1
        np.testing.assert_allclose(x + np.asarray(updates), inner, rtol=1e-5)
        np.testing.assert_allclose(state.outer_params, outer, rtol=1e-5)
        x = inner
    assert state.outer_step == 3


@pytest.mark.parametrize("make", [to.entropy_sgd, to.entropy_adam])
def test_noise_of_the_authors_code(make):
    """epsilon sqrt(2 eta') for the epsilon of the code; new in each step, and of each parameter."""
    temperature = to.units.temperature_from_entropy_noise(0.3)
    tx = make(1.0, temperature, inner_learning_rate=0.2, num_inner_steps=9, scope=0.0, key=0)
    x, grads = jnp.zeros((2, 20_000)), jnp.zeros((2, 20_000))

    @quick_jit
    def two_steps(x):
        first, state = tx.update(grads, tx.init(x), x)
        return first, tx.update(grads, state, x + first)[0]

    first, second = map(np.asarray, two_steps(x))
    assert_variance(first, 0.3**2 * 2 * 0.2)
    assert_variance(second, 0.3**2 * 2 * 0.2)
    assert_uncorrelated(first, second, name="two steps")
    assert_uncorrelated(first[0], first[1], name="two rows")
    text = to.units.temperature_from_entropy_noise(0.3, printed=True)
    np.testing.assert_allclose(text, temperature / 2)


def test_adam_keeps_its_velocity():
    velocities = []
    for make in (to.entropy_sgd, to.entropy_adam):
        tx = quick(make(0.1, 0.0, num_inner_steps=1, key=0))
        params = jnp.zeros(2)
        state = tx.init(params)
        for _ in range(2):
            _, state = tx.update(jnp.ones(2), state, params)
        velocities.append(state.mixing_state.trace)
    np.testing.assert_array_equal(velocities[0], jnp.ones(2))
    assert np.all(np.asarray(velocities[1]) > 1)


def test_outer_points_of_a_partition():
    tree = {"a": jnp.ones(2), "b": jnp.ones(3)}
    groups = {"e": to.entropy_sgd(key=0), "s": optax.sgd(0.1)}
    tx = quick(optax.partition(groups, {"a": "e", "b": "s"}))
    updates, state = tx.update(tree, tx.init(tree), tree)
    moved = optax.apply_updates(tree, updates)
    point = to.local_entropy_params(state, moved)
    np.testing.assert_array_equal(point["a"], tree["a"])
    np.testing.assert_array_equal(point["b"], moved["b"])
    with pytest.raises(ValueError, match="`state` has no `local_entropy` in it"):
        to.local_entropy_params(optax.sgd(0.1).init(tree), tree)


def test_the_outer_point_of_half_precision_keeps_what_the_parameters_cannot():
    tx = to.local_entropy(optax.sgd(0.01), optax.sgd(1.0), num_inner_steps=1, scope=0.0)
    params = jnp.ones(1, jnp.bfloat16)
    state, x = tx.init(params), jnp.ones(1)
    for _ in range(4):
        moved = params.astype(jnp.float32) + jnp.bfloat16(-0.01)
        x = x + 0.25 * (moved - x)  # the mean of this loop
        updates, state = tx.update(jnp.ones_like(params), state, params)
        params = optax.apply_updates(params, updates)
        np.testing.assert_allclose(state.outer_params, x, rtol=2e-7)
        np.testing.assert_array_equal(state.mean, state.outer_params)
        np.testing.assert_array_equal(params, x.astype(params.dtype))


def test_a_gradient_that_is_not_finite_leaves_the_outer_point_sound():
    tx = quick(to.entropy_sgd(num_inner_steps=2, key=0))
    x = jnp.ones(3)
    state = tx.init(x)
    for _ in range(2):
        updates, state = tx.update(jnp.array([1.0, jnp.nan, 1.0]), state, x)
        np.testing.assert_array_equal(np.isfinite(updates), [True, False, True])
        assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(state))


BAD = {
    "L = 0": ({"num_inner_steps": 0}, "`num_inner_steps` must be an integer of at least 1, got 0"),
    "L = 2.5": ({"num_inner_steps": 2.5}, "`num_inner_steps` must be an integer of at least 1"),
    "L = True": ({"num_inner_steps": True}, "`num_inner_steps` must be an integer of at least 1"),
    "L = 'many'": ({"num_inner_steps": "many"}, "`num_inner_steps` must be an integer"),
    "scope": ({"scope": -1.0}, "`scope` must be finite and not negative, got -1.0"),
    "weight 0": ({"new_sample_weight": 0.0}, r"`new_sample_weight` must be above 0 and at most 1"),
    "weight 2": ({"new_sample_weight": 2.0}, r"at most 1, got 2.0.* Pass a number in \(0, 1\]"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input(what):
    options, message = BAD[what]
    with pytest.raises(ValueError, match=message):
        to.local_entropy(optax.sgd(0.1), optax.sgd(1.0), **options)


def test_bad_gradient_functions():
    x = jnp.ones(3)
    tx = to.entropy_sgd(opaque=True, key=0)
    state = tx.init(x)
    with pytest.raises(TypeError, match="`grad_fn` is required in opaque mode.*Without `opaque"):
        tx.update(x, state, x)
    for wrong in (lambda x, i: {"w": x}, lambda x, i: (1.0, x), lambda x, i: x[:2]):
        with pytest.raises(ValueError, match="`grad_fn` must return gradients like `updates`"):
            tx.update(x, state, x, grad_fn=wrong)
    with pytest.raises(ValueError, match="`params` is required: local entropy needs the distance"):
        tx.update(x, state)
    with pytest.raises(TypeError, match="`key` is required"):
        to.entropy_sgd(key=None)
