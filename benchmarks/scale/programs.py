"""Training steps that are compiled and never run: their memory, collectives and time to compile."""

import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

import thermo_optax as to
from benchmarks.scale import transformer
from benchmarks.scale.collectives import Collective, collectives_of
from benchmarks.scale.transformer import REPLICAS, SHARDS, Size

RATE, HEAT = 1e-4, 1e-9
COPIES = 8  # replicas on the second axis


def _adlala():
    """The embedding has a thermostat for each array, and the layers have friction."""
    return to.adlala(RATE**0.5, thermostat_energy="mean", key=0)


def _local_entropy():
    return to.local_entropy(to.sgld(RATE, HEAT, key=0), optax.sgd(1.0), num_inner_steps=20)


def _exchange():
    ladder = {"temperature": to.geometric_ladder(HEAT, 10 * HEAT, COPIES)}
    return to.replica_exchange(to.sgld(RATE, HEAT, key=0), ladder, swap_period=10, key=0)


SGD, ADAMW, COPIES_OF_SGD = "optax.sgd", "optax.adamw", f"{COPIES} x optax.sgd"
METHODS: dict[str, Callable[[], optax.GradientTransformation]] = {
    SGD: lambda: optax.sgd(RATE),
    ADAMW: lambda: optax.adamw(RATE),
    "sgld": lambda: to.sgld(RATE, HEAT, key=0),
    "langevin": lambda: to.langevin(RATE**0.5, HEAT, friction=1.0, key=0),
    "adlala": _adlala,
    "local_entropy": _local_entropy,
    "optax.sgd, clipped": lambda: optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(RATE)),
    COPIES_OF_SGD: lambda: to.replicate(optax.sgd(RATE), COPIES),
    f"{COPIES} x sgld": lambda: to.replicate(to.sgld(RATE, HEAT, key=0), COPIES),
    f"{COPIES} x sgld, exchange": _exchange,
}
REPLICATED = [name for name in METHODS if name.startswith(f"{COPIES} x")]


class Build(NamedTuple):
    """A compiled step. Bytes are those of one device."""

    seconds: float  # of the processor, to trace and compile
    parameters: int  # bytes, declared
    state: int
    batch: int
    arguments: int  # bytes, as compiled
    outputs: int
    reused: int  # of the outputs, in the memory of arguments
    temporary: int
    collectives: list[Collective]

    @property
    def declared(self) -> int:
        """What the step is given: parameters, state and batch."""
        return self.parameters + self.state + self.batch

    @property
    def needed(self) -> int:
        """All that is in memory at one time, at most."""
        return self.arguments + self.outputs - self.reused + self.temporary


def count(size: Size) -> int:
    """The number of parameters."""
    shapes = jax.tree.leaves(transformer.shapes(size), is_leaf=lambda node: isinstance(node, tuple))
    return sum(map(math.prod, shapes))


def build(name: str, size: Size) -> Build:
    """Traces and compiles the step of a method, of abstract arguments."""
    tx = optax.with_extra_args_support(METHODS[name]())
    copies = COPIES if name in REPLICATED else None
    mesh = _mesh(size, copies)
    with jax.set_mesh(mesh):
        params, batch = _arguments(size, mesh, copies)
        state = _laid_out(jax.eval_shape(tx.init, params), params, mesh)
        step = _step(tx, copies)
        jax.clear_caches()  # what the method before has traced would be traced for free
        began = time.process_time()
        jitted = jax.jit(step, donate_argnums=(0, 1), out_shardings=_shardings((params, state)))
        compiled = jitted.lower(params, state, batch).compile()
        seconds = time.process_time() - began
    memory = compiled.memory_analysis()
    assert memory is not None
    return Build(
        seconds,
        _bytes(params),
        _bytes(state),
        _bytes(batch),
        memory.argument_size_in_bytes,
        memory.output_size_in_bytes,
        memory.alias_size_in_bytes,
        memory.temp_size_in_bytes,
        collectives_of(str(compiled.as_text())),
    )


def _step(tx: optax.GradientTransformationExtraArgs, copies: int | None) -> Callable:
    gradients = jax.value_and_grad(transformer.loss)
    if copies:
        gradients = jax.vmap(gradients, in_axes=(0, None), spmd_axis_name=REPLICAS)

    def step(params, state, batch):
        value, grads = gradients(params, batch)
        updates, state = tx.update(grads, state, params, value=value)
        return optax.apply_updates(params, updates), state

    return step


def _mesh(size: Size, copies: int | None) -> jax.sharding.Mesh:
    shape, names = (size.devices,), (SHARDS,)
    if copies:
        shape, names = (copies, size.devices // copies), (REPLICAS, SHARDS)
    kinds = (jax.sharding.AxisType.Auto,) * len(names)
    return jax.make_mesh(shape, names, kinds, devices=jax.devices()[: size.devices])


def _arguments(size, mesh, copies):
    front, axes = ((copies,), (REPLICAS,)) if copies else ((), ())

    def param(shape):
        sharding = NamedSharding(mesh, P(*axes, *transformer.split(shape)))
        return jax.ShapeDtypeStruct((*front, *shape), jnp.float32, sharding=sharding)

    tree = transformer.shapes(size)
    params = jax.tree.map(param, tree, is_leaf=lambda node: isinstance(node, tuple))
    batch = jax.ShapeDtypeStruct(
        (mesh.shape[SHARDS], transformer.SEQUENCE + 1),
        jnp.int32,
        sharding=NamedSharding(mesh, P(SHARDS)),
    )
    return params, batch


def _laid_out(state: Any, params: Any, mesh: jax.sharding.Mesh) -> Any:
    """The state with its copies of parameters where these lie, and the rest on every device."""
    places = {leaf.shape: leaf.sharding for leaf in jax.tree.leaves(params)}

    def place(leaf):
        sharding = places.get(leaf.shape, NamedSharding(mesh, P()))
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)

    return jax.tree.map(place, state)


def _shardings(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf.sharding, tree)


def _bytes(tree: Any) -> int:
    """What a tree takes of one device."""
    return sum(
        math.prod(leaf.sharding.shard_shape(leaf.shape)) * leaf.dtype.itemsize
        for leaf in jax.tree.leaves(tree)
    )
