"""One step, followed by hand: the order of Algorithm 1, the modes, the cold and the two phases."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.compiling import quick, quick_jit
from tests.statistics import assert_uncorrelated, assert_variance

T, H_ALPHA = 0.5, 0.05
INNER = to.sghmc(0.01, T, momentum=0.9, key=2)
ALONE = quick(INNER)


def params():
    return {"w": jnp.array([0.3, -1.2, 0.7]), "b": jnp.array([0.1])}


def loss(tree):
    return sum(jnp.sum(x**2) for x in jax.tree.leaves(tree)) / 2


def frictionless(mode, order, inner):
    """No friction on alpha, so no noise either: its path follows from the energies alone."""
    return to.continuous_tempering(
        inner, T, mode=mode, order=order, bias=None, alpha_step=H_ALPHA, alpha_friction=0.0,
        key=1,
    )  # fmt: skip


def kinetic(state):
    return sum(jnp.sum(p**2) for p in jax.tree.leaves(state.momentum)) / 2


def energy(mode, value, momenta):
    return {
        "paper": (value + momenta) / T,
        "exact": value / T,
        "exploration": (value + momenta) / (4 * T),
    }[mode]


def at(alpha):
    g = to.temperature_scaling(alpha)
    force = -to.temperature_scaling_slope(alpha), to.confining_force(alpha)
    return g, force


@pytest.mark.parametrize("order", ["alpha first", "as printed"])
@pytest.mark.parametrize("mode", ["paper", "exact", "exploration"])
def test_the_path_of_alpha_by_hand(mode, order):
    """Steps 3 to 6 of Algorithm 1; then, or before, step 2 at the g that alpha has by then.

    Where the law is exact and alpha is first, half of step 6 comes before step 3.
    """
    if mode == "exact" and order == "as printed":
        with pytest.raises(ValueError, match='`order`="as printed" cannot be combined'):
            frictionless(mode, order, INNER)
        return
    tx = quick(frictionless(mode, order, INNER))
    tree = params()
    state = tx.init(tree)
    # Far enough out that g' counts, and fast enough that g changes on the way. The baseline is the
    # minimum of the loss, as if it had been reached before.
    losses = state.losses._replace(number=jnp.int32(4))
    state = state._replace(alpha=jnp.float32(0.8), alpha_momentum=jnp.float32(1.5), losses=losses)
    sampler, alpha, momentum = state.inner_state, 0.8, 1.5
    mass = 4.0 if mode == "exact" else 1.0
    halves = mode != "exploration" and order == "alpha first"

    def push(alpha, value, sampler):
        slope, wall = at(alpha)[1]
        push = slope * energy(mode, value, kinetic(sampler))
        return (np.clip(push, -2, 2) if mode == "exploration" else push) + wall

    for _ in range(12):
        grads, value = tree, loss(tree)  # of the harmonic well
        updates, state = tx.update(grads, state, tree, value=value)

        g_old = at(alpha)[0]
        if halves:
            momentum = momentum + H_ALPHA / 2 * push(alpha, value, sampler)
        alpha = alpha + H_ALPHA * momentum / mass
        g = at(alpha)[0]
        if order == "as printed":
            expected, sampler = ALONE.update(grads, sampler, tree, temperature_scale=1 / g_old)
        momentum = momentum + H_ALPHA / (1 + halves) * push(alpha, value, sampler)
        if order == "alpha first":
            if mode == "exact":
                factor = jnp.sqrt(g_old / g)
                # In the middle of the kick, half of h = sqrt(learning rate) away.
                scaled = jax.tree.map(
                    lambda p, g: p * factor + (1 - factor) * 0.05 * g,  # noqa: B023
                    sampler.momentum,
                    grads,
                )
                sampler = sampler._replace(momentum=scaled)
            expected, sampler = ALONE.update(grads, sampler, tree, temperature_scale=1 / g)

        np.testing.assert_allclose(state.alpha, alpha, rtol=1e-5)
        np.testing.assert_allclose(state.alpha_momentum, momentum, rtol=1e-4)
        jax.tree.map(lambda u, v: np.testing.assert_allclose(u, v, atol=1e-5), updates, expected)
        tree = optax.apply_updates(tree, updates)
    assert abs(alpha - 0.8) > 0.1


def test_alpha_has_a_bath_of_its_own():
    """Without any force r_alpha is an Ornstein-Uhlenbeck process at temperature 1."""
    tx = to.continuous_tempering(
        to.sgld(0.1, T, key=0), T, bias=None, depth=0.0, wall=1e-6, alpha_step=0.5,
        alpha_friction=0.8, alpha_mass=2.0, key=1,
    )  # fmt: skip

    def run(key):
        state = tx.init(jnp.ones(1))._replace(rng_key=jax.random.key_data(key))

        def step(state, _):
            before = state.alpha_momentum
            _, state = tx.update(jnp.ones(1), state, value=1.0)
            return state, before

        return jax.lax.scan(step, state, length=30)[1]

    momenta = np.asarray(quick_jit(jax.vmap(run))(jax.random.split(jax.random.key(0), 20_000)))
    error = 2.0 * np.sqrt(2 / 20_000)
    assert abs(np.var(momenta[:, -1]) - 2.0) < 5 * error
    kept = np.mean(momenta[:, 28] * momenta[:, 29])
    assert abs(kept - 2.0 * np.exp(-0.8 * 0.5)) < 5 * error


def trajectory(tx, steps=1_000):
    def step(carry, _):
        x, state = carry
        updates, state = tx.update(x, state, x, value=jnp.sum(x**2) / 2)
        x = optax.apply_updates(x, updates)
        return (x, state), x

    x = jnp.array([0.3, -1.2, 0.7])
    run = quick_jit(lambda x: jax.lax.scan(step, (x, tx.init(x)), length=steps))
    (_, state), path = run(x)
    return state, path


def plain_sgd():
    sgd = optax.with_extra_args_support(optax.sgd(0.01, 0.9))
    return trajectory(sgd)[1]


@pytest.mark.slow
def test_ctld_without_a_sampling_phase_is_sgd_with_momentum():
    expected = plain_sgd()
    by_rate = to.ctld(0.01, T, momentum=0.9, sampling_steps=0, initial_momentum="zero", key=0)
    by_time = to.ctld(
        temperature=T, step_size=0.1, friction=1.0, sampling_steps=0, initial_momentum="zero",
        key=0,
    )  # fmt: skip
    scheduled = to.ctld(
        optax.constant_schedule(0.01), optax.constant_schedule(T), momentum=0.9,
        sampling_steps=0, initial_momentum="zero", key=0,
    )  # fmt: skip
    for tx in (by_rate, by_time, scheduled):
        state, path = trajectory(tx)
        np.testing.assert_allclose(path, expected, rtol=2e-4, atol=1e-6)
        tempering = to.tempering_state(state)
        assert tempering.alpha == 0 and tempering.outside == 0
        assert not any(np.any(bias.potential(tempering.alpha)) for bias in tempering.bias)


def test_the_cold_bath_rests():
    expected = plain_sgd()
    for mode in ("paper", "exact", "exploration"):
        inner = to.sghmc(0.01, 0.0, momentum=0.9, initial_momentum="zero", key=0)
        tx = to.continuous_tempering(inner, 0.0, mode=mode, key=1)
        np.testing.assert_allclose(trajectory(tx)[1], expected, rtol=2e-4, atol=1e-6)


def test_two_phases():
    """Heat until then; afterwards the sampler at temperature 0, from the state it had."""
    inner = to.langevin(0.1, T, friction=1.0, key=0)
    tx, inner, tree = quick(to.explore_then_refine(inner, 3)), quick(inner), params()
    state, alone = tx.init(tree), inner.init(tree)
    for count in range(6):
        updates, state = tx.update(tree, state, tree)
        scale = 1.0 if count < 3 else 0.0
        expected, alone = inner.update(tree, alone, tree, temperature_scale=scale)
        jax.tree.map(np.testing.assert_array_equal, updates, expected)
    assert state.count == 6


def test_scale_from_outside_heats_energy_and_bath_alike():
    """A rung of twice the temperature is a run at twice the temperature."""

    def run(temperature, scale):
        inner = to.langevin(0.1, temperature, friction=1.0, initial_momentum="zero", key=0)
        tx, tree = quick(to.continuous_tempering(inner, temperature, key=1)), params()
        state = tx.init(tree)._replace(alpha=jnp.float32(0.9))
        for _ in range(5):
            updates, state = tx.update(tree, state, tree, value=loss(tree), temperature_scale=scale)
            tree = optax.apply_updates(tree, updates)
        return tree, state.alpha, state.alpha_momentum

    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), run(0.4, 2.0), run(0.8, 1.0)
    )


def test_start_of_alpha():
    """In the middle of the plateau, with a momentum of temperature 1."""

    def start(key):
        tx = to.continuous_tempering(to.sgld(0.1, T, key=key), T, alpha_mass=3.0, key=key)
        state = tx.init(jnp.ones(1))
        return state.alpha, state.alpha_momentum

    alphas, momenta = quick_jit(jax.vmap(start))(jax.random.split(jax.random.key(0), 20_000))
    assert not np.any(alphas)
    assert_variance(momenta, 3.0)


def test_alpha_and_the_sampler_share_no_noise_with_one_key():
    """Neither at the start nor in a step, for samplers that draw one number for one parameter."""
    for make in (
        lambda key: to.langevin(0.1, T, friction=1.0, key=key),
        lambda key: to.sghmc(0.01, T, momentum=0.9, key=key),
    ):

        def run(key, make=make):
            tx = to.continuous_tempering(
                make(key), T, bias=None, depth=0.0, wall=1e-6, alpha_friction=50.0, key=key
            )
            state = tx.init(jnp.zeros(1))
            _, moved = tx.update(jnp.zeros(1), state, value=0.0)
            starts = state.alpha_momentum, state.inner_state.momentum[0]
            kept = moved.inner_state.momentum[0] - 0.9 * starts[1]
            return *starts, moved.alpha_momentum, kept

        keys = jax.random.split(jax.random.key(1), 20_000)
        alpha0, sampler0, alpha1, sampler1 = map(np.asarray, quick_jit(jax.vmap(run))(keys))
        for first in (alpha0, alpha1):
            for second in (sampler0, sampler1):
                assert_uncorrelated(first, second, name="alpha and the sampler")
