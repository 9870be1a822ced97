"""What a warm-up measures: stiff modes, and the noise of mini-batches."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.compiling import quick_jit
from tests.tuning.test_warm_up import STEPS, TEMPERATURE, WARM, make_langevin, run
from thermo_optax.tuning import _gauges as gauges


def test_stiff_modes_are_measured():
    """Each counted by its curvature squared, whatever the friction."""
    curvatures, step_size = jnp.geomspace(0.01, 1.0, 200), 0.7

    def measured(friction, key):
        tx = to.langevin(step_size, 1.0, friction=friction, key=key)
        zeros = jnp.zeros(200)

        def step(carry, count):
            x, state, last, before, seen = carry
            g = curvatures * x
            products = jnp.sum(g * g), jnp.sum(g * last), jnp.sum(g * (last - before))
            seen = gauges.correlated(seen, *products, jnp.float32(0), count > 20)
            updates, state = tx.update(g, state, x)
            return (optax.apply_updates(x, updates), state, g, last, seen), None

        start = jax.random.normal(key, 200) / jnp.sqrt(curvatures)
        begin = (start, tx.init(zeros), zeros, zeros, gauges.fresh())
        (*_, seen), _ = jax.lax.scan(step, begin, jnp.arange(1_000))
        return gauges.stiffest(seen, jnp.exp(-friction * step_size))

    frictions, keys = jnp.array([0.05, 1.0]), jax.random.split(jax.random.key(4), 16)
    over_keys = jax.vmap(measured, (None, 0))
    found = np.asarray(quick_jit(jax.vmap(over_keys, (0, None)))(frictions, keys)) / step_size**2
    exact = float(jnp.sum(curvatures**3) / jnp.sum(curvatures**2))
    error = found.std(1, ddof=1) / 4
    np.testing.assert_array_less(np.abs(found.mean(1) - exact), 4 * error)
    assert np.all(error < 0.02 * exact)


def test_a_place_that_was_left_is_forgotten():
    """Its forces may be a million times those of the next steps, and tell nothing of them."""

    @quick_jit
    def seen(size):
        def step(carry, count):
            gauges_, last, before = carry
            angle = 0.3 * count.astype(jnp.float32)
            far = jnp.where((count > 100) & (count < 250), size, 1.0)
            g = far * jnp.array([jnp.cos(angle), jnp.sin(angle)])
            products = jnp.sum(g * g), jnp.sum(g * last), jnp.sum(g * (last - before))
            gauges_ = gauges.correlated(gauges_, *products, jnp.float32(count), jnp.bool_(False))
            return (gauges_, g, last), None

        begin = gauges.fresh(), jnp.zeros(2), jnp.zeros(2)
        return jax.lax.scan(step, begin, jnp.arange(300))[0][0]

    usual, after = seen(1.0), seen(1e6)
    np.testing.assert_allclose(gauges.turn(usual), 2 * (1 - np.cos(0.3)), rtol=0.01)
    assert after.square < 120 * usual.square


@pytest.mark.slow
def test_one_stiff_mode_among_hundreds():
    """It may hide among the others until the step is tried, which then gives way."""
    curvatures = jnp.full(1_000, 1.0).at[0].set(8.0)

    @quick_jit
    @jax.vmap
    def chain(key):
        tx = to.warm_up(make_langevin(key), WARM, learn=("step_size", "friction"))
        return run(tx, lambda x: curvatures * x, jnp.ones(1_000), steps=WARM + 1_000)

    states, paths = chain(jax.random.split(jax.random.key(1), 8))
    modes = np.asarray(paths, float)[:, WARM:]
    means = np.mean(modes**2, 1) * np.asarray(curvatures) / TEMPERATURE
    error = means[:, 1:].std(ddof=1) / np.sqrt(means[:, 1:].size)
    assert abs(means[:, 1:].mean() - 1) < 5 * error
    error = means[:, 0].std(ddof=1) / np.sqrt(8)
    assert abs(means[:, 0].mean() - 1) < 5 * error
    assert np.all(states.settings.step_size < 2 / np.sqrt(8))
    gave_way = np.asarray(states.settings.step_size < 0.9 * states.findings.wanted)
    assert np.any(gave_way)
    chain_number = np.argmax(gave_way)
    report = to.warm_up_report(jax.tree.map(lambda leaf: leaf[chain_number], states))
    assert any("gave way" in text for text in report.warnings)


@pytest.mark.slow
def test_noise_of_minibatches_raises_the_friction():
    """The heat h s^2 / (2 gamma) stays near the tolerance, by a smaller step or more friction."""

    @quick_jit
    def chains(spread):
        def one(key):
            tx = to.warm_up(make_langevin(key), WARM)
            drawn = jax.random.normal(jax.random.fold_in(key, 1), (WARM + STEPS, 20))

            def step(carry, noise):
                x, state = carry
                updates, state = tx.update(x + spread * noise, state, x)
                return (optax.apply_updates(x, updates), state), x

            (_, state), path = jax.lax.scan(step, (jnp.ones(20), tx.init(jnp.ones(20))), drawn)
            return state.settings, jnp.mean(jnp.square(path[WARM:])) / TEMPERATURE

        return jax.vmap(one)(jax.random.split(jax.random.key(0), 8))

    _, exact = chains(0.0)
    _, noisy = chains(jnp.sqrt(3 * TEMPERATURE))  # three times what the heat makes of it
    assert abs(np.mean(exact) - 1) < 0.1
    assert np.mean(noisy) < 1.1


def test_minibatches_of_different_noise_do_not_count_as_stiffness():
    """Batches whose noise is large and varies in size make g . g vary, and not the curvature."""
    curvatures = jnp.asarray(np.logspace(-3, 0, 200), jnp.float32)

    @quick_jit
    @jax.vmap
    def chains(key):
        tx = to.warm_up(make_langevin(key), WARM)
        sizes = jnp.exp(jax.random.normal(jax.random.fold_in(key, 1), (WARM, 1)) / 2)
        drawn = sizes * jax.random.normal(jax.random.fold_in(key, 2), (WARM, 200))
        spread = jnp.sqrt(2 * TEMPERATURE * curvatures)

        def step(carry, noise):
            x, state = carry
            updates, state = tx.update(curvatures * x + spread * noise, state, x)
            return (optax.apply_updates(x, updates), state), None

        x = jax.random.normal(key, 200) * jnp.sqrt(TEMPERATURE / curvatures)
        return jax.lax.scan(step, (x, tx.init(x)), drawn)[0][1]

    states = chains(jax.random.split(jax.random.key(0), 8))
    assert np.median(states.settings.step_size) > 0.15  # the stiffest frequency is 1
    assert np.median(states.findings.unevenness) < 4


@pytest.mark.parametrize("size", [20, pytest.param(100, marks=pytest.mark.slow)])
def test_batches_that_are_not_put_back_do_not_count_as_overturning(size):
    """Each is opposed to the others of its epoch, so that noisy gradients oppose the last ones.

    The posterior of a mean of 200 examples, where the noise of batches hides the motion.
    """
    curvatures = jnp.asarray(np.logspace(-1, 1, 20), jnp.float32)
    examples, temperature, late = jax.random.normal(jax.random.key(5), (200, 20)), 1 / 200, 2_000

    @quick_jit
    @jax.vmap
    def chains(key):
        order = to.batch_order(200, size, order="reshuffled", key=key)
        sampler = functools.partial(to.langevin, temperature=temperature, key=key)
        tx = to.warm_up(sampler, WARM, learn=("step_size", "friction"))

        def step(carry, count):
            x, state = carry
            indices, _ = order(count)
            g = curvatures * (x - jnp.mean(examples[indices], 0))
            updates, state = tx.update(g, state, x)
            heat = jnp.mean(state.inner_state.momentum**2) / temperature
            return (optax.apply_updates(x, updates), state), heat

        x = jnp.full(20, 2.0)
        (_, state), heats = jax.lax.scan(step, (x, tx.init(x)), jnp.arange(WARM + late))
        return state, jnp.mean(heats[WARM:])

    states, heats = chains(jax.random.split(jax.random.key(2), 16))
    steps = np.asarray(states.settings.step_size)
    assert steps.max() < 3 * steps.min() and steps.min() > 0.02  # the stiffest frequency is 3
    assert np.mean(states.findings.heat) < 1.15  # of the warm-up, most of it by noise
    assert np.all(np.abs(heats - 1) < 0.05)  # what noise may add later
    warnings = to.warm_up_report(jax.tree.map(lambda leaf: leaf[0], states)).warnings
    assert any("noise of the batches hides the motion" in text for text in warnings)


def test_few_parameters_and_noisy_gradients():
    """The heat of two momenta is often half above T by chance, and their noise hard to measure."""
    stiffness, frequencies = 0.5, jnp.array([0.5, 1.0])

    @quick_jit
    @jax.vmap
    def chains(key, spread):
        tx = to.warm_up(make_langevin(key), WARM, learn=("step_size", "friction"))
        drawn = spread * jax.random.normal(jax.random.fold_in(key, 1), (WARM, 2))

        def step(carry, noise):
            x, state = carry
            updates, state = tx.update(frequencies**2 * x + noise, state, x)
            return (optax.apply_updates(x, updates), state), None

        x = jax.random.normal(key, 2) * jnp.sqrt(TEMPERATURE) / frequencies
        return jax.lax.scan(step, (x, tx.init(x)), drawn)[0][1].settings

    spread = jnp.repeat(jnp.array([0.0, (stiffness * TEMPERATURE) ** 0.5]), 64)
    settings = chains(jax.random.split(jax.random.key(0), 128), spread)
    step_size, friction = (np.asarray(x).reshape(2, 64) for x in settings)
    assert np.quantile(step_size[1], 0.05) > 0.13
    heat = step_size[1] * stiffness / (2 * friction[1])  # in units of T
    assert np.median(heat) < 0.07 and np.quantile(heat, 0.9) < 0.1


def test_a_far_start_with_noisy_batches_is_left_behind():
    """Far from the posterior the noise of batches is large, and heat by it does no harm there.

    A linear regression of 500 examples in batches of 5, whose residuals are large at the start.
    """
    size, examples = 20, 500
    keys = jax.random.split(jax.random.key(3), 3)
    inputs = jax.random.normal(keys[0], (examples, size))
    targets = inputs @ jnp.full(size, 3.0) + jax.random.normal(keys[1], (examples,))
    best, temperature = jnp.linalg.lstsq(inputs, targets)[0], 1 / examples

    @quick_jit
    @jax.vmap
    def excess(key):
        sampler = functools.partial(to.langevin, temperature=temperature, key=key)
        tx = to.warm_up(sampler, WARM, learn=("step_size", "friction"))
        order = to.batch_order(examples, 5, order="reshuffled", key=key)

        def step(carry, count):
            x, state = carry
            indices, _ = order(count)
            g = (inputs[indices] @ x - targets[indices]) @ inputs[indices] / 5
            updates, state = tx.update(g, state, x)
            return (optax.apply_updates(x, updates), state), None

        x = jnp.zeros(size)
        (x, _), _ = jax.lax.scan(step, (x, tx.init(x)), jnp.arange(WARM))
        return jnp.mean(jnp.square(inputs @ (x - best))) / temperature / size  # 1 in equilibrium

    found = excess(jax.random.split(keys[2], 16))
    assert np.median(found) < 2 and found.max() < 10
