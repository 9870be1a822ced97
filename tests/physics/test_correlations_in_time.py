"""Velocity autocorrelation: how fast the bath lets momenta forget."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thermo_optax as to
from tests.physics import oracle
from tests.simulation import over_grid, simulate
from tests.statistics import Z

PARTICLES = 2**17
STEPS = 16
MASS, TEMPERATURE = 1.5, 0.8
GRID = [(0.2, 1.0), (0.5, 0.4), (0.9, 1.3)]  # h, gamma


def autocorrelations(word, curvature):
    """E[p_n p_0] / (m T) for n = 1, 2, ..., and the same for x_n x_0, for each row of the grid."""

    def run(key, h, friction):
        start_key, key = jax.random.split(key)
        tx = to.langevin(h, TEMPERATURE, friction=friction, mass=MASS, splitting=word, key=key)
        x0 = jnp.sqrt(TEMPERATURE) * jax.random.normal(start_key, (PARTICLES,))
        start: Any = tx.init(x0)
        p0 = start.momentum

        def observe(x, state):
            momenta = jnp.mean(state.momentum * p0) / (MASS * TEMPERATURE)
            return momenta, jnp.mean(x * x0) / TEMPERATURE

        return simulate(tx, lambda x: curvature * x, x0, STEPS, observe=observe)[2]

    return over_grid(run, jax.random.key(0), *zip(*GRID, strict=True))


def assert_close(measured, expected, scale=1.0):
    # Of Gaussian a and b with variances 1 and s^2, the product has variance below 2 s^2.
    error = scale * np.sqrt(2 / PARTICLES)
    np.testing.assert_allclose(measured, expected, atol=Z * error, rtol=0)


@pytest.mark.parametrize("word", ["BAOAB", "OBABO"])
def test_free_particle_forgets_its_velocity_exponentially(word):
    """exp(-gamma t), exactly, at any step size."""
    momenta, _ = autocorrelations(word, curvature=0.0)
    times = np.arange(1, STEPS + 1)
    for (h, friction), measured in zip(GRID, momenta, strict=True):
        assert_close(measured, np.exp(-friction * h * times))


@pytest.mark.parametrize("word", ["BAOAB", "OBABO", "BOAOB", "OBA"])
def test_harmonic_particle(word):
    """E[v_n v_0^T] = M^n E[v_0 v_0^T], with M the propagator of the discretised scheme."""
    k = 0.7
    momenta, positions = autocorrelations(word, k)
    start = np.diag([TEMPERATURE, MASS * TEMPERATURE])
    for row, (h, friction) in enumerate(GRID):
        matrix, _ = oracle.propagator(word, h, k, friction, MASS, TEMPERATURE)
        powers = [np.linalg.matrix_power(matrix, n) @ start for n in range(1, STEPS + 1)]
        expected = np.array(
            [(v[1, 1] / (MASS * TEMPERATURE), v[0, 0] / TEMPERATURE) for v in powers]
        )
        assert_close(momenta[row], expected[:, 0], scale=1.3)
        assert_close(positions[row], expected[:, 1], scale=1.3)
