"""Trees as users have them: tuples, lists, dataclasses, and the modules of Flax and Equinox."""

import dataclasses
from typing import NamedTuple

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from tests.compiling import quick, quick_jit
from tests.registry import METHODS, PRIMARY

from .programs import types


class Pair(NamedTuple):
    hidden: jax.Array
    output: jax.Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass
class Layers:
    hidden: dict
    output: list


class LinenNet(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(2)(nn.relu(nn.Dense(4)(x)))


class NNXNet(nnx.Module):
    def __init__(self, rngs):
        self.hidden = nnx.Linear(3, 4, rngs=rngs)
        self.output = nnx.Linear(4, 2, rngs=rngs)

    def __call__(self, x):
        return self.output(nnx.relu(self.hidden(x)))


def linen():
    return LinenNet().init(jax.random.key(0), jnp.ones((1, 3)))


def nnx_state():
    return nnx.state(NNXNet(nnx.Rngs(0)), nnx.Param)


def equinox():
    return eqx.filter(eqx.nn.MLP(3, 2, 4, 1, key=jax.random.key(0)), eqx.is_inexact_array)


TREES = {
    "tuple": lambda: (jnp.ones((3, 4)), jnp.ones(4)),
    "list of dicts": lambda: [{"w": jnp.ones((3, 4))}, {"w": jnp.ones((4, 2))}],
    "named tuple": lambda: Pair(jnp.ones((3, 4)), jnp.ones(4)),
    "dataclass": lambda: Layers({"w": jnp.ones((3, 4))}, [jnp.ones(4), None]),
    "with None": lambda: {"hidden": jnp.ones((3, 4)), "frozen": None, "output": jnp.ones(2)},
    "linen": linen,
    "nnx": nnx_state,
    "equinox": equinox,
}
ONE_ARRAY = [name for name, method in METHODS.items() if method.layers == 1]


@pytest.mark.quick("dataclass", "nnx")
@pytest.mark.parametrize("container", TREES)
def test_updates_have_the_structure_of_the_parameters(container):
    tree = TREES[container]()
    for name in PRIMARY:
        tx = METHODS[name]()
        state = jax.eval_shape(tx.init, tree)
        updates, new_state = jax.eval_shape(tx.update, tree, state, tree)
        assert types(updates) == types(tree), name
        assert types(new_state) == types(state), name


@pytest.mark.parametrize("name", ONE_ARRAY)
def test_one_array(name):
    tx, x = METHODS[name](), jnp.ones((2, 3))
    state = jax.eval_shape(tx.init, x)
    updates, new_state = jax.eval_shape(tx.update, x, state, x)
    assert types((updates, new_state)) == types((x, state))


@pytest.mark.parametrize("container", TREES)
def test_every_array_is_moved(container):
    tree, tx = TREES[container](), quick(METHODS["adlala"]())
    _, state = tx.update(tree, tx.init(tree), tree)
    updates, _ = tx.update(tree, state, tree)
    moved = optax.apply_updates(tree, updates)
    assert jax.tree.structure(moved) == jax.tree.structure(tree)
    for leaf in jax.tree.leaves(updates):
        assert np.all(np.isfinite(leaf)) and np.all(leaf != 0)


def descends(loss, tree):
    """Whether 50 cold steps of Langevin dynamics lower the loss."""
    tx = METHODS["langevin"](temperature=0.0, initial_momentum="zero")

    @quick_jit
    def step(tree, state):
        updates, state = tx.update(jax.grad(loss)(tree), state, tree)
        return optax.apply_updates(tree, updates), state

    measure = quick_jit(loss)
    start, state = measure(tree), tx.init(tree)
    for _ in range(50):
        tree, state = step(tree, state)
    return measure(tree) < 0.5 * start


BATCH = jax.random.normal(jax.random.key(1), (16, 3)), jnp.ones((16, 2))


def test_training_linen():
    def loss(variables):
        return jnp.mean((LinenNet().apply(variables, BATCH[0]) - BATCH[1]) ** 2)

    assert descends(loss, linen())


def test_training_nnx():
    graph, state = nnx.split(NNXNet(nnx.Rngs(0)))

    def loss(state):
        return jnp.mean((nnx.merge(graph, state)(BATCH[0]) - BATCH[1]) ** 2)

    assert descends(loss, state)


def test_training_nnx_optimizer():
    """`nnx.Optimizer` holds the state of a transformation as variables of a module."""
    model = NNXNet(nnx.Rngs(0))
    optimizer = nnx.Optimizer(model, METHODS["langevin"](temperature=0.0), wrt=nnx.Param)

    def loss(model):
        return jnp.mean((model(BATCH[0]) - BATCH[1]) ** 2)

    @nnx.jit
    def step(model, optimizer):
        optimizer.update(model, nnx.grad(loss)(model))

    measure = nnx.jit(loss)
    start = measure(model)
    for _ in range(50):
        step(model, optimizer)
    assert measure(model) < 0.5 * start


def test_training_equinox():
    model = eqx.nn.MLP(3, 2, 4, 1, key=jax.random.key(0))
    params, static = eqx.partition(model, eqx.is_inexact_array)

    def loss(params):
        return jnp.mean((jax.vmap(eqx.combine(params, static))(BATCH[0]) - BATCH[1]) ** 2)

    assert descends(loss, params)
