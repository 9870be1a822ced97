"""Every reader of states takes every container: modules of Flax and Equinox, plain trees.

A new reader joins with one line in `READERS`.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import flax.core
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import thermo_optax as to
from tests.compiling import quick, quick_jit
from tests.contract.test_containers import BATCH, NNXNet, equinox, linen, nnx_state

REPLICAS = 3


def numbered(tree, seed):
    """The tree with other numbers, so that no two arrays are alike."""
    leaves, structure = jax.tree.flatten(tree)
    draw = np.random.default_rng(seed)
    return jax.tree.unflatten(
        structure, [jnp.asarray(draw.normal(size=leaf.shape), leaf.dtype) for leaf in leaves]
    )


def haiku():
    layer = {"w": jnp.ones((3, 4)), "b": jnp.ones(4)}
    return {"net/~/linear_0": layer, "net/~/linear_1": {"w": jnp.ones((4, 2)), "b": jnp.ones(2)}}


@dataclasses.dataclass(frozen=True)
class Container:
    """How users hold parameters, and how their optimizer holds a state."""

    params: Callable[[], Any]
    held: Callable[[Any], Any] = lambda params: params  # what the readers are given
    state: Callable[[Any, Any], Any] = lambda tx, params: tx.init(params)


def optimizer_state(tx, params):
    model = nnx.merge(nnx.graphdef(NNXNet(nnx.Rngs(0))), params)
    return nnx.Optimizer(model, tx, wrt=nnx.Param).opt_state


CONTAINERS = {
    "dict": Container(lambda: {"a": {"w": jnp.ones((3, 4)), "value": jnp.ones(4)}}),
    "tuple": Container(lambda: (jnp.ones((3, 4)), [jnp.ones(4), None])),
    "Haiku": Container(haiku),
    "linen": Container(linen),
    "linen, frozen": Container(lambda: flax.core.freeze(linen())),
    "Equinox": Container(equinox),
    "NNX": Container(nnx_state),
    "NNX, pure": Container(lambda: nnx.as_pure(nnx_state())),
    "NNX, optimizer": Container(nnx_state, state=optimizer_state),
    "NNX, optimizer and pure parameters": Container(nnx_state, nnx.as_pure, optimizer_state),
    "NNX, optimizer and dictionary": Container(nnx_state, nnx.to_pure_dict, optimizer_state),
}


@dataclasses.dataclass(frozen=True)
class Reader:
    """A reader of the state of a transformation, called as all are: read(state, params, grads)."""

    make: Callable[[], optax.GradientTransformation]
    read: Callable[[Any, Any, Any], Any]
    like_params: bool = False
    layers: bool = False  # the reading is a dict by layer
    replicas: bool = False
    counts: bool = False  # how much is read depends on a number in the state: not in jit


def collecting():
    return to.collect_samples(to.langevin(0.1, 1.0, friction=1.0, key=0), 3)


def averaging():
    return to.running_moments(to.sgld(0.1, 1.0, key=0), rank=2)


def entropic():
    return to.entropy_sgd(num_inner_steps=2, key=0)


def tempered():
    return to.continuous_tempering(to.sgld(0.1, 1.0, key=0), 1.0, key=1)


def exchanging():
    ladder = {"temperature": [1.0, 2.0, 4.0]}
    return to.replica_exchange(to.sgld(0.1, 1.0, key=0), ladder, key=1)


def adaptive():
    return to.adaptive_langevin(0.1, 1.0, thermostat="tensor", key=0)


def shapes(tree):
    return [jnp.zeros(jnp.shape(leaf)) for leaf in jax.tree.leaves(tree)]


thermometers = to.diagnostics
READERS = {
    "collected_samples": Reader(collecting, lambda s, p, g: to.collected_samples(s), counts=True),
    "collected_samples, completed": Reader(
        collecting, lambda s, p, g: to.collected_samples(s, p), like_params=True, counts=True
    ),
    "samples_and_mask": Reader(collecting, lambda s, p, g: to.samples_and_mask(s, p)),
    "posterior_mean": Reader(averaging, lambda s, p, g: to.posterior_mean(s, p), like_params=True),
    "posterior_variance": Reader(
        averaging, lambda s, p, g: to.posterior_variance(s, p), like_params=True
    ),
    "posterior_deviations": Reader(
        averaging, lambda s, p, g: to.posterior_deviations(s, p), like_params=True
    ),
    # Which noise an array is given depends on its place.
    "draw_posterior": Reader(averaging, lambda s, p, g: shapes(to.draw_posterior(s, p, 4, key=0))),
    "local_entropy_params": Reader(
        entropic, lambda s, p, g: to.local_entropy_params(s, p), like_params=True
    ),
    "tempering_state": Reader(tempered, lambda s, p, g: to.tempering_state(s).alpha),
    "tempering_profile": Reader(tempered, lambda s, p, g: to.tempering_profile(s)),
    "unbiasing_log_weights": Reader(
        tempered, lambda s, p, g: to.unbiasing_log_weights(s, jnp.array([0.0, 1.0]))
    ),
    "by_rung": Reader(exchanging, lambda s, p, g: to.by_rung(s, p), True, replicas=True),
    "best_replica": Reader(exchanging, lambda s, p, g: to.best_replica(s, p), True, replicas=True),
    "replica_hyperparams": Reader(
        exchanging, lambda s, p, g: to.replica_hyperparams(s), replicas=True
    ),
    "swap_acceptance": Reader(exchanging, lambda s, p, g: to.swap_acceptance(s), replicas=True),
    "kinetic_temperature": Reader(
        lambda: to.sghmc(0.1, 1.0, momentum=0.9, key=0),
        lambda s, p, g: thermometers.kinetic_temperature(s, g),
    ),
    "kinetic_temperature of thermostats": Reader(
        adaptive, lambda s, p, g: thermometers.kinetic_temperature(s, g)
    ),
    "equipartition": Reader(
        collecting, lambda s, p, g: thermometers.equipartition(s, g), layers=True
    ),
    "configurational_temperature": Reader(
        adaptive, lambda s, p, g: thermometers.configurational_temperature(p, g, center=g)
    ),
    "distance": Reader(exchanging, lambda s, p, g: thermometers.distance(p, g), replicas=True),
}


@functools.cache
def held(container: str, make: Callable[[], Any], replicas: bool) -> tuple[Any, Any, Any]:
    """State, parameters and gradients in a container, all with numbers of their own."""
    made = CONTAINERS[container]
    params = made.params()
    if replicas:
        params = jax.tree.map(lambda leaf: jnp.stack([leaf] * REPLICAS), params)
    state = made.state(quick(make()), params)
    ints = [jnp.int32(2) if leaf.ndim == 0 else leaf for leaf in jax.tree.leaves(state)]
    floats = jax.tree.leaves(numbered(jax.tree.map(lambda x: x.astype(jnp.float32), state), 0))
    leaves = [
        x if jnp.issubdtype(old.dtype, jnp.floating) else i
        for old, x, i in zip(jax.tree.leaves(state), floats, ints, strict=True)
    ]
    state = jax.tree.unflatten(jax.tree.structure(state), leaves)
    return state, made.held(numbered(params, 1)), made.held(numbered(params, 2))


def as_tuples(tree, structure):
    """The tree with a tuple for everything that has the structure of the parameters."""

    def is_like_params(node):
        return jax.tree.structure(node) == structure

    def plain(node):
        return tuple(jax.tree.leaves(node)) if is_like_params(node) else node

    return jax.tree.map(plain, tree, is_leaf=is_like_params)


def values(reading):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(reading)]


@pytest.mark.quick("NNX", "Equinox")
@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("name", READERS)
def test_readings_do_not_depend_on_the_container(name, container):
    reader = READERS[name]
    state, params, grads = held(container, reader.make, reader.replicas)
    read = reader.read if reader.counts else quick_jit(reader.read)
    found = read(state, params, grads)
    pure = nnx.as_pure((state, params, grads)) if "NNX" in container else (state, params, grads)
    structure = jax.tree.structure(nnx.as_pure(CONTAINERS[container].params()))
    plain_state = as_tuples(pure[0], structure)
    expected = read(plain_state, *(tuple(jax.tree.leaves(tree)) for tree in pure[1:]))
    if reader.like_params:
        assert jax.tree.structure(found) == jax.tree.structure(params)
    if reader.layers:
        found, expected = (
            sum(t.value * t.degrees for t in layers.values()) for layers in (found, expected)
        )
    for one, other in zip(values(found), values(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_a_run_of_an_nnx_optimizer():
    """As users train: `nnx.jit`, then the readers of the optimizer's state."""
    model = NNXNet(nnx.Rngs(0))
    tx = to.running_moments(collecting())
    tx = optax.GradientTransformationExtraArgs(quick_jit(tx.init), tx.update)  # the step is in jit
    optimizer = nnx.Optimizer(model, tx, wrt=nnx.Param)

    @nnx.jit
    def step(model, optimizer):
        grads = nnx.grad(lambda model: jnp.mean((model(BATCH[0]) - BATCH[1]) ** 2))(model)
        optimizer.update(model, grads)

    visited = []
    for _ in range(3):
        step(model, optimizer)
        visited.append(jax.tree.map(jnp.copy, nnx.state(model, nnx.Param)))
    state, params = optimizer.opt_state, nnx.state(model, nnx.Param)
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *visited)
    samples = to.collected_samples(state, params)
    jax.tree.map(np.testing.assert_array_equal, samples, stacked)
    mean = to.posterior_mean(state, params)
    jax.tree.map(lambda m, x: np.testing.assert_allclose(m, x.mean(0), atol=1e-6), mean, stacked)
    # Whole modules are parameters, too; and what is read makes one again.
    assert np.all(np.isfinite(to.posterior_mean(state, model)(BATCH[0])))
    graph = nnx.graphdef(model)
    predict = lambda sample, x: nnx.merge(graph, sample)(x)  # noqa: E731
    for each in (samples, to.collected_samples(state)):
        ensemble = to.ensemble_predict(predict, each, BATCH[0])
        assert np.all(np.isfinite(ensemble.mean))


def test_leaves_that_are_no_arrays_stay_as_they_are():
    """Equinox keeps activation functions among the leaves of a module."""
    params = {"activation": jnp.tanh, "w": jnp.ones(3)}
    tx = averaging()
    state = tx.init({"activation": None, "w": params["w"]})
    assert to.posterior_mean(state, params)["activation"] is jnp.tanh
    assert to.posterior_variance(state, params)["activation"] is jnp.tanh
    assert to.draw_posterior(state, params, 2, key=0)["activation"] is jnp.tanh


def test_the_weight_is_read_where_flax_wraps_every_leaf():
    class Weights(nnx.Module):
        def __init__(self):
            self.w = nnx.Param(jnp.full(4, 2.0))

    make = functools.partial(to.langevin, temperature=1.0, friction=1.0, key=0)
    tx = to.adaptive_step(make, 0.1, typical_square=1.0)
    model = Weights()
    optimizer = nnx.Optimizer(model, tx, wrt=nnx.Param)
    optimizer.update(model, nnx.state(model, nnx.Param))
    grads = jnp.full(4, 2.0)
    _, state = tx.update({"w": grads}, tx.init({"w": grads}), {"w": grads})
    np.testing.assert_allclose(to.time_weight(optimizer.opt_state), to.time_weight(state))
