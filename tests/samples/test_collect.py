"""Which parameters are stored, and in which order they are read."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.compiling import quick, quick_jit
from tests.samples.walks import counting, walk, walk_inside


def collected(steps, num_samples, **options):
    """The numbers of the updates whose results are stored, counted from 1."""
    tx = to.collect_samples(counting(), num_samples, **options)
    _, state, _ = walk(tx, jnp.float32(0), steps)
    return state, [int(x) for x in to.collected_samples(state)]


CASES = {
    "all": (5, 10, {}, [1, 2, 3, 4, 5]),
    "exactly full": (4, 4, {}, [1, 2, 3, 4]),
    "overwritten": (11, 4, {}, [8, 9, 10, 11]),
    "stopped": (11, 4, {"when_full": "stop"}, [1, 2, 3, 4]),
    "burn-in": (6, 10, {"burn_in": 3}, [4, 5, 6]),
    "thinned": (10, 10, {"thinning": 3}, [1, 4, 7, 10]),
    "both": (12, 10, {"burn_in": 2, "thinning": 4}, [3, 7, 11]),
    "both, overwritten": (20, 2, {"burn_in": 2, "thinning": 4}, [15, 19]),
    "schedule": (9, 10, {"collect": lambda t: t % 5 >= 3}, [4, 5, 9]),
    "schedule of numbers": (4, 10, {"collect": lambda t: jnp.where(t > 1, 1.0, 0.0)}, [3, 4]),
    "schedule and thinning": (9, 9, {"thinning": 2, "collect": lambda t: t >= 4}, [5, 7, 9]),
    "a number": (3, 10, {"collect": 1}, [1, 2, 3]),
}


@pytest.mark.parametrize("case", CASES)
def test_which_steps(case):
    steps, num_samples, options, expected = CASES[case]
    state, numbers = collected(steps, num_samples, **options)
    assert numbers == expected
    assert state.count == steps
    samples, mask = map(np.asarray, quick_jit(to.samples_and_mask)(state))
    assert samples.shape == mask.shape == (num_samples,)
    np.testing.assert_array_equal(samples[mask], expected)
    assert not np.any(mask[len(expected) :])


def test_number_counts_what_was_overwritten():
    state, _ = collected(11, 4)
    assert state.num_collected == 11
    state, _ = collected(11, 4, when_full="stop")
    assert state.num_collected == 4


def test_the_newest_are_read_after_the_last_number():
    """A number that stays at 2^31 - 1 would leave all rows but one as they were."""
    tx = quick(to.collect_samples(counting(), 3))
    x = np.float32(0)
    state = tx.init(x)._replace(num_collected=jnp.int32(2**31 - 3))
    for steps in range(1, 8):
        _, state = tx.update(x, state, x)
        x += 1
        newest = np.arange(max(steps - 2, 1), steps + 1)
        np.testing.assert_array_equal(to.collected_samples(state)[-len(newest) :], newest)
        samples, mask = to.samples_and_mask(state)
        np.testing.assert_array_equal(samples[-len(newest) :], newest)
        assert np.all(mask)


def test_cycles():
    """The samples are those of updates with noise: the cold part of each cycle explores without."""
    cycles = to.cyclical_cooling(0.5, 1.0, num_steps=20, num_cycles=2, exploration_fraction=0.7)
    _, numbers = collected(20, 20, collect=cycles.sampling)
    heats = quick_jit(jax.vmap(cycles.temperature))(jnp.arange(20))
    assert numbers == [t + 1 for t in range(20) if float(heats[t]) > 0]
    assert numbers == [8, 9, 10, 18, 19, 20]


def test_only_on_the_cold_plateau():
    x = jnp.zeros(2)
    sampler = to.sgld(0.1, temperature=1.0, key=0)
    hot = to.continuous_tempering(sampler, 1.0, mode="exact", alpha_step=0.5, key=1)
    tx = to.collect_samples(
        hot, 60, collect_if=lambda state: jnp.abs(to.tempering_state(state).alpha) < 0.4
    )

    def step(carry, _):
        x, state = carry
        updates, state = tx.update(x, state, x, value=jnp.sum(x**2) / 2)
        x = optax.apply_updates(x, updates)
        return (x, state), (x, to.tempering_state(state).alpha)

    run = quick_jit(lambda x: jax.lax.scan(step, (x, tx.init(x)), length=60))
    (_, state), (xs, alphas) = run(x)
    cold = np.abs(alphas) < 0.4
    assert 5 < np.sum(cold) < 55
    np.testing.assert_array_equal(to.collected_samples(state), np.asarray(xs)[cold])


def test_outer_points_of_local_entropy():
    x = jnp.full(3, 2.0)
    inner = to.entropy_sgd(num_inner_steps=4, key=0)
    tx = to.collect_samples(inner, 10, collect_if=lambda state: state.inner_step == 0)
    x, state, visited = walk(tx, x, 12)
    np.testing.assert_array_equal(to.collected_samples(state), visited[3::4])
    np.testing.assert_array_equal(visited[-1], to.local_entropy_params(state, x))


def test_samples_are_the_new_parameters_to_the_last_bit():
    tree = {"a": jnp.ones((3, 4), jnp.bfloat16), "b": jnp.linspace(0, 1, 5)}
    tx = to.collect_samples(to.langevin(0.3, 1.0, friction=1.0, key=0), 8)
    _, state, visited = walk(tx, tree, 8)
    samples = to.collected_samples(state)
    for name, leaf in tree.items():
        assert samples[name].dtype == leaf.dtype
        np.testing.assert_array_equal(samples[name], visited[name])


def test_the_inner_transformation_is_left_alone():
    tree = {"a": jnp.ones((3, 4)), "b": jnp.ones(2)}
    inner = to.langevin(0.3, 1.0, friction=1.0, key=0)
    plain = walk(inner, tree, 5, jit=jax.jit)
    _, state, visited = walk(to.collect_samples(inner, 2), tree, 5, jit=jax.jit)
    jax.tree.map(np.testing.assert_array_equal, visited, plain[2])
    jax.tree.map(np.testing.assert_array_equal, state.inner_state, plain[1])


def test_donated_state_is_written_in_place():
    """No more memory than the parameters for a moment, whatever the number of samples is."""
    x = jnp.zeros(50_000)
    tx = to.collect_samples(to.sgld(0.1, 1.0, key=0), 100, thinning=2)

    def step(x, state):
        updates, state = tx.update(x, state, x)
        return optax.apply_updates(x, updates), state

    state = tx.init(x)
    compiled = jax.jit(step, donate_argnums=(0, 1)).lower(x, state).compile()
    used = compiled.memory_analysis().temp_size_in_bytes
    assert used < 5 * x.nbytes < state.samples.nbytes / 10
    for i in range(4):
        samples = state.samples
        x, state = compiled(x, state)
        assert samples.is_deleted()
        assert state.num_collected == i // 2 + 1


def chains(key, **options):
    tx = to.collect_samples(to.sgld(0.1, 1.0, key=key), 6, **options)
    x, state, visited = walk_inside(tx, jnp.zeros(2), 10)
    return state, visited


def test_vmap_over_chains():
    """Chains of their own, read at once; each equals its run alone."""
    keys = jax.random.split(jax.random.key(0), 3)
    state, visited = quick_jit(jax.vmap(chains))(keys)
    samples = to.collected_samples(state)
    np.testing.assert_array_equal(samples, visited[:, 4:])
    alone = to.collected_samples(quick_jit(chains)(keys[1])[0])
    np.testing.assert_allclose(samples[1], alone, rtol=1e-5, atol=1e-6)


def test_chains_that_collect_different_numbers():
    keys = jax.random.split(jax.random.key(0), 3)

    def run(key, begin):
        return chains(key, collect=lambda t: t >= begin)

    state, visited = quick_jit(jax.vmap(run))(keys, jnp.array([0, 7, 5]))
    np.testing.assert_array_equal(state.num_collected, [10, 3, 5])
    np.testing.assert_array_equal(to.collected_samples(state), visited[:, 7:])


def test_vmapped_updates_copy_no_buffer():
    """A chain that is not due, among others that are, must not cost a copy of all samples."""
    tx = to.collect_samples(to.sgld(0.1, 1.0, key=0), 200)
    xs = jnp.zeros((2, 5_000))

    def step(x, state):
        updates, state = tx.update(x, state, x)
        return optax.apply_updates(x, updates), state

    states = quick_jit(jax.vmap(tx.init))(xs)
    compiled = jax.jit(jax.vmap(step), donate_argnums=(0, 1)).lower(xs, states).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < states.samples.nbytes / 4


def test_what_is_not_finite_is_not_stored():
    x = jnp.zeros(2)
    tx = quick(to.collect_samples(optax.sgd(1.0), 4))
    state = tx.init(x)
    for gradient in (1.0, jnp.nan, 2.0):
        _, state = tx.update(jnp.array([gradient, 0.0]), state, x)
    np.testing.assert_array_equal(to.collected_samples(state), [[-1, 0], [-2, 0]])
    assert state.num_collected == 2 and state.count == 3


class Fields(NamedTuple):
    """Parameters with the names of fields by which states say how far a chain is."""

    warming: jax.Array
    ticks: jax.Array


def test_parameters_may_have_the_names_of_fields_of_states():
    params = Fields(jnp.ones(2), jnp.ones([]))
    tx = quick(to.collect_samples(optax.trace(0.9), 2))
    _, state = tx.update(params, tx.init(params), params)
    assert state.num_collected == 1
