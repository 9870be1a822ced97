"""Sums over whole arrays, at the pace of the memory."""

import jax
import jax.numpy as jnp

from ._backend import on_one_cpu

_ROWS = 8


def sum_of_squares(array: jax.Array) -> jax.Array:
    """The sum of the squares of all elements.

    XLA's CPU compiler writes the squares to memory and then adds them up one after the other, which
    takes longer than to draw as many normal numbers. An array that is first folded into 8 rows,
    one on top of the other, is squared and added in vectors: ten times as fast.
    """
    length = array.size // _ROWS
    if length < _ROWS or not on_one_cpu():  # elsewhere the array may be sharded: leave its shape
        return jnp.sum(jnp.square(array))
    flat = array.reshape(-1)
    rows = [flat[i * length : (i + 1) * length] for i in range(_ROWS)]
    total = jnp.sum(sum(map(jnp.square, rows)))
    rest = flat[_ROWS * length :]
    return total + jnp.sum(jnp.square(rest)) if rest.size else total
