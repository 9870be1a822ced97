"""Settings of thermostats that a state, a schedule or half a precision does not fit."""

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


@pytest.mark.usefixtures("standard_promotion")  # `optax.inject_hyperparams` needs it
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

        def step(carry, _, tx=tx):
            x, state = carry
            updates, state = tx.update(x, state, x)
            return (optax.apply_updates(x, updates), state), None

        @quick_jit
        def run(x, tx=tx, step=step):
            return jax.lax.scan(step, (x, tx.init(x)), length=6)[0][0]

        assert np.all(np.isfinite(np.asarray(run(start), np.float32)))
