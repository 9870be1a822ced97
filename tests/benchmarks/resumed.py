"""A comparison on a line, in two stages, that saves its state after every chunk.

`test_resuming.py` runs this in a process of its own, and kills it:
python -m tests.benchmarks.resumed FOLDER
"""

import pathlib
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import conftest  # the same compiled programs as in the tests  # noqa: F401
from benchmarks.engine import comparison
from benchmarks.engine.problem import Column, Method, Problem, Stage, grid
from benchmarks.engine.resuming import Saves

CHUNKS, CHUNK_STEPS, SEEDS = 4, 3, range(2)
SEARCHES, STAGES = 2, 2
SAVES_OF_A_RUN = SEARCHES * STAGES + STAGES * CHUNKS  # one after each chunk, or part


def line() -> Problem:
    """A slope, then a shift; the engine does not need a network."""

    def loss(params, frozen, batch, key):
        x, y = batch
        slope, shift = (frozen[0], params) if frozen else (params, jnp.zeros(1))
        noise = 0.0 if key is None else 0.1 * jax.random.normal(key)
        return jnp.mean((x @ slope + jnp.sum(shift) + noise - y) ** 2)

    def measure(params, frozen, block):
        return {"error": loss(params, frozen, block, None)}

    x = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    y = x @ np.array([1.0, -2.0, 0.5], np.float32) + 1
    inits = (lambda key: jax.random.normal(key, (3,)), lambda key: jax.random.normal(key, (1,)))
    return Problem(
        title="line",
        stages=[Stage(init, loss, measure) for init in inits],
        data=(jnp.asarray(x), jnp.asarray(y)),
        batch=lambda data, index: (data[0][index], data[1][index]),
        batch_size=5,
        examples=60,
        search_examples=40,
        splits={"validation": [(x[40:], y[40:])], "test": [(x[:40], y[:40])]},
        score="error",
        columns=[Column("error at half", "test", "error", 3, milestone=0.5)],
    )


def method() -> Method:
    """Its state has a typed key and momenta; three rates take two batches of the search."""

    def make(learning_rate, key):
        noisy = optax.noisy_sgd(learning_rate, 0.01, key=key)
        return optax.chain(noisy, optax.trace(0.9))

    return Method("noisy", make, grid(learning_rate=[0.01, 0.03, 0.1]))


def run(saves: Saves, *, seeds=SEEDS) -> list[dict[str, Any]]:
    """What the comparison measured, times apart."""
    found: list[comparison.Tuned] = []
    comparison.compare(
        line(),
        {"noisy": method()},
        seeds=seeds,
        chunk_steps=CHUNK_STEPS,
        chunks=CHUNKS,
        search_chunks=1,
        report=found.extend,
        keep=None,
        saves=saves,
    )
    return [
        {
            **one.record(),
            "chunks": [chunk._replace(seconds_per_step=0.0) for chunk in one.chunks],
            "networks": list(one.networks),
            "scores": one.search.scores,
            "row": one.row,
        }
        for one in found
    ]


class Stopping(Saves):
    """Is interrupted as soon as it has made so many saves."""

    def __init__(self, folder: pathlib.Path, saves: int):
        super().__init__(folder)
        self.left = saves

    def save(self, *arguments, **options):
        super().save(*arguments, **options)
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


class Telling(Saves):
    """Says when a save is complete."""

    def save(self, *arguments, **options):
        super().save(*arguments, **options)
        self._manager.wait_until_finished()
        print("saved", flush=True)


if __name__ == "__main__":
    jax.config.update("jax_disable_most_optimizations", True)
    jax.config.update("jax_numpy_dtype_promotion", "standard")
    jax.config.update("jax_numpy_rank_promotion", "allow")
    run(Telling(pathlib.Path(sys.argv[1])))
