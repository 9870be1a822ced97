"""Whole numbers of 64 bits, each in two uint32 words: JAX has no longer ones unless told so.

A number is a pair (high word, low word) of arrays or scalars. Results wrap around.
"""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

COUNTERS = 2**32  # the numbers that one word can tell apart
_BITS = np.uint32(16)  # of half a word
_COLUMNS = 2**16

Pair = tuple[Any, Any]


def pair(number: int) -> Pair:
    """The two words of a number."""
    return np.uint32(number // COUNTERS % COUNTERS), np.uint32(number % COUNTERS)


def add(x: Pair, y: Pair) -> Pair:
    """The sum x + y."""
    low = x[1] + y[1]
    return x[0] + y[0] + (low < x[1]).astype(jnp.uint32), low


def subtract(x: Pair, y: Pair) -> Pair:
    """The difference x - y."""
    return x[0] - y[0] - (x[1] < y[1]).astype(jnp.uint32), x[1] - y[1]


def at_least(x: Pair, y: Pair) -> jax.Array:
    """Whether x >= y."""
    return (x[0] > y[0]) | ((x[0] == y[0]) & (x[1] >= y[1]))


def times(x: Pair, number: int) -> Pair:
    """The product of x and a number."""
    high, low = pair(number)
    return _upper_word(x[1], low) + x[0] * low + x[1] * high, x[1] * low


def _upper_word(x, y):
    """The upper word of the product of two words, which is added up from products of halves."""
    half = np.uint32(2**16 - 1)
    a, b, c, d = x >> _BITS, x & half, y >> _BITS, y & half
    first = a * d + (b * d >> _BITS)
    second = b * c + (first & half)
    return a * c + (first >> _BITS) + (second >> _BITS)


def flat_index(shape: tuple[int, ...], zero: jax.Array, sharding: Any = None) -> Pair:
    """The place of each element in row-major order, laid out like an array of that shape.

    `zero` is a 0 that may differ from step to step as far as XLA knows, so that it keeps none of
    these arrays from one step to the next.
    """
    places = [_places(shape, axis, zero, sharding) for axis in range(len(shape))]
    return index_of(places, shape)


def index_of(places: Sequence[Pair], shape: tuple[int, ...]) -> Pair:
    """The place in row-major order, of the places along the axes of that shape."""
    index = pair(0)
    for axis, place in enumerate(places):
        index = add(times(place, math.prod(shape[axis + 1 :])), index)
    return index


def _places(shape, axis, zero, sharding, longest=COUNTERS) -> Pair:
    """The place of each element along one axis."""
    size = shape[axis]
    if size <= longest:
        low = zero + lax.broadcasted_iota(jnp.uint32, shape, axis, out_sharding=sharding)
        return jnp.zeros_like(low), low
    # No word counts that far, so one word counts rows, and another one counts along them.
    rows = -(-size // _COLUMNS), _COLUMNS
    row, column = (zero + lax.broadcasted_iota(jnp.uint32, rows, i) for i in range(2))

    def along_the_axis(word):
        flat = word.reshape(-1)[:size]
        return lax.broadcast_in_dim(flat, shape, (axis,), out_sharding=sharding)

    return along_the_axis(row >> _BITS), along_the_axis((row << _BITS) | column)
