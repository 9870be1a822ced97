"""The temperature along alpha and the wall: against the formulas in plain Python, and jax's own
derivatives."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thermo_optax as to

ALPHAS = np.linspace(-2, 2, 401)
RAMPS = ({}, {"plateau": 0.0, "edge": 0.5, "depth": 0.3}, {"plateau": 1.0, "edge": 3.0, "depth": 0})


def g(alpha, plateau=0.4, edge=1.5, depth=0.85):
    if abs(alpha) <= plateau:
        return 1.0
    if abs(alpha) >= edge:
        return 1.0 - depth
    z = (abs(alpha) - plateau) / (edge - plateau)
    return 1.0 - depth * (3 * z**2 - 2 * z**3)


@pytest.mark.parametrize("ramp", RAMPS)
def test_scaling(ramp):
    expected = [g(alpha, **ramp) for alpha in ALPHAS]
    np.testing.assert_allclose(to.temperature_scaling(ALPHAS, **ramp), expected, atol=1e-6)


@pytest.mark.parametrize("ramp", RAMPS)
def test_slope_is_the_derivative(ramp):
    inner = ALPHAS[1:-1]  # between the grid points nothing is kinked
    expected = jax.vmap(jax.grad(lambda a: to.temperature_scaling(a, **ramp)))(jnp.float32(inner))
    actual = to.temperature_scaling_slope(jnp.float32(inner), **ramp)
    np.testing.assert_allclose(actual, expected, atol=2e-6)


def test_steepest_slope():
    slopes = to.temperature_scaling_slope(ALPHAS)
    assert math.isclose(float(jnp.max(jnp.abs(slopes))), 1.5 * 0.85 / 1.1, rel_tol=1e-4)
    assert np.all(slopes[ALPHAS > 0] <= 0) and np.all(slopes[ALPHAS < 0] >= 0)


def test_wall():
    """It drives back from either side, which the printed force does not."""
    expected = [7.0 * max(abs(alpha) - 1.5, 0) for alpha in ALPHAS]
    np.testing.assert_allclose(to.confining_potential(ALPHAS, wall=7.0), expected, atol=1e-5)
    off = ALPHAS[(np.abs(ALPHAS) < 1.499) | (np.abs(ALPHAS) > 1.501)]
    slope = jax.vmap(jax.grad(lambda a: to.confining_potential(a, wall=7.0)))(jnp.float32(off))
    np.testing.assert_allclose(to.confining_force(off, wall=7.0), -slope)
    assert to.confining_force(-1.6) > 0 > to.confining_force(1.6)


@pytest.mark.parametrize(
    "function",
    [
        to.temperature_scaling,
        to.temperature_scaling_slope,
        to.confining_potential,
        to.confining_force,
    ],
)
def test_whole_numbers_of_jax(function):
    """In their own dtype 0.4 would be 0, and 1.5 would be 1."""
    alphas = np.array([-2, -1, 0, 1, 2])
    np.testing.assert_array_equal(function(jnp.asarray(alphas)), function(alphas.astype(float)))
