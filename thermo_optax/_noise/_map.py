"""Noise for trees of parameters: the one function by which the samplers draw it.

Noise is a pure function of (key, tick, coordinate). The key stays constant over a run, the tick is
the step count, and a coordinate is known by the counter that `_layout` assigns to it. So nothing is
split, nothing but the count is stored, and neither sharding nor backend nor jit changes a number.

There are two ways to compute the same numbers:

- "fused": every leaf hashes its counters in the very loop that uses the noise. Nothing is stored,
  and a leaf can be sharded at will; but half of each hash is thrown away.
- "paired": one kernel draws both lanes of a group into a buffer, from which its leaves read. Where
  the processor and not the memory sets the pace, which is on a CPU, this is 1.3 times as fast, and
  a tree of 148 leaves compiles in a third of the time.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer

from thermo_optax import _xla as xla

from ._counters import COUNTERS, add, at_least, flat_index, pair, subtract
from ._layout import Group, Place, plan, words
from ._shards import varying_axes, warn_of_hidden_axes
from ._variates import THREEFRY, advance, check_generator, fold, pack, threefry2x32, unpack

Layout = Literal["fused", "paired"]
_SHARDS = 0x73686172  # "shar": keeps the keys of shards apart from all that is folded elsewhere


def map_with_noise(
    fn: Callable[..., Any],
    key: jax.typing.ArrayLike,
    ticks: tuple[jax.typing.ArrayLike, ...],
    *trees: Any,
    generator: str = "threefry",
    rereads: bool = False,
    _layout: Layout | None = None,
) -> Any:
    """Maps `fn(*noises, *leaves)` over trees.

    Args:
        fn: An elementwise function of one noise per tick and one leaf per tree, which returns an
            array or a tuple of arrays. The noises have the shape of the first tree's leaf, and are
            float32 whatever that one's dtype: a normal drawn in bfloat16 has a mean of -0.01. So
            `fn` casts, after it has scaled them.
        key: uint32[2], constant over a run.
        ticks: Integer scalars. Equal ticks, under one key, draw equal noise.
        *trees: The first sets the structure; instead of an array, the others may have a scalar.
        generator: One of `GENERATORS`; "jax" may name an implementation of keys, as in "jax:rbg".
        rereads: Whether more than one result of `fn` needs the leaves of the trees but the first.
            It changes no number, only where a CPU keeps them while one result is written over them.
        _layout: For tests and benchmarks, which compare the ways to compute the noise.

    Returns:
        A tree like the first, or a tuple of such trees if `fn` returns a tuple.
    """
    name, _, implementation = generator.partition(":")
    check_generator(name)
    first, treedef = jax.tree.flatten(trees[0])
    rows = list(zip(first, *(treedef.flatten_up_to(tree) for tree in trees[1:]), strict=True))
    ticks = tuple(jnp.asarray(tick).astype(jnp.uint32) for tick in ticks)

    warn_of_hidden_axes()
    keys = [_of_shard(key, leaf) for leaf in first]
    if name == "jax":
        results = _map_jax(fn, keys, ticks, rows, implementation or "threefry2x32")
    else:
        layout = _layout or _layout_for(key, ticks, first)
        results = _map_threefry(fn, keys, ticks, rows, generator, layout, rereads)

    if not rows:
        # No leaf shows how many trees to return, so `fn` is asked about an array of no elements.
        empty = jax.ShapeDtypeStruct((0,), jnp.float32)
        output = jax.eval_shape(fn, *[empty] * (len(ticks) + len(trees)))
        return (trees[0],) * len(output) if isinstance(output, tuple) else trees[0]
    if isinstance(results[0], tuple):
        return tuple(treedef.unflatten(column) for column in zip(*results, strict=True))
    return treedef.unflatten(results)


def _layout_for(*arrays) -> Layout:
    # Outside of jit no buffer is reused and each operation is dispatched by itself: a kernel per
    # leaf is best there.
    leaves = jax.tree.leaves(arrays)
    traced = any(isinstance(array, Tracer) for array in leaves)
    # The leaves of shards have keys of their own.
    whole = not any(varying_axes(array) for array in leaves)
    return "paired" if traced and xla.on_one_cpu() and whole else "fused"


def _of_shard(key, leaf):
    """The key of a leaf: of its own on each shard that `jax.shard_map` gives another part of it.

    A leaf that is the same on all shards keeps the one key, and so stays the same on all.
    """
    axes = varying_axes(leaf)
    for axis in axes:
        key = fold(fold(key, _SHARDS), lax.axis_index(axis))
    return xla.computed_first(key) if axes else key


def _map_jax(fn, keys, ticks, rows, implementation):
    def of_ticks(key):
        if implementation != "threefry2x32":  # the others have keys of four words
            key = jnp.concatenate([key, fold(key, 1)])
        key = jax.random.wrap_key_data(key, impl=implementation)
        return [jax.random.fold_in(key, tick) for tick in ticks]

    def draw(key, index, leaf):
        shape, sharding = _shape(leaf), xla.explicit_sharding(leaf)
        key = jax.random.fold_in(key, index)
        return jax.random.normal(key, shape, jnp.float32, out_sharding=sharding)

    streams = {id(key): of_ticks(key) for key in keys}  # one for all leaves, but those of shards
    return [
        fn(*(draw(key, i, row[0]) for key in streams[id(keys[i])]), *row)
        for i, row in enumerate(rows)
    ]


def _map_threefry(fn, keys, ticks, rows, generator, layout, rereads):
    results: list[Any] = [None] * len(rows)
    last = None  # of the groups drawn in pairs: one number of a fused leaf costs all of its noise
    digits = THREEFRY[generator].digits
    for group in plan([math.prod(_shape(row[0])) for row in rows], digits):
        # A buffer of bytes pays even for one lane: without it every digit costs a hash.
        # Places in a buffer are int32.
        paired = layout == "paired" and (group.even or digits > 1) and group.length < 2**31
        if paired:
            noises_of = _paired(keys[0], ticks, group, generator, last)
        else:
            noises_of = _fused(keys, ticks, group, generator)
        for place in group.places:
            first, *others = rows[place.leaf]
            noises = noises_of(place, first)
            if paired and rereads:
                others = [xla.copied(leaf, noises[0]) for leaf in others]
            results[place.leaf] = fn(*noises, first, *others)
            if paired:
                # Depend on the noise, not on the result: XLA would recompute the one element we
                # read and copy its inputs. If they are copied anyway (`rereads`), depend on the
                # result so the copies wait too.
                last = results[place.leaf] if rereads else noises[0]
    return results


# The fused layout.


def _fused(keys, ticks, group: Group, generator):
    high, low = pair(group.start)

    def noises_of(place: Place, leaf):
        key, shape = keys[place.leaf], _shape(leaf)
        law = (shape, xla.explicit_sharding(leaf), place.lane, generator)
        if math.prod(shape) > COUNTERS:
            return [_draw_long_lane(key, tick, (high, low), *law) for tick in ticks]
        key = _of_stretch(key, high) if high else key
        start = xla.hidden(int(low) + place.offset, np.uint32)
        return [_draw_lane(key, tick, start, *law) for tick in ticks]

    return noises_of


def _of_stretch(key, high):
    """The key for the counters of one upper word, or of many of them: that of 0 is the key itself.

    Threefry makes independent words of any two keys that differ, however little.
    """
    return key[0], key[1] ^ high


@functools.partial(jax.jit, static_argnames=("shape", "sharding", "lane", "generator"))
def _draw_lane(key, tick, start, shape, sharding, lane, generator):
    """The noise of one leaf. Jitted, so that leaves of equal shape are traced once."""
    rounds, law, digits = THREEFRY[generator]
    index, start = _flat_index(shape, tick, sharding), xla.revealed(start, tick)
    if digits == 1:
        return law(*threefry2x32(key, (tick, start + index), rounds))[lane]
    length = words(math.prod(shape), digits)
    digit = sum((index >= np.uint32(i * length)).astype(jnp.uint32) for i in range(1, digits))
    counters = start + index - digit * np.uint32(length)
    pair = threefry2x32(key, (tick, counters), rounds)
    return law(*(advance(word, digit) for word in pair))[lane]


@functools.partial(jax.jit, static_argnames=("shape", "sharding", "lane", "generator"))
def _draw_long_lane(key, tick, start, shape, sharding, lane, generator):
    """The noise of a leaf from any counter of 64 bits on, though it may need more than 2^32."""
    rounds, law, digits = THREEFRY[generator]
    index, digit = flat_index(shape, xla.zero_of(tick), sharding), jnp.uint32(0)
    length = pair(words(math.prod(shape), digits))
    for _ in range(digits - 1):
        due = at_least(index, length).astype(jnp.uint32)
        index = subtract(index, (length[0] * due, length[1] * due))
        digit = digit + due
    high, low = add(index, start)
    both = threefry2x32(_of_stretch(key, high), (tick, low), rounds)
    return law(*(advance(word, digit) if digits > 1 else word for word in both))[lane]


def _flat_index(shape, tick, sharding=None):
    """The place of each element in row-major order, below 2^32, laid out like the leaf."""
    index, zero = jnp.uint32(0), xla.zero_of(tick)
    for axis in range(len(shape)):
        steps = zero + lax.broadcasted_iota(jnp.uint32, shape, axis, out_sharding=sharding)
        index = index + steps * np.uint32(math.prod(shape[axis + 1 :]) % COUNTERS)
    return index


# The paired layout. XLA's compiler for CPUs knows no loop with two results, so the two lanes are
# the real and the imaginary part of one.


def _paired(key, ticks, group: Group, generator, last):
    wait = np.uint32(0) if last is None else xla.never(last).astype(jnp.uint32)
    high, low = pair(group.start)
    key = _of_stretch(key, high) if high else key
    start = low + wait
    with xla.not_inlined():
        buffers = [_draw_both_lanes(key, tick, start, group.length, generator) for tick in ticks]

    def noises_of(place: Place, leaf):
        offset = xla.revealed(xla.hidden(place.offset, np.int32), ticks[0])
        size = math.prod(_shape(leaf))
        length = words(size, THREEFRY[generator].digits)
        pieces = [lax.dynamic_slice(buffer, (offset,), (length,)) for buffer in buffers]
        lanes = [_unpacked(piece, place.lane, size, generator) for piece in pieces]
        return [noise.reshape(_shape(leaf)) for noise in lanes]

    return noises_of


@functools.partial(jax.jit, static_argnames=("length", "generator"))
def _draw_both_lanes(key, tick, start, length, generator):
    rounds, law, digits = THREEFRY[generator]
    pair = threefry2x32(key, (tick, start + _flat_index((length,), tick)), rounds)
    return pack(*pair) if digits > 1 else lax.complex(*law(*pair))


def _unpacked(pairs, lane, size, generator):
    if THREEFRY[generator].digits > 1:
        return unpack(pairs, lane, size)
    return jnp.imag(pairs) if lane else jnp.real(pairs)


def _shape(leaf) -> tuple[int, ...]:
    return tuple(leaf.shape) if hasattr(leaf, "shape") else jnp.shape(leaf)
