"""A comparison on one problem: search, training, and what the solutions are like."""

import argparse
import math
import pathlib

from benchmarks.engine import comparison, report
from benchmarks.engine.figures import learning_curves
from benchmarks.engine.options import seeds_of, within_budget
from benchmarks.engine.problem import select_names
from benchmarks.engine.resuming import Saves
from benchmarks.entropy import BUDGETS, curvature
from benchmarks.entropy.methods import LABELS, make_methods
from benchmarks.entropy.problems import EXPERIMENTS

PLAIN = (LABELS["sgd"], LABELS["adam"])
NORMALIZED = (
    "Statistics of normalisation are taken anew, from training images without dropout, wherever a "
    "network is measured, for all methods alike."
)


def run(name: str, options: argparse.Namespace, output: pathlib.Path) -> None:
    """Searches and trains with every method, and looks at the curvature where that is wanted."""
    experiment = EXPERIMENTS[name]
    spent = experiment.paper if options.budget == "paper" else experiment.default
    options = within_budget(options, BUDGETS, steps=spent.steps, chunks=spent.chunks)
    problem = experiment.build()
    methods = make_methods(experiment.choices, options.search)
    chosen = [name for name in select_names(LABELS, options.methods) if name in methods]
    seeds = seeds_of(options)
    chunks = options.chunks
    saves = Saves.of(options, output, name)
    trained: list[comparison.Tuned] = []
    notes = (
        f"Batches of {problem.batch_size}. {NORMALIZED if experiment.normalized else ''}".strip()
    )

    def save(results):
        trained[:] = results
        if report.save_comparison(output, problem, results, notes):
            learning_curves(results, problem, output / "curves.png", PLAIN)

    comparison.compare(
        problem,
        {name: methods[name] for name in chosen},
        seeds=seeds,
        chunk_steps=-(-options.steps // chunks),
        chunks=chunks,
        search_chunks=max(1, math.ceil(options.search_share * chunks)),
        report=save,
        keep=None if experiment.curvature else 0,
        saves=saves,
    )
    if experiment.curvature:
        curvature.examine(curvature.Solutions(problem, trained), output)
