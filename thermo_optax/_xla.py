"""Every workaround for XLA, each with its reason. Delete one when it no longer makes a difference.

They change where and when XLA computes something, and no number, except by the order of a sum. Each
was measured on CPUs with jax 0.10.1, where it names no other version.
"""

import contextlib
import functools
import operator
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_batching import custom_vmap
from jax.experimental.xla_metadata import set_xla_metadata

_ROWS = 16
_SHORT = 4096  # elements, up to which a dot product is fast enough
_ADDS_IN_VECTORS = jax.__version_info__ >= (0, 12)


def on_one_cpu() -> bool:
    """Whether there is one CPU, and no other device: nothing is sharded, and loops need help.

    XLA's compiler for CPUs joins fewer loops than that for GPUs, and adds up number by number.
    """
    return jax.default_backend() == "cpu" and jax.device_count() == 1


def explicit_sharding(leaf: Any) -> Any:
    """The sharding of an array that has it in its type; elsewhere XLA finds it by itself."""
    sharding = jax.typeof(leaf).sharding if hasattr(leaf, "shape") else None
    kinds = () if sharding is None else sharding.mesh.axis_types
    return sharding if jax.sharding.AxisType.Explicit in kinds else None


def laid_out(leaf: Any, sharding: Any) -> Any:
    """The leaf with a sharding that is a part of its type; None changes nothing."""
    return leaf if sharding is None else jax.sharding.reshard(leaf, sharding)


# Hashes and noise, computed once.


def computed_first(array: jax.Array) -> jax.Array:
    """The array, computed before the loops that read it.

    Without the barrier XLA repeats the hashes behind a key in every loop that draws from it. The
    `init` of three replicas of shape (2,) compiled for 16 to 29 s, and with the barrier for 0.6.
    With jax 0.12 in 64 bits it draws momenta within the sum of their squares: leaves of (16, 4),
    (8,) and (3,) compiled for more than four minutes, and with the barrier for seconds.
    """
    return lax.optimization_barrier(array)


def not_inlined() -> contextlib.AbstractContextManager:
    """Keeps the jitted calls inside out of the loops that read their results.

    Otherwise every leaf repeats the hashes of its group. `lax.optimization_barrier` does not help:
    it is dropped before loops are joined.
    """
    return set_xla_metadata(inlineable="false")


def never(result: Any) -> jax.Array:
    """A bool that is False, though XLA cannot know until it has computed the result.

    Without it XLA draws the buffers of all groups first (40 MB for 10 million parameters, at half
    the speed); with it the next group waits until the last one's noise is used.
    """
    array = result[0] if isinstance(result, tuple) else result
    return lax.index_in_dim(array.reshape(-1), 0, keepdims=False) > jnp.inf


def copied(leaf: Any, noise: jax.Array) -> Any:
    """The leaf in memory of its own, copied once its noise is drawn.

    XLA makes such copies by itself, where a result is written over what another result needs; but
    of all leaves at the start of the step (40 MB for 10 million parameters, at half the speed).
    """
    if jnp.shape(leaf) != noise.shape or not noise.size:
        return leaf
    unknown = never(noise)
    with not_inlined():
        return _unless(unknown, leaf)


@jax.jit
def _unless(unknown, leaf):
    return jnp.where(unknown, jnp.zeros_like(leaf), leaf)


def hidden(number: int, dtype: Any) -> np.ndarray:
    """A table with the number in its first row; the second only makes the rows differ.

    Offsets are hidden from XLA, so that the kernels of leaves of equal shape are equal and only one
    of them is compiled: without, a tree of 148 leaves compiles for twice as long.
    """
    return np.array([number, number ^ 1], dtype)


def revealed(table: np.ndarray, tick: jax.Array) -> Any:
    """The first row of a table, by an index that is 0 for reasons unknown to XLA."""
    if explicit_sharding(tick) is not None:
        return table[0]  # to look it up, explicit axes would have to be told where
    return lax.dynamic_index_in_dim(table, zero_of(tick), keepdims=False)


def zero_of(tick: jax.Array) -> jax.Array:
    """0, of which XLA does not know that it is the same in every step.

    The places of coordinates are added to it. Otherwise XLA computes them before a loop of steps
    that stands in another loop, and each step reads them: one more copy of the parameters.
    """
    return lax.population_count(tick) >> np.uint32(6)  # no uint32 has 64 bits


# Work that is seldom due, done in place.


def once(
    due: jax.Array, fn: Callable[..., tuple], parts: tuple, later: Any = None
) -> tuple[tuple, Any]:
    """fn(*parts) if due, else the parts, with nothing copied; and `later`, to go on with.

    Without a data dependency XLA would compute `later` before the loop and hold both sets of
    buffers. Returning it from here, unchanged, forces it to come after.
    """

    def chosen(old):
        return jax.tree.map(functools.partial(jnp.where, due), fn(*old), tuple(old))

    still_due, result = in_place(due, chosen, tuple(parts))
    return result, jax.tree.map(functools.partial(_after, still_due), later)


def in_place(due: jax.Array, fn: Callable[[Any], Any], parts: Any) -> tuple[jax.Array, Any]:
    """False, and fn(parts) if it is due in any member of a `vmap`, else the parts.

    XLA copies all that goes through a `lax.cond`, in every step. A loop works in place; this one
    runs once or not at all.
    """

    def body(carry):
        return jnp.zeros_like(carry[0]), fn(carry[1])

    return lax.while_loop(lambda carry: carry[0], body, (for_any(due), parts))


@custom_vmap
def for_any(due: jax.Array) -> jax.Array:
    """One answer for all members of a `vmap`: a loop with many would copy all that it carries."""
    return due


@for_any.def_vmap
def _(axis_size, in_batched, due):
    del axis_size, in_batched
    return for_any(jnp.any(due, axis=0)), False


def after(number: jax.Array, later: Any) -> Any:
    """The later tree, unchanged, but computed after the number.

    Without it chains of a million weights wait in memory while their first step size is found.
    """
    return jax.tree.map(functools.partial(_after, never(number)), later)


def kept(tree: Any, numbers: Any) -> Any:
    """The tree, unchanged, but each array of it computed once, in memory of its own.

    XLA computes an array again for each of the loops that read it, and all from which it is made
    must then wait in memory: one more copy of all chains of a large network. It cannot do so
    through a loop, of which it does not know that it runs once. It runs after the numbers.
    """
    due = ~functools.reduce(operator.or_, map(never, jax.tree.leaves(numbers)))

    def body(carry):
        return jnp.zeros_like(due), jax.tree.map(functools.partial(_after, ~carry[0]), carry[1])

    return lax.while_loop(lambda carry: carry[0], body, (for_any(due), tree))[1]


def _after(never: jax.Array, leaf: Any) -> Any:
    if not jnp.issubdtype(jnp.result_type(leaf), jnp.floating):
        return leaf
    # A scalar, since zeros like a concrete array forget the mesh of explicit axes under a trace.
    return jnp.where(never, jnp.zeros([], jnp.result_type(leaf)), leaf)


# Sums over whole arrays, at the pace of the memory.


def sum_of_squares(array: jax.Array) -> jax.Array:
    """The sum of the squares of all elements.

    Before jax 0.12 XLA's CPU compiler writes the squares to memory and then adds them up one after
    the other, which takes longer than to draw as many normal numbers. An array that is folded into
    16 rows, one on top of the other, is squared and added in vectors: ten times as fast. Since then
    a plain sum is twice as fast as that.
    """
    # On several devices the array may be sharded: leave its shape.
    if _ADDS_IN_VECTORS or not on_one_cpu():
        return jnp.sum(jnp.square(array))
    flat = array.reshape(-1)
    return inner_product(flat, flat)


@jax.jit  # so that arrays of equal size are traced once
def inner_product(x: jax.Array, y: jax.Array) -> jax.Array:
    """The inner product of two vectors, without the rounding of a million terms in a row.

    Added up one after the other in float32, that many terms lose four of seven digits.
    """
    if x.size <= _SHORT:
        return jnp.vdot(x, y)
    length = x.size // _ROWS
    rows = [slice(i * length, (i + 1) * length) for i in range(_ROWS)]
    folded = functools.reduce(operator.add, (x[row] * y[row] for row in rows))
    total = inner_product(folded, jnp.ones_like(folded))
    rest = slice(_ROWS * length, None)
    return total + jnp.vdot(x[rest], y[rest]) if x.size % _ROWS else total
