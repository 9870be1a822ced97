"""Random words from a counter, and the laws that turn two words into two numbers.

Threefry-2x32 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as
1, 2, 3", SC 2011) is the hash behind `jax.random`. XLA compiles the latter's to a
loop over arrays in memory; written out, its rounds stay in registers and fuse with
whatever consumes them.

Each law maps two words to two independent standard variates, in float32. None of them
returns a NaN or an infinity, whatever the words.
"""

import math

import jax.numpy as jnp
import numpy as np
from jax import lax

ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
PARITY = np.uint32(0x1BD11BDA)

HALF_TURN = np.float32(2 * math.pi)


def threefry2x32(key, words, rounds: int = 20):
    """The two words that Threefry-2x32 makes of two words (uint32) and a key (uint32[2]).

    20 rounds is the standard; 13 is the smallest number that its authors found to pass
    the BigCrush tests.
    """
    first, second = key[0], key[1]
    schedule = (first, second, first ^ second ^ PARITY)
    x, y = words[0] + first, words[1] + second
    for i in range(rounds):
        x = x + y
        y = _rotate_left(y, ROTATIONS[i % 8]) ^ x
        if i % 4 == 3:
            j = i // 4 + 1
            x = x + schedule[j % 3]
            y = y + (schedule[(j + 1) % 3] + np.uint32(j))
    return x, y


def _rotate_left(word, bits):
    return (word << np.uint32(bits)) | (word >> np.uint32(32 - bits))


def box_muller(w0, w1):
    """Two standard normals, r * cos(a) and r * sin(a); |z| stays below 6.7."""
    r = jnp.sqrt(_minus_two_log(w0))
    quarter = np.uint32(1 << 30)
    return r * _cos_turns(w1), r * _cos_turns(w1 - quarter)


def inverse_cdf(w0, w1):
    """Two standard normals, each from one word exactly as `jax.random.normal` does it."""
    return _inverse_cdf(w0), _inverse_cdf(w1)


def _inverse_cdf(word):
    low = np.nextafter(np.float32(-1), np.float32(0))
    # 23 random bits as the mantissa of a float in [1, 2).
    bits = (word >> np.uint32(9)) | np.uint32(0x3F800000)
    one_to_two = lax.bitcast_convert_type(bits, jnp.float32)
    uniform = (one_to_two - np.float32(1)) * (np.float32(1) - low) + low
    return np.float32(math.sqrt(2)) * lax.erf_inv(jnp.maximum(low, uniform))


def ternary(w0, w1):
    """Two variates that are +-sqrt(3) with probability 1/6 each, else 0.

    Their first five moments are those of a normal (up to 2^-32): enough for a scheme of
    weak order 2, see Kloeden and Platen, chapter 14.
    """
    return _ternary(w0), _ternary(w1)


def _ternary(word):
    signed = lax.bitcast_convert_type(word, jnp.int32)
    sixth = 2**32 // 6
    up = (signed >= np.int32(2**31 - sixth)).astype(jnp.float32)
    down = (signed < np.int32(sixth - 2**31)).astype(jnp.float32)
    return np.float32(math.sqrt(3)) * (up - down)


def _minus_two_log(word):
    """-2 log(u), for u uniform on (0, 1]."""
    # 31 bits: a signed word converts to float in one instruction, an unsigned one in many.
    # Half a unit keeps u from zero.
    integer = lax.bitcast_convert_type(word >> np.uint32(1), jnp.int32)
    u = (integer.astype(jnp.float32) + np.float32(0.5)) * np.float32(2**-31)
    return np.float32(-2) * jnp.log(u)


def _cos_turns(word):
    """cos(2 pi x), for x = word / 2^32."""
    # cos(2 pi x) = sin(2 pi y) with y = 1/4 - |x| in [-1/4, 1/4], exact in integers.
    signed = lax.bitcast_convert_type(word, jnp.int32)
    y = (np.int32(1 << 30) - jnp.abs(signed)).astype(jnp.float32) * np.float32(2**-32)
    return jnp.sin(HALF_TURN * y)
