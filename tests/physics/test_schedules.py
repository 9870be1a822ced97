"""Baths and steps that change: the law at every step, by the recursion S <- M S M^T + Q."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thermo_optax as to
from tests.compiling import quick, quick_jit
from tests.physics import oracle
from tests.simulation import simulate
from tests.statistics import Z

PARTICLES = 2**17
STEPS = 48
K = 0.9


def tabulated(values):
    """A schedule that reads off one value for each step."""
    return lambda count: jnp.asarray(values, float)[count]


def second_moments(tx, **extra_args):
    """E[x^2], E[p^2], E[x p] after each step, from a start at rest in the minimum."""

    def observe(x, state):
        p = state.momentum
        return jnp.stack([jnp.mean(x**2), jnp.mean(p**2), jnp.mean(x * p)])

    @jax.jit
    def run():
        x = jnp.zeros(PARTICLES)
        return simulate(tx, lambda x: K * x, x, STEPS, observe=observe, **extra_args)[2]

    return np.asarray(run(), np.float64)


def predicted(propagators, momentum_variance):
    law, path = np.diag([0.0, momentum_variance]), []
    for matrix, noise in propagators:
        law = matrix @ law @ matrix.T + noise
        path.append([law[0, 0], law[1, 1], law[0, 1]])
    return np.array(path)


def assert_path(measured, expected):
    # Of centred Gaussians: var(x^2) = 2 S_xx^2, var(x p) = S_xx S_pp + S_xp^2.
    xx, pp, xp = expected.T
    spread = np.stack([np.sqrt(2) * xx, np.sqrt(2) * pp, np.sqrt(xx * pp + xp**2)], axis=1)
    off = np.abs(measured - expected) / (spread / np.sqrt(PARTICLES))
    assert off.max() < Z, f"{off.max():.1f} standard errors at step {off.max(axis=1).argmax()}"


def test_temperature_follows_its_schedule():
    heat = 0.5 + np.arange(STEPS) % 16 / 8
    tx = to.langevin(0.7, tabulated(heat), friction=1.2, key=0)
    steps = [oracle.propagator("BAOAB", 0.7, K, 1.2, 1.0, T) for T in heat]
    assert_path(second_moments(tx), predicted(steps, heat[0]))


@pytest.mark.parametrize("scale", [0.0, 0.3, 4.0])
def test_temperature_scale_multiplies_the_bath(scale):
    tx = to.langevin(0.7, 0.5, friction=1.2, splitting="OBABO", key=0)
    step = oracle.propagator("OBABO", 0.7, K, 1.2, 1.0, 0.5 * scale)
    measured = second_moments(tx, temperature_scale=scale)
    if scale:
        assert_path(measured, predicted([step] * STEPS, 0.5))
    else:
        np.testing.assert_allclose(
            measured, predicted([step] * STEPS, 0.5), rtol=Z * np.sqrt(2 / PARTICLES), atol=1e-5
        )


def test_friction_follows_its_schedule():
    friction = 0.2 + 0.1 * np.arange(STEPS)
    tx = to.langevin(0.7, 0.5, friction=tabulated(friction), mass=2.0, splitting="AOBOA", key=0)
    steps = [oracle.propagator("AOBOA", 0.7, K, gamma, 2.0, 0.5) for gamma in friction]
    assert_path(second_moments(tx), predicted(steps, 1.0))


def test_changing_step_size_does_not_reheat():
    """A momentum kept as an update, p h, would make p hotter by the squared ratio of steps: 25."""
    sizes = np.repeat([1.0, 0.2], STEPS // 2)
    tx = to.langevin(tabulated(sizes), 0.5, friction=1.2, key=0)
    steps = [oracle.propagator("BAOAB", h, K, 1.2, 1.0, 0.5) for h in sizes]
    measured = second_moments(tx)
    assert_path(measured, predicted(steps, 0.5))
    assert measured[STEPS // 2 :, 1].max() < 1.1 * 0.5


def test_changing_learning_rate_does_not_reheat_sghmc():
    rates = np.repeat([0.5, 0.02], STEPS // 2)
    tx = to.sghmc(tabulated(rates), 0.5, momentum=0.8, key=0)
    steps = [oracle.sghmc_propagator(lr, 0.8, K, 0.5) for lr in rates]
    measured = second_moments(tx)
    assert_path(measured, predicted(steps, 0.5))
    assert measured[STEPS // 2 :, 1].max() < 1.25 * 0.5


def test_step_size_schedule_of_sgld():
    rates, heat = 0.3 / (1 + 0.1 * np.arange(STEPS)), 1 + 0.05 * np.arange(STEPS)
    tx = to.sgld(tabulated(rates), tabulated(heat), key=0)

    @jax.jit
    def run():
        x = jnp.zeros(PARTICLES)
        return simulate(tx, lambda x: K * x, x, STEPS, observe=lambda x, _: jnp.mean(x**2))[2]

    variance, path = 0.0, []
    for eta, temperature in zip(rates, heat, strict=True):
        variance = (1 - eta * K) ** 2 * variance + 2 * eta * temperature
        path.append(variance)
    np.testing.assert_allclose(run(), path, rtol=Z * np.sqrt(2 / PARTICLES))


def test_step_size_schedule_of_leimkuhler_matthews():
    """Half of each step's noise was stored with the step before, as a momentum sqrt(T) z."""
    rates = 0.4 / (1 + 0.1 * np.arange(STEPS))
    tx = to.leimkuhler_matthews(tabulated(rates), 0.5, key=0)
    steps = [oracle.propagator("BAOAB", h, K, np.inf, 1.0, 0.5) for h in np.sqrt(2 * rates)]
    assert_path(second_moments(tx), predicted(steps, 0.5))


@pytest.mark.parametrize("mass", [1.0, 3.0])
def test_initial_momenta_are_those_of_the_bath(mass):
    tx = quick(to.langevin(0.1, 0.7, friction=1.0, mass=mass, key=0))
    hot: Any = tx.init(jnp.zeros(PARTICLES))
    off = np.mean(np.square(hot.momentum)) / (0.7 * mass) - 1
    assert abs(off) < Z * np.sqrt(2 / PARTICLES)
    tx = quick(to.langevin(0.1, 0.7, friction=1.0, initial_momentum="zero", key=0))
    rest: Any = tx.init(jnp.zeros(9))
    assert not np.any(rest.momentum)


def ending(value):
    """What rounding makes of a ramp to 0: `optax.linear_schedule(0.3, 0.0, 777)` is -3e-9 there."""
    return lambda count: jnp.where(count < 1, value, -3e-9)


ENDING = {
    "sgld": to.sgld(ending(0.1), ending(1.0), key=0),
    "leimkuhler_matthews": to.leimkuhler_matthews(ending(0.1), ending(1.0), key=0),
    "langevin, step": to.langevin(ending(0.1), 1.0, friction=1.0, key=0),
    "langevin, bath": to.langevin(0.1, ending(1.0), friction=ending(1.0), key=0),
    "sghmc": to.sghmc(ending(0.1), ending(1.0), momentum=0.5, key=0),
    "adaptive_langevin": to.adaptive_langevin(ending(0.1), ending(1.0), key=0),
    "covariance_controlled": to.covariance_controlled_langevin(ending(0.1), ending(1.0), key=0),
    "psgld": to.psgld(ending(0.1), ending(1.0), key=0),
    "santa": to.santa(ending(0.1), ending(1.0), friction=ending(1.0), key=0),
    "alpha": to.continuous_tempering(
        to.sgld(0.1, 1.0, key=0),
        *(1.0,),
        alpha_step=ending(0.1),
        alpha_friction=ending(1.0),
        key=0,
    ),
}


def test_ramps_that_round_to_below_zero():
    """The root of a number just below 0 would be a NaN, for the rest of the run."""

    @quick_jit
    def run(scale):
        ends = {}
        for name, tx in ENDING.items():
            x = jnp.ones(2)
            state = tx.init(x)
            for _ in range(3):
                extra = {"value": jnp.sum(x)} if name == "alpha" else {}
                updates, state = tx.update(x, state, x, temperature_scale=scale, **extra)
                x = x + updates
            ends[name] = x, state
        return ends

    for scale in (1.0, -3e-9):
        for name, end in run(jnp.float32(scale)).items():
            assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(end)), (name, scale)
