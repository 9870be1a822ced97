"""What one enormous gradient may leave behind: numbers, and a sampler that still moves."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thermo_optax as to
from tests.compiling import quick, quick_jit
from tests.simulation import simulate


def after(tx, size, gradients, steps=3):
    """The last displacement and state, after gradients of that many coordinates, then of 0."""
    tx, x = quick(tx), jnp.zeros(size)
    state = tx.init(x)
    updates = x
    for gradient in (*gradients, *[0.0] * steps):
        updates, state = tx.update(np.full(size, gradient, np.float32), state, x)
    return updates, state


def is_sound(tree):
    return all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(tree))


@pytest.mark.parametrize("make", [to.langevin, to.adaptive_langevin])
def test_a_momentum_that_its_dtype_cannot_hold(make):
    """1e6 is infinite in float16; the largest number there is damped, as any momentum."""
    friction = {"friction": 1.0} if make is to.langevin else {}
    tx = make(1.0, 1.0, momentum_dtype=jnp.dtype("float16"), key=0, **friction)
    updates, state = after(tx, 3, [1e6])
    assert is_sound((updates, state))
    assert state.momentum.dtype == jnp.float16
    assert np.max(np.abs(state.momentum)) < 1e4


def test_an_energy_beyond_all_numbers_without_coupling():
    """0 times infinity: of a friction that is to stay, nothing would."""
    tx = to.adaptive_langevin(1.0, 1.0, coupling=0.0, initial_friction=1.0, key=0)
    updates, state = after(tx, 100, [4e18])
    assert is_sound((updates, state))
    assert state.friction == 1.0


def test_a_rest_after_a_spike_with_covariance_control():
    """A friction without bound, times no time, is no number."""
    tx = to.covariance_controlled_langevin(0.1, 1e-4, key=0)
    _, state = after(tx, 2, [0.0, 1.0, 1.0, 4e18])
    # As a swap of rungs asks for it.
    state = state._replace(langevin=state.langevin._replace(to_rest=jnp.array(True)))
    assert is_sound(quick_jit(tx.update)(jnp.zeros(2), state, jnp.zeros(2)))


@quick_jit
def santa_after_a_spike(gradient):
    """The frictions right after it, and the momenta of 2,000 steps."""
    tx = to.santa(0.01, 1.0, adaptation_steps=5, damping=1.0, key=0)
    x, state, _ = simulate(tx, lambda x: x, jnp.zeros(300), 10)
    _, state = tx.update(jnp.full(300, gradient), state, x)
    highest = state.friction

    def step(carry, count):
        x, state = carry
        updates, state = tx.update(x, state, x)
        # The parameters are put back, until the momentum of the spike is gone.
        return (jnp.where(count < 20, 0, x + updates), state), state.momentum

    return highest, jax.lax.scan(step, (jnp.zeros(300), state), jnp.arange(2_000))[1]


@pytest.mark.parametrize("gradient", [1e4, 1e12])
def test_a_spike_does_not_stop_santa(gradient):
    """Frictions stop growing where no momentum is left, so they come back: after 400 steps here."""
    highest, momenta = santa_after_a_spike(jnp.float32(gradient))
    assert np.max(highest) <= 4.001 / 0.1
    late = np.mean(np.square(np.asarray(momenta)[1_000:]))
    assert 0.9 < late < 1.1  # of the bath
