"""Numbers below N in a random order, each computed from its place alone.

A permutation of N examples as an array takes N words of memory and a sort. Here it is a function: a
Feistel network, a cipher whose blocks are the numbers from 0 to N - 1 (Black and Rogaway, "Ciphers
with arbitrary finite domains", 2002). A number is written as (row, column) in a grid of about
sqrt(N) by sqrt(N). In turn, the row moves by a hash of the column and the column by a hash of the
row, which can be undone, so no two numbers meet. (If both sides are odd and the grid is full, as
for 9, only even permutations occur. What stands at any N - 2 places is still uniform.)
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from thermo_optax._noise import threefry2x32

# What two numbers still have in common falls by sqrt(N) in each half round. For the smallest grid,
# 2 by 2, 16 half rounds leave 2^-16.
_HALF_ROUNDS = 16
_FEWEST = 13  # rounds of Threefry that pass the tests of its authors


class Grid(NamedTuple):
    """The numbers below `size`, written as row * columns + column; each field is a uint32."""

    size: Any
    rows: Any
    columns: Any


def grid_of(num: int) -> Grid:
    """The grid of `num` >= 1 numbers that is closest to a square."""
    columns = math.isqrt(num - 1) + 1 if num > 1 else 1
    return Grid(*(np.uint32(number) for number in (num, -(-num // columns), columns)))


def shuffled(key: jax.Array, places: jax.Array, grid: Grid) -> jax.Array:
    """The numbers at some places (uint32[...], below the size) of a random order of all."""

    def half_round(i, halves):
        first, second = halves
        side = jnp.where(i % 2 == 0, grid.rows, grid.columns)
        word = _hash(key, (lax.convert_element_type(i, jnp.uint32), second))
        return second, (first + word % side) % side

    def encipher(numbers):
        halves = numbers // grid.columns, numbers % grid.columns
        row, column = lax.fori_loop(0, _HALF_ROUNDS, half_round, halves)
        return row * grid.columns + column

    return _until_below(grid.size, encipher, places)


def drawn(key: jax.Array, places: jax.Array, num: int) -> jax.Array:
    """Independent uniform numbers below `num`, one for each place (uint32[...])."""
    # Of the words below this number, every remainder has equally many.
    whole = np.uint32(2**32 // num * num % 2**32)

    def again(words):
        return _hash(key, (words, places))

    return _until_below(whole, again, jnp.zeros_like(places)) % np.uint32(num)


def _until_below(end: Any, move: Callable, numbers: jax.Array) -> jax.Array:
    """Moves all numbers once, and then those that are not below the end, until all are.

    The grid of `shuffled` has at most sqrt(N) places more than N, so most move only once. As the
    move can be undone, a number that left [0, N) comes back at a place of its own.
    """
    # The end 2^32 is 0 here: its last word is the largest. NumPy would warn of that.
    last = jnp.asarray(end) - np.uint32(1)

    def again(carry):
        numbers, above = carry
        numbers = jnp.where(above, move(numbers), numbers)
        return numbers, numbers > last

    start = numbers, numbers >= 0  # all
    return lax.while_loop(lambda carry: jnp.any(carry[1]), again, start)[0]


def _hash(key, words):
    return threefry2x32(key, words, _FEWEST)[0]
