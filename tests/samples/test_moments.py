"""Running moments against those of the whole walk, and draws against the moments."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.compiling import quick, quick_jit
from tests.samples.walks import following, walk, walk_inside
from tests.statistics import assert_mean, assert_uncorrelated

STEPS, RANK = 40, 6


def steps_of(seed, dtype=jnp.float32):
    """Steps of a walk far from 0, so that squares of the positions would lose all digits."""
    rng = np.random.default_rng(seed)
    steps = {"a": rng.normal(size=(STEPS, 2, 3)), "b": rng.normal(size=(STEPS, 4))}
    steps = {name: 0.01 * step for name, step in steps.items()}
    return {name: jnp.asarray(step, dtype) for name, step in steps.items()}


def start(dtype=jnp.float32):
    return {"a": jnp.full((2, 3), 10.0, dtype), "b": jnp.full(4, -3.0, dtype)}


OPTIONS = {
    "all": ({}, slice(None)),
    "burn-in": ({"burn_in": 7}, slice(7, None)),
    "thinned": ({"burn_in": 2, "thinning": 5}, slice(2, None, 5)),
    "schedule": ({"collect": lambda t: t < 30}, slice(30)),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_moments_of_the_walk(case):
    options, chosen = OPTIONS[case]
    tx = to.running_moments(following(steps_of(0)), rank=RANK, **options)
    params, state, visited = walk(tx, start(), STEPS)
    mean = to.posterior_mean(state, params)
    variance = to.posterior_variance(state, params)
    deviations = to.posterior_deviations(state, params)
    for name in params:
        samples = np.asarray(visited[name], np.float64)[chosen]
        assert state.num_collected == len(samples)
        np.testing.assert_allclose(mean[name], samples.mean(0), rtol=1e-6)
        np.testing.assert_allclose(variance[name], samples.var(0, ddof=1), rtol=1e-3)
        n, rows = len(samples), samples[-RANK:]
        expected = (rows - samples.mean(0)) / np.sqrt(RANK * (n - 1) / n)
        order = np.arange(n - RANK, n) % RANK
        np.testing.assert_allclose(deviations[name][order], expected, atol=2e-6)


def test_low_rank_covariance_of_few_samples_is_that_of_all():
    """With as many rows as samples, or more, it is the sample covariance to rounding."""
    tx = to.running_moments(following(steps_of(0)), rank=RANK)
    for steps in (2, RANK - 1, RANK):
        params, state, visited = walk(tx, start(), steps)
        d = np.asarray(to.posterior_deviations(state, params)["b"])
        expected = np.cov(np.asarray(visited["b"], np.float64).T)
        np.testing.assert_allclose(d.T @ d, expected, atol=1e-8 + 2e-3 * np.max(expected))


def test_low_rank_covariance_is_unbiased():
    """Many walks of independent positions: the mean of D^T D is the covariance."""
    root = np.array([[1.0, 0.0], [0.8, 0.3]])
    positions = np.random.default_rng(1).normal(size=(2_000, 20, 2)) @ root.T
    steps = jnp.asarray(np.diff(positions, axis=1, prepend=0), jnp.float32)

    def run(steps):
        tx = to.running_moments(following(steps), rank=3)
        x, state, _ = walk_inside(tx, jnp.zeros(2), 20)
        d = to.posterior_deviations(state, x)
        return d.T @ d

    found = np.asarray(quick_jit(jax.vmap(run))(steps))
    expected = root @ root.T
    for i, j in ((0, 0), (0, 1), (1, 1)):
        assert_mean(found[:, i, j], expected[i, j], name=f"covariance {i}{j}")


def test_half_precision_is_averaged_in_float32():
    """10 000 numbers of three digits: their mean has more, and does not stop to grow."""
    x = jnp.zeros(2, jnp.bfloat16)
    tx = to.running_moments(to.sgld(0.5, 1.0, key=0))
    x, state, visited = walk(tx, x, 10_000)
    assert state.mean.dtype == state.squares.dtype == jnp.float32
    exact = np.asarray(visited, np.float64)
    np.testing.assert_allclose(state.mean, exact.mean(0), atol=2e-6)
    np.testing.assert_allclose(to.posterior_variance(state, x), exact.var(0, ddof=1), rtol=1e-4)
    assert to.posterior_mean(state, x).dtype == jnp.bfloat16


def test_what_is_below_the_last_digit_counts():
    """Late samples enter means that are large beside their spread, and large sums of squares."""
    half = 2**17

    def tx_of(path):
        return to.loss_covariances(to.running_moments(following(path)), lambda x: x)

    @jax.jit
    def run(path, x, state):
        def step(carry, _):
            x, state = carry
            updates, state = tx_of(path).update(x, state, x)
            return (optax.apply_updates(x, updates), state), None

        return jax.lax.scan(step, (x, state), length=2 * half)[0]

    # Half of the samples at 0.999, and then half at 1.001: each moves the mean by 1.5e-8 at most.
    init = quick(tx_of(jnp.zeros((2 * half, 1)))).init
    path, x = jnp.zeros((2 * half, 1)).at[half].set(0.002), jnp.array([0.999])
    x, state = run(path, x, init(x))
    found = to.bayesian_influence(state, temperature=1.0)
    means = to.posterior_mean(state, x), found.mean_losses, found.mean_observables
    np.testing.assert_allclose(means, np.ones((3, 1)), atol=2e-6)
    spreads = to.posterior_variance(state, x)[0], found.covariance[0, 0]
    np.testing.assert_allclose(spreads, 1e-6, rtol=5e-3)

    # Squares of 1, of which each is an eighth of the last digit of their sum.
    path, x, number = jnp.tile(jnp.array([[-2.0], [2.0]]), (half, 1)), jnp.ones(1), 2**26
    state = init(x)._replace(
        num_collected=jnp.int32(number), products=jnp.full((1, 1), float(number))
    )
    moments = state.inner_state._replace(
        num_collected=jnp.int32(number), squares=jnp.full(1, float(number))
    )
    _, state = run(path, x, state._replace(inner_state=moments))
    for total in (state.inner_state.squares[0], state.products[0, 0]):
        np.testing.assert_allclose(float(total) - number, 2 * half, rtol=1e-2)


def test_after_the_last_number_none_enter():
    """Sums that grow while the number of samples stays would have a variance without bound."""
    x = jnp.zeros(1)
    last = 2**31 - 1

    def filled(state):
        totals = {
            name: jnp.full_like(getattr(state, name), float(last))
            for name in ("squares", "products")
            if name in state._fields
        }
        return state._replace(num_collected=jnp.int32(last - 1), **totals)

    for tx in (
        to.running_moments(optax.sgd(1.0), rank=2),
        to.loss_covariances(optax.sgd(1.0), lambda x: x),
    ):
        tx = quick(tx)
        state = filled(tx.init(x))
        states = []
        for _ in range(3):
            _, state = tx.update(jnp.full(1, 1e4), state, x)
            states.append(state._replace(count=jnp.int32(0), inner_state=None))
        assert states[0].num_collected == last
        for later in states[1:]:
            jax.tree.map(np.testing.assert_array_equal, later, states[0])


def test_too_few_samples_are_not_a_number():
    x = jnp.zeros(2)
    tx = quick(to.running_moments(optax.sgd(1.0), rank=2))
    state = tx.init(x)
    assert np.all(np.isnan(to.posterior_mean(state, x)))
    _, state = tx.update(x + 1, state, x)
    np.testing.assert_array_equal(to.posterior_mean(state, x), [-1, -1])
    assert np.all(np.isnan(to.posterior_variance(state, x)))
    assert np.all(np.isnan(to.draw_posterior(state, x, 3, key=0)))


def test_what_is_not_finite_does_not_count():
    x = jnp.zeros(2)
    tx = quick(to.running_moments(optax.sgd(1.0), rank=2))
    state = tx.init(x)
    for gradient in (1.0, jnp.inf, 3.0):
        _, state = tx.update(jnp.array([gradient, 0.0]), state, x)
    np.testing.assert_allclose(to.posterior_mean(state, x), [-2, 0])
    np.testing.assert_allclose(to.posterior_variance(state, x), [2, 0])


def test_chains_with_schedules_of_their_own():
    """A chain that is not due is left as it is by those that are."""

    def run(begin):
        tx = to.running_moments(
            following(steps_of(0)), rank=2, collect=lambda t: (t >= begin) & (t % 2 == begin % 2)
        )
        params, state, _ = walk_inside(tx, start(), STEPS)
        return state._replace(inner_state=None)

    begins, one = [0, 5, 12], quick_jit(run)
    together = jax.tree.map(np.asarray, quick_jit(jax.vmap(run))(jnp.array(begins)))
    for i, begin in enumerate(begins):
        alone = one(begin)
        own = jax.tree.map(lambda leaf, i=i: leaf[i], together)
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-8), own, alone
        )


DRAWS = 20_000


@pytest.mark.parametrize("rank", [0, RANK])
def test_draws_have_the_moments(rank):
    """Mean and variance; with a rank half of the covariance, between leaves too."""
    tx = to.running_moments(following(steps_of(3)), rank=rank)
    params, state, _ = walk(tx, start(), STEPS)
    # With half of the variance from the last samples alone, it is that of both together.
    draws = quick_jit(lambda s: to.draw_posterior(s, params, DRAWS, key=1))(state)
    flat = np.concatenate([np.reshape(draws[name], (DRAWS, -1)) for name in params], 1)
    flat = flat.astype(np.float64)
    mean, variance = (
        np.concatenate([np.ravel(tree[name]) for name in params]).astype(np.float64)
        for tree in (to.posterior_mean(state, params), to.posterior_variance(state, params))
    )
    covariance = np.diag(variance)
    if rank:
        d = to.posterior_deviations(state, params)
        rows = np.concatenate([np.reshape(d[name], (rank, -1)) for name in params], 1)
        covariance = (covariance + rows.T.astype(np.float64) @ rows) / 2
    away = flat - mean
    scale = np.sqrt(np.diag(covariance))
    for i in range(len(mean)):
        # float32 cannot tell the draws from each other any better than this.
        assert_mean(away[:, i], 0.0, name=f"mean {i}", slack=1e-6)
        for j in range(i + 1):
            product = away[:, i] * away[:, j] / (scale[i] * scale[j])
            expected = covariance[i, j] / (scale[i] * scale[j])
            assert_mean(product, expected, name=f"covariance {i}, {j}", slack=1e-4)


def test_draws_and_keys():
    tx = to.running_moments(following(steps_of(3)), rank=2)
    params, state, _ = walk(tx, start(), STEPS)
    draw = quick_jit(lambda key: to.draw_posterior(state, params, 400, key=key))
    first, again, other = (draw(jax.random.key(seed)) for seed in (1, 1, 2))
    jax.tree.map(np.testing.assert_array_equal, first, again)
    assert not np.any(np.asarray(first["a"]) == np.asarray(other["a"]))
    assert_uncorrelated(first["b"][:-1, 0], first["b"][1:, 0], name="one draw and the next")


def test_groups_draw_for_themselves():
    tree = {"a": jnp.zeros(3), "b": jnp.ones(2)}
    tx = optax.partition(
        {"a": to.running_moments(to.sgld(0.5, 1.0, key=0), rank=2), "b": optax.set_to_zero()},
        {"a": "a", "b": "b"},
    )
    params, state, _ = walk(tx, tree, 50)
    draws = quick_jit(lambda: to.draw_posterior(state, params, 4, key=0))()
    assert draws["a"].shape == (4, 3) and np.all(np.std(draws["a"], 0) > 0)
    np.testing.assert_array_equal(draws["b"], np.ones((4, 2)))
    variance = to.posterior_variance(state, params)
    assert np.all(np.asarray(variance["a"]) > 0) and not np.any(variance["b"])
    assert to.posterior_deviations(state, params)["b"].shape == (2, 2)
