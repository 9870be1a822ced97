"""Dtypes, weak types and shapes: what goes in comes out, in any precision, and abstractly too."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests.compiling import quick
from tests.registry import METHODS, PRIMARY, TURNS

from .programs import params, types

# Where a test needs more parameters than mode "paper" can serve.
of_any_size = pytest.mark.filterwarnings('ignore:`mode`="paper" couples')

PRECISIONS = ("float16", "bfloat16", "float32", "float64")


@pytest.mark.quick("bfloat16", "float64")  # the others go through the same lines
@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("name", METHODS)
def test_types_are_stable(name, dtype):
    """`lax.cond` refuses branches of different types, weak types included; tracing shows it."""
    tx = METHODS[name]()

    def step(tree, state, skip):
        updates, state = jax.lax.cond(
            skip, lambda: (tree, state), lambda: tx.update(tree, state, tree)
        )
        return optax.apply_updates(tree, updates), state

    with jax.enable_x64(dtype == "float64"):
        tree = params(dtype)
        state = jax.eval_shape(tx.init, tree)
        assert types(jax.eval_shape(step, tree, state, True)) == types((tree, state))
        arrays = [leaf for leaf in jax.tree.leaves(state) if leaf.shape]  # a mean's weight is none
        wide = [leaf for leaf in arrays if leaf.dtype == jnp.float64]
        copies = (METHODS[name].copies - METHODS[name].single) * len(jax.tree.leaves(tree))
        assert len(wide) == (copies if dtype == "float64" else 0)


@pytest.mark.quick(*TURNS[2])
@pytest.mark.parametrize("name", PRIMARY)
def test_every_precision_in_one_tree(name):
    with jax.enable_x64(True):
        layer = {dtype: jnp.ones(3, dtype) for dtype in PRECISIONS}
        tree = {"hidden": layer, "output": jnp.ones(3, jnp.float64)}
        # One part in 10^12 is lost where anything on the way is narrower than float64.
        nearby = jax.tree.map(lambda x: x * (1 + jnp.asarray(1e-12, x.dtype)), tree)
        tx = quick(METHODS[name]())
        start, step = tx.init(tree), tx.update

        def second_updates(grads):
            first, state = step(grads, start, tree)
            updates, state = step(grads, state, tree)
            assert types(first) == types(updates) == types(tree)
            assert types(state) == types(start)
            assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves((updates, state)))
            return updates

        updates, moved = second_updates(tree), second_updates(nearby)
        for place in (lambda tree: tree["hidden"]["float64"], lambda tree: tree["output"]):
            change = place(moved) - place(updates)
            assert np.all(change != 0) and np.all(np.abs(change) < 1e-11)


@pytest.mark.quick(*TURNS[0])
@pytest.mark.parametrize("name", METHODS)
def test_init_needs_shapes_only(name):
    tree = params()
    abstract = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), tree)
    tx = METHODS[name]()
    assert types(tx.init(abstract)) == types(jax.eval_shape(tx.init, tree))


@of_any_size
@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.layers == 1])
def test_init_of_one_abstract_array(name):
    array = jax.ShapeDtypeStruct((2, 4, 8), jnp.float32)
    jax.eval_shape(lambda: METHODS[name]().init(array))


@of_any_size
@pytest.mark.parametrize("name", METHODS)
def test_state_holds_the_promised_copies_of_the_parameters(name):
    small, large = (_held(name, {"hidden": jnp.ones(n), "output": jnp.ones(n)}) for n in (100, 400))
    copies = METHODS[name].copies * METHODS[name].replicas
    assert large - small == copies * 600
    few = small - copies * 200
    assert few < METHODS[name].extra, "counters, keys and grids take a few numbers"


def _held(name, tree):
    """The numbers in a state."""
    return sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(METHODS[name]().init, tree)))


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32])
def test_momentum_dtype(dtype):
    for name in ("langevin", "sghmc", "leimkuhler_matthews", "adaptive_langevin"):
        tx, tree = METHODS[name](momentum_dtype=dtype), params(jnp.bfloat16)
        state = jax.eval_shape(tx.init, tree)
        updates, new_state = jax.eval_shape(tx.update, tree, state, tree)
        assert types(new_state) == types(state)
        assert types(updates) == types(tree)
        assert {leaf.dtype for leaf in jax.tree.leaves(new_state.momentum)} == {jnp.dtype(dtype)}


@pytest.mark.quick("langevin", "local_entropy", "entropy_mcmc", "tether", "float32_masters")
@pytest.mark.parametrize("name", PRIMARY)
def test_numpy_parameters_of_64_bits(name):
    """NumPy makes float64, and JAX computes in float32 without a warning, as it does for optax."""
    tree = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params())
    tx = METHODS[name]()
    # Traced with the arrays of NumPy as they are: as arguments they would be float32 before it.
    updates, _ = jax.eval_shape(lambda: tx.update(tree, tx.init(tree), tree))
    assert {leaf.dtype for leaf in jax.tree.leaves(updates)} == {jnp.dtype(jnp.float32)}
