"""Derivatives by the hyperparameters go through an update: numbers, also where there is no heat.

By the temperature itself there is none at 0: noise grows like its root.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests.compiling import quick_jit
from tests.registry import METHODS, PRIMARY, TEMPERATURE, TURNS

from .programs import numbers, params

_LOOPS = ("warm_up", "local_entropy")  # of unknown length, which have no reverse
REVERSED = [name for name in PRIMARY if name not in _LOOPS]


def moved(name, tree, settings):
    """How far three steps go, as a function of the settings."""
    tx = METHODS[name](key=0, **settings)
    start, state = tree, tx.init(tree)
    for _ in range(3):
        updates, state = tx.update(tree, state, tree)
        tree = optax.apply_updates(tree, updates)
    leaves = zip(jax.tree.leaves(tree), jax.tree.leaves(start), strict=True)
    return sum(jnp.sum(jnp.square(a - b)) for a, b in leaves)


@pytest.mark.quick(*TURNS[0], *TURNS[1], "covariance_controlled_langevin")
@pytest.mark.parametrize("name", REVERSED)
@pytest.mark.parametrize("temperature", [0.0, TEMPERATURE], ids=["cold", "hot"])
def test_no_derivative_is_lost(name, temperature):
    tree, settings = params(), {**numbers(name), "temperature": jnp.float32(temperature)}
    found = quick_jit(jax.grad(lambda settings: moved(name, tree, settings)))(settings)
    if not temperature:
        del found["temperature"]
    assert np.all(np.isfinite(list(found.values()))), found
    assert any(value != 0 for value in found.values())
