"""Words and laws: against the published hash, `jax.random`, and the same formulas in float64."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.random import threefry_2x32

from tests._noise import reference_noise as reference
from thermo_optax._noise._variates import box_muller, inverse_cdf, ternary, threefry2x32

LAST = 0xFFFFFFFF
# Of the Random123 library: rounds, two words, key, result.
KNOWN_ANSWERS = [
    (13, (0, 0), (0, 0), (0x9D1C5EC6, 0x8BD50731)),
    (13, (LAST, LAST), (LAST, LAST), (0xFD36D048, 0x2D17272C)),
    (13, (0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xBA3E4725, 0xF27D669E)),
    (20, (0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
    (20, (LAST, LAST), (LAST, LAST), (0x1CB996FC, 0xBB002BE7)),
    (20, (0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xC4923A9C, 0x483DF7A0)),
]


def random_words(seed, size=1 << 18):
    return np.random.default_rng(seed).integers(0, 2**32, size, dtype=np.uint32)


def hostile_words():
    """Random words, and the first, middle and last ones, in all combinations."""
    edges = [0, 1, 2, 3, 2**30, 2**31, 3 * 2**30, LAST]
    near = {(edge + step) % 2**32 for edge in edges for step in range(-64, 65)}
    w0, w1 = np.meshgrid(*2 * [np.array(sorted(near), np.uint32)])
    return np.append(w0.ravel(), random_words(1)), np.append(w1.ravel(), random_words(2))


@pytest.mark.parametrize("rounds, words, key, expected", KNOWN_ANSWERS)
def test_known_answers(rounds, words, key, expected):
    traced = jax.jit(threefry2x32, static_argnums=2)(
        jnp.array(key, jnp.uint32), jnp.array(words, jnp.uint32), rounds
    )
    assert tuple(map(int, traced)) == expected
    assert tuple(map(int, reference.threefry2x32(key, words, rounds))) == expected


def test_words_are_those_of_jax_and_of_the_reference():
    key, w0, w1 = random_words(0, 2), random_words(1), random_words(2)
    ours = np.concatenate(jax.jit(threefry2x32)(key, (w0, w1)))
    np.testing.assert_array_equal(ours, threefry_2x32(key, np.append(w0, w1)))
    np.testing.assert_array_equal(ours, np.concatenate(reference.threefry2x32(key, (w0, w1))))


def test_box_muller_is_accurate_for_all_words():
    w0, w1 = hostile_words()
    ours = jax.jit(box_muller)(w0, w1)
    for one, exact in zip(ours, reference.box_muller(w0, w1), strict=True):
        radius = np.hypot(*reference.box_muller(w0, w1))
        error = np.abs(np.asarray(one, np.float64) - exact)
        assert np.max(error - 3e-7 * np.maximum(radius, 1)) <= 0
        assert np.mean(error) < 1e-7
        assert 6.5 < np.max(np.abs(one)) < 6.7


@pytest.mark.parametrize("law", [box_muller, inverse_cdf, ternary])
def test_no_words_give_a_nan_or_an_infinity(law):
    for numbers in jax.jit(law)(*hostile_words()):
        assert numbers.dtype == jnp.float32
        assert np.all(np.isfinite(numbers))


def test_inverse_cdf_is_jax_random_normal_bit_for_bit():
    key, shape = jax.random.key(0), (1 << 18,)
    bits = jax.random.bits(key, shape, jnp.uint32)
    expected = jax.random.normal(key, shape, jnp.float32)
    for numbers in jax.jit(inverse_cdf)(bits, bits):
        np.testing.assert_array_equal(numbers, expected)


def test_ternary_has_a_sixth_of_all_words_on_either_side():
    sixth = 2**32 // 6  # words from 2^31 on are negative numbers, and count down from 2^32 - 1
    edges = [0, 2**31 - sixth - 1, 2**31 - sixth, 2**31 - 1, 2**31, 2**31 + sixth - 1]
    edges += [2**31 + sixth, LAST]
    expected = np.float32(math.sqrt(3)) * np.array([0, 0, 1, 1, -1, -1, 0, 0], np.float32)
    for numbers in ternary(*2 * [np.array(edges, np.uint32)]):
        np.testing.assert_array_equal(numbers, expected)
    assert abs(3 * 2 * sixth / 2**32 - 1) < 1e-9  # the variance
