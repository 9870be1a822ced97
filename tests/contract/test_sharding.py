"""Parameters spread over eight devices: the state lies where they lie, the numbers stay the same.

The eight devices are simulated on the CPU. JAX must know of them before it starts, so the root
`conftest.py` asks for them; a process of its own would compile everything a second time.
"""

import contextlib

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import AxisType, NamedSharding

from tests.compiling import quick_jit
from tests.registry import METHODS, PRIMARY

from .programs import assert_close, init, params, types, update


@pytest.fixture(params=[AxisType.Auto, AxisType.Explicit], ids=["auto", "explicit"])
def on_eight(request, monkeypatch):
    """A context in which the eight devices are there, and what spreads a tree over them."""
    devices = jax.devices("cpu")[:8]
    assert len(devices) == 8, "this needs the conftest.py at the root of the repository"
    mesh = jax.make_mesh((8,), ("x",), axis_types=(request.param,), devices=devices)

    def spread(tree):
        return jax.device_put(tree, jax.tree.map(lambda leaf: sharding(mesh, leaf), tree))

    @contextlib.contextmanager
    def context():
        with jax.set_mesh(mesh), monkeypatch.context() as patch:
            patch.setattr(jax, "device_count", lambda: 8)
            yield spread

    return context


def sharding(mesh, leaf):
    """Along the last axis."""
    return NamedSharding(mesh, jax.P(*[None] * (leaf.ndim - 1), "x"))


def copies_in(state):
    """The arrays of the state that have the parameters' shapes."""
    return [leaf for leaf in jax.tree.leaves(state) if leaf.size % 8 == 0]


@pytest.mark.parametrize("name", METHODS)
def test_types_with_shardings_are_stable(name, on_eight):
    """With explicit axes a sharding is a part of the type, and this is what a scan compares."""
    with on_eight() as spread:
        tx, tree = METHODS[name](), spread(params(jnp.float16))
        state = jax.eval_shape(tx.init, tree)
        updates, new_state = jax.eval_shape(tx.update, tree, state, tree)
        assert types(updates) == types(tree)
        assert types(new_state) == types(state)
        explicit = "@x" in str(jax.typeof(tree["hidden"]["bias"]))
        assert all(("@x" in kind) == explicit for kind in types(copies_in(state)))


@pytest.mark.parametrize("name", [*PRIMARY, "local_entropy-nesterov"])
@pytest.mark.parametrize("on_eight", [AxisType.Explicit], ids=["explicit"], indirect=True)
def test_without_jit_shardings_stay(name, on_eight):
    """Concrete arrays inside a loop: what is made like them there must not forget the mesh."""
    with on_eight() as spread:
        tx, tree = METHODS[name](), spread(params())
        state = tx.init(tree)
        updates, new_state = jax.eval_shape(lambda: tx.update(tree, state, tree))
        assert types(updates) == types(tree)
        assert types(new_state) == types(state)


@pytest.mark.parametrize("name", PRIMARY)
def test_numbers_do_not_depend_on_the_sharding(name, on_eight):
    tx, tree = METHODS[name](), params()
    expected = update(name, tree, init(name), tree)
    with on_eight() as spread:
        tree = spread(tree)
        state = tx.init(tree)
        assert types(state) == types(jax.eval_shape(tx.init, tree))
        updates, new_state = quick_jit(tx.update)(tree, state, tree)
        assert types(new_state) == types(state)
        mesh = tree["hidden"]["bias"].sharding.mesh
        for leaf in (*copies_in(state), *jax.tree.leaves(updates), *copies_in(new_state)):
            assert leaf.sharding.is_equivalent_to(sharding(mesh, leaf), leaf.ndim)
    assert_close((updates, new_state), expected)
