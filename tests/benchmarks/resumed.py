"""A comparison on a line, of two stages, that saves its state after every chunk.

`test_resuming.py` runs this in a process of its own, and kills it:
python -m tests.benchmarks.resumed FOLDER
"""

import functools
import pathlib
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.engine import comparison
from benchmarks.engine.problem import Column, Method, Problem, Stage, grid
from benchmarks.engine.resuming import Saves

CHUNKS, CHUNK_STEPS, SEEDS = 4, 3, range(2)


def line() -> Problem:
    """A slope, then a shift; the engine does not need a network."""

    def loss(params, frozen, batch, key):
        x, y = batch
        slope, shift = (frozen[0], params) if frozen else (params, jnp.zeros(()))
        noise = 0 if key is None else 0.1 * jax.random.normal(key)
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


def methods() -> dict[str, Method]:
    """One with noise in its state, one with momentum, a choice of rates for both."""

    def noisy(learning_rate, key):
        return optax.noisy_sgd(learning_rate, 0.01, key=key)

    def momentum(learning_rate, key):
        del key
        return optax.sgd(learning_rate, 0.9)

    rows = grid(learning_rate=[0.01, 0.03, 0.1])
    return {"noisy": Method("noisy", noisy, rows), "momentum": Method("momentum", momentum, rows)}


def run(saves: Saves, report=lambda results: None, **options) -> None:
    """Compares both."""
    options = {"seeds": SEEDS, "chunks": CHUNKS, "keep": None, **options}
    comparison.compare(
        line(),
        methods(),
        chunk_steps=CHUNK_STEPS,
        search_chunks=1,
        report=report,
        repeats={"momentum": ("noisy", "momentum at the other's rate")},
        saves=saves,
        **options,
    )


class Telling(Saves):
    """Says when a state has been saved."""

    def save(self, part, step, arrays, record, *, finished=False):
        super().save(part, step, arrays, record, finished=finished)
        self._manager.wait_until_finished()
        print("saved", flush=True)


if __name__ == "__main__":
    jax.config.update("jax_disable_most_optimizations", True)
    functools.partial(run, Telling(pathlib.Path(sys.argv[1])))()
