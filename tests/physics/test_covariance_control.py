"""Gradient noise that differs between coordinates: one friction cannot absorb it, many can."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thermo_optax as to
from tests.compiling import quick_jit
from tests.simulation import simulate, with_noise
from tests.statistics import assert_mean

SYSTEMS, COORDINATES, BURN_IN, STEPS = 32, 512, 500, 1_500
TEMPERATURE, LOUD = 1.0, 4.0
COMMON: dict[str, Any] = dict(noise_amplitude=1.0, coupling=1e-3, initial_friction=0.5)


def run(make):
    """Time averages per system: x^2 of the quiet and the loud half, friction, noise estimate."""
    spread = jnp.repeat(jnp.array([0.0, LOUD]), COORDINATES // 2)

    def one(key):
        key, noise_key = jax.random.split(key)

        def observe(x, state):
            halves = jnp.mean((x**2).reshape(2, -1), axis=1)
            if isinstance(state, to.CovarianceControlledState):
                return halves, state.langevin.friction, state.gradient_noise
            return halves, state.friction, x

        gradient, x = with_noise(lambda x: x, spread), jnp.zeros(COORDINATES)
        args = (make(key), gradient, x, BURN_IN + STEPS)
        series = simulate(*args, observe=observe, noise_key=noise_key)[2]
        return [jnp.mean(one[BURN_IN:], axis=0) for one in series]

    keys = jax.random.split(jax.random.key(0), SYSTEMS)
    return [np.asarray(average) for average in jax.jit(jax.vmap(one))(keys)]


@functools.cache
def controlled(splitting):
    def make(key):
        return to.covariance_controlled_langevin(
            0.1, TEMPERATURE, covariance_decay=0.99, splitting=splitting, key=key, **COMMON
        )

    return run(make)


@pytest.mark.parametrize("splitting", ["ACDEDCAB", "BADODAB"])
def test_both_halves_are_at_the_set_temperature(splitting):
    halves, _, _ = controlled(splitting)
    # The estimate is not independent of the noise it is used against: a bias of order 1 - decay.
    assert_mean(halves[:, 0], TEMPERATURE, name="quiet", slack=0.01)
    assert_mean(halves[:, 1], TEMPERATURE, name="loud", slack=0.01)


@pytest.mark.slow
def test_one_friction_for_all_leaves_them_apart():
    halves, *_ = run(lambda key: to.adaptive_langevin(0.1, TEMPERATURE, key=key, **COMMON))
    assert np.mean(halves[:, 0]) < 0.7 and np.mean(halves[:, 1]) > 1.3


def test_noise_of_the_gradient_is_measured():
    """C is s^2, and where there is none next to nothing: motion does not count."""
    _, _, noise = controlled("ACDEDCAB")
    quiet, loud = noise.reshape(SYSTEMS, 2, -1).mean(axis=2).T
    assert_mean(loud, LOUD**2, slack=0.01 * LOUD**2)
    assert np.mean(quiet) < 0.01


def test_the_common_friction_is_left_with_the_known_noise():
    """xi absorbs sigma_A^2 alone: sigma_A^2 / (2 T)."""
    _, friction, _ = controlled("ACDEDCAB")
    assert_mean(friction, 0.5, slack=0.005)


def test_motion_is_no_noise():
    """With exact gradients of curvatures 100 and 1 the law is that of `adaptive_langevin`.

    The gradient of a stiff coordinate changes a lot from step to step, because it moves.
    """
    curvature = jnp.repeat(jnp.array([100.0, 1.0]), COORDINATES // 2)

    def one(key):
        tx = to.covariance_controlled_langevin(0.08, TEMPERATURE, key=key, **COMMON)
        x = jax.random.normal(jax.random.fold_in(key, 1), curvature.shape) / jnp.sqrt(curvature)
        observe = lambda x, state: jnp.mean((curvature * x**2).reshape(2, -1), axis=1)  # noqa: E731
        series = simulate(tx, lambda x: curvature * x, x, STEPS, observe=observe)[2]
        return jnp.mean(series[BURN_IN:], axis=0)

    keys = jax.random.split(jax.random.key(3), SYSTEMS)
    stiff, soft = np.asarray(jax.jit(jax.vmap(one))(keys)).T
    assert_mean(stiff, TEMPERATURE, name="stiff", slack=0.02)
    assert_mean(soft, TEMPERATURE, name="soft", slack=0.02)


def test_the_first_gradient_is_no_noise():
    """A change needs two gradients: far from the minimum the first one is no change."""
    tx = to.covariance_controlled_langevin(1e-3, 0.0, key=0, **COMMON)
    x = jnp.full(3, 100.0)
    state = quick_jit(lambda: simulate(tx, lambda x: x, x, 3)[1])()
    np.testing.assert_allclose(state.gradient_noise, 0, atol=1e-3)
