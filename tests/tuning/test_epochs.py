"""Warm-ups with mini-batches whose errors add up to zero in each epoch."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.compiling import quick_jit
from tests.tuning.test_warm_up import WARM
from thermo_optax.tuning import _gauges as gauges_of
from thermo_optax.tuning import _settings as rules
from thermo_optax.tuning._stages import stages

SIZE, BATCHES, STRENGTH = 30, 10, 10.0
CURVATURES = jnp.asarray(np.logspace(0, 2, SIZE), jnp.float32)


@functools.cache
def chains(order, told):
    """Variances times curvature / T, squared means of the slowest mode, and states; of 16 chains.

    The noise of a batch has the covariance STRENGTH x curvature, as in a posterior.
    """

    @quick_jit
    @jax.vmap
    def run(key):
        noise = jax.random.normal(jax.random.fold_in(key, 1), (BATCHES, SIZE))
        noise -= jnp.mean(noise, 0, keepdims=True)
        noise *= jnp.sqrt(STRENGTH * CURVATURES)[None] / jnp.std(noise, 0, keepdims=True)
        batches = to.batch_order(BATCHES, 1, order=order, key=key)
        named = batches if told else None
        sampler = functools.partial(to.langevin, temperature=1.0, key=key)
        tx = to.running_moments(to.warm_up(sampler, WARM, batch_order=named))

        def step(carry, count):
            x, state = carry
            g = CURVATURES * x + noise[batches(count).indices[0]]
            updates, state = tx.update(g, state, x)
            return (optax.apply_updates(x, updates), state), None

        x = jax.random.normal(jax.random.fold_in(key, 2), SIZE) / jnp.sqrt(CURVATURES)
        (x, state), _ = jax.lax.scan(step, (x, tx.init(x)), jnp.arange(WARM + 4_000))
        means = to.posterior_mean(state, x)
        squares = to.posterior_variance(state, x) + means**2
        return CURVATURES * squares, means[0] ** 2, state.inner_state

    return jax.device_get(run(jax.random.split(jax.random.key(3), 16)))


@pytest.mark.quick("reshuffled")
@pytest.mark.parametrize("order", ["reshuffled", "symmetric"])
def test_law_and_speed(order):
    """Warmer by 5 % at most, and not slowed by the friction that independent batches would need."""
    variances, slowest, state = chains(order, True)
    each = variances.mean(axis=1)
    error = each.std(ddof=1) / 4
    assert -4 * error < each.mean() - 1 < 0.05 + 4 * error and error < 0.05
    assert np.all(state.settings.friction * state.settings.step_size < 0.02)
    assert slowest.mean() < chains("reshuffled", False)[1].mean() / 3


@pytest.mark.parametrize("order", ["reshuffled", "symmetric", "replacement"])
def test_the_order_says_whether_errors_cancel(order):
    """One that draws every batch anew counts as none; a number is an epoch of another loader."""
    given = to.batch_order(BATCHES, 1, order=order, key=0)
    same = {"reshuffled": BATCHES, "symmetric": BATCHES, "replacement": None}[order]

    @quick_jit
    def settled(noise):
        runs = []
        for batch_order in (given, same):
            make = functools.partial(to.langevin, temperature=1.0, key=0)
            tx = to.warm_up(make, 40, batch_order=batch_order)

            def step(carry, g, tx=tx):
                x, state = carry
                updates, state = tx.update(CURVATURES * x + g, state, x)
                return (optax.apply_updates(x, updates), state), None

            x = jnp.ones(SIZE)
            runs.append(jax.lax.scan(step, (x, tx.init(x)), noise)[0][1])
        return runs

    one, other = settled(jax.random.normal(jax.random.key(1), (50, SIZE)))
    assert (one.findings.cancels > 0) == (order != "replacement")
    jax.tree.map(np.testing.assert_array_equal, one, other)


def test_stiffness_behind_the_noise_of_an_epoch():
    """The correlations of one mode and of noise that is nine times as large are told apart."""
    signal, noise, turned, batches = 0.1, 0.9, 0.3, 10
    one = 1 - turned / 2
    two = 2 * one**2 - 1
    lag = signal * one - noise / batches
    loss = signal * (one - two) - noise / (batches * (batches - 1))
    measured = gauges_of.fresh()._replace(
        square=jnp.float32(1), lag=jnp.float32(lag), lag_loss=jnp.float32(loss)
    )
    found = gauges_of.turn_at_most(measured, batches, degrees=1e5, number=1000)
    np.testing.assert_allclose(found, turned, rtol=0.05)
    blind = measured._replace(lag_loss=jnp.float32(-1), loss_squares=jnp.float32(1e-4))
    assert gauges_of.turn_at_most(blind, batches, degrees=1e5, number=1000) > turned / 2


def heat_of_noise(step_size, friction, frequency, batches):
    """Of unit noise, as a share of T: the sum over pairs of kicks of BAOAB, batch by batch.

    The noise of a reshuffled batch has the correlation -(1 - l / B) / (B - 1) with that of l steps
    before, on average over where an epoch begins.
    """
    kept = np.exp(-friction * step_size)
    x, p, responses = 0.0, step_size, []
    for _ in range(20_000):  # the motion after one kick
        x, p = x + step_size * p / 2, kept * p
        x += step_size * p / 2
        responses.append(x)
        p -= step_size * frequency**2 * x
    responses = np.array(responses)
    lags = np.arange(1, batches)
    opposed = -(1 - lags / batches) / (batches - 1)
    pairs = [np.dot(responses[:-lag], responses[lag:]) for lag in lags]
    return frequency**2 * (np.dot(responses, responses) + 2 * np.dot(opposed, pairs))


@pytest.mark.parametrize("batches", [2, 10, 40])
@pytest.mark.parametrize("friction", [0.05, 0.5])
def test_the_longest_step_heats_by_five_percent(batches, friction):
    """At most, of the mode whose noise it is meant for; and hardly less, where friction is low."""
    frequency, noise = 1.0, 0.5 * 20.0  # half the square of a batch's error
    cancels = frequency**2 * batches * (batches + 1) / 12
    h = rules.longest_in_noise(noise, jnp.float32(cancels), damping=0.004, friction=friction)
    friction = max(friction, 0.004 / float(h))
    heat = 2 * noise * heat_of_noise(float(h), friction, frequency, batches)
    assert heat < 1.02 * 0.05
    assert heat > 0.03


def test_noise_that_does_not_cancel_needs_friction():
    """Where whole epochs are slower than the motion, the step is that of independent batches."""
    few = rules.longest_in_noise(10.0, jnp.float32(1e6), damping=0.004, friction=0.5)
    none = rules.longest_in_noise(10.0, jnp.float32(0.0), damping=0.004, friction=0.5)
    np.testing.assert_allclose(few, none)
    np.testing.assert_allclose(none, np.sqrt(0.004 * 0.05 / 10.0), rtol=1e-6)


@pytest.mark.parametrize("cancels", [0.0, 100.0])
def test_under_a_fixed_friction_the_step_is_shorter(cancels):
    """For nothing else takes the heat of noise away."""
    findings = rules.Findings(*[jnp.float32(1)] * len(rules.Findings._fields))
    findings = findings._replace(cancels=jnp.float32(cancels))
    settings, found = rules.chosen(stages(WARM), jnp.float32(1), findings, jnp.float32(1), 0.5)
    expected = 0.025 if cancels == 0 else 0.00025 ** (1 / 3)
    np.testing.assert_allclose(settings.step_size, expected, rtol=1e-5)
    assert settings.friction == 0.5
    np.testing.assert_allclose(found.noise / settings.friction, 0.05, rtol=1e-5)
