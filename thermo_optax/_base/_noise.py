"""Standard normal noise for trees: the one place where the samplers' noise is made.

Noise is a pure function of (key, tick, coordinate). Nothing is split and nothing is stored:
the key stays constant over a run, the tick is the step count, and a coordinate is a counter
that `_layout` assigns.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ._layout import plan
from ._threefry import box_muller, inverse_cdf, ternary, threefry2x32

# Name: (rounds of Threefry, law); "jax" draws with `jax.random.normal` instead.
_THREEFRY = {
    "threefry": (20, box_muller),
    "threefry13": (13, box_muller),
    "inverse_cdf": (20, inverse_cdf),
    "ternary": (13, ternary),
}
GENERATORS = (*_THREEFRY, "jax")


def fold(key: jax.Array, word: int | jax.Array) -> jax.Array:
    """A key (uint32[2]) of its own for each word: an int of up to 64 bits, or a uint32."""
    if isinstance(word, int):
        high, low = np.uint32((word >> 32) & 0xFFFFFFFF), np.uint32(word & 0xFFFFFFFF)
    else:
        high, low = np.uint32(0), word.astype(jnp.uint32)
    return jnp.stack(threefry2x32(key, (high, low)))


def map_with_noise(
    fn: Callable[..., Any],
    key: jax.Array,
    ticks: tuple[jax.typing.ArrayLike, ...],
    *trees: Any,
    generator: str = "threefry",
) -> Any:
    """Maps fn(*z, *leaves) over trees, with fresh standard normals z for every leaf.

    Args:
      fn: elementwise function of one z per tick and one leaf per tree. It returns an
        array, or a tuple of arrays. Each z is float32, whatever the leaf, since narrower
        normals are biased: the caller casts, after scaling.
      key: uint32[2], constant over a run.
      ticks: integer scalars. Noise of equal (key, tick, coordinate) is equal.
      *trees: the first sets structure and shapes; leaves of the others may be scalars.
      generator: one of `GENERATORS`.

    Returns:
      A tree like the first, or a tuple of trees if fn returns a tuple.
    """
    if generator not in GENERATORS:
        raise ValueError(f"`generator` must be one of {list(GENERATORS)}, got {generator!r}.")
    leaves, treedef = jax.tree.flatten(trees[0])
    columns = [leaves, *(treedef.flatten_up_to(tree) for tree in trees[1:])]
    rows = list(zip(*columns, strict=True))
    ticks = tuple(jnp.asarray(tick).astype(jnp.uint32) for tick in ticks)

    if not rows:
        # No leaf can tell how many trees to return, so ask fn about an empty one.
        empty = jax.ShapeDtypeStruct((0,), jnp.float32)
        outputs = jax.eval_shape(fn, *[empty] * (len(ticks) + len(trees)))
        return (trees[0],) * len(outputs) if isinstance(outputs, tuple) else trees[0]

    draw = _draw_jax if generator == "jax" else _draw_fused
    noise = draw(key, ticks, leaves, generator)
    results = [fn(*z, *row) for z, row in zip(noise, rows, strict=True)]
    if isinstance(results[0], tuple):
        return tuple(treedef.unflatten(column) for column in zip(*results, strict=True))
    return treedef.unflatten(results)


def _draw_jax(key, ticks, leaves, generator):
    del generator
    key = jax.random.wrap_key_data(key, impl="threefry2x32")
    keys = [jax.random.fold_in(key, tick) for tick in ticks]
    return [
        [jax.random.normal(jax.random.fold_in(k, i), jnp.shape(leaf), jnp.float32) for k in keys]
        for i, leaf in enumerate(leaves)
    ]


def _draw_fused(key, ticks, leaves, generator):
    noise = [None] * len(leaves)
    for group in plan([math.prod(jnp.shape(leaf)) for leaf in leaves]):
        for place in group.places:
            shape = jnp.shape(leaves[place.leaf])
            start = np.uint32(place.start % 2**32)
            noise[place.leaf] = [
                _leaf_noise(key, tick, start, shape, place.lane, generator) for tick in ticks
            ]
    return noise


@functools.partial(jax.jit, static_argnums=(3, 4, 5))
def _leaf_noise(key, tick, start, shape, lane, generator):
    rounds, law = _THREEFRY[generator]
    counters = start + _iota(shape)
    words = threefry2x32(key, (jnp.broadcast_to(tick, shape), counters), rounds)
    return law(*words)[lane]


def _iota(shape):
    """The row-major index of each coordinate."""
    index = jnp.zeros(shape, jnp.uint32)
    for axis in range(len(shape)):
        stride = np.uint32(math.prod(shape[axis + 1 :]) % 2**32)
        index += lax.broadcasted_iota(jnp.uint32, shape, axis) * stride
    return index
