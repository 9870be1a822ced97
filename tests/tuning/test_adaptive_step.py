"""Adaptive steps: their order, the laws that follow at the right weights, and who honours these."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.compiling import quick_jit
from tests.thermodynamics import linear_networks as networks

CHAINS = 512
QUARTIC = 0.6759783  # <x^2> of exp(-x^4 / 4): 2 Gamma(3/4) / Gamma(1/4)


def make_langevin(key: Any = 0, temperature=1.0, friction=1.0, **settings):
    return functools.partial(
        to.langevin, temperature=temperature, friction=friction, key=key, **settings
    )


def make_sgld(key):
    return lambda step_size: to.sgld(step_size, 1.0, key=key)


def run(tx, gradient, x, steps, seen=lambda x, state: None):
    def step(carry, _):
        x, state = carry
        updates, state = tx.update(gradient(x), state, x)
        x = optax.apply_updates(x, updates)
        return (x, state), seen(x, state)

    (x, state), trace = jax.lax.scan(step, (x, tx.init(x)), length=steps)
    return x, state, trace


@functools.cache
def squares(make, power, h, steps, **settings):
    """<x^2> of chains of one particle in |x|^power / power: at the right weights, and at none.

    Each with its standard error over the chains.
    """

    @quick_jit
    def chains(keys):
        def one(key):
            tx = to.adaptive_step(make(key), h, typical_square=1.0, **settings)

            def gradient(x):
                return jnp.sign(x) * jnp.abs(x) ** (power - 1)

            def seen(x, state):
                return jnp.square(x), to.time_weight(state)

            x2, weight = run(tx, gradient, jnp.float32(0.5), steps, seen)[2]
            x2, weight = x2[200:], weight[200:]
            return jnp.stack([jnp.mean(weight * x2), jnp.mean(weight), jnp.mean(x2)])

        return jax.vmap(one)(keys)

    a, b, plain = np.asarray(chains(jax.random.split(jax.random.key(1), CHAINS)), float).T
    mean = a.sum() / b.sum()
    error = np.std(a - mean * b) / b.mean() / CHAINS**0.5
    return mean, error, plain.mean()


def test_law_in_a_harmonic_well():
    """Counted step by step the chain would seem hotter by more than a quarter."""
    mean, error, plain = squares(make_langevin, 2, 0.2, 3_000)
    assert abs(mean - 1) < 5 * error < 0.03
    assert plain > 1.2


@pytest.mark.parametrize(("make", "h"), [(make_langevin, 0.1), (make_sgld, 0.005)])
def test_law_in_a_quartic_well(make, h):
    mean, error, plain = squares(make, 4, h, 4_000)
    assert abs(mean - QUARTIC) < 5 * error < 0.05
    assert plain > 1.1 * QUARTIC


@pytest.mark.slow
def test_bias_is_of_second_order():
    """At half the step a quarter or less; zeta remembers the same time at either step."""
    biases = []
    for h in (0.4, 0.2):
        mean, error, _ = squares(make_langevin, 4, h, int(2_000 / h), rate=h)
        assert error < 0.001
        biases.append(mean - QUARTIC)
    assert biases[0] > 3 * biases[1] > 0


@pytest.mark.slow
def test_a_funnel_that_no_fixed_step_samples():
    """x0 ~ N(0, 1.5^2) sets the width exp(x0 / 2) of two others; P(x0 < -2.5) = 0.0478."""

    def loss(x):
        return x[0] ** 2 / 4.5 + jnp.exp(-x[0]) * jnp.sum(x[1:] ** 2) / 2 + x[0]

    def moments(h, adaptive):
        @quick_jit
        def chains(keys):
            def one(key):
                make = make_langevin(key)
                tx = make(h)
                if adaptive:
                    tx = to.adaptive_step(make, h, typical_square=1.0, smallest=0.1)

                def seen(x, state):
                    weight = to.time_weight(state) if adaptive else jnp.float32(1)
                    narrow = (x[0] < -2.5).astype(jnp.float32)
                    length = state.factor if adaptive else weight
                    return jnp.stack([weight, weight * x[0] ** 2, weight * narrow, length])

                return run(tx, jax.grad(loss), jnp.zeros(3), 21_000, seen)[2][1_000:].mean(0)

            return jax.vmap(one)(keys)

        means = np.asarray(chains(jax.random.split(jax.random.key(3), 200)), float)
        good = means[np.all(np.isfinite(means), axis=1)]
        weight, square, narrow, length = good.mean(0)
        return square / weight / 2.25, narrow / weight / 0.0478, length * h, len(good)

    variance, narrow, step, survived = moments(0.4, adaptive=True)
    assert 0.3 < step < 0.4
    assert survived == 200
    assert abs(variance - 1) < 0.05
    assert abs(narrow - 1) < 0.1
    variance, narrow, _, survived = moments(0.3, adaptive=False)
    assert variance > 1.5
    assert narrow < 0.8
    assert moments(0.4, adaptive=False)[3] < 200  # some diverge


@pytest.mark.slow
def test_deep_linear_network_at_a_step_where_a_fixed_one_diverges():
    heat, h = 1e-4, 0.25
    center = networks.weights([5, 10, 10, 5], 3)
    exact = networks.gibbs(center, heat, 1.0, 6_000)

    def measure(sampler):
        return to.learning_coefficient(
            networks.loss_of(center),
            center,
            num_examples=1_000,
            temperature=heat,
            sampler=sampler,
            step_size=h,
            num_chains=16,
            key=0,
        )

    def fixed(step_size, temperature, key):
        return make_langevin(key, temperature, 0.05 / h)(step_size)

    def adaptive(step_size, temperature, key):
        make = make_langevin(key, temperature, 0.05 / h)
        return to.adaptive_step(make, step_size, typical_square=1e-5)

    assert np.sum(np.isnan(measure(fixed).chains)) > 12  # of 16
    found = measure(adaptive)
    assert np.all(np.isfinite(found.chains))
    assert abs(found.value / exact - 1) < 0.05


def test_steps_are_those_of_zbaoabz():
    """Flow after flow in NumPy, at temperature 0."""
    gamma, h, rate, typical, low, high = 0.7, 0.3, 0.4, 2.0, 0.2, 3.0
    make = make_langevin(temperature=0.0, friction=gamma, initial_momentum="zero", mass=1.5)
    tx = to.adaptive_step(make, h, typical_square=typical, smallest=low, largest=high, rate=rate)
    start = np.array([1.0, -2.0])

    def gradient(x):
        return x**3

    def seen(x, state):
        return x, state._replace(inner_state=())

    six = quick_jit(functools.partial(run, tx, gradient, steps=6, seen=seen))
    _, state, (found, states) = six(jnp.asarray(start, jnp.float32))

    def factor(zeta):
        root = zeta**0.5
        share = (high - 1) * root / ((high - 1) * root + (1 - low))
        return share * low + (1 - share) * high

    def z(zeta, x):
        return zeta + (1 - np.exp(-rate / 2)) * (np.mean(gradient(x) ** 2) / typical - zeta)

    x, p = start, np.zeros(2)
    zeta = np.mean(gradient(x) ** 2) / typical
    step = h * factor(zeta)
    for place in range(6):
        p = p - step / 2 * gradient(x)
        zeta = z(z(zeta, x), x)
        step = h * factor(zeta)
        p = p - step / 2 * gradient(x)
        predicted = factor(z(zeta, x))
        x = x + step / 2 * p / 1.5
        p = p * np.exp(-gamma * step)
        x = x + step / 2 * p / 1.5
        np.testing.assert_allclose(found[place], x, rtol=1e-5)
        np.testing.assert_allclose(states.zeta[place], zeta, rtol=1e-5)
        np.testing.assert_allclose(states.factor[place] * h, step, rtol=1e-5)
        np.testing.assert_allclose(states.weight[place], predicted, rtol=1e-5)
    time = np.sum(states.weight)
    assert states.ticks[-1] == int(time / high)
    np.testing.assert_allclose(states.fraction[-1], time / high % 1, rtol=1e-4)
    assert state.count == 6


def test_the_limits_of_the_step():
    tx = to.adaptive_step(make_langevin(), 0.1, typical_square=1.0, smallest=0.2, largest=5.0)
    step = quick_jit(tx.update)
    for gradient, factor in ((0.0, 5.0), (1.0, 1.0), (1e15, 0.2), (1e18, 0.2)):
        g = jnp.full(3, gradient)
        _, state = step(g, tx.init(g), g)
        np.testing.assert_allclose(state.factor, factor, rtol=1e-4)


def test_a_fault_leaves_the_step_as_it_is():
    tx = to.adaptive_step(make_langevin(), 0.1, typical_square=1.0)
    x, step = jnp.ones(3), quick_jit(tx.update)
    _, state = step(2 * x, tx.init(x), x)
    for bad in (jnp.nan, jnp.inf, 1e30):
        updates, after = step(jnp.array([1.0, bad, 1.0]), state, x)
        np.testing.assert_array_equal(after.zeta, state.zeta)
        assert np.all(np.isfinite(updates) == (bad == 1e30) | np.array([True, False, True]))
        assert np.all(np.isfinite(after.inner_state.momentum))
    _, begun = step(jnp.array([1.0, jnp.nan, 1.0]), tx.init(x), x)
    np.testing.assert_array_equal(begun.zeta, 1)


def test_collectors_sample_at_equal_times(thinning=2):
    """Moments, samples and covariances of chains in the quartic well."""

    @quick_jit
    def chains(keys):
        def one(key):
            tx = to.adaptive_step(make_langevin(key), 0.1, typical_square=1.0)
            tx = to.running_moments(tx, burn_in=200, thinning=thinning)
            tx = to.collect_samples(tx, num_samples=4_000, burn_in=200, thinning=thinning)
            tx = to.loss_covariances(tx, lambda x: x[None] ** 2, burn_in=200, thinning=thinning)
            return run(tx, lambda x: x**3, jnp.float32(0.5), 4_000)[1]

        return jax.vmap(one)(keys)

    state = chains(jax.random.split(jax.random.key(1), CHAINS))
    samples = state.inner_state
    moments = samples.inner_state
    number = np.asarray(moments.num_collected, float)
    squares = np.asarray(moments.squares) + number * np.asarray(moments.mean) ** 2
    mean = squares.sum() / number.sum()
    error = np.std(squares - mean * number) / number.mean() / CHAINS**0.5
    assert abs(mean - QUARTIC) < 5 * error < 0.05
    np.testing.assert_array_equal(samples.num_collected, number)
    np.testing.assert_array_equal(state.num_collected, number)
    losses = np.sum(np.asarray(state.mean_losses)[:, 0] * number) / np.sum(number)
    np.testing.assert_allclose(losses, mean, rtol=1e-4)
    ticks = np.asarray(moments.inner_state.ticks)
    assert np.all(number <= ticks / thinning)
    assert np.all(number > ticks / thinning * 0.8)  # without those of the burn-in


def test_replicas_with_collectors_inside():
    tx = to.collect_samples(
        to.adaptive_step(make_langevin(), 0.5, typical_square=1.0), num_samples=5
    )
    tx, x = to.replicate(tx, 3), jnp.ones((3, 2))
    _, state, _ = quick_jit(functools.partial(run, tx, lambda x: x, steps=30))(x)
    assert to.collected_samples(state).shape == (3, 5, 2)


def test_a_partition_inside_has_one_pace():
    params = {"hidden": jnp.ones(3), "output": jnp.ones(2)}

    def make(step_size):
        return to.lala(
            step_size,
            hidden_groups={"hidden": 1.0},
            output_groups={"output": 2.0},
            hidden_friction=1.0,
            output_friction=1.0,
            key=0,
        )

    tx = to.running_moments(to.adaptive_step(make, 0.1, typical_square=1.0))
    _, state = quick_jit(tx.update)(params, tx.init(params), params)
    assert 0.25 < to.time_weight(state) < 4


PLAIN = to.langevin(0.1, 1.0, friction=1.0, key=1)


def adaptive():
    return to.adaptive_step(make_langevin(), 0.1, typical_square=1.0)


def two_paces(inner):
    return optax.partition({"a": adaptive(), "b": inner}, {"a": "a", "b": "b"})


@pytest.mark.parametrize("inner", [PLAIN, to.sgld(0.1, 1.0, key=1), adaptive()])
@pytest.mark.parametrize(
    "collect",
    [
        functools.partial(to.collect_samples, num_samples=2),
        to.running_moments,
        functools.partial(to.loss_covariances, per_example_loss=lambda x: x["a"]),
    ],
)
def test_collectors_refuse_several_paces(collect, inner):
    params = {"a": jnp.ones(2), "b": jnp.ones(2)}
    with pytest.raises(ValueError, match="`adaptive_step` must be around all samplers.*Let its"):
        collect(two_paces(inner)).init(params)


def test_collectors_refuse_replicas_at_different_times():
    tx = to.running_moments(to.replicate(adaptive(), 2))
    with pytest.raises(ValueError, match="clock for each of 2 replicas.*inside of the replicas"):
        tx.init(jnp.ones((2, 3)))


LADDER = {"temperature": np.array([1.0, 2.0])}
INJECTED = optax.inject_hyperparams(
    lambda temperature: to.adaptive_step(
        make_langevin(temperature=temperature), 0.1, typical_square=1.0
    )
)(1.0)
REFUSALS = {
    "replica_exchange": (lambda: to.replica_exchange(INJECTED, LADDER, key=0), (2, 3)),
    "continuous_tempering": (lambda: to.continuous_tempering(adaptive(), 1.0, key=0), (3,)),
    "local_entropy": (
        lambda: to.local_entropy(adaptive(), optax.sgd(1.0), num_inner_steps=5, scope=1.0),
        (3,),
    ),
    "warm_up": (
        lambda: to.warm_up(
            lambda step_size: to.adaptive_step(make_langevin(), step_size, typical_square=1.0)
        ),
        (3,),
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_who_takes_steps_for_equal_refuses(name):
    make, shape = REFUSALS[name]
    with pytest.raises(ValueError, match=f"`{name}` cannot have `adaptive_step` inside"):
        make().init(jnp.ones(shape))


def test_validate_refuses():
    with pytest.raises(ValueError, match=r"`validate` cannot have.*`time_weight`"):
        to.validate(lambda key: to.adaptive_step(make_langevin(key), 0.1, typical_square=1.0))


INSIDE = {
    "tether": lambda h: optax.chain(to.tether(1.0, 1.0), make_langevin()(h)),
    "elastic_coupling": lambda h: optax.chain(to.elastic_coupling(1.0), make_langevin()(h)),
    "entropy_mcmc": lambda h: to.entropy_mcmc(make_langevin()(h), scope=1.0),
    "collect_samples": lambda h: to.collect_samples(make_langevin()(h), 3),
    "running_moments": lambda h: to.running_moments(make_langevin()(h)),
    "loss_covariances": lambda h: to.loss_covariances(make_langevin()(h), lambda x: x),
    "local_entropy": lambda h: to.local_entropy(
        make_langevin()(h), optax.sgd(1.0), num_inner_steps=5, scope=1.0
    ),
    "continuous_tempering": lambda h: to.continuous_tempering(make_langevin()(h), 1.0, key=0),
    "warm_up": lambda h: to.warm_up(make_langevin(), step_size=h, learn="step_size"),
    "adaptive_step": lambda h: to.adaptive_step(make_langevin(), h, typical_square=1.0),
}


@pytest.mark.parametrize("name", INSIDE)
def test_what_must_not_be_inside(name):
    def make(step_size):
        return INSIDE[name](step_size)

    tx = to.adaptive_step(make, 0.1, typical_square=1.0)
    with pytest.raises(ValueError, match=f"must not build a `{name}`"):
        tx.init(jnp.ones(3))


@pytest.mark.parametrize(
    ("changes", "error", "match"),
    [
        ({"make_sampler": 3}, TypeError, "`make_sampler` must be a function"),
        ({"step_size": -1.0}, ValueError, "`step_size` must be finite and not negative"),
        ({"typical_square": 0.0}, ValueError, "`typical_square` must be finite and positive"),
        ({"smallest": 0.0}, ValueError, "`smallest` must be finite and positive"),
        ({"smallest": 1.0}, ValueError, "`smallest` must be below 1"),
        ({"largest": 1.0}, ValueError, "`largest` must be above 1"),
        ({"largest": lambda t: 2.0}, TypeError, "`largest` must be a number"),
        ({"rate": 0.0}, ValueError, "`rate` must be finite and positive"),
        ({"rate": "fast"}, TypeError, "`rate` must be a number"),
    ],
)
def test_bad_input(changes, error, match):
    settings = {"make_sampler": make_langevin(), "step_size": 0.1, "typical_square": 1.0}
    with pytest.raises(error, match=match):
        to.adaptive_step(**{**settings, **changes})


def test_faults_of_the_sampler_show_at_once():
    with pytest.raises(ValueError, match="`friction` must be finite"):
        to.adaptive_step(make_langevin(friction=-1.0), 0.1, typical_square=1.0)


def test_no_weight_without_a_clock():
    with pytest.raises(ValueError, match="has no `adaptive_step`"):
        to.time_weight(PLAIN.init(jnp.ones(2)))


def test_squares_below_float32_do_no_harm():
    @quick_jit
    def begun(typical_square):  # traced, so that nobody can refuse it
        x = jnp.zeros(3)
        tx = to.adaptive_step(make_langevin(), 0.1, typical_square=typical_square)
        return tx.update(x, tx.init(x), x)[1]

    state = begun(jnp.float32(1e-45))
    assert state.zeta == 0 and jnp.isclose(state.factor, 4)


def test_accumulated_gradients_belong_outside():
    def make(step_size):
        return optax.MultiSteps(make_langevin()(step_size), 4)

    with pytest.raises(ValueError, match=r"`optax.MultiSteps`. Put that around `adaptive_step`"):
        jax.eval_shape(to.adaptive_step(make, 0.1, typical_square=1.0).init, jnp.ones(3))
