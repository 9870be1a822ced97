"""Independent chains of one sampler, all at once, and what they leave behind."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.engine.training import step


def simulate(
    make: Callable[[jax.Array], optax.GradientTransformationExtraArgs],
    loss: Callable[[Any], jax.Array],
    record: Callable[[Any, Any], Any],
    starts: jax.Array,
    keys: jax.Array,
    steps: int,
    *,
    chunks: int = 1,
    done: Callable[[int], None] = lambda steps: None,
) -> tuple[Any, Any]:
    """Runs a chain from each start, with the transformation that `make` returns for its key.

    Returns what `record(x, state)` says after each step, in arrays [chains, steps, ...], and the
    states at the end. It runs in chunks and calls `done` with the length of each.
    """

    def begin(start, key):
        return start, make(key).init(start)

    def advance(carry, key, length):
        tx = make(key)

        def body(carry, _):
            carry, _ = step(lambda x, _: jax.value_and_grad(loss)(x), tx, carry)
            return carry, record(*carry)

        return jax.lax.scan(body, carry, length=length)

    carry = jax.jit(jax.vmap(begin))(starts, keys)
    mapped = jax.vmap(advance, in_axes=(0, 0, None))
    run = jax.jit(mapped, static_argnums=2, donate_argnums=0)
    records = []
    for length in chunk_lengths(steps, chunks):
        carry, chunk = run(carry, keys, length)
        records.append(jax.device_get(chunk))
        done(length)
    return jax.tree.map(lambda *parts: np.concatenate(parts, axis=1), *records), carry[1]


def chunk_lengths(steps: int, chunks: int) -> list[int]:
    """Equal chunks, the last one shorter if need be: at most two programs to compile."""
    length = -(-steps // chunks)
    return [min(length, steps - start) for start in range(0, steps, length)]


def keys_of(first_seed: int, seeds: int, chains: int) -> jax.Array:
    """A key for each chain of each seed: a seed's chains do not depend on how many seeds run."""
    return jnp.concatenate(
        [jax.random.split(jax.random.key(first_seed + seed), chains) for seed in range(seeds)]
    )
