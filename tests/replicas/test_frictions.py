"""The friction of a thermostat stays on its rung: it goes with the heat there, not with a network.

A friction that came along with a replica took long to find the value of the new rung, and until
then pulled the momenta back to the old temperature.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.compiling import quick, quick_jit
from tests.statistics import assert_mean

pytestmark = pytest.mark.usefixtures("standard_promotion")  # `optax.inject_hyperparams` needs it

TEMPERATURES = np.array([1.0, 1.2, 1.44], np.float32)
FIXED = {"coupling": 0.0, "initial_friction": 1.0}  # a friction that nothing but a swap moves
SAMPLERS = {
    "bath": lambda: to.adaptive_langevin(0.1, 1.0, key=0, **FIXED),
    "injected": lambda: optax.inject_hyperparams(to.adaptive_langevin)(0.1, 1.0, key=0, **FIXED),
    "each tensor": lambda: optax.chain(
        optax.clip(9.0), to.adaptive_langevin(0.1, 1.0, key=0, thermostat="tensor", **FIXED)
    ),
    "covariances": lambda: to.covariance_controlled_langevin(0.1, 1.0, key=0, **FIXED),
}


def frictions(state):
    (friction,) = [value for _, value in optax.tree.get_all_with_path(state, "friction")]
    return friction


@pytest.mark.quick("bath-False", "each tensor-False", "injected-True")
@pytest.mark.parametrize(
    ("name", "rests"), [*((name, False) for name in SAMPLERS), ("injected", True)]
)
def test_a_friction_stays_on_its_rung(name, rests):
    ladder = {"temperature": TEMPERATURES}
    if rests:
        ladder["step_size"] = np.array([0.1, 0.2, 0.3])
    settings = {"swap_period": 2, "normalization": 0.0}
    tx = quick(to.replica_exchange(SAMPLERS[name](), ladder, key=1, **settings))
    x = {"a": jnp.ones((3, 2)), "b": jnp.ones((3, 1))}
    state = tx.init(x)
    first = np.asarray(frictions(state))
    wanted = first * np.arange(1, 4, dtype=np.float32).reshape(3, *(1,) * (first.ndim - 1))
    state = optax.tree.set(state, friction=jnp.asarray(wanted))
    seen = set()
    for _ in range(9):
        _, state = tx.update(x, state, x, value=jnp.zeros(3))
        seen.add(tuple(np.asarray(state.rung)))
        np.testing.assert_array_equal(to.by_rung(state, frictions(state)), wanted)
    assert len(seen) > 2


@pytest.mark.slow
@pytest.mark.parametrize("injected", [False, True])
def test_every_rung_keeps_its_law_whatever_its_friction(injected):
    """Of a temperature alone, or where noisy gradients heat the rungs: frictions differ by rung."""
    noise = 0.0 if injected else 2.0

    def make(key):
        def sampler(temperature):
            return to.adaptive_langevin(
                *(0.3, temperature),
                **{"noise_amplitude": 2**0.5, "initial_friction": 1.0, "coupling": 6e-4},
                key=key,
            )

        return optax.inject_hyperparams(sampler)(1.0) if injected else sampler(1.0)

    def means(period, key):
        tx = to.replica_exchange(
            make(key),
            {"temperature": TEMPERATURES},
            swap_period=period,
            key=jax.random.fold_in(key, 1),
        )

        def step(carry, count):
            x, state = carry
            draw = jax.random.normal(jax.random.fold_in(key, count + 9), x.shape)
            losses = jnp.sum(x**2, axis=1) / 2
            updates, state = tx.update(x + noise * draw, state, x, value=losses)
            x = optax.apply_updates(x, updates)
            return (x, state), to.by_rung(state, jnp.mean(x**2, axis=1))

        start = jax.random.normal(jax.random.fold_in(key, 2), (3, 100))
        x = jnp.sqrt(jnp.asarray(TEMPERATURES))[:, None] * start
        _, seen = jax.lax.scan(step, (x, tx.init(x)), jnp.arange(1_200))
        return jnp.mean(seen[200:], axis=0)

    keys = jax.random.split(jax.random.key(0), 32)
    # With swaps and without, so that the bias of a step with noisy gradients drops out.
    swapped, alone = (
        np.asarray(quick_jit(jax.vmap(lambda key, p=period: means(p, key)))(keys))
        for period in (5, None)
    )
    for rung in range(3):
        assert_mean(swapped[:, rung] - alone[:, rung], 0.0, name=f"<x^2> on rung {rung}")
