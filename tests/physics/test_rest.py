"""A step that rests ends in the middle of a kick, and the next one goes on from there."""

from typing import Any

import jax
import numpy as np
import pytest

import thermo_optax as to
from tests.compiling import quick

_ADAPTIVE = {"noise_amplitude": 0.9, "coupling": 0.1, "initial_friction": 0.7}
MASSES = {"a": 2.0, "b": np.full((2, 3), 3.0, np.float32)}

SAMPLERS = {
    "BAOAB": to.langevin(0.5, 0.7, friction=1.0, key=0),
    "OBABO": to.langevin(0.5, 0.7, friction=1.0, splitting="OBABO", key=0),
    "UBU": to.langevin(0.5, 0.7, friction=1.0, splitting="UBU", key=0),
    "masses": to.langevin(0.5, 0.7, friction=1.0, mass=MASSES, key=0),
    "leimkuhler_matthews": to.leimkuhler_matthews(0.2, 0.7, key=0),
    "sghmc": to.sghmc(0.2, 0.7, momentum=0.6, mass=MASSES, gradient_noise=0.1, key=0),
    "BADODAB": to.adaptive_langevin(0.5, 0.7, key=0, **_ADAPTIVE),
    "ACDEDCAB": to.adaptive_langevin(0.5, 0.7, splitting="ACDEDCAB", key=0, **_ADAPTIVE),
    "SGNHT": to.adaptive_langevin(0.5, 0.7, splitting="SGNHT", key=0, **_ADAPTIVE),
    "santa": to.santa(0.2, 0.7, adaptation_steps=0, damping=0.8, key=0),
    "sgld": to.sgld(0.2, 0.7, key=0),
    "psgld": to.psgld(0.2, 0.7, adaptation_steps=0, damping=0.8, key=0),
}


def steps_with_rests(tx: Any, params: Any) -> Any:
    """A step at once and one after a rest, with equal noise; and what the rest itself did."""
    grads = jax.tree.map(
        lambda x: (1 + np.arange(x.size, dtype=np.float32).reshape(x.shape) / 3) * x, params
    )
    start = tx.update(grads, tx.init(params), params)[1]  # one in which friction is none at first
    stays, rested = tx.update(grads, start._replace(to_rest=np.array(True)), params)
    again, twice = tx.update(grads, rested._replace(to_rest=np.array(True)), params)
    after = tx.update(grads, rested._replace(count=start.count), params)
    return (stays, again), (rested, twice), after, tx.update(grads, start, params)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_rest_leaves_the_path_as_it_is(name):
    """Both halves of the kick have one gradient here, so the next step is that without a rest."""
    params = {"a": np.linspace(-1, 2, 4, dtype=np.float32), "b": np.ones((2, 3), np.float32)}
    moves, (rested, twice), after, expected = steps_with_rests(quick(SAMPLERS[name]), params)
    for move in jax.tree.leaves(moves):
        np.testing.assert_array_equal(move, 0)
    assert int(rested.count) == 2 and not rested.to_rest
    for found, wanted in zip(jax.tree.leaves(after), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-6)
    if name not in ("sgld", "psgld"):
        assert rested.rested and not after[1].rested
        for one, two in zip(*map(jax.tree.leaves, (rested.momentum, twice.momentum)), strict=True):
            np.testing.assert_array_equal(one, two)  # no half kick is left to a second rest
