"""Ladders: harmonic energies have every acceptance and the barrier in closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.interpolate import PchipInterpolator

from tests.statistics import assert_mean
from thermo_optax.replicas._barrier import (
    CommunicationBarrier,
    adapted_ladder,
    communication_barrier,
    monotone_cubic,
    recommended_replicas,
)
from thermo_optax.replicas._ladders import (
    geometric_ladder,
    harmonic_acceptance,
    harmonic_barrier,
    ladder_from_acceptance,
    linear_ladder,
)

DEGREES = 10
SAMPLES = 100_000


def acceptance_of_draws(temperatures, seed, samples=SAMPLES, degrees=DEGREES):
    """The Metropolis rule on exact draws of all energies: [samples, pairs]."""
    temperatures = np.asarray(temperatures, np.float64)
    draw = np.random.default_rng(seed).gamma
    energies = draw(degrees / 2, temperatures, size=(samples, len(temperatures)))
    betas = 1 / temperatures
    exponent = (betas[:-1] - betas[1:]) * (energies[:, :-1] - energies[:, 1:])
    return np.exp(np.minimum(exponent, 0))


def rejections(temperatures, seed, **draws):
    return jnp.asarray(1 - acceptance_of_draws(temperatures, seed, **draws).mean(0), jnp.float32)


def exact_rejections(temperatures):
    temperatures = np.asarray(temperatures, np.float64)
    return 1 - harmonic_acceptance(temperatures[1:] / temperatures[:-1], DEGREES)


def test_linear_and_geometric():
    linear, geometric = linear_ladder(0.5, 2.0, 4), geometric_ladder(0.5, 4.0, 4)
    np.testing.assert_allclose(linear, [0.5, 1, 1.5, 2], rtol=1e-6)
    np.testing.assert_allclose(geometric, [0.5, 1, 2, 4], rtol=1e-6)
    assert linear.dtype == geometric.dtype == jnp.float32
    for ladder in (linear_ladder(0.1, 0.7, 7), geometric_ladder(0.1, 0.7, 7)):
        assert (ladder[0], ladder[-1]) == (np.float32(0.1), np.float32(0.7))  # to the last bit
    traced = jax.jit(geometric_ladder, static_argnums=2)(0.5, 4.0, 4)
    np.testing.assert_allclose(traced, geometric, rtol=1e-6)


@pytest.mark.parametrize("degrees", [1, 10, 1000])
@pytest.mark.parametrize("width", [0.3, 3.0])
def test_harmonic_acceptance(degrees, width):
    ratio = float(np.exp(width / np.sqrt(degrees)))
    drawn = acceptance_of_draws([0.7, 0.7 * ratio], seed=degrees, degrees=degrees)
    expected = float(harmonic_acceptance(ratio, degrees))
    assert_mean(drawn, expected)
    assert float(harmonic_acceptance(1 / ratio, degrees)) == pytest.approx(expected)


def test_acceptance_of_a_million_degrees_of_freedom():
    """There the logarithm of the ratio of two energies is normal, with variance 4 / d."""
    degrees = 1_000_000
    ratio = np.exp(np.sqrt(4 / degrees) * np.array([0.1, 1.0, 2.0]))
    normal = 2 * np.array([0.4601721627, 0.1586552539, 0.0227501319])
    np.testing.assert_allclose(harmonic_acceptance(ratio, degrees), normal, rtol=1e-4)


@pytest.mark.parametrize("degrees", [1, 10, 1000])
def test_barrier_of_harmonic_energies(degrees):
    """The sum of the rejections of many pairs, and half the mean distance of two energies."""
    fine = np.geomspace(1, 8, 2001)
    rates = 1 - np.asarray(harmonic_acceptance(fine[1:] / fine[:-1], degrees), np.float64)
    closed = float(harmonic_barrier(1.0, 8.0, degrees))
    # Each is a difference of two numbers near 1 in float32, 6e-8 at worst.
    np.testing.assert_allclose(rates.sum(), closed, atol=2000 * 6e-8, rtol=1e-3)
    first, second = np.random.default_rng(0).gamma(degrees / 2, size=(2, SAMPLES))
    assert_mean(np.log(8) * np.abs(first - second) / 2, closed)


def test_measured_barrier():
    temperatures = geometric_ladder(1.0, 8.0, 16)
    found = jax.jit(communication_barrier)(1 / temperatures, rejections(temperatures, seed=1))
    closed = np.array([harmonic_barrier(1.0, float(t), DEGREES) for t in temperatures])
    assert isinstance(found, CommunicationBarrier)
    assert found.total == found.cumulative[-1]
    assert found.cumulative[0] == 0
    np.testing.assert_allclose(found.cumulative[1:], closed[1:], rtol=0.05)
    np.testing.assert_allclose(found.rungs, 1 / temperatures, rtol=1e-6)


@pytest.mark.slow
def test_adapted_ladder_is_geometric():
    """From equal steps in the temperature, in three rounds of exact draws."""
    temperatures = linear_ladder(1.0, 8.0, 8)
    for seed in range(3):
        temperatures = 1 / adapted_ladder(1 / temperatures, rejections(temperatures, seed))
    # One measured barrier is uncertain by 7 pairs of 100,000 draws each: 0.3 % of a step.
    np.testing.assert_allclose(np.diff(np.log(temperatures)), np.log(8) / 7, rtol=0.02)
    assert temperatures[0] == 1.0 and temperatures[-1] == 8.0
    final = acceptance_of_draws(temperatures, seed=9)
    expected = float(harmonic_acceptance(8 ** (1 / 7), DEGREES))
    for pair in final.T:
        assert_mean(pair, expected, slack=0.005)  # what is left of the noise of the ladder


@pytest.mark.parametrize(
    "coordinate", [np.reciprocal, np.log, np.asarray], ids=["1/T", "ln T", "T"]
)
@pytest.mark.parametrize("reverse", [False, True])
def test_any_monotone_coordinate_will_do(coordinate, reverse):
    """Three rounds on exact rates; the last one has twice the rungs, which reject half as often."""
    inverse = {np.reciprocal: np.reciprocal, np.log: np.exp, np.asarray: np.asarray}[coordinate]
    order = slice(None, None, -1 if reverse else 1)
    temperatures = np.linspace(1, 8, 8)
    spreads, means = [], []
    for num_rungs in (None, None, 15):
        rungs, rates = coordinate(temperatures), exact_rejections(temperatures)
        moved = adapted_ladder(rungs[order], rates[order], num_rungs)
        temperatures = inverse(np.asarray(moved, np.float64))[order]
        rates = np.asarray(exact_rejections(temperatures))
        spreads.append(np.ptp(rates) / np.mean(rates))
        means.append(np.mean(rates))
    assert len(temperatures) == 15
    assert spreads[0] < 0.25 and spreads[1] < 0.02 and spreads[2] < 0.02
    assert means[2] == pytest.approx(means[1] / 2, rel=0.05)


@pytest.mark.slow
def test_monotone_whatever_the_rates():
    rng = np.random.default_rng(0)
    betas = 1 / geometric_ladder(1.0, 100.0, 12)
    rates = jnp.asarray(rng.beta(0.3, 0.3, size=(200, 11)), jnp.float32)
    moved = jax.jit(jax.vmap(adapted_ladder, in_axes=(None, 0)))(betas, rates)
    assert np.all(np.diff(moved) < 0)
    np.testing.assert_array_equal(moved[:, 0], betas[0])
    np.testing.assert_array_equal(moved[:, -1], betas[-1])


@pytest.mark.slow
def test_degenerate_rates():
    betas = 1 / geometric_ladder(1.0, 8.0, 5)
    for rates in ([0.0] * 4, [1.0] * 4, [np.nan] * 4):  # nothing is known, or all are equal
        np.testing.assert_allclose(adapted_ladder(betas, jnp.array(rates)), betas, rtol=1e-6)
    one = adapted_ladder(betas, jnp.array([0.0, 0.0, 0.9, 0.0]))
    assert np.all(np.diff(one) < 0)
    assert np.all((one[1:-1] < betas[2]) & (one[1:-1] > betas[3]))  # all rungs where it rejects
    assert communication_barrier(betas, jnp.zeros(4)).total == 0
    untried = communication_barrier(betas, jnp.array([0.2, np.nan, 0.4, np.nan]))
    np.testing.assert_allclose(untried.cumulative, [0, 0.2, 0.5, 0.9, 1.2], rtol=1e-6)
    two = adapted_ladder(jnp.array([1.0, 0.5]), jnp.array([0.3]), num_rungs=3)
    np.testing.assert_allclose(two, [1, 0.75, 0.5])
    gradient = jax.grad(lambda r: jnp.sum(adapted_ladder(betas, r)))(jnp.zeros(4))
    assert np.all(np.isfinite(gradient))


@pytest.mark.parametrize("knots", [2, 3, 9])
def test_monotone_cubic(knots):
    """As SciPy has it, for increasing values and for some that turn."""
    rng = np.random.default_rng(knots)
    x, y = np.sort(rng.uniform(size=knots)), rng.normal(size=knots)
    at = np.linspace(x[0], x[-1], 101)
    for values in (np.sort(y), y):
        ours = monotone_cubic(*(jnp.asarray(a, jnp.float32) for a in (x, values, at)))
        np.testing.assert_allclose(ours, PchipInterpolator(x, values)(at), atol=1e-5)


@pytest.mark.parametrize("degrees", [2, 10, 100_000])
@pytest.mark.parametrize("acceptance", [0.2, 0.5, 0.9])
def test_ladder_from_acceptance(degrees, acceptance):
    high = 1 + 20 / np.sqrt(degrees)
    ladder = np.asarray(ladder_from_acceptance(1.0, high, acceptance, degrees), np.float64)
    ratios = ladder[1:] / ladder[:-1]
    np.testing.assert_allclose(ratios, ratios[0], rtol=1e-6)
    assert ladder[0] == 1 and ladder[-1] == np.float32(high)
    kept = float(harmonic_acceptance(high ** (1 / len(ratios)), degrees))
    assert kept >= acceptance
    if len(ratios) > 1:  # no shorter ladder will do
        assert float(harmonic_acceptance(high ** (1 / (len(ratios) - 1)), degrees)) < acceptance


def test_ladder_of_a_whole_number_of_steps_gets_no_more():
    for steps in range(1, 9):
        asked = float(harmonic_acceptance(2.0 ** (1 / steps), DEGREES))
        assert len(ladder_from_acceptance(1.0, 2.0, asked * (1 - 1e-6), DEGREES)) == steps + 1


def test_recommended_replicas():
    assert [recommended_replicas(x) for x in (0.0, 0.3, 1.0, 1.1, 3.5)] == [2, 2, 3, 4, 8]
    closed = harmonic_barrier(1.0, 8.0, DEGREES)
    temperatures = geometric_ladder(1.0, 8.0, recommended_replicas(closed))
    found = communication_barrier(1 / temperatures, exact_rejections(temperatures))
    assert np.mean(np.diff(found.cumulative)) == pytest.approx(0.5, abs=0.1)
    assert recommended_replicas(found) <= recommended_replicas(closed)


def test_messages():
    betas, rates = jnp.array([1.0, 0.5, 0.25]), jnp.array([0.5, 0.5])
    for make in (linear_ladder, geometric_ladder):
        with pytest.raises(ValueError, match="`low` must be below `high`, got 2.0 and 1.0"):
            make(2.0, 1.0, 4)
        with pytest.raises(ValueError, match="`num_rungs` must be an integer of at least 2, got 1"):
            make(1.0, 2.0, 1)
        with pytest.raises(ValueError, match="`num_rungs`.*got 2.5"):
            make(1.0, 2.0, 2.5)
        with pytest.raises(ValueError, match="`high` must be finite"):
            make(1.0, np.inf, 4)
    with pytest.raises(ValueError, match="`low` must be finite and positive, got 0.0"):
        geometric_ladder(0.0, 1.0, 4)
    for function in (communication_barrier, adapted_ladder):
        with pytest.raises(ValueError, match=r"`rungs`.*\(1,\)"):
            function(betas[:1], rates[:0])
        with pytest.raises(ValueError, match=r"`rejection_rates`.*2 for 3 rungs.*\(3,\)"):
            function(betas, jnp.zeros(3))
        with pytest.raises(ValueError, match="`rungs` must increase or decrease"):
            function(betas[jnp.array([1, 0, 2])], rates)
        with pytest.raises(ValueError, match=r"`rejection_rates` must be in \[0, 1\].*1.5"):
            function(betas, 3 * rates)
    with pytest.raises(ValueError, match="`num_rungs`.*got 1.*None"):
        adapted_ladder(betas, rates, num_rungs=1)
    with pytest.raises(ValueError, match="`acceptance`.*got 1.0.*0.5"):
        ladder_from_acceptance(1.0, 2.0, 1.0, 10)
    with pytest.raises(ValueError, match="`low` must be below `high`"):
        ladder_from_acceptance(2.0, 2.0, 0.5, 10)
    with pytest.raises(ValueError, match="`num_degrees_of_freedom`.*got 0"):
        harmonic_barrier(1.0, 2.0, 0)
    with pytest.raises(ValueError, match="`ratio` must be positive, got -1.0"):
        harmonic_acceptance(-1.0, 10)
    for traced in (
        lambda x: harmonic_acceptance(x, 10),
        lambda x: ladder_from_acceptance(1.0, x, 0.5, 10),
        recommended_replicas,
    ):
        with pytest.raises(ValueError, match="outside"):
            jax.jit(traced)(2.0)
    with pytest.raises(ValueError, match="`barrier`.*got -1.0"):
        recommended_replicas(-1.0)
    several = jax.vmap(communication_barrier, (None, 0))(betas, jnp.ones((3, 2)) / 2)
    with pytest.raises(ValueError, match=r"`barrier` must be that of one ladder, got \(3,\)"):
        recommended_replicas(several)
    with pytest.raises(ValueError, match="`low` must not be above `high`, got 2.0 and 1.0"):
        harmonic_barrier(2.0, 1.0, 10)
