"""Random words from a counter, and the laws that turn two words into two numbers.

Threefry-2x32 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", 2011)
is also the hash behind `jax.random`. On a CPU that one is compiled to a loop over arrays in memory;
with the rounds written out they stay in registers and fuse with whatever consumes the words, which
makes normals by the same formula 4 times as fast, and those by `box_muller` 8 times.

Each law maps two uint32 words to two independent standard variates in float32, and no words to a
NaN or an infinity.

Three-valued noise makes four variates of every random word, kept in one byte until they are used.
A word of 32 bits is a fraction of 2^32, and the digits of a uniform fraction in base 6 are uniform
and independent (to 6^4 / 2^32 for the fourth). Two of the six values of a digit are a step up and a
step down. So one hash makes eight variates, where it makes two normals.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

_ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
_PARITY = np.uint32(0x1BD11BDA)


def threefry2x32(key, words, rounds: int = 20) -> tuple[jax.Array, jax.Array]:
    """Two words out of two words (uint32 arrays) and a key (uint32[2]).

    20 rounds are the standard; 13 are the fewest that passed its authors' tests (BigCrush).
    """
    schedule = (key[0], key[1], key[0] ^ key[1] ^ _PARITY)
    # By `lax`: to trace operators takes twice as long, and this is most of what a step traces.
    x, y = lax.add(words[0], schedule[0]), lax.add(words[1], schedule[1])
    for i in range(rounds):
        x = lax.add(x, y)
        y = lax.bitwise_xor(_rotate_left(y, _ROTATIONS[i % 8]), x)
        if i % 4 == 3:
            turn = i // 4 + 1
            x = lax.add(x, schedule[turn % 3])
            y = lax.add(y, lax.add(schedule[(turn + 1) % 3], np.uint32(turn)))
    return x, y


def fold(key: jax.typing.ArrayLike, word: int | jax.Array) -> jax.Array:
    """A key of its own (uint32[2]) for each word: an integer of up to 64 bits."""
    if isinstance(word, int):
        return _hash(key, np.array([word >> 32, word & 0xFFFFFFFF], np.uint32))
    high = np.uint32(0) if word.dtype.itemsize <= 4 else (word >> 32).astype(jnp.uint32)
    return _hash(key, (high, word.astype(jnp.uint32)))


@jax.jit
def _hash(key, words):
    return jnp.stack(threefry2x32(key, words))


def _rotate_left(word, bits):
    left, right = np.uint32(bits), np.uint32(32 - bits)
    return lax.bitwise_or(lax.shift_left(word, left), lax.shift_right_logical(word, right))


def box_muller(w0, w1):
    """Normals r cos(a) and r sin(a), with r below 6.7 and an absolute error near 2e-7."""
    # 31 bits, since a signed word converts to float in one instruction and an unsigned one in many.
    # Half a unit keeps u off zero; at most 1, it leaves no square root of a negative number.
    integer = lax.bitcast_convert_type(w0 >> np.uint32(1), jnp.int32).astype(jnp.float32)
    u = (integer + np.float32(0.5)) * np.float32(2**-31)
    r = jnp.sqrt(np.float32(-2) * _log(u))
    quarter_turn = np.uint32(2**30)
    return r * _cos_turns(w1), r * _cos_turns(w1 - quarter_turn)


def inverse_cdf(w0, w1):
    """Normals of one word each, bit for bit as `jax.random.normal` makes them."""
    return _normal_quantile(w0), _normal_quantile(w1)


def _log(x):
    """log(x) of a positive normal float32, with a relative error near 1e-7.

    With XLA's own, the hash and `box_muller` together take a third more time.
    """
    # x = 2^exponent m, with m from sqrt(1/2) to sqrt(2); the polynomial is that of Cephes' logf.
    bits = lax.bitcast_convert_type(x, jnp.int32) - _SQRT_HALF_BITS
    exponent = (bits >> np.int32(23)).astype(jnp.float32)
    m = lax.bitcast_convert_type((bits & np.int32(2**23 - 1)) + _SQRT_HALF_BITS, jnp.float32)
    f = m - np.float32(1)
    return f * _polynomial(_LOG, f) + exponent * np.float32(math.log(2))


_SQRT_HALF_BITS = np.float32(math.sqrt(0.5)).view(np.int32)
_LOG = (
    *(1.0, -0.5, 3.3333331174e-1, -2.4999993993e-1, 2.0000714765e-1, -1.6668057665e-1),
    *(1.4249322787e-1, -1.2420140846e-1, 1.1676998740e-1, -1.1514610310e-1, 7.0376836292e-2),
)


def _cos_turns(word):
    """cos(2 pi x) for x = word / 2^32, with an absolute error of 2e-7.

    On a CPU XLA evaluates its own number by number, at four times the cost of the hash.
    """
    # With word read as signed, x is in [-1/2, 1/2), and cos(2 pi x) = sin(2 pi y) for
    # y = 1/4 - |x|, which integers hold exactly (also for x = -1/2, whose |x| wraps around).
    signed = lax.bitcast_convert_type(word, jnp.int32)
    y = (np.int32(2**30) - jnp.abs(signed)).astype(jnp.float32) * np.float32(2**-32)
    return y * _polynomial(_SIN_TURNS, y * y)


# Minimax fit of sin(2 pi y) / y in powers of y^2 on [0, 1/4]; its own error is 4e-9.
_SIN_TURNS = (2 * math.pi, -41.3416785, 81.6021544, -76.5718851, 39.6827032)


def _normal_quantile(word):
    low = np.nextafter(np.float32(-1), np.float32(0))
    # The upper 23 bits as the mantissa of a float from 1 to 2.
    bits = (word >> np.uint32(9)) | np.float32(1).view(np.uint32)
    unit = lax.bitcast_convert_type(bits, jnp.float32) - np.float32(1)
    uniform = jnp.maximum(low, unit * (np.float32(1) - low) + low)
    return np.float32(math.sqrt(2)) * lax.erf_inv(uniform)


def _polynomial(coefficients, x):
    """Horner's rule; the constant term comes first."""
    value = np.float32(coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        value = lax.add(lax.mul(value, x), np.float32(coefficient))
    return value


# Three-valued noise.

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


# The generators by name.


class Generator(NamedTuple):
    """Threefry, and what makes numbers of its words."""

    rounds: int
    law: Callable  # of two arrays of words: two of numbers
    digits: int = 1  # numbers of each word; the law makes the first


THREEFRY = {  # each but "jax", which is `jax.random.normal`
    "threefry": Generator(20, box_muller),
    "threefry13": Generator(13, box_muller),
    "inverse_cdf": Generator(20, inverse_cdf),
    "ternary": Generator(13, ternary, DIGITS),
}
GENERATORS = (*THREEFRY, "jax")

_DESCRIPTIONS = {
    "threefry": "exact Gaussian: 20 rounds of Threefry-2x32 and Box-Muller; the default",
    "threefry13": "exact Gaussian: 13 rounds, the smallest number reported to pass BigCrush",
    "inverse_cdf": "exact Gaussian by the formula of jax.random.normal, bit for bit; slower",
    "ternary": "0 or +-sqrt(3): the moments 1 to 5 of a Gaussian, for weak order 2; the fastest",
    "jax": "jax.random.normal with the implementation of the user's own key",
}


def check_generator(generator: Any) -> None:
    """Raises for a generator of another name."""
    if generator not in GENERATORS:
        raise ValueError(f"`generator` must be one of {list(GENERATORS)}, got {generator!r}.")


def noise_generators() -> dict[str, str]:
    r"""The names for the argument `generator` of a sampler, with what each one does.

    .. math::
        z_i = \text{law}(\text{Threefry}_{\text{key}}(\text{step}, i))

    Noise is a function of the key, the step and the coordinate. It is drawn in float32 whatever the
    dtype of the parameters, since Gaussians drawn in bfloat16 have a mean of -0.01. It does not
    depend on how the parameters are sharded.

    Returns:
        A dict from name to description.

    Examples:
        >>> import thermo_optax as to
        >>> print(*to.noise_generators())
        threefry threefry13 inverse_cdf ternary jax

    References:
        Salmon et al., `Parallel random numbers: as easy as 1, 2, 3`, 2011 (Threefry).
    """
    return dict(_DESCRIPTIONS)
