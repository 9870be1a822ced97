"""Covariances of per-example losses: linear regression, where the influence is a closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.compiling import quick_jit
from tests.statistics import assert_mean

CHAINS, EXAMPLES, DEGREES, T = 64, 6, 3, 0.5
RNG = np.random.default_rng(0)
FEATURES = RNG.normal(size=(EXAMPLES, DEGREES))
TARGETS = FEATURES @ [1.0, -1.0, 0.5] + RNG.normal(size=EXAMPLES)


def losses(w):
    features, targets = jnp.asarray(FEATURES, w.dtype), jnp.asarray(TARGETS, w.dtype)
    return (features @ w - targets) ** 2 / 2


def pull(w):
    return jax.grad(lambda w: losses(w).sum())(w)


def walk(tx, x, steps, state=None, grad=pull):
    def step(carry, _):
        x, state = carry
        updates, state = tx.update(grad(x), state, x)
        return (optax.apply_updates(x, updates), state), None

    return jax.lax.scan(step, (x, tx.init(x) if state is None else state), length=steps)[0]


def test_linear_regression():
    """The posterior is Gaussian, and losses are quadratic forms of it."""
    hessian = FEATURES.T @ FEATURES
    fit = np.linalg.solve(hessian, FEATURES.T @ TARGETS)
    spread = FEATURES @ np.linalg.inv(hessian) @ FEATURES.T * T  # covariance of the residuals
    rest = FEATURES @ fit - TARGETS
    # Cov(r^2 / 2, s^2 / 2) = C^2 / 2 + r s C, by the fourth moments of a Gaussian.
    of_losses = spread**2 / 2 + np.outer(rest, rest) * spread
    of_weights = rest[:, None] * (FEATURES @ np.linalg.inv(hessian) * T)
    step = 1.0 / np.sqrt(np.linalg.eigvalsh(hessian).max())

    def chain(key):
        sampler = to.langevin(step, T, friction=1.0, key=key)
        inner = to.loss_covariances(sampler, losses, burn_in=200, thinning=2)
        tx = to.loss_covariances(inner, losses, lambda w: w, burn_in=200)
        _, state = walk(tx, jnp.asarray(fit, jnp.float32), 4_000)
        found = to.bayesian_influence(state.inner_state, temperature=T)
        return found, to.bayesian_influence(state._replace(inner_state=None), temperature=T)

    pairs, weights = jax.jit(jax.vmap(chain))(jax.random.split(jax.random.key(0), CHAINS))
    assert np.all(np.asarray(pairs.num_collected) == 1_900)
    for found, exact in [(pairs, of_losses), (weights, of_weights)]:
        for place, expected in np.ndenumerate(exact):
            assert_mean(found.covariance[:, *place], expected, name=f"Cov{place}")
            assert_mean(found.influence[:, *place], -expected / T, name=f"influence{place}")
    for i in range(EXAMPLES):
        assert_mean(pairs.mean_losses[:, i], (spread[i, i] + rest[i] ** 2) / 2)


def test_influence_is_a_derivative_of_the_posterior_mean():
    """More weight on an example moves the mean as the covariance says."""
    weights = np.ones(EXAMPLES)
    weights[2] += 1e-6

    def mean(weights):
        hessian = FEATURES.T @ (weights[:, None] * FEATURES)
        return np.linalg.solve(hessian, FEATURES.T @ (weights * TARGETS))

    inverse = np.linalg.inv(FEATURES.T @ FEATURES)
    rest = FEATURES @ mean(np.ones(EXAMPLES)) - TARGETS
    by_law = -rest[2] * FEATURES[2] @ inverse
    np.testing.assert_allclose((mean(weights) - mean(np.ones(EXAMPLES))) / 1e-6, by_law, rtol=1e-4)


def drift(x):
    return -jnp.ones_like(x)


def test_covariance_is_that_of_the_draws():
    offset = 1e4  # of the losses: deviations from the mean do not lose digits to it
    tx = to.loss_covariances(
        optax.sgd(1.0), lambda x: jnp.stack([x, x**2]) + offset, lambda x: 3 * x, thinning=2
    )
    _, state = walk(tx, jnp.zeros([]), 21, grad=drift)
    x = np.arange(1.0, 22.0, 2)
    found = to.bayesian_influence(state, temperature=2.0)
    assert found.num_collected == len(x)
    expected = [np.cov(x, 3 * x)[0, 1], np.cov(x**2, 3 * x)[0, 1]]
    np.testing.assert_allclose(found.covariance[:, 0], expected, rtol=1e-5)
    np.testing.assert_allclose(found.influence, -found.covariance / 2)


def test_what_is_not_finite_does_not_enter():
    tx = to.loss_covariances(optax.sgd(1.0), lambda x: jnp.stack([x, 1 / (x - 3)]))
    _, state = walk(tx, jnp.zeros([]), 6, grad=drift)
    x = np.array([1.0, 2, 4, 5, 6])
    found = to.bayesian_influence(state, temperature=1.0)
    np.testing.assert_allclose(found.covariance, np.cov(x, 1 / (x - 3)), rtol=1e-5)


def test_a_run_in_two_parts_is_the_same_to_the_bit():
    tx = to.loss_covariances(to.sgld(0.1, T, key=0), losses, lambda w: w[0])
    part = quick_jit(lambda x, state, n: walk(tx, x, n, state), static_argnums=2)
    x = jnp.zeros(DEGREES)
    once = part(x, tx.init(x), 9)
    twice = part(*part(x, tx.init(x), 4), 5)
    jax.tree.map(np.testing.assert_array_equal, once, twice)
    assert jax.tree.map(jax.typeof, tx.init(x)) == jax.tree.map(jax.typeof, once[1])


@pytest.mark.slow
def test_the_coldest_rung():
    """Every swap is accepted, and the replicas have one value each."""
    sampler = to.langevin(1e-20, 1.0, friction=0.0, key=0)
    tx = to.replica_exchange(
        sampler, {"temperature": [1.0, 2.0]}, swap_period=1, normalization=0.0, key=1
    )
    tx = to.loss_covariances(tx, lambda x: x, rung=0)
    x = jnp.array([[3.0], [5.0]])
    state, seen = tx.init(x), []
    for _ in range(5):
        _, state = tx.update(x, state, x, value=x[:, 0])
        seen.append(to.by_rung(state, x)[0, 0])
    assert len(set(map(float, seen))) == 2
    found = to.bayesian_influence(state, temperature=1.0)
    np.testing.assert_allclose(found.covariance[0, 0], np.var(seen, ddof=1), rtol=1e-5)


def test_bad_input():
    with pytest.raises(TypeError, match="`per_example_loss` must be a function"):
        to.loss_covariances(optax.sgd(0.1), None)  # pyright: ignore
    with pytest.raises(TypeError, match="`observables` must be a function"):
        to.loss_covariances(optax.sgd(0.1), losses, 3)  # pyright: ignore
    with pytest.raises(ValueError, match="do not average"):
        to.loss_covariances(optax.sgd(0.1), jnp.sum).init(jnp.zeros(2))
    with pytest.raises(ValueError, match="number of one rung"):
        to.loss_covariances(optax.sgd(0.1), losses, rung="all")  # pyright: ignore
    with pytest.raises(TypeError, match="`per_example_loss` must be the loss, a real number"):
        to.loss_covariances(optax.sgd(0.1), jnp.isfinite).init(jnp.zeros(2))
    with pytest.raises(TypeError, match="`observables` must return real numbers, got complex64"):
        to.loss_covariances(optax.sgd(0.1), losses, lambda x: jax.lax.complex(x, x)).init(
            jnp.zeros(DEGREES)
        )
    x = jnp.zeros(2)
    of_two = to.loss_covariances(optax.sgd(0.1), lambda x: x, lambda x: x).init(x)
    for fns in ((lambda x: x[:1], lambda x: x), (lambda x: x, lambda x: x[:1])):
        with pytest.raises(ValueError, match="returns 1 numbers, but the state keeps.* 2: "):
            to.loss_covariances(optax.sgd(0.1), *fns).update(x, of_two, x)
    state = to.loss_covariances(optax.sgd(0.1), losses).init(jnp.zeros(DEGREES))
    assert np.all(np.isnan(to.bayesian_influence(state, temperature=1.0).covariance))
    with pytest.raises(ValueError, match="temperature"):
        to.bayesian_influence(state, temperature=0.0)
    with pytest.raises(TypeError, match="`temperature` must be a number.*schedule"):
        to.bayesian_influence(state, temperature=lambda count: 1.0)  # pyright: ignore
    with pytest.raises(ValueError, match="loss_covariances"):
        to.bayesian_influence(optax.sgd(0.1).init(jnp.zeros(2)), temperature=1.0)
    two = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), state)
    with pytest.raises(ValueError, match=r"chain|vmap"):
        to.bayesian_influence(two, temperature=1.0)


def test_a_draw_whose_squares_overflow_does_not_enter():
    tx = to.loss_covariances(optax.sgd(1.0), lambda x: jnp.stack([x, -2 * x]))
    x = jnp.zeros([])
    state = tx.init(x)
    for target in (1.0, 2.0, 1e25, 3.0):
        updates, state = tx.update(x - target, state, x)
        x = optax.apply_updates(x, updates)
    found = to.bayesian_influence(state, temperature=1.0)
    assert found.num_collected == 3
    np.testing.assert_allclose(found.covariance, [[1, -2], [-2, 4]], rtol=1e-5)
