"""Diffusion from the start, on laws and random walks whose answers are known."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import linregress, spearmanr

from thermo_optax.diagnostics import diffusion, distance

# Compiled at once, and as it runs in a training loop.
read = jax.jit(diffusion)

STEPS = np.array([100.0, 200.0, 400.0, 800.0])


def power_laws(values, exponents, steps=STEPS):
    return np.asarray(values) * steps[:, None] ** np.asarray(exponents)


def test_distance_of_each_replica():
    start = {"w": jnp.zeros([3, 2, 2]), "b": jnp.ones([3, 4], jnp.bfloat16)}
    params = {
        "w": jnp.arange(3.0)[:, None, None] * jnp.ones([3, 2, 2]),
        "b": jnp.ones([3, 4], jnp.bfloat16) + jnp.array([0, 1, 2], jnp.bfloat16)[:, None],
    }
    found = jax.jit(distance)(params, start)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, np.array([0, 1, 2]) * np.sqrt(8), rtol=1e-6)
    common = jax.tree.map(lambda leaf: leaf[0], start)
    np.testing.assert_array_equal(distance(params, common), found)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_distance_in_a_million_dimensions(dtype):
    """One square in a million is lost in a sum of half precision, and rounds in one of single."""
    moved = distance(jnp.full([2, 1_000_003], 0.5, dtype), jnp.zeros([1_000_003], dtype))
    np.testing.assert_allclose(moved, 0.5 * np.sqrt(1_000_003), rtol=1e-5)


def test_a_ladder_in_order_may_be_exchanged():
    values = np.array([0.3, 0.1, 0.4, 0.2, 0.8, 0.5, 0.7, 0.6])
    for sign, distances in [(1, power_laws(values, 0.5)), (-1, power_laws(1 / values, 0.5))]:
        reading = read(distances, values, STEPS)
        np.testing.assert_allclose(reading.correlation, sign, rtol=1e-6)
        assert np.all(reading.ordered) and reading.eligible
        np.testing.assert_allclose(reading.p_value, 2 / 40_320, rtol=1e-4)  # a perfect order
    assert str(reading).startswith("eligible for exchange: distances are in the order")
    assert len(str(reading).splitlines()) == 2 + 8


def test_without_order_it_may_not():
    values = np.arange(1.0, 9.0)
    folded = power_laws(np.abs(values - 4.4), 0.5)
    assert not np.any(read(folded, values, STEPS).ordered)
    crossing = power_laws(values, np.linspace(0.5, 0.0, 8))  # in order at first, then the reverse
    crossing[0] = values
    reading = read(crossing, values, STEPS)
    assert reading.ordered[0] and not reading.eligible
    assert str(reading).startswith("NOT eligible")
    turning = np.stack([values, values, values, values[::-1]])
    assert np.all(read(turning, values).ordered) and not read(turning, values).eligible
    early = np.stack(
        [values[::-1], values, values, values]
    )  # what was before the middle is forgiven
    assert read(early, values).eligible  # what was before the middle is forgiven


def test_correlation_is_spearmans():
    rng = np.random.default_rng(0)
    distances = rng.integers(1, 5, size=(6, 3, 8)).astype(float)  # with many ties
    values = np.array([1, 1, 2, 3, 4, 4, 4, 9.0])
    expected = [[spearmanr(one, values).statistic for one in time] for time in distances]
    reading = read(distances, values)
    np.testing.assert_allclose(reading.correlation, np.mean(expected, axis=1), atol=1e-6)
    np.testing.assert_allclose(reading.steps, 1 + np.arange(6))
    assert reading.distances.shape == (6, 3, 8)


@pytest.mark.parametrize("replicas", [5, 6, 7])
def test_p_value_of_one_seed(replicas):
    """Against all permutations."""
    values = np.arange(replicas, dtype=float)
    permuted = np.array(list(itertools.permutations(values)))
    reading = read(permuted, values)
    correlation = np.asarray(reading.correlation)
    size = np.sort(np.abs(correlation))
    # At least as large; equal ones differ in the last bit.
    exact = 1 - np.searchsorted(size, np.abs(correlation) - 1e-4) / len(size)
    np.testing.assert_allclose(reading.p_value, exact, rtol=1e-5)
    np.testing.assert_allclose(reading.standard_error, np.std(correlation), rtol=1e-4)


@pytest.mark.parametrize(("seeds", "replicas"), [(3, 5), (1, 12), (3, 9)])
def test_p_value_is_the_rate_of_false_alarms(seeds, replicas):
    """Without any relation; the correlation has its standard error then."""
    times = 20_000
    distances = np.random.default_rng(1).uniform(1, 2, size=(times, seeds, replicas))
    reading = read(distances, np.arange(replicas, dtype=float))
    for level in (0.2, 0.05, 0.01):
        share = np.mean(np.asarray(reading.p_value) <= level)
        assert share < level + 5 * np.sqrt(level / times)
        assert share > 0.85 * level - 5 * np.sqrt(level / times)  # the correlation is discrete
    variance = np.asarray(reading.correlation, np.float64) ** 2
    error = np.std(variance) / np.sqrt(times)
    expected = 1 / (seeds * (replicas - 1))
    assert abs(np.mean(variance) - expected) < 5 * error
    np.testing.assert_allclose(reading.standard_error**2, expected, rtol=1e-5)


@pytest.mark.parametrize("number", [4, 5])
def test_five_replicas_need_more_than_one_seed(number):
    values = np.arange(1.0, number + 1)
    distances = power_laws(values, 0.5)
    assert not read(distances, values, STEPS).eligible
    assert read(np.stack([distances] * 3, axis=1), values, STEPS).eligible


def test_exponents_of_power_laws():
    exponents = np.array([0.1, 0.5, 1.0])
    reading = read(power_laws([1, 2, 3], exponents), np.arange(3.0), STEPS)
    np.testing.assert_allclose(reading.exponent, exponents, rtol=1e-4)
    np.testing.assert_allclose(reading.exponent_error, 0, atol=1e-4)
    noisy = power_laws([1, 2, 3], exponents) * np.random.default_rng(0).uniform(0.8, 1.2, (4, 3))
    one = read(noisy, np.arange(3.0), STEPS)
    lines = [linregress(np.log(STEPS), np.log(curve)) for curve in noisy.T]
    np.testing.assert_allclose(one.exponent, [line.slope for line in lines], rtol=1e-3)
    np.testing.assert_allclose(one.exponent_error, [line.stderr for line in lines], rtol=1e-3)


def test_random_walks_have_the_exponent_of_free_diffusion():
    """And the spread between seeds is the error: that of the residuals would be too small."""
    rng = np.random.default_rng(2)
    seeds, replicas, dimensions = 40, 4, 50
    moves = rng.normal(size=(8, seeds, replicas, dimensions)) * np.sqrt(
        np.diff(2.0 ** np.arange(9), prepend=0)[1:, None, None, None]
    )
    steps = 2.0 ** np.arange(1, 9)
    first = rng.normal(size=(seeds, replicas, dimensions))
    distances = np.linalg.norm(first + np.cumsum(moves, axis=0), axis=-1)
    scale = np.array([1.0, 2.0, 3.0, 4.0])
    reading = read(distances * scale, scale, steps)
    z = (np.asarray(reading.exponent) - 0.5) / np.asarray(reading.exponent_error)
    assert np.max(np.abs(z)) < 5
    assert np.all(np.asarray(reading.exponent_error) < 0.01)
    assert reading.eligible


def test_what_is_not_finite_or_has_not_moved():
    values = np.arange(1.0, 9.0)
    distances = power_laws(values, 0.5)
    distances[2:, 7] = [np.inf, np.nan]  # the hottest one diverged
    reading = read(distances, values, STEPS)
    assert reading.eligible
    assert np.all(np.isfinite(reading.correlation))
    np.testing.assert_allclose(reading.exponent, 0.5, rtol=1e-4)
    assert np.isnan(reading.exponent_error[7])  # two times do not tell their own spread
    from_the_start = read(np.vstack([0 * values, distances[:2]]), values, [0, *STEPS[:2]])
    assert from_the_start.correlation[0] == 0 and from_the_start.p_value[0] == 1
    np.testing.assert_allclose(from_the_start.exponent, 0.5, rtol=1e-4)
    same = read(distances, np.ones(8), STEPS)
    assert np.all(same.correlation == 0) and not same.eligible


def test_messages():
    values, distances = jnp.arange(1.0, 9.0), jnp.ones([4, 8])
    with pytest.raises(ValueError, match=r"`distances`.*\(8,\)"):
        diffusion(distances[0], values)
    with pytest.raises(ValueError, match=r"`values`.*\(7,\)"):
        diffusion(distances, values[:7])
    with pytest.raises(ValueError, match="at least 3 replicas"):
        diffusion(distances[:, :2], values[:2])
    with pytest.raises(ValueError, match=r"`steps`.*4 times.*\(3,\)"):
        diffusion(distances, values, jnp.arange(3))
    with pytest.raises(ValueError, match="`steps` must increase"):
        diffusion(distances, values, jnp.array([1, 2, 2, 3]))
    with pytest.raises(ValueError, match="`steps` must increase"):
        diffusion(distances, values, jnp.array([1, jnp.nan, 2, 3]))
    with pytest.raises(ValueError, match="`least_correlation`.*got 1.5"):
        diffusion(distances, values, least_correlation=1.5)
    with pytest.raises(ValueError, match="`level`.*got 0"):
        diffusion(distances, values, level=0)
    with pytest.raises(ValueError, match="`params`.*first axis"):
        distance({"w": jnp.ones([2, 3]), "b": jnp.ones([])}, {"w": jnp.ones([2, 3]), "b": 1.0})
    with pytest.raises(ValueError, match="`params`.*first axis"):
        distance([jnp.ones([2, 3]), jnp.ones([3])], [jnp.ones([2, 3]), jnp.ones([3])])
    with pytest.raises(ValueError, match=r"`start\['w'\]` has shape \(4,\)"):
        distance({"w": jnp.ones([2, 3])}, {"w": jnp.ones([4])})
    with pytest.raises(ValueError, match="`start` must have the tree structure"):
        distance({"w": jnp.ones([2, 3])}, {"v": jnp.ones([2, 3])})
    with pytest.raises(TypeError, match=r"`params\['w'\]`"):
        distance({"w": jnp.ones([2], jnp.int32)}, {"w": jnp.ones([2], jnp.int32)})
    with pytest.raises(TypeError, match=r"`start\['w'\]` has dtype complex64"):
        distance({"w": jnp.ones([2])}, {"w": jnp.ones([2], complex)})
