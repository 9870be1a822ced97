"""Readings of a tempering variable, against laws and traces whose answers are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thermo_optax as to

EDGE, WALL = 1.5, 10.0


def flat_law(key, shape):
    """Independent draws of the law that is flat between the edges, with a tail behind the wall."""
    where, side, depth = jax.random.split(key, 3)
    alpha = jax.random.uniform(where, shape, minval=-EDGE, maxval=EDGE)
    beyond = jnp.sign(alpha) * (EDGE + jax.random.exponential(depth, shape) / WALL)
    inside = jax.random.bernoulli(side, 1 / (1 + 1 / (WALL * EDGE)), shape)
    return jnp.where(inside, alpha, beyond)


def test_the_flat_law_is_flat_and_spends_the_expected_time_at_the_temperature():
    chains, steps, bins = 8, 1 << 17, 15
    alphas = flat_law(jax.random.key(0), (chains, steps))
    histogram = to.diagnostics.alpha_histogram(alphas, edge=EDGE, num_bins=bins)
    assert histogram.ratio.shape == (chains, bins)
    draws = chains * steps * 0.9375
    ratio = jnp.mean(histogram.ratio, axis=0)
    assert jnp.max(jnp.abs(ratio - 1)) < 5 * np.sqrt(bins / draws)
    share = 0.9375
    error = np.sqrt(share * (1 - share) / (chains * steps))
    assert abs(jnp.mean(histogram.inside) - share) < 5 * error
    cold = to.diagnostics.time_at_temperature(alphas, plateau=0.4, edge=EDGE, wall=WALL)
    assert cold.measured.shape == (chains,)
    np.testing.assert_allclose(cold.expected, 0.25, rtol=1e-6)
    error = np.sqrt(0.25 * 0.75 / (chains * steps))
    assert abs(jnp.mean(cold.measured) - cold.expected) < 5 * error


@pytest.mark.parametrize("edge", [1.0, 1.5])
def test_the_histogram_is_that_of_numpy(edge):
    alphas = np.asarray(flat_law(jax.random.key(1), (5_000,)))
    counts, ends = np.histogram(alphas, bins=12, range=(-edge, edge))
    histogram = to.diagnostics.alpha_histogram(alphas, edge=edge, num_bins=12)
    np.testing.assert_allclose(histogram.centers, (ends[1:] + ends[:-1]) / 2, atol=1e-6)
    np.testing.assert_allclose(histogram.ratio, counts / counts.mean(), rtol=1e-6)
    np.testing.assert_allclose(histogram.inside, counts.sum() / alphas.size, rtol=1e-6)


def test_what_is_outside_or_not_finite_is_in_no_bin():
    alphas = jnp.array([-1.5, 1.5, 1.6, -7.0, jnp.nan, jnp.inf])
    histogram = to.diagnostics.alpha_histogram(alphas, num_bins=2)
    np.testing.assert_allclose(histogram.ratio, [1, 1])
    np.testing.assert_allclose(histogram.inside, 2 / 6, rtol=1e-6)
    never = to.diagnostics.alpha_histogram(jnp.full(4, 2.0), num_bins=np.int64(2))
    np.testing.assert_array_equal(never.ratio, [0, 0])
    assert never.inside == 0


def loop_over_steps(trace, plateau, hot):
    """The definition, one step at a time."""
    side, count = None, 0
    for alpha in np.abs(trace):
        here = "cold" if alpha < plateau else "hot" if alpha > hot else side
        count += side is not None and here != side
        side = here
    return count


def test_crossings_are_those_of_a_loop_over_the_steps():
    steps = 0.3 * jax.random.normal(jax.random.key(2), (3, 4, 2_000))
    alphas = jnp.abs((jnp.cumsum(steps, axis=-1) + 1) % 6 - 3) - 1.4  # a walk, folded into a range
    read = jax.jit(to.diagnostics.tempering_crossings)
    crossings = read(alphas, plateau=0.3, hot=1.2)
    expected = [[loop_over_steps(trace, 0.3, 1.2) for trace in row] for row in np.asarray(alphas)]
    assert np.min(expected) > 5
    np.testing.assert_array_equal(crossings.count, expected)
    np.testing.assert_allclose(crossings.steps, 2_000 / np.array(expected), rtol=1e-6)


def test_a_trace_that_stays_on_one_side_never_crosses():
    cold_then_warm = jnp.array([0.0, 0.3, 0.7, 1.3, 0.0, 1.3])
    hot_from_the_start = jnp.array([1.5, 1.3, 0.5, 1.3, 1.5, 0.5])
    crossings = to.diagnostics.tempering_crossings(jnp.stack([cold_then_warm, hot_from_the_start]))
    np.testing.assert_array_equal(crossings.count, [0, 0])
    assert jnp.all(jnp.isinf(crossings.steps))


@pytest.mark.slow
def test_readings_are_the_same_under_vmap_and_for_whole_arrays():
    alphas = flat_law(jax.random.key(3), (2, 3, 500))
    for read in (
        to.diagnostics.alpha_histogram,
        to.diagnostics.tempering_crossings,
        to.diagnostics.time_at_temperature,
    ):
        whole, mapped = read(alphas), jax.jit(jax.vmap(jax.vmap(read)))(alphas)
        for one, other in zip(whole, mapped, strict=True):
            np.testing.assert_allclose(jnp.broadcast_to(one, other.shape), other, rtol=1e-6)


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (lambda: to.diagnostics.alpha_histogram(jnp.zeros(3), edge=0.0), "`edge`.*got 0.0"),
        (lambda: to.diagnostics.alpha_histogram(jnp.zeros(3), num_bins=0), "`num_bins`.*got 0"),
        (lambda: to.diagnostics.alpha_histogram(jnp.zeros((3, 0))), r"`alphas`.*\(3, 0\)"),
        (lambda: to.diagnostics.time_at_temperature(jnp.float32(1)), r"`alphas`.*shape \(\)"),
        (lambda: to.diagnostics.time_at_temperature(jnp.zeros(3), wall=-1), "`wall`.*got -1"),
        (lambda: to.diagnostics.tempering_crossings(jnp.zeros(3), hot=0.4), "`hot`.*got 0.4"),
    ],
)
def test_messages(read, message):
    with pytest.raises(ValueError, match=message):
        read()


def test_a_plateau_ends_before_the_edge():
    with pytest.raises(ValueError, match="`edge` must be above `plateau`, got 1.5 and 2.0"):
        to.diagnostics.time_at_temperature(jnp.zeros(3), plateau=2.0, edge=1.5)
