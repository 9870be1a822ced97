"""The unit of the loss is free: squares of 1e-20 and 1e20, which no float32 holds, are not met."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.compiling import quick_jit

TEMPERATURES, SIZE = np.array([1.0, 1.5, 2.0]), 3
UNITS = [2.0**-66, 2.0**58]  # powers of 4, whose roots scale the step without rounding


def exchange(unit, **settings):
    sampler = to.langevin(0.3 / unit**0.5, unit, friction=unit**0.5, key=0)
    return to.replica_exchange(sampler, {"temperature": unit * TEMPERATURES}, key=1, **settings)


def run(unit):
    """A harmonic well in some unit, whose parameters have the same law in all of them."""
    tx = exchange(unit, swap_period=2)

    def step(carry, _):
        x, state = carry
        losses = unit * jnp.sum(x**2, axis=1) / 2
        updates, state = tx.update(unit * x, state, x, value=losses)
        return (optax.apply_updates(x, updates), state), None

    x = jnp.zeros((SIZE, 10))
    start = x, tx.init(x)
    return quick_jit(lambda start: jax.lax.scan(step, start, length=300)[0])(start)


def test_swaps_and_thermodynamics_know_no_unit():
    expected_x, expected = run(1.0)
    assert np.all(to.swap_acceptance(expected).rate > 0.3)
    wanted = to.ladder_thermodynamics(expected)._asdict()
    in_units = {"beta": -1, "energy": 1}
    for unit in UNITS:
        x, state = run(unit)
        # not to the bit: XLA drops a factor of 1, and may then fuse and round otherwise
        close = partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6)
        jax.tree.map(close, (x, state.swaps), (expected_x, expected.swaps))
        found = to.ladder_thermodynamics(state)._asdict()
        for name in wanted.keys() - {"standard_error"}:
            scaled = wanted[name] * unit ** in_units.get(name, 0)
            np.testing.assert_allclose(found[name], scaled, rtol=1e-6, err_msg=f"{name} at {unit}")


@pytest.mark.parametrize("spike", [1e25, jnp.inf])
def test_noise_forgets_a_spike(spike):
    """One whose square is infinite would otherwise stop all swaps of a replica for good."""
    tx = exchange(1.0, swap_period=1, noise_correction=1.0)
    x, calm = jnp.ones((SIZE, 1)), jnp.zeros(SIZE)
    step = quick_jit(lambda state, losses: tx.update(x, state, x, value=losses)[1])
    state = tx.init(x)
    for losses in (calm, calm.at[1:].set(spike), calm, calm, calm):
        state = step(state, losses)
    np.testing.assert_array_equal(state.energies.noise, 0)
    np.testing.assert_array_equal(state.swaps.acceptances > 0, True)


@pytest.mark.parametrize("unit", UNITS)
def test_noise_whose_variance_is_no_number(unit):
    with pytest.raises(ValueError, match="`noise_correction`=0.5 needs the variance.*Multiply"):
        exchange(unit, noise_correction=0.5)


@pytest.mark.parametrize("unit", UNITS)
def test_adapted_ladders_know_no_unit(unit):
    ladder, rejections = jnp.linspace(1.0, 9.0, 5), jnp.array([0.55, 0.3, 0.2, 0.15])
    expected = to.adapted_ladder(ladder, rejections)
    found = to.adapted_ladder(unit * ladder, rejections)
    np.testing.assert_allclose(found / unit, expected, rtol=1e-5)
