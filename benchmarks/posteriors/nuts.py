"""BlackJAX's NUTS after its window adaptation, whose gradients are counted too."""

import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.posteriors.chains import BLOCKS, Sums
from benchmarks.posteriors.targets import Target

WARM_UP = 300  # draws


def run(target: Target, keys: jax.Array, draws: int) -> Sums:
    """Sums over blocks of draws; a block ends where its last draw ends."""
    import blackjax

    truth = target.truth
    assert truth is not None
    mean, deviation = (jnp.asarray(m, jnp.float32) for m in (truth.mean, truth.deviation))
    length = -(-draws // BLOCKS)
    blocks = draws // length

    def density(x):
        return -target.loss(x) / target.temperature

    def chain(key):
        start, adapt, sample = jax.random.split(key, 3)
        algorithm: Any = blackjax.nuts
        adaptation: Any = blackjax.window_adaptation(algorithm, density)
        (state, settings), record = adaptation.run(adapt, target.start(start), WARM_UP)
        step = algorithm(density, **settings).step

        def draw(carry, key):
            state, predicted = carry
            state, info = step(key, state)
            if target.test is not None:
                predicted = predicted + target.test.predict(state.position)
            scaled = (target.observe(state.position) - mean) / deviation
            return (state, predicted), (scaled, info.num_integration_steps)

        def block(carry, keys):
            carry, (seen, leapfrogs) = jax.lax.scan(draw, carry, keys)
            return carry, (jnp.sum(seen, 0), jnp.sum(seen**2, 0), jnp.sum(leapfrogs))

        shape = target.test.predict(jnp.zeros(target.size)).shape if target.test else (0, 0)
        keys = jax.random.split(sample, (blocks, length))
        (_, predicted), sums = jax.lax.scan(block, (state, jnp.zeros(shape)), keys)
        return jnp.sum(record.info.num_integration_steps), sums, predicted

    compiled = jax.jit(jax.vmap(chain)).lower(keys).compile()
    began = time.perf_counter()
    warm, sums, predicted = jax.block_until_ready(compiled(keys))
    seconds = time.perf_counter() - began
    first, second, leapfrogs = (np.asarray(part, float) for part in sums)
    gradients = np.asarray(warm, float)[:, None] + np.cumsum(leapfrogs, 1)
    total = np.maximum(np.sum(predicted, -1, keepdims=True), 1e-30)
    return Sums(
        np.full(gradients.shape, float(length)),
        first,
        second,
        np.asarray(predicted / total, float),
        gradients,
        seconds,
    )
