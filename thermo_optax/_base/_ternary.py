"""Three-valued noise: four variates of every random word, kept in one byte until they are used.

A word of 32 bits is a fraction of 2^32, and the digits of a uniform fraction in base 6 are uniform
and independent (to 6^4 / 2^32 for the fourth). Two of the six values of a digit are a step up and a
step down. So one hash makes eight variates, where it makes two normals.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

DIGITS = 4  # of a word, with 2 bits each in a byte
_BASE = 6


def ternary(w0, w1):
    """Variates of one word each: +-sqrt(3) with probability 1/6 (up to 2^-32) each, else 0.

    Their moments 1 to 5 are those of a normal, which is what an integrator of weak order 2 needs
    of its noise (Kloeden and Platen, "Numerical solution of stochastic differential equations",
    section 14.2).
    """
    steps = [[step.astype(jnp.int8) for step in _steps(word)] for word in (w0, w1)]
    return tuple(_scaled(up - down) for up, down in steps)


def advance(word, digits):
    """The words whose first digit is the one after `digits` (uint32, from 0 to 3) of the word's."""
    odd, two = digits & np.uint32(1), digits & np.uint32(2)
    factor = jnp.where(odd > 0, np.uint32(_BASE), np.uint32(1))
    return word * factor * jnp.where(two > 0, np.uint32(_BASE**2), np.uint32(1))


def pack(w0, w1) -> jax.Array:
    """All digits of two words: those of the first in the lower byte of a uint16."""
    low, high = (_byte(word).astype(jnp.uint16) for word in (w0, w1))
    return low | (high << np.uint16(8))


def unpack(packed, lane: int, size: int) -> jax.Array:
    """The `size` variates of words of one lane: first the first digits of all, then the second."""
    digit = lax.broadcasted_iota(jnp.uint16, (DIGITS, len(packed)), 0)
    # Two bits are a number from -2 to 1 once they are the upper ones of a signed integer.
    top = packed[None, :] << (np.uint16(14 - 8 * lane) - np.uint16(2) * digit)
    step = lax.bitcast_convert_type(top, jnp.int16) >> np.int16(14)
    return _scaled(step).reshape(-1)[:size]


def _steps(word):
    """Whether the first digit is 2, a step up, and whether it is 3, a step down."""
    signed = lax.bitcast_convert_type(word, jnp.int32)
    sixth = 2**32 // _BASE
    return signed >= np.int32(2**31 - sixth), signed < np.int32(sixth - 2**31)


def _byte(word):
    byte = jnp.uint8(0)
    for digit in range(DIGITS):
        up, down = (step.astype(jnp.uint8) for step in _steps(word))
        byte = byte | ((up + down * np.uint8(3)) << np.uint8(2 * digit))
        word = word * np.uint32(_BASE)
    return byte


def _scaled(steps):
    return np.float32(math.sqrt(3)) * steps.astype(jnp.float32)
