"""Sums over whole arrays, at the pace of the memory."""

import functools
import operator

import jax
import jax.numpy as jnp

from ._backend import on_one_cpu
from ._shards import over_shards

_ROWS = 16
_SHORT = 4096  # elements, up to which a dot product is fast enough
_XLA_ADDS_IN_VECTORS = jax.__version_info__ >= (0, 12)


def sum_of_squares(array: jax.Array) -> jax.Array:
    """The sum of the squares of all elements.

    Before jax 0.12 XLA's CPU compiler writes the squares to memory and then adds them up one after
    the other, which takes longer than to draw as many normal numbers. An array that is folded into
    16 rows, one on top of the other, is squared and added in vectors: ten times as fast. Since then
    a plain sum is twice as fast as that.
    """
    # On several devices the array may be sharded: leave its shape.
    if _XLA_ADDS_IN_VECTORS or not on_one_cpu():
        return over_shards(jnp.sum(jnp.square(array)))
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
