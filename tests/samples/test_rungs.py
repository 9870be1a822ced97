"""Samples and moments by rung: each has the law of its own temperature."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.compiling import quick, quick_jit
from tests.samples.walks import counting
from tests.statistics import assert_mean

TEMPERATURES = np.array([1.0, 2.0, 4.0])
CHAINS, DRAWS, THINNING = 256, 40, 10
by_replica = pytest.mark.filterwarnings("ignore:the replicas of `replica_exchange` are collected")


def exchange(key=1, inner=None, **options):
    if inner is None:  # at rest, which compiles sooner
        inner = to.langevin(0.5, 1.0, friction=1.0, initial_momentum="zero", key=key)
    ladder = {"temperature": TEMPERATURES}
    return to.replica_exchange(inner, ladder, swap_period=4, key=key, **options)


COLLECT = {
    "samples": lambda rung: quick(to.collect_samples(exchange(), 5, rung=rung)),
    "moments": lambda rung: quick(to.running_moments(exchange(), rung=rung)),
}


@functools.cache
def before_and_after(kind):
    """A state of the coldest rung, and what it is after an update that collects another one."""
    x = jnp.ones(3)
    state = COLLECT[kind](0).init(x)
    return state, COLLECT[kind](1).update(x, state, x, value=jnp.zeros(3))[1]


@by_replica
@pytest.mark.parametrize("kind", COLLECT)
@pytest.mark.parametrize("then", [None, "all"])
def test_resumed_with_more_or_fewer_replicas(kind, then):
    """The three numbers would be broadcast, or written over three samples of one."""
    x, (state, after) = jnp.ones(3), before_and_after(kind)
    with pytest.raises(ValueError, match=r"keeps parameters of shapes \[\(\)\].*`rung`"):
        COLLECT[kind](then).update(x, state, x, value=jnp.zeros(3))
    assert after.num_collected == 1


@pytest.fixture(scope="module")
def runs():
    """Chains of two coordinates per replica in the well x^2 / 2, collected in four ways at once."""
    when = {"burn_in": 50, "thinning": THINNING}

    def make(key):
        tx = to.collect_samples(exchange(key), DRAWS, rung=0, **when)
        tx = to.collect_samples(tx, DRAWS, rung="all", **when)
        tx = to.running_moments(tx, rung="all", **when)
        return to.running_moments(tx, rung=0, rank=2, **when)

    @quick_jit
    @jax.vmap
    def run(state):
        tx = make(0)  # the keys are in the state

        def step(carry, _):
            x, state = carry
            updates, state = tx.update(x, state, x, value=jnp.sum(x**2, 1) / 2)
            x = optax.apply_updates(x, updates)
            return (x, state), to.by_rung(state, x)

        steps = 50 + DRAWS * THINNING
        (_, state), visited = jax.lax.scan(step, (x, state), length=steps)
        all_rungs = state.inner_state
        collected = all_rungs.inner_state
        return {
            "moments": state._replace(inner_state=None),
            "moments of all": all_rungs._replace(inner_state=None),
            "all": collected.samples,
            "cold": collected.inner_state.samples,
            "visited": visited[50::THINNING],
        }

    x = jnp.zeros((3, 2))
    keys = jax.random.split(jax.random.key(0), CHAINS)
    seen = run(quick_jit(jax.vmap(lambda key: make(key).init(x)))(keys))
    kept = ("all", "cold", "visited")
    return seen | {name: np.asarray(seen[name]) for name in kept}


def test_what_is_kept_is_what_stood_on_the_rung(runs):
    """To the last bit, at the time of each sample; a kept rung has no axis of replicas."""
    assert runs["cold"].shape == (CHAINS, DRAWS, 2)
    np.testing.assert_array_equal(runs["all"], runs["visited"])
    np.testing.assert_array_equal(runs["cold"], runs["visited"][:, :, 0])


def test_every_rung_has_its_law(runs):
    """Variances T, where a replica's own samples have the mean of all: (1 + 2 + 4) / 3."""
    for rung, temperature in enumerate(TEMPERATURES):
        by_chain = np.mean(np.square(runs["all"][:, :, rung]), axis=(1, 2))
        assert_mean(by_chain, temperature, name=f"variance at rung {rung}")


def test_moments_are_those_of_the_samples(runs):
    x = jnp.zeros((CHAINS, 3, 2))
    variance = quick_jit(jax.vmap(to.posterior_variance))(runs["moments"], x[:, 0])
    np.testing.assert_allclose(variance, np.var(runs["cold"], axis=1, ddof=1), rtol=1e-4)
    mean = quick_jit(jax.vmap(to.posterior_mean))(runs["moments of all"], x)
    np.testing.assert_allclose(mean, np.mean(runs["all"], axis=1), atol=1e-5)
    rows = quick_jit(jax.vmap(to.posterior_deviations))(runs["moments"], x[:, 0])
    assert rows.shape == (CHAINS, 2, 2)


@pytest.mark.slow
def test_readers_of_a_state_by_rung():
    params = {"w": jnp.ones((3, 4)), "b": jnp.ones((3, 2))}
    tx = to.running_moments(to.collect_samples(exchange(), 5, rung=0), rung=0)
    state = tx.init(params)
    for _ in range(2):
        _, state = tx.update(params, state, params, value=jnp.zeros(3))
    one = jax.tree.map(lambda leaf: leaf[0], params)
    assert jax.tree.map(jnp.shape, to.collected_samples(state)) == {"w": (2, 4), "b": (2, 2)}
    assert jax.tree.map(jnp.shape, to.posterior_mean(state, one)) == {"w": (4,), "b": (2,)}
    assert to.draw_posterior(state, one, 7, key=0)["w"].shape == (7, 4)
    for read in (to.posterior_mean, to.collected_samples):
        with pytest.raises(ValueError, match="Of one `rung` pass the parameters of one replica"):
            read(state, params)
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), params)
    of_shapes = jax.eval_shape(lambda: tx.init(shapes))
    assert jax.tree.map(jnp.shape, of_shapes) == jax.tree.map(jnp.shape, state)


@by_replica
def test_a_hot_replica_that_diverged_does_not_stop_the_cold_one():
    inner = to.sgld(0.1, 1.0, key=0)
    tx = to.collect_samples(exchange(inner=inner), 5, rung=0)
    tx_all = to.collect_samples(exchange(inner=inner), 5)
    x = jnp.array([0.0, 0.0, jnp.nan])
    for transformation, number in ((quick(tx), 1), (quick(tx_all), 0)):
        _, state = transformation.update(x, transformation.init(x), x, value=x)
        assert state.num_collected == number


@by_replica
def test_samples_cannot_be_sorted_afterwards():
    """The rungs of now say nothing of samples of the past, so `by_rung` does not take them."""
    x = jnp.ones((3, 2))
    outside = to.collect_samples(exchange(), 5)
    inside = exchange(inner=to.collect_samples(to.sgld(0.1, 1.0, key=0), 5))
    for tx in (quick(outside), quick(inside)):
        state = tx.init(x)
        for _ in range(4):
            _, state = tx.update(x, state, x, value=jnp.zeros(3))
        samples = to.collected_samples(state)
        with pytest.raises(ValueError, match="rung=0"):
            to.by_rung(state, samples)
        assert to.by_rung(state, x).shape == x.shape
        assert to.by_rung(state, {"loss": jnp.zeros(3)})["loss"].shape == (3,)


@pytest.mark.parametrize(
    "collect",
    [lambda tx: to.collect_samples(tx, 2), to.running_moments],
    ids=["samples", "moments"],
)
def test_collected_replicas_mix_temperatures(collect):
    """Moments have the shape of the replicas, so that `by_rung` cannot tell them from these."""
    x = jnp.ones((3, 2))
    with pytest.warns(UserWarning, match="mix temperatures.*`rung=0`"):
        quick(collect(exchange())).init(x)
    rates = optax.inject_hyperparams(to.sgld)(0.1, 1.0, key=0)
    other = to.replica_exchange(rates, {"learning_rate": [0.1, 0.2, 0.3]}, key=0)
    quick(collect(other)).init(x)


REFUSED = {
    "no exchange": (lambda: to.collect_samples(counting(), 1, rung=0), "`rung` needs one"),
    "too high": (lambda: to.running_moments(exchange(), rung=3), "`rung` must be below 3"),
    "negative": (lambda: to.running_moments(exchange(), rung=-1), "`rung` must be an integer"),
    "a word": (lambda: to.collect_samples(exchange(), 1, rung="cold"), "`rung` must be an int"),
    "inside": (
        lambda: exchange(inner=to.collect_samples(to.sgld(0.1, 1.0, key=0), 1, rung=0)),
        "put it around the exchange",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    make, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        quick(make()).init(jnp.ones((3, 2)))
