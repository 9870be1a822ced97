"""All chains of a method on a target in one compiled program: settings and keys are its rows."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.posteriors.problem import Method, Problem, Setting
from benchmarks.posteriors.targets import Target

BLOCKS = 400  # at most, for each of which the sums of a chain are kept
THROWN = 5  # the first fifth of every chain is thrown away


class Sums(NamedTuple):
    """What is kept of chains: sums over the samples of each block, in units of the truth."""

    weight: np.ndarray  # [chains, blocks]
    first: np.ndarray  # [chains, blocks, observables], of (f - mean) / deviation
    second: np.ndarray  # and of its square
    predictive: np.ndarray  # [chains, images, classes]; empty where nothing is predicted
    gradients: np.ndarray  # [chains, blocks], counted from the start to each block's end
    seconds: float  # that all chains took together


def program(
    method: Method, target: Target, problems: Callable[..., Problem], steps: int
) -> Callable[..., Sums]:
    """A function of settings [chains], keys [chains] and what else `problems` takes, row by row.

    It compiles once.
    """
    truth = target.truth
    assert truth is not None
    mean, deviation = (jnp.asarray(m, jnp.float32) for m in (truth.mean, truth.deviation))
    length = -(-steps // BLOCKS)
    blocks = steps // length

    def chain(setting: Setting, key: jax.Array, *rows: Any):
        start, order, noise = jax.random.split(key, 3)
        kernel = method.make(problems(order, *rows), setting, noise)

        def step(carry, count):
            inner, weight, first, second = carry
            inner = kernel.step(inner, count)
            x, share = kernel.read(inner)
            share = jnp.where(count < method.warm_up, 0.0, share)
            scaled = (target.observe(x) - mean) / deviation
            kept = share > 0
            first = first + jnp.where(kept, share * scaled, 0)
            second = second + jnp.where(kept, share * scaled**2, 0)
            return (inner, weight + share, first, second), None

        def block(carry, number):
            inner, predicted = carry
            nothing = jnp.float32(0), jnp.zeros_like(mean), jnp.zeros_like(mean)
            (inner, *sums), _ = jax.lax.scan(
                step, (inner, *nothing), number * length + jnp.arange(length)
            )
            if target.test is not None:
                late = (number >= blocks // THROWN) & (number * length >= method.warm_up)
                x, _ = kernel.read(inner)
                predicted = predicted + jnp.where(late, target.test.predict(x), 0)
            return (inner, predicted), sums

        shape = target.test.predict(jnp.zeros(target.size)).shape if target.test else (0, 0)
        begin = kernel.init(target.start(start)), jnp.zeros(shape)
        (_, predicted), sums = jax.lax.scan(block, begin, jnp.arange(blocks))
        return sums, predicted

    compiled = jax.jit(jax.vmap(chain))

    def run(settings: Setting, keys: jax.Array, *rows: Any) -> Sums:
        began = time.perf_counter()
        sums, predicted = jax.block_until_ready(compiled(settings, keys, *rows))
        seconds = time.perf_counter() - began
        weight, first, second = (np.asarray(part, float) for part in sums)
        total = np.maximum(np.sum(predicted, -1, keepdims=True), 1e-30)
        gradients = method.cost * length * np.arange(1, blocks + 1)
        return Sums(
            weight,
            first,
            second,
            np.asarray(predicted / total, float),
            np.broadcast_to(gradients, weight.shape),
            seconds,
        )

    return run


def keys_of(seed: int, chains: int) -> jax.Array:
    """A key for each chain of a seed."""
    return jax.random.split(jax.random.key(seed), chains)


def settings_of(rows: Any) -> Setting:
    """Rows [settings, 2] of steps and frictions."""
    step, friction = np.asarray(rows, np.float32).T
    return Setting(jnp.asarray(step), jnp.asarray(friction))
