"""Rank correlations, and how often chance alone makes one."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import betainc

LARGEST_ENUMERATED = 8  # replicas: 40,320 permutations


def average_ranks(numbers: jax.Array) -> jax.Array:
    """The ranks along the last axis, from 1; equal numbers share the mean of theirs."""
    mine, other = numbers[..., :, None], numbers[..., None, :]
    dtype = numbers.dtype
    below, equal = (jnp.sum(test, -1, dtype=dtype) for test in (other < mine, other == mine))
    return below + (equal + 1) / 2


def correlate(ranks: jax.Array, values: jax.Array) -> jax.Array:
    """Pearson's, along the last axis; 0 where all are equal."""
    ranks, values = (x - jnp.mean(x, axis=-1, keepdims=True) for x in (ranks, values))
    values = jnp.broadcast_to(values, ranks.shape)
    size = jnp.sum(ranks**2, axis=-1) * jnp.sum(values**2, axis=-1)
    return jnp.sum(ranks * values, axis=-1) / jnp.sqrt(jnp.where(size > 0, size, 1))


def permutation_p_value(correlation: jax.Array, num_seeds: int, num_replicas: int) -> jax.Array:
    """The chance of a correlation at least as large in size, if there is no relation."""
    dtype = correlation.dtype
    size = jnp.abs(correlation)
    if num_replicas <= LARGEST_ENUMERATED:
        below = _chance_of_differences(num_seeds, num_replicas)
        # The sum of all (difference of ranks)^2 / 2, which is a whole number but for rounding.
        number = (1 - size) / 2 * (len(below) - 1)
        chance = jnp.asarray(below, dtype)[jnp.floor(number + 0.01).astype(jnp.int32)]
        return jnp.minimum(2 * chance, 1)
    # The law on [-1, 1] that is Student's for one seed, with the variance for several.
    half = jnp.asarray((num_seeds * (num_replicas - 1) - 1) / 2, dtype)
    return betainc(half, jnp.asarray(0.5, dtype), jnp.clip(1 - size**2, 0, 1))


@functools.lru_cache
def _chance_of_differences(num_seeds: int, num_replicas: int) -> np.ndarray:
    """P(D <= d) for d = 0, 1, ...: D is half the sum of squared differences between random ranks.

    Summed over independent seeds, it is (1 - correlation) / 2 times its largest value.
    """
    ranks = np.arange(num_replicas)
    permuted = np.array(list(itertools.permutations(ranks)))
    counts = np.bincount(np.sum((permuted - ranks) ** 2, axis=1) // 2)
    chances = functools.reduce(np.convolve, [counts / len(permuted)] * num_seeds)
    return np.cumsum(chances)
