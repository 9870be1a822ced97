"""Parameters spread over eight devices: the state lies where they lie, the numbers stay the same.

The eight devices are simulated on the CPU. JAX must know of them before it starts, so the root
`conftest.py` asks for them; a process of its own would compile everything a second time.
"""

import contextlib

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import AxisType, NamedSharding

import thermo_optax as to
from tests.compiling import quick, quick_jit
from tests.registry import METHODS, PRIMARY, TURNS

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
    """The arrays of the state that have the parameters' shapes, by their last axis."""
    return [leaf for leaf in jax.tree.leaves(state) if leaf.ndim and leaf.shape[-1] % 8 == 0]


@pytest.mark.quick(*TURNS[2])
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


@pytest.mark.quick(*TURNS[0])
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


MASSES = [name for name in METHODS if name.endswith("mass-by-coordinate")]


@pytest.mark.quick(*TURNS[1])
@pytest.mark.parametrize("name", [*PRIMARY, *MASSES])
def test_numbers_do_not_depend_on_the_sharding(name, on_eight):
    tx, tree = METHODS[name](), params()
    expected = update(name, tree, init(name), tree)
    with on_eight() as spread:
        tree = spread(tree)
        # Explicit axes are checked without jit, by the test above; within it XLA places arrays of
        # others.
        explicit = "@x" in str(jax.typeof(tree["hidden"]["bias"]))
        state = (quick_jit(tx.init) if explicit else tx.init)(tree)
        assert types(state) == types(jax.eval_shape(tx.init, tree))
        updates, new_state = quick_jit(tx.update)(tree, state, tree)
        assert types(new_state) == types(state)
        mesh = tree["hidden"]["bias"].sharding.mesh
        for leaf in (*copies_in(state), *jax.tree.leaves(updates), *copies_in(new_state)):
            assert leaf.sharding.is_equivalent_to(sharding(mesh, leaf), leaf.ndim)
    assert_close((updates, new_state), expected)


@pytest.mark.quick("spread like the parameters")
@pytest.mark.parametrize("kind", ["on one device", "spread like the parameters"])
def test_masses_move_no_array(kind, on_eight):
    """Wherever the masses lie, a step of parameters that are spread needs no communication."""
    mass = jax.tree.map(
        lambda leaf: jnp.linspace(1.0, 2.0, leaf.size).reshape(leaf.shape), params()
    )
    options = {"step_size": 0.2, "temperature": 0.5, "friction": 1.0, "key": 0}
    tree = params()
    alone = quick(to.langevin(mass=mass, **options))
    expected = alone.update(tree, alone.init(tree), tree)
    with on_eight() as spread:
        tree = spread(tree)
        tx = to.langevin(mass=mass if kind == "on one device" else spread(mass), **options)
        state = jax.jit(tx.init)(tree)
        step = jax.jit(tx.update).lower(tree, state, tree).compile()
        assert "all-gather" not in step.as_text() and "all-to-all" not in step.as_text()
        assert_close(step(tree, state, tree), expected)


REPLICATED = {
    "adam": lambda: to.replicate(optax.adam(0.1), 8),
    "langevin": lambda: to.replicate(METHODS["langevin"](), 8),
    "adaptive_langevin": lambda: to.replicate(METHODS["adaptive_langevin"](), 8),
    "exchange": lambda: to.replica_exchange(
        METHODS["langevin"](1.0), {"temperature": np.arange(1.0, 9.0)}, swap_period=1, key=1
    ),
}


@pytest.mark.slow
@pytest.mark.usefixtures("standard_promotion")  # of Adam
@pytest.mark.parametrize("axes", [("x", None), (None, "x")], ids=["replicas", "parameters"])
@pytest.mark.parametrize("name", REPLICATED)
@pytest.mark.parametrize("on_eight", [AxisType.Explicit], ids=["explicit"], indirect=True)
def test_replicas_over_an_explicit_axis(name, axes, on_eight):
    """Either the replicas are split over it, or the parameters of each."""
    tx, tree, losses = REPLICATED[name](), {"w": jnp.ones((8, 16))}, jnp.zeros(8)
    _, state = tx.update(tree, tx.init(tree), tree, value=losses)
    expected, _ = tx.update(tree, state, tree, value=losses)
    with on_eight():
        mesh = jax.sharding.get_mesh()
        tree = jax.device_put(tree, NamedSharding(mesh, jax.P(*axes)))
        step = quick_jit(tx.update)
        _, state = step(tree, tx.init(tree), tree, value=losses)
        updates, _ = step(tree, state, tree, value=losses)
        assert types(updates) == types(tree)
    assert_close(updates, expected)
