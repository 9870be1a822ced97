"""Parameters spread over eight devices: the state lies where they lie, the numbers stay the same.

The eight devices are simulated on the CPU. JAX must know of them before it starts, so the root
`conftest.py` asks for them; a process of its own would compile everything a second time.
"""

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import AxisType, NamedSharding

from tests.registry import METHODS, PRIMARY

from .programs import assert_close, types

SPEC = jax.P(None, "x")


@pytest.fixture(params=[AxisType.Auto, AxisType.Explicit], ids=["auto", "explicit"])
def mesh(request):
    devices = jax.devices("cpu")[:8]
    assert len(devices) == 8, (
        "run pytest from the root of the repository, whose conftest.py is used"
    )
    return jax.make_mesh((8,), ("x",), axis_types=(request.param,), devices=devices)


def params(dtype=jnp.float32):
    return {"hidden": jnp.ones((2, 8, 4), dtype), "output": jnp.ones((3, 16), dtype)}


def copies_in(state):
    """The arrays of the state that have the parameters' shapes."""
    return [leaf for leaf in jax.tree.leaves(state) if leaf.ndim > 1]


@pytest.mark.parametrize("name", METHODS)
def test_types_with_shardings_are_stable(name, mesh):
    """With explicit axes a sharding is a part of the type, and this is what a scan compares."""
    with jax.set_mesh(mesh):
        tx = METHODS[name]()
        tree = jax.device_put(params(jnp.float16), NamedSharding(mesh, SPEC))
        state = jax.eval_shape(tx.init, tree)
        updates, new_state = jax.eval_shape(tx.update, tree, state, tree)
        assert types(updates) == types(tree)
        assert types(new_state) == types(state)
        if mesh.axis_types == (AxisType.Explicit,):
            assert all("@x" in kind for kind in types(copies_in(state)))


@pytest.mark.parametrize("name", PRIMARY)
def test_numbers_do_not_depend_on_the_sharding(name, mesh):
    tx, tree, spread = METHODS[name](), params(), NamedSharding(mesh, SPEC)

    def step(tree, state):
        return tx.update(tree, state, tree)

    expected = jax.jit(lambda tree: step(tree, tx.init(tree)))(tree)
    with jax.set_mesh(mesh):
        tree = jax.device_put(tree, spread)
        state = tx.init(tree)
        updates, new_state = jax.jit(step)(tree, state)
        assert types(new_state) == types(state) == types(jax.jit(tx.init)(tree))
        for leaf in (*copies_in(state), *jax.tree.leaves(updates), *copies_in(new_state)):
            assert leaf.sharding.is_equivalent_to(spread, leaf.ndim)
    assert_close((updates, new_state), expected)
