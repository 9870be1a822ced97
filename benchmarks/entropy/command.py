"""The parts of the command: a comparison on one problem, and the sweep of learning rates."""

import argparse
import math
import pathlib
from collections.abc import Sequence

from benchmarks.engine import comparison, report
from benchmarks.engine.figures import COLOURS, learning_curves
from benchmarks.entropy import SEARCH_SHARE, curvature, sweeping
from benchmarks.entropy.methods import LABELS, make_methods
from benchmarks.entropy.problems import EXPERIMENTS
from benchmarks.layers.settings import select_names

METHOD_COLOURS = {
    LABELS["sgd"]: COLOURS["SGD"],
    LABELS["adam"]: COLOURS["Adam"],
    LABELS["sgld"]: COLOURS["SGLD"],
    LABELS["entropy-sgd"]: COLOURS["LOL"],
    LABELS["entropy-adam"]: COLOURS["LOL"],
}
PLAIN = (LABELS["sgd"], LABELS["adam"])
NORMALIZED = (
    "Statistics of normalisation are taken anew, from training images without dropout, wherever a "
    "network is measured, for all methods alike."
)


def compare(name: str, options: argparse.Namespace, output: pathlib.Path) -> None:
    """Searches and trains with every method, and looks at the curvature where that is wanted."""
    experiment = EXPERIMENTS[name]
    problem = experiment.build()
    methods = make_methods(experiment.choices, options.search)
    chosen = [name for name in select_names(LABELS, options.methods) if name in methods]
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    chunks = options.chunks or experiment.chunks
    solutions = curvature.Solutions(problem)
    notes = (
        f"Batches of {problem.batch_size}. {NORMALIZED if experiment.normalized else ''}".strip()
    )

    def save(results):
        remarks = []
        if results:
            decimals = problem.columns[0].decimals + 1
            remarks = [
                f"Validation {problem.score} after {results[0].search.steps:,} steps, by learning "
                "rate and what else was searched; the best is the one that was taken:",
                report.search_table(results, decimals),
            ]
        if report.save(output, problem, results, notes, remarks):
            learning_curves(results, problem, output / "curves.png", METHOD_COLOURS, PLAIN)

    comparison.compare(
        problem,
        {name: methods[name] for name in chosen},
        seeds=seeds,
        chunk_steps=-(-(options.steps or experiment.steps) // chunks),
        chunks=chunks,
        search_chunks=math.ceil(SEARCH_SHARE * chunks),
        report=save,
        keep=solutions.keep if experiment.curvature else None,
    )
    if experiment.curvature:
        curvature.examine(solutions, output)


def sweep(options: argparse.Namespace, output: pathlib.Path, problems: Sequence[str]) -> None:
    """SGD and Entropy-SGD at the same learning rates."""
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    sweeping.run(output, problems, seeds, METHOD_COLOURS, steps=options.steps)
