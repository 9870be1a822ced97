"""Cooling laws: their closed forms, in Python, under jit and vmap, and what they refuse."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.simulation import simulate

COUNTS = jnp.arange(2_000)
BOUND = {
    "logarithmic": (to.logarithmic_cooling, {"initial": 1.7, "offset": 3.0}),
    "polynomial": (to.polynomial_cooling, {"scale": 0.3, "offset": 2.0, "power": 0.55}),
}


def closed_form(name, t, settings):
    if name == "logarithmic":
        return settings["initial"] * np.log(settings["offset"]) / np.log(settings["offset"] + t)
    return settings["scale"] / (settings["offset"] + t) ** settings["power"]


@pytest.mark.parametrize("name", BOUND)
class TestLaws:
    def test_closed_form(self, name):
        make, settings = BOUND[name]
        t = np.array([0, 1, 7, 1_000, 10**9])
        values = make(**settings)(jnp.asarray(t))
        np.testing.assert_allclose(values, closed_form(name, t, settings), rtol=1e-6)

    def test_falls_at_every_step(self, name):
        make, settings = BOUND[name]
        assert np.all(np.diff(jax.jit(make(**settings))(COUNTS)) < 0)

    def test_every_argument_may_be_traced(self, name):
        make, settings = BOUND[name]
        factors = jnp.array([1.0, 1.5, 2.0])

        @jax.jit
        @jax.vmap
        def value(factor):
            return make(**{key: number * factor for key, number in settings.items()})(jnp.int32(9))

        for factor, seen in zip(factors, value(factors), strict=True):
            scaled = {key: number * float(factor) for key, number in settings.items()}
            np.testing.assert_allclose(seen, closed_form(name, 9, scaled), rtol=1e-6)

    def test_type_does_not_depend_on_the_count(self, name):
        make, settings = BOUND[name]
        for count in (3, np.int64(3), jnp.int32(3), jnp.uint32(3)):
            value = make(**settings)(count)
            assert value.dtype == jnp.float32 and value.shape == () and not value.weak_type

    def test_cools_a_sampler(self, name):
        """As a schedule of the bath it is the temperature scale of each step, to rounding."""
        make, settings = BOUND[name]
        schedule, x = make(**settings), jnp.ones(5)
        cooled, constant = to.sgld(0.1, schedule, key=0), to.sgld(0.1, 1.0, key=0)
        scheduled = jax.jit(lambda: simulate(cooled, lambda x: x, x, 20)[0])()
        y, state = x, constant.init(x)
        for t in range(20):
            scale = closed_form(name, t, settings)
            updates, state = constant.update(y, state, y, temperature_scale=scale)
            y = optax.apply_updates(y, updates)
        np.testing.assert_allclose(scheduled, y, rtol=1e-4, atol=1e-5)


def test_logarithm_of_an_offset_that_rounds_to_one():
    with pytest.raises(ValueError, match="`offset` must be above 1, got 1.00000001"):
        to.logarithmic_cooling(1.0, offset=1.00000001)


def test_logarithmic_default_starts_at_its_constant():
    cooling = to.logarithmic_cooling(0.6)
    assert float(cooling(0)) == pytest.approx(0.6)
    assert float(cooling(10**6)) == pytest.approx(0.6 / math.log(math.e + 10**6), rel=1e-5)


def test_power_zero_does_not_cool():
    assert np.all(np.asarray(to.polynomial_cooling(0.3, 1.0, 0.0)(COUNTS)) == np.float32(0.3))


PERIOD, CYCLES = 50, 4


def cycles(**changes):
    settings = {"num_steps": PERIOD * CYCLES, "num_cycles": CYCLES, "exploration_fraction": 0.9}
    return to.cyclical_cooling(0.5, 1e-3, **settings | changes)


def test_cycles_repeat():
    """Half a cosine from the full rate to nearly none, and heat in the last tenth."""
    t = np.arange(3 * PERIOD)
    seen = cycles()
    rate, heat = jax.jit(seen.learning_rate)(t), jax.jit(seen.temperature)(t)
    phase = (t % PERIOD) / PERIOD
    np.testing.assert_allclose(rate, 0.25 * (np.cos(np.pi * phase) + 1), rtol=1e-4, atol=1e-7)
    np.testing.assert_array_equal(heat, np.where(t % PERIOD >= 45, np.float32(1e-3), 0))
    np.testing.assert_array_equal(seen.sampling(t), np.asarray(heat) > 0)
    assert np.all(np.asarray(rate) > 0)
    assert np.argmax(rate[PERIOD:]) == 0 and np.all(np.diff(rate[:PERIOD]) < 0)


def test_cycles_are_as_long_as_the_papers():
    """The period is K / M, rounded up: the last cycle is cut short."""
    rate = np.asarray(cycles(num_steps=10, num_cycles=3).learning_rate(np.arange(10)))
    assert [t for t in range(10) if np.isclose(rate[t], 0.5)] == [0, 4, 8]


@pytest.mark.parametrize("fraction, explored", [(0.0, 0), (0.3, 15), (0.6, 30), (0.999, 49)])
def test_exploration_is_whole_steps(fraction, explored):
    """In float32, 0.3 and 0.6 of 50 steps are more than 15 and 30; one step at least samples."""
    sampling = cycles(exploration_fraction=fraction).sampling
    np.testing.assert_array_equal(sampling(np.arange(PERIOD)), np.arange(PERIOD) >= explored)


def test_cycles_with_traced_arguments():
    @jax.jit
    @jax.vmap
    def count_samples(num_steps, num_cycles, fraction, heat):
        tuned = to.cyclical_cooling(
            heat,
            heat,
            num_steps=num_steps,
            num_cycles=num_cycles,
            exploration_fraction=fraction,
        )
        counts = jnp.arange(100)
        return jnp.sum(tuned.sampling(counts)), jnp.sum(tuned.temperature(counts))

    columns = [[100, 100, 60], [4, 1, 3], [0.8, 0.25, 0.5], [1.0, 2.0, 3.0]]
    samples, heat = count_samples(*(jnp.asarray(column) for column in columns))
    assert list(samples) == [20, 75, 50]
    np.testing.assert_allclose(heat, [20, 150, 150])


def test_cycles_of_schedules():
    """Both numbers may be schedules themselves."""
    seen = to.cyclical_cooling(
        optax.linear_schedule(1.0, 0.0, 100),
        optax.linear_schedule(1.0, 0.0, 100),
        num_steps=100,
        num_cycles=2,
        exploration_fraction=0.5,
    )
    assert float(seen.learning_rate(50)) == pytest.approx(0.5)
    assert float(seen.temperature(75)) == pytest.approx(0.25)


def test_cycles_drive_a_sampler():
    """Without noise while it explores; with noise as soon as `sampling` says so."""
    seen = cycles(num_steps=40, num_cycles=2, exploration_fraction=0.5)

    @jax.jit
    @jax.vmap
    def path(key):
        tx = to.sgld(seen.learning_rate, seen.temperature, key=key)
        return simulate(tx, lambda x: x, jnp.ones(3), 40, observe=lambda x, _: x)[2]

    first, second = path(jax.random.split(jax.random.key(0), 2))
    noisy = np.any(np.asarray(first != second), axis=1)
    assert np.flatnonzero(noisy)[0] == 10
    np.testing.assert_array_equal(seen.sampling(np.arange(10)), False)
    assert bool(seen.sampling(10)) and not bool(seen.sampling(20))


BAD = [
    (lambda: to.logarithmic_cooling(0.0), ValueError, "`initial` must be finite and positive"),
    (lambda: to.logarithmic_cooling(1.0, 1.0), ValueError, "`offset` must be above 1, got 1.0.*e"),
    (lambda: to.logarithmic_cooling(1.0, jnp.float32(0.5)), ValueError, "`offset` must be above 1"),
    (lambda: to.logarithmic_cooling(1.0, -2.0), ValueError, "`offset` must be finite and posit"),
    (lambda: to.logarithmic_cooling(lambda t: 1.0), TypeError, "`initial` must be a number"),
    (lambda: to.polynomial_cooling(-1.0, 1.0, 0.5), ValueError, "`scale` must be finite and pos"),
    (lambda: to.polynomial_cooling(1.0, 0.0, 0.5), ValueError, "`offset` must be finite and pos"),
    (lambda: to.polynomial_cooling(1.0, 1.0, -0.5), ValueError, "`power` must be finite and not"),
    (lambda: to.polynomial_cooling(1.0, "1", 0.5), TypeError, "`offset` must be a number"),
    (lambda: to.cyclical_cooling(0.0, 1.0, num_steps=9, num_cycles=3), ValueError, "`learning_r"),
    (lambda: to.cyclical_cooling(0.1, -1.0, num_steps=9, num_cycles=3), ValueError, "`temperature"),
    (
        lambda: cycles(num_steps=0),
        ValueError,
        "`num_steps` must be an integer of at least 1, got 0",
    ),
    (lambda: cycles(num_steps=50.0), ValueError, "`num_steps` must be an integer.*got 50.0"),
    (lambda: cycles(num_cycles=0), ValueError, "`num_cycles` must be an integer of at least 1"),
    (lambda: cycles(num_cycles=201), ValueError, "`num_cycles` must be at most.*201 cycles in 200"),
    (lambda: cycles(exploration_fraction=1.0), ValueError, r"`exploration_fraction`.*\[0, 1\)"),
    (lambda: cycles(exploration_fraction=abs), TypeError, "`exploration_fraction` must be a num"),
]


@pytest.mark.parametrize("number", range(len(BAD)))
def test_bad_arguments(number):
    make, error, message = BAD[number]
    with pytest.raises(error, match=message):
        make()
