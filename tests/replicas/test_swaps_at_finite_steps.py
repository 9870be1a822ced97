"""A swap keeps the law of each rung also at large steps: momenta are rescaled where they can be.

In a harmonic well BAOAB, BADODAB and `leimkuhler_matthews` have no bias at any step size. A
momentum that is rescaled half a kick too late loses its relation to the position, and the rungs
draw near to each other: at h = 0.5 and a swap in every step to 0.96 and 1.03 of their temperatures.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.compiling import quick_jit
from tests.statistics import assert_mean

TEMPERATURES = np.array([1.0, 2.0], np.float32)
CHAINS, SIZE, STEPS = 64, 16, 4_000
_ADAPTIVE = {"noise_amplitude": 1.4, "coupling": 1e-4, "initial_friction": 1.0}

SAMPLERS = {
    "BAOAB": lambda key: to.langevin(0.5, 1.0, friction=1.0, key=key),
    "OBABO": lambda key: to.langevin(0.1, 1.0, friction=1.0, splitting="OBABO", key=key),
    "leimkuhler_matthews": lambda key: to.leimkuhler_matthews(0.125, 1.0, key=key),
    "BADODAB": lambda key: to.adaptive_langevin(0.5, 1.0, key=key, **_ADAPTIVE),
    "sghmc": lambda key: to.sghmc(0.04, 1.0, momentum=0.8, key=key),
    "santa": lambda key: to.santa(
        0.09, 1.0, coupling=1e-4, damping=1.0, adaptation_steps=0, key=key
    ),
    "chain": lambda key: optax.chain(
        optax.identity(), to.langevin(0.5, 1.0, friction=1.0, mass=2.0, key=key)
    ),
}
# OBABO has a bias of its own, h^2 / 4 of the variance; SGHMC one of lr / (2 (1 + mu)).
EXACT = {"OBABO": 1 / (1 - 0.1**2 / 4), "sghmc": 1 / (1 - 0.04 / (2 * 1.8))}


def rungs(make):
    """<x^2> of each rung in independent chains, with a swap in every step."""

    def chain(key):
        tx = to.replica_exchange(
            make(key), {"temperature": TEMPERATURES}, swap_period=1, key=jax.random.fold_in(key, 1)
        )
        x = jnp.sqrt(TEMPERATURES)[:, None] * jax.random.normal(
            jax.random.fold_in(key, 2), (2, SIZE)
        )

        def step(carry, _):
            x, state = carry
            updates, state = tx.update(x, state, x, value=jnp.sum(x**2, axis=1) / 2)
            x = optax.apply_updates(x, updates)
            return (x, state), jnp.mean(to.by_rung(state, x) ** 2, axis=1)

        return jnp.mean(jax.lax.scan(step, (x, tx.init(x)), length=STEPS)[1], axis=0)

    return np.asarray(quick_jit(jax.vmap(chain))(jax.random.split(jax.random.key(0), CHAINS)))


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLERS)
def test_every_rung_keeps_its_law(name):
    seen = rungs(SAMPLERS[name]) / TEMPERATURES
    for rung in range(2):
        assert_mean(seen[:, rung], EXACT.get(name, 1.0), name=f"<x^2> / T on rung {rung}")
