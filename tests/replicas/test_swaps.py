"""A round of swaps, piece by piece, against what is known exactly."""

import jax
import jax.numpy as jnp
import numpy as np

from tests.statistics import assert_mean
from thermo_optax.replicas._records import no_swaps
from thermo_optax.replicas._swaps import (
    decide,
    log_acceptance,
    pairs_to_try,
    recorded,
    replica_at,
    swapped,
    with_path,
)


def run_always(size, rounds):
    """The even-odd scheme with every swap accepted; rungs after each round, and the record."""

    def step(carry, _):
        rung, record = carry
        tried = pairs_to_try("even-odd", record.rounds, jax.random.key(0), size - 1)
        done = decide(tried, jnp.zeros(size - 1), jax.random.key(1))
        rung = swapped(rung, done.accepted)
        path = with_path(record.path, rung, record.rounds, jnp.bool_(True))
        record = recorded(record, done, rung)._replace(path=path)
        return (rung, record), rung

    start = jnp.arange(size, dtype=jnp.int32), no_swaps(size, 5)
    (_, record), rungs = jax.lax.scan(step, start, length=rounds)
    return np.asarray(rungs), record


def test_round_trips_where_all_swaps_are_accepted():
    """Each replica circulates, one rung a round, and waits one at each end: 2 K rounds a trip."""
    size, trips = 6, 7
    rungs, record = run_always(size, 2 * size * trips)
    assert np.array_equal(np.sort(rungs, axis=1), np.tile(np.arange(size), (len(rungs), 1)))
    np.testing.assert_array_equal(rungs[2 * size :], rungs[: -2 * size])  # the period
    steps = np.abs(np.diff(rungs, axis=0, prepend=np.arange(size)[None]))
    assert np.all(steps <= 1) and np.mean(steps) == (size - 1) / size
    # From the first rung to the last and back: those that start elsewhere come home once less.
    by_hand = [count_trips(np.concatenate([[r], rungs[:, r]]), size - 1) for r in range(size)]
    np.testing.assert_array_equal(record.round_trips, by_hand)
    assert by_hand[0] == trips
    np.testing.assert_array_equal(record.attempts, record.acceptances)
    assert int(record.rounds) == len(rungs)
    kept = np.roll(np.asarray(record.path), -(len(rungs) % 5), axis=0)
    np.testing.assert_array_equal(kept, rungs[-5:])


def count_trips(path, last):
    ends = [rung for rung in path if rung in (0, last)]
    turns = [end for end, before in zip(ends, [None, *ends], strict=False) if end != before]
    return sum(turns[i : i + 3] == [0, last, 0] for i in range(len(turns)))


def test_pairs_never_touch_and_one_random_pair_is_uniform():
    for rounds in (0, 1):
        tried = np.asarray(pairs_to_try("even-odd", jnp.int32(rounds), jax.random.key(0), 7))
        assert np.array_equal(np.flatnonzero(tried) % 2, np.full(tried.sum(), rounds))
    keys = jax.random.split(jax.random.key(2), 20_000)
    chosen = jax.vmap(lambda key: pairs_to_try("random pair", jnp.int32(0), key, 7))(keys)
    assert np.all(np.sum(chosen, axis=1) == 1)
    for pair in range(7):
        assert_mean(np.asarray(chosen)[:, pair], 1 / 7)


def test_metropolis_rule_leaves_the_product_law_invariant():
    """Two rungs, three states: detailed balance of the swap, summed exactly."""
    losses = np.array([0.0, 1.0, 2.5])
    betas = jnp.array([1.0, 0.4])
    law = np.exp(-np.asarray(betas)[:, None] * losses)
    law /= law.sum(axis=1, keepdims=True)
    cold, hot = np.meshgrid(losses, losses, indexing="ij")
    pairs = jnp.stack([cold.ravel(), hot.ravel()], axis=1)
    ratio = jax.vmap(lambda energies: log_acceptance(betas, energies, jnp.zeros(1)))(pairs)
    accept = np.exp(np.minimum(np.asarray(ratio)[:, 0], 0)).reshape(3, 3)
    flow = np.outer(law[0], law[1]) * accept
    np.testing.assert_allclose(flow, flow.T, rtol=1e-6)  # (i, j) -> (j, i) and back
    assert accept[1, 0] == 1 and accept[0, 1] < 1  # the higher loss goes to the hot rung


def test_noise_is_corrected_for_on_average():
    """E exp(b noise - b^2 variance / 2) = 1."""
    spread, betas = 0.7, jnp.array([2.0, 0.5])
    noise = spread * jax.random.normal(jax.random.key(0), (100_000,))
    energies = jnp.stack([1.0 + noise, jnp.full_like(noise, 1.2)], axis=1)
    ratios = jax.vmap(lambda e: jnp.exp(log_acceptance(betas, e, jnp.array([spread**2]))))(energies)
    assert_mean(ratios, float(np.exp(1.5 * (1.0 - 1.2))))


def test_acceptance_has_the_probability_that_is_recorded():
    ratio = jnp.log(jnp.array([0.25, 1.5, 1e-9, jnp.nan]))
    keys = jax.random.split(jax.random.key(3), 20_000)
    done = jax.vmap(lambda key: decide(jnp.ones(4, bool), ratio, key))(keys)
    np.testing.assert_allclose(done.probability[0], [0.25, 1.0, 1e-9, 0.0], rtol=1e-6)
    assert_mean(np.asarray(done.accepted)[:, 0], 0.25)
    assert np.all(done.accepted[:, 1]) and not np.any(done.accepted[:, 2:])


def test_probabilities_count_after_millions_of_rounds():
    """Then each one alone is below the last digit of their sum."""
    many, rounds = 2.0**24, 3_000
    record = no_swaps(2, 0)._replace(probability=jnp.full(1, many))
    done = decide(jnp.ones(1, bool), jnp.log(jnp.full(1, 0.3)), jax.random.key(0))

    def step(record, _):
        return recorded(record, done, jnp.arange(2, dtype=jnp.int32)), None

    record = jax.jit(lambda record: jax.lax.scan(step, record, length=rounds)[0])(record)
    assert abs((record.probability[0] - many) / rounds - 0.3) < 0.003


def test_a_rung_and_a_replica_are_not_the_same():
    rung = jnp.array([2, 0, 3, 1])
    order = replica_at(rung)
    np.testing.assert_array_equal(order, [1, 3, 0, 2])
    new = swapped(rung, jnp.array([True, False, True]))
    np.testing.assert_array_equal(new, [3, 1, 2, 0])
