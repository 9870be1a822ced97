"""Adaptive Langevin dynamics: the heat of noisy gradients is absorbed, whatever it is.

Many systems of many coordinates, each with a thermostat of its own. A system's average over time
is one sample, so the spread between systems knows all correlations in time.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thermo_optax as to
from tests.compiling import users_jit
from tests.physics import adaptive_oracle
from tests.simulation import over_grid, simulate, with_noise
from tests.statistics import assert_mean, mean_and_error

SYSTEMS, COORDINATES = 64, 1024
BURN_IN, STEPS = 300, 1_500
COUPLING = 1e-4  # weak: xi hardly moves, and the mean-field oracle holds
# h, T, sigma_A, s: heat of the thermostat's own, of the gradient alone, and of both.
GRID = [(0.1, 1.0, 1.0, 3.0), (0.1, 0.5, 0.0, 3.0)]
COARSE_GRID = [(0.02, 1.0, 0.6, 4.0)]  # a first-order scheme needs smaller steps


def identity(x):
    return x  # the gradient of x^2 / 2


def averages(splitting, grid, key=0):
    """Time averages per row of the grid and system: x^2, p^2, xi, xi^2, reading, xi at the ends."""

    def run(key, h, temperature, sigma, spread):
        start_key, key, noise_key = jax.random.split(key, 3)
        tx = to.adaptive_langevin(
            h,
            temperature,
            noise_amplitude=sigma,
            coupling=COUPLING,
            # So weakly coupled, it would take long to find its friction from afar.
            initial_friction=to.units.equilibrium_friction(sigma, temperature, h, spread**2),
            splitting=splitting,
            key=key,
        )

        def observe(x, state):
            p, xi = state.momentum, state.friction
            return jnp.mean(x**2), jnp.mean(p**2), xi, xi**2, state.kinetic_temperature

        start = jnp.sqrt(temperature) * jax.random.normal(start_key, (COORDINATES // 16, 16))
        gradient = with_noise(identity, spread)
        args = (tx, gradient, start, BURN_IN + STEPS)
        _, _, series = simulate(*args, observe=observe, noise_key=noise_key)
        means = [jnp.mean(one[BURN_IN:]) for one in series]
        return *means, series[2][BURN_IN - 1], series[2][-1]

    rows = [row for row in grid for _ in range(SYSTEMS)]
    results = over_grid(run, jax.random.key(key), *zip(*rows, strict=True))
    return np.asarray(results).reshape(len(results), len(grid), SYSTEMS).swapaxes(0, 1)


@functools.cache
def measured(splitting):
    grid = COARSE_GRID if splitting == "SGNHT" else GRID
    return grid, averages(splitting, grid)


each_splitting = pytest.mark.parametrize("splitting", ["ACDEDCAB", "BADODAB", "SGNHT"])


@each_splitting
class TestGradientNoiseIsAbsorbed:
    @pytest.mark.slow
    def test_configurational_temperature(self, splitting):
        """Within 1 % of the set one, and within 5 standard errors of the discretised scheme's."""
        for row, (x2, p2, *_) in zip(*measured(splitting), strict=True):
            _, law = adaptive_oracle.equilibrium(splitting, *row)
            temperature = row[1]
            # The fluctuations of xi, which the oracle lacks, are of relative order T eps / xi^2.
            slack = 1e-3 * temperature
            assert_mean(x2, law[0, 0], name=f"position {row}", slack=slack)
            assert_mean(p2, law[1, 1], name=f"momentum {row}", slack=slack)
            assert abs(np.mean(x2) / temperature - 1) < 0.01, (row, np.mean(x2))

    @pytest.mark.quick("BADODAB")
    def test_mean_friction(self, splitting):
        """(sigma_A^2 + h s^2) / (2 T), up to a step-size bias that the oracle knows."""
        for row, (_, _, xi, *_) in zip(*measured(splitting), strict=True):
            h, temperature, sigma, spread = row
            continuous = (sigma**2 + h * spread**2) / (2 * temperature)
            discrete, _ = adaptive_oracle.equilibrium(splitting, *row)
            assert_mean(xi, discrete, name=f"{row}", slack=2e-3 * discrete)
            assert abs(np.mean(xi) / continuous - 1) < (0.02 if splitting == "SGNHT" else 0.01)
            assert to.units.equilibrium_friction(sigma, temperature, h, spread**2) == pytest.approx(
                continuous
            )

    @pytest.mark.quick("BADODAB")
    def test_spread_of_friction(self, splitting):
        """std xi = sqrt(T eps), which follows from the invariant law of xi."""
        for row, (_, _, xi, xi2, *_) in zip(*measured(splitting), strict=True):
            # About the exact mean, since a system's own average is not known well enough.
            variance = xi2 - 2 * xi * np.mean(xi) + np.mean(xi) ** 2
            expected = row[1] * COUPLING
            assert_mean(variance, expected, name=f"{row}", slack=0.02 * expected)

    @pytest.mark.quick("BADODAB")
    def test_kinetic_temperature_is_exact_at_the_thermostat(self, splitting):
        """The mean reading is T + (xi_end - xi_start) / (eps h N steps), to rounding."""
        for row, (*_, reading, start, end) in zip(*measured(splitting), strict=True):
            h, temperature, _, _ = row
            drift = (end - start) / (COUPLING * h * COORDINATES * STEPS)
            np.testing.assert_allclose(reading, temperature + drift, rtol=2e-4)
            assert abs(np.mean(reading) / temperature - 1) < 2e-3


def test_plain_langevin_is_heated_by_the_same_gradient():
    """By 20 % or more: what the adaptive friction is for."""
    h, temperature, sigma, spread = GRID[0]
    friction = sigma**2 / (2 * temperature)
    tx = to.langevin(h, temperature, friction=friction, key=0)
    x = jnp.zeros(2**16)
    gradient = with_noise(identity, spread)
    run = jax.jit(lambda: simulate(tx, gradient, x, BURN_IN, noise_key=jax.random.key(1))[0])
    assert jnp.mean(run() ** 2) > 1.2 * temperature


def two_tensors(thermostat):
    """Time averages of x^2 and friction for two tensors, of which only the second has noise."""
    h, sigma, spread, steps = 0.1, 1.0, 4.0, 800

    def run(key):
        key, noise_key = jax.random.split(key)
        tx = to.adaptive_langevin(
            h,
            1.0,
            noise_amplitude=sigma,
            coupling=1e-4,
            initial_friction=0.6,
            thermostat=thermostat,
            key=key,
        )

        def gradient(x, key):
            return {"calm": x["calm"], "noisy": with_noise(identity, spread)(x["noisy"], key)}

        def observe(x, state):
            return jnp.mean(x["calm"] ** 2), jnp.mean(x["noisy"] ** 2), state.friction

        x = {"calm": jnp.zeros(COORDINATES), "noisy": jnp.zeros(COORDINATES)}
        series = simulate(tx, gradient, x, BURN_IN + steps, observe=observe, noise_key=noise_key)[2]
        return [jnp.mean(one[BURN_IN:], axis=0) for one in series]

    keys = jax.random.split(jax.random.key(3), SYSTEMS // 2)
    calm, noisy, friction = users_jit(jax.vmap(run))(keys)
    return calm, noisy, np.asarray(friction), [(h, 1.0, sigma, s) for s in (0.0, spread)]


def test_a_thermostat_for_each_tensor_absorbs_its_noise():
    calm, noisy, friction, rows = two_tensors("tensor")
    for i, (row, x2) in enumerate(zip(rows, (calm, noisy), strict=True)):
        xi, law = adaptive_oracle.equilibrium("ACDEDCAB", *row)
        assert_mean(x2, law[0, 0], name=f"{row}", slack=1e-3)
        assert_mean(friction[:, i], xi, name=f"{row}", slack=2e-3 * xi)


@pytest.mark.slow
def test_one_thermostat_for_both_only_knows_the_mean():
    calm, noisy, *_ = two_tensors("group")
    assert np.mean(calm) < 0.8 and np.mean(noisy) > 1.2
    assert_mean((calm + noisy) / 2, 1.0, slack=0.02)


def test_temperature_scale_heats_bath_and_noise_alike():
    """T and sigma_A^2 scale, so that without gradient noise the friction stays."""
    scale, sigma = 3.0, 1.0

    def run(key):
        tx = to.adaptive_langevin(0.1, 1.0, noise_amplitude=sigma, coupling=1e-4, key=key)

        def observe(x, state):
            return jnp.mean(x**2), state.friction

        x = jnp.zeros(COORDINATES)
        args = (tx, identity, x, BURN_IN + 600)
        series = simulate(*args, observe=observe, temperature_scale=scale)[2]
        return [jnp.mean(one[BURN_IN:]) for one in series]

    x2, friction = users_jit(jax.vmap(run))(jax.random.split(jax.random.key(4), SYSTEMS // 2))
    xi, law = adaptive_oracle.equilibrium("ACDEDCAB", 0.1, scale, sigma * np.sqrt(scale), 0.0)
    assert_mean(x2, law[0, 0], slack=1e-3 * scale)
    assert_mean(friction, xi, slack=2e-3 * xi)
    assert mean_and_error(friction)[0] == pytest.approx(sigma**2 / 2, rel=0.02)
