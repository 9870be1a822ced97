"""Runs the parts one after the other; tables and pictures are of all that were finished."""

import argparse
import functools
import pathlib
import time
from typing import Any, NamedTuple

import numpy as np

import thermo_optax as to
from benchmarks.coefficients import figures, mnist, models, peers
from benchmarks.coefficients.models import Model
from benchmarks.engine import report, runtime

QUICK_STEPS = 300


class Row(NamedTuple):
    """What was measured of a model."""

    model: Model
    exact: float
    found: to.LearningCoefficient
    seconds: float

    @property
    def error(self) -> float:
        """Relative, in percent."""
        return 100 * (self.found.value / self.exact - 1)


def measure(model: Model, seed: int, quick: bool, steps: int | None = None) -> Row:
    """With the defaults, unless `steps` says how long."""
    steps = QUICK_STEPS if quick else steps or model.num_steps
    start = time.monotonic()
    found = to.learning_coefficient(
        model.loss,
        model.params,
        num_examples=100_000,  # the temperature is given
        temperature=model.temperature,
        precision=model.precision,
        batches=model.batches,
        num_steps=steps,
        num_burn_in=steps // 4,
        key=seed,
    )
    return Row(model, model.exact(), found, time.monotonic() - start)


def run(options: argparse.Namespace, output: pathlib.Path) -> None:
    """Measures the parts, and saves what is there after each."""
    parts: list[str] = [report.heading("Learning coefficients against exact values")]
    numbers: dict[str, Any] = report.facts("coefficients")
    run_part = {
        "calibration": functools.partial(_calibration, models.small, "calibration"),
        "large": functools.partial(_calibration, models.large, "large"),
        "sweep": _sweep,
        "peers": peers.run,
        "mnist": mnist.run,
    }
    with runtime.interruptible(lambda: report.save(output, parts, numbers)) as check:
        for name in options.parts:
            text, found = run_part[name](options, output)
            print(f"\n{text}", flush=True)
            parts.append(text)
            numbers[name] = found
            check()


def _calibration(make, name: str, options, output: pathlib.Path) -> tuple[str, list[dict]]:
    chosen = make()
    if options.quick:
        chosen = [models.quadratic(1.0)]
    rows = []
    for model in chosen:
        rows.append(measure(model, options.seed, options.quick))
        print(f"{model.title}: {rows[-1].found.in_words}, exact {rows[-1].exact:.4g}", flush=True)
    columns = (
        ("model", lambda row: row.model.title),
        ("exact", lambda row: f"{row.exact:.4g} ({row.model.how})"),
        ("measured", lambda row: row.found.in_words),
        ("error", lambda row: f"{row.error:+.1f} %"),
        ("from the variance", lambda row: f"{row.found.from_variance:.4g}"),
        ("measured / set T", lambda row: f"{row.found.temperature:.2f}"),
        ("steps", lambda row: f"{row.found.settings['num_steps']:,}"),
        ("s", lambda row: f"{row.seconds:.0f}"),
    )
    figures.errors(rows, output / f"{name}.png")
    before = (
        "4 chains with the defaults; only the temperature, the precision and, of the product, the "
        "number of steps are given. The burn-in is a quarter of the steps. Times are of the whole "
        "call, compilation too, on a machine with other work."
    )
    table = report.table_of(columns, rows)
    numbers = [
        {
            "model": row.model.title,
            "exact": row.exact,
            "value": row.found.value,
            "standard_error": row.found.standard_error,
            "seconds": row.seconds,
        }
        for row in rows
    ]
    return report.section(f"With the defaults: {name}", table, before=before), numbers


def _sweep(options, output: pathlib.Path) -> tuple[str, dict]:
    """Of the deep linear network: steps and precisions, in one program."""
    model = models.linear_network((5, 10, 10, 5), 3)
    settings: dict[str, Any] = {"precisions": (1.0, 10.0, 100.0, 1_000.0)}
    if options.quick:
        model = models.quadratic(1.0)
        settings = {"precisions": (1.0,), "num_steps": QUICK_STEPS, "num_burn_in": 50}
    start = time.monotonic()
    found = to.sweep_learning_coefficient(
        model.loss,
        model.params,
        num_examples=100_000,
        temperature=model.temperature,
        key=options.seed,
        **settings,
    )
    seconds = time.monotonic() - start
    exact = None if options.quick else model.exact()
    figures.calibration(found, exact, output / "sweep.png")
    before = (
        f"{model.title} at T = {model.temperature:g}: {found.values.size} settings of 4 chains in "
        f"one program, {seconds:.0f} s."
    )
    text = report.section("Over steps and precisions", f"```text\n{found}\n```", before=before)
    values = np.where(np.isfinite(found.values), found.values, 0).tolist()
    return text, {"exact": exact, "values": values}
