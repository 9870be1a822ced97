"""Mode "exploration" of continuous tempering, as `ctld` runs it, at millions of parameters."""

import functools
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

import thermo_optax as to
from benchmarks.engine import report
from benchmarks.engine.training import step

T, LEARNING_RATE, MOMENTUM = 1.0, 0.01, 0.9
PLATEAU, EDGE = 0.4, 1.5
# Where the parameters start: in equilibrium, or all of them 3 standard deviations off, from where
# the loss falls to a tenth, as in training.
STARTS = {"equilibrium": 0.0, "3 standard deviations off": 3.0}


class Result(NamedTuple):
    """A row of the table."""

    parameters: int
    start: str
    seed: int
    alphas: np.ndarray  # [steps]
    losses: np.ndarray  # [steps], per parameter
    milliseconds: float  # per step

    @property
    def steps_to_cover(self) -> int | None:
        """Steps until alpha has been at both edges, and so at everything between; None if never."""
        first = [np.flatnonzero(sign * self.alphas >= EDGE)[:1] for sign in (-1, 1)]
        return int(max(first[0][0], first[1][0])) + 1 if all(map(len, first)) else None

    @property
    def crossings(self) -> int:
        """From the plateau to a hot end, or back."""
        found = to.diagnostics.tempering_crossings(self.alphas, plateau=PLATEAU, hot=EDGE - 0.1)
        return int(found.count)

    @property
    def time_at_t(self) -> float:
        """The share of the steps on the plateau."""
        reading = to.diagnostics.time_at_temperature(self.alphas, plateau=PLATEAU, edge=EDGE)
        return float(reading.measured)

    @property
    def largest_gap(self) -> int:
        """The most steps between two visits to the plateau."""
        visits = np.flatnonzero(np.abs(self.alphas) < PLATEAU)
        return np.max(np.diff(np.concatenate([[-1], visits, [len(self.alphas)]])))

    def numbers(self) -> dict:
        """What the row says."""
        return {
            "parameters": self.parameters,
            "start": self.start,
            "seed": self.seed,
            "alpha": [float(self.alphas.min()), float(self.alphas.max())],
            "steps": len(self.alphas),
            "steps_to_cover": self.steps_to_cover,
            "milliseconds": self.milliseconds,
        }


def run(sizes: Sequence[int], steps: int, seeds: int, first_seed: int) -> Iterator[Result]:
    """One result for each size, start and seed."""
    todo = [
        (size, start, seed)
        for size in sizes
        for start in STARTS
        for seed in range(first_seed, first_seed + seeds)
    ]
    for size, start, seed in tqdm(todo, desc="exploration", unit="run"):
        key, draw = jax.random.split(jax.random.fold_in(jax.random.key(seed), size))
        x = STARTS[start] + jax.random.normal(draw, (size,))
        program = _compiled(size, steps)
        begun = time.perf_counter()
        alphas, losses = jax.device_get(program(x, jax.random.key_data(key)))
        milliseconds = 1e3 * (time.perf_counter() - begun) / steps
        yield Result(size, start, seed, alphas, losses, milliseconds)


@functools.cache
def _compiled(size: int, steps: int):
    """The program for a size, compiled, so that its first run is timed like the others."""
    vector, key = jax.ShapeDtypeStruct((size,), jnp.float32), jax.ShapeDtypeStruct((2,), jnp.uint32)
    simulate = functools.partial(_simulate, steps)
    return jax.jit(simulate).lower(vector, key).compile()


def _simulate(steps: int, x: jax.Array, key: jax.Array):
    tx = to.ctld(
        LEARNING_RATE,
        T,
        momentum=MOMENTUM,
        sampling_steps=steps,
        plateau=PLATEAU,
        edge=EDGE,
        key=key,
    )

    def loss(x):
        return jnp.sum(jnp.square(x)) / 2

    def body(carry, _):
        carry, value = step(lambda x, _: jax.value_and_grad(loss)(x), tx, carry)
        return carry, (to.tempering_state(carry[1]).alpha, value / x.size)

    _, records = jax.lax.scan(body, (x, tx.init(x)), length=steps)
    return records


def section(results: Sequence[Result]) -> str:
    """The table of all runs."""
    steps = len(results[0].alphas)
    before = (
        f"`ctld` with its defaults, learning rate {LEARNING_RATE:g}, momentum {MOMENTUM:g}, "
        f"{steps:,} steps, on the same target. Covered is the range from -{EDGE:g} to {EDGE:g}, "
        "once alpha has been at both ends. The law of alpha is not exact in this mode, and a run "
        "this short shows no law: the time at T and the largest gap (in steps, between two visits "
        "to the plateau) only say whether alpha goes on moving."
    )
    covered = [result for result in results if result.steps_to_cover is not None]
    after = f"{len(covered)} of {len(results)} runs covered the range within {steps:,} steps."
    table = report.table_of(_COLUMNS, results)
    return report.section('Mode "exploration"', table, before=before, after=after)


def _cover(one: Result) -> str:
    return "-" if one.steps_to_cover is None else f"{one.steps_to_cover:,}"


_COLUMNS: report.Columns = [
    ("parameters", lambda one: f"{one.parameters:,}"),
    ("start", lambda one: one.start),
    ("seed", lambda one: str(one.seed)),
    (
        "loss per parameter, first and last",
        lambda one: f"{one.losses[0]:.2f}, {one.losses[-1]:.2f}",
    ),
    ("alpha, least and largest", lambda one: f"{one.alphas.min():.2f}, {one.alphas.max():.2f}"),
    ("steps to cover", _cover),
    ("round trips", lambda one: f"{one.crossings / 2:g}"),
    ("time at T (flat: 0.250)", lambda one: f"{one.time_at_t:.3f}"),
    ("largest gap", lambda one: f"{one.largest_gap:,}"),
    ("ms/step", lambda one: f"{one.milliseconds:.3g}"),
    ("verdict", lambda one: "not covered" if one.steps_to_cover is None else "covered"),
]
