"""Settings of thermostats that a state, a schedule or half a precision does not fit."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.compiling import quick_jit

KINDS = ("tensor", "group")


@pytest.mark.parametrize("began", KINDS)
def test_a_run_goes_on_with_its_thermostat(began):
    """A friction of one kind would regulate the other: groups would keep two temperatures."""
    x = {"a": jnp.ones(3), "b": jnp.ones(2)}
    kinds = {kind: to.adaptive_langevin(0.1, 1.0, thermostat=kind, key=0) for kind in KINDS}
    state = kinds.pop(began).init(x)
    (other,) = kinds.values()
    with pytest.raises(ValueError, match="`thermostat` gives frictions of shape.*began with"):
        jax.eval_shape(other.update, x, state)


def is_refused(construct):
    try:
        construct()
    except ValueError:
        return True
    return False


@pytest.mark.usefixtures("standard_promotion")  # `optax.inject_hyperparams` needs it
def test_half_a_precision_rounds_the_default_decay():
    """Not jitted, its 1 is seen at construction."""
    x = jnp.ones(3, jnp.bfloat16)
    tx = optax.inject_hyperparams(to.santa)(0.1, 1.0, key=0)
    assert not is_refused(lambda: tx.update(x, tx.init(x), x))
    assert is_refused(lambda: to.santa(0.1, 1.0, decay=1.0, key=0))


@pytest.mark.usefixtures("standard_promotion")
def test_a_decay_that_is_rounded_to_one_is_a_mean():
    """bfloat16 knows no 0.999, and a schedule may reach 1."""

    def reaches(count):
        return jnp.minimum(0.9 + 0.05 * count, 1.0)

    x = jnp.ones(3, jnp.bfloat16)
    injected = optax.inject_hyperparams(to.covariance_controlled_langevin)
    for tx, start in (
        (injected(0.1, 1.0, covariance_decay=0.999, key=0), x),
        (to.covariance_controlled_langevin(0.1, 1.0, covariance_decay=reaches, key=0), jnp.ones(3)),
    ):

        @quick_jit
        def run(x, tx=tx):
            gradients = jnp.full((6, 3), 2, x.dtype).at[::2].set(-2)
            state = tx.init(x)
            return jax.lax.scan(lambda s, g: (tx.update(g, s, x)[1], None), state, gradients)[0]

        state = getattr(run(start), "inner_state", run(start))
        noise = state.gradient_noise / (1 - state.start_share)
        np.testing.assert_allclose(noise, np.full(3, 16.0), rtol=1e-3)


def with_decay(name, decay):
    """One whose mean is of squared gradients, or of products of changes; without heat or motion."""
    if name == "covariance_controlled_langevin":
        settings = {"covariance_decay": decay, "noise_amplitude": 0.0, "coupling": 0.0}
        return to.covariance_controlled_langevin(0.1, 1.0, **settings, key=0)
    return getattr(to, name)(0.1, 1.0, decay=decay, key=0)


@pytest.mark.parametrize("how", ["schedule", "resumed"])
@pytest.mark.parametrize("name", ["covariance_controlled_langevin", "psgld", "santa"])
def test_a_mean_knows_the_decays_that_it_had(name, how):
    """Where all that is averaged is equal, no decay changes a step, whatever came before."""
    x, gradients = jnp.zeros(3), jnp.full((40, 3), 2.0).at[1::2].set(-2.0)

    def trajectory(*decays):
        def step(carry, gradient, decay):
            x, state = carry
            updates, state = with_decay(name, decay).update(gradient, state, x)
            return (x + updates, state), x + updates

        carry, path = (x, with_decay(name, decays[0]).init(x)), []
        for decay, part in zip(decays, jnp.split(gradients, len(decays)), strict=True):
            carry, seen = jax.lax.scan(partial(step, decay=decay), carry, part)
            path.append(seen)
        return jnp.concatenate(path)

    decays = [lambda count: jnp.where(count > 20, 0.9, 0.5)] if how == "schedule" else [0.5, 0.99]
    changed, plain = quick_jit(lambda: (trajectory(*decays), trajectory(0.5)))()
    np.testing.assert_allclose(changed, plain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("energy", ["total", "mean"])
def test_a_friction_feels_less_than_its_last_digit(energy):
    """At rest without noise each step takes h eps T off 0.1, a fifteenth of its last digit."""
    steps, change = 20_000, 0.1 * 0.05 * 1e-7
    settings = {"noise_amplitude": 0.0, "coupling": 0.05, "initial_momentum": "zero"}
    tx = to.adaptive_langevin(0.1, 1e-7, **settings, thermostat_energy=energy, key=0)
    x = jnp.zeros(1)

    @quick_jit
    def run(state):
        return jax.lax.scan(lambda s, _: (tx.update(x, s, x)[1], None), state, length=steps)[0]

    moved = 0.1 - np.asarray(run(tx.init(x)).friction, float)
    np.testing.assert_allclose(moved, steps * change, rtol=0.01)
