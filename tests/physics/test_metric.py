"""Preconditioned samplers: the law does not depend on the metric, whatever the metric follows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thermo_optax as to
from tests.compiling import quick_jit
from tests.simulation import over_grid, simulate
from tests.statistics import assert_variance
from tests.targets import DOUBLE_WELL, harmonic

PARTICLES = 2**17


def test_frozen_metric_has_the_law_of_sgld_in_it():
    """T / k / (1 - eta G k / 2) in each coordinate, with the metric G that its gradients left."""
    k, temperature, decay, damping, adaptation, steps = 1.3, 0.8, 0.9, 0.5, 30, 250

    def run(key, eta):
        start_key, key = jax.random.split(key)
        tx = to.psgld(
            eta, temperature, decay=decay, damping=damping, adaptation_steps=adaptation, key=key
        )
        x = jnp.sqrt(temperature / k) * jax.random.normal(start_key, (PARTICLES,))
        x, state, _ = simulate(tx, lambda x: k * x, x, steps)
        return x, state.second_moment

    rates = [0.1, 0.3]
    for eta, x, moment in zip(rates, *over_grid(run, jax.random.key(0), rates), strict=True):
        metric = 1 / (damping + np.sqrt(np.asarray(moment) / (1 - decay**adaptation)))
        assert np.max(metric) > 1.5 * np.min(metric)
        assert np.max((1 - eta * k * metric) ** (2 * (steps - adaptation))) < 1e-4
        expected = temperature / k / (1 - eta * metric * k / 2)
        assert_variance(np.asarray(x) / np.sqrt(expected), 1.0, name=f"eta {eta}")


def metric_of(gradient):
    return 1 / (1.0 + jnp.abs(gradient))


def without_correction(eta, temperature, key):
    """x <- x - eta G g + sqrt(2 eta T G) z, whose drift lacks T dG/dx."""

    def update(x, gradient, count):
        z = jax.random.normal(jax.random.fold_in(key, count), x.shape)
        metric = metric_of(gradient)
        return x - eta * metric * gradient + jnp.sqrt(2 * eta * temperature * metric) * z

    return update


@pytest.mark.parametrize("target", [harmonic(), DOUBLE_WELL], ids=lambda target: target.name)
def test_metric_of_the_present_gradient(target):
    """decay = 0: the law is right to first order in eta, and without the correction far off."""
    temperature, burn_in, steps = 0.7, 100, 300
    exact = target.expect(np.square, temperature)
    start = target.sample(PARTICLES, temperature)

    def corrected(key, eta):
        tx = to.psgld(eta, temperature, decay=0.0, damping=1.0, adaptation_steps=None, key=key)
        series = simulate(tx, target.gradient, start, steps, observe=lambda x, _: jnp.mean(x**2))[2]
        return jnp.mean(series[burn_in:])

    def naive(key, eta):
        update = without_correction(eta, temperature, key)

        def step(x, count):
            x = update(x, target.gradient(x), count)
            return x, jnp.mean(x**2)

        return jnp.mean(jax.lax.scan(step, start, jnp.arange(steps))[1][burn_in:])

    eta = [0.025]
    ours, theirs = (float(over_grid(run, jax.random.key(0), eta)[0]) for run in (corrected, naive))
    assert abs(ours / exact - 1) < 0.012, ours / exact
    assert abs(theirs / exact - 1) > 0.1, theirs / exact


def test_correction_vanishes_with_the_heat():
    """At temperature 0, RMSprop with bias correction, epsilon outside the square root."""
    tx = to.psgld(0.1, 0.0, decay=0.9, damping=0.01, adaptation_steps=None, key=0)
    x, moment = np.array([1.0, -3.0, 0.2]), np.zeros(3)
    curvature = np.array([1.0, 0.3, 4.0])
    slopes, start = jnp.asarray(curvature, jnp.float32), jnp.asarray(x, jnp.float32)
    run = quick_jit(lambda: simulate(tx, lambda x: slopes * x, start, 50, observe=lambda x, _: x))
    for n, seen in enumerate(np.asarray(run()[2]), start=1):
        gradient = curvature * x
        moment = 0.9 * moment + 0.1 * gradient**2
        x = x - 0.1 * gradient / (0.01 + np.sqrt(moment / (1 - 0.9**n)))
        np.testing.assert_allclose(seen, x, rtol=1e-3, atol=1e-4)
