"""Models of more parameters than 32 bits count: shapes only, nothing is computed."""

import jax
import jax.numpy as jnp
import pytest

import thermo_optax as to
from tests.registry import METHODS, TURNS

from .programs import types

# Those whose masses, one for each coordinate, would have to be in memory.
NAMES = [name for name in METHODS if not name.endswith("mass-by-coordinate")]


def params():
    """7.5 billion parameters in layers stacked for a scan, one leaf of them beyond 2^32."""
    shapes = {
        "embedding": (128_000, 4096),
        "hidden": (96, 4096, 12288),
        "output": (42, 12288, 4096),
    }
    return {
        name: {"kernel": jax.ShapeDtypeStruct(shape, jnp.float32)} for name, shape in shapes.items()
    }


@pytest.mark.quick(*TURNS[0])
@pytest.mark.filterwarnings("ignore:`mode`=.paper.:UserWarning")
@pytest.mark.parametrize("name", NAMES)
def test_a_step(name):
    tx, tree = METHODS[name](), params()
    state = jax.eval_shape(tx.init, tree)
    updates, new_state = jax.eval_shape(tx.update, tree, state, tree)
    assert types(updates) == types(tree)
    assert types(new_state) == types(state)


@pytest.mark.parametrize("name", ["langevin", "adaptive_langevin", "adlala"])
def test_temperatures(name):
    tx, tree = METHODS[name](), params()
    state = jax.eval_shape(tx.init, tree)
    readings = jax.eval_shape(to.diagnostics.kinetic_temperature, state, tree)
    for reading in jax.tree.leaves(readings):
        assert reading.dtype == jnp.float32
