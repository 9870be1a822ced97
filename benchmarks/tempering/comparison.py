"""All methods on one of the problems, and what is said of CTLD below the table."""

import argparse
import math
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.engine import comparison, report
from benchmarks.engine.comparison import Tuned
from benchmarks.engine.figures import learning_curves
from benchmarks.engine.options import seeds_of
from benchmarks.engine.problem import Problem, select_names
from benchmarks.engine.resuming import Saves
from benchmarks.tempering import figures
from benchmarks.tempering.methods import CTLD, CTLD_LIKE_SGD, PLAIN, SGD, all_methods

TOLERANCE = 0.1  # of CTLD against SGD with momentum, at its learning rate


def run(
    options: argparse.Namespace,
    problem: Problem,
    notes: str,
    centres: Mapping[str, float],
    output: pathlib.Path,
) -> None:
    """Searches, trains, prints the table, saves results and pictures in the folder `output`."""
    temperature = 1 / problem.examples if options.temperature is None else options.temperature
    methods = all_methods(temperature, options.sampling, centres, options.search)
    heat = (
        f"Temperature {temperature:.3g}; CTLD samples, and Santa explores, in the first "
        f"{options.sampling:.0%} of {problem.stage_steps}."
    )

    def save(results):
        remarks = [against_sgd(problem, results)]
        if report.save_comparison(output, problem, results, f"{notes} {heat}", remarks):
            learning_curves(results, problem, output / "curves.png", PLAIN)
            figures.noise_magnitude(results, problem, output / "noise.png")

    comparison.compare(
        problem,
        {name: methods[name] for name in select_names(methods, options.methods)},
        seeds=seeds_of(options),
        chunk_steps=-(-options.steps // options.chunks),
        chunks=options.chunks,
        search_chunks=max(1, math.ceil(options.search_share * options.chunks)),
        report=save,
        repeats={CTLD: (SGD, CTLD_LIKE_SGD)},
        saves=Saves.of(options, output),
    )


def against_sgd(problem: Problem, results: Sequence[Tuned]) -> str:
    """How CTLD ends next to SGD with momentum at the same learning rate; empty without both."""
    sgd = next((result for result in results if result.name == SGD), None)
    ctld = next((result for result in results if result.label == CTLD_LIKE_SGD), None)
    if sgd is None or ctld is None or not (sgd.finished(problem) and ctld.finished(problem)):
        return ""
    sentences = []
    for column in problem.columns:
        rival = sgd.final(column.split, column.metric).mean()
        change = ctld.final(column.split, column.metric).mean() / rival - 1
        verdict = "within" if abs(change) <= TOLERANCE else "not within"
        if np.isfinite(change) and column.transform is np.asarray:
            sentences.append(f"{column.heading} {change:+.1%} ({verdict} {TOLERANCE:.0%})")
    rate = f"learning rate {sgd.learning_rate:g}"
    return f"CTLD against SGD with momentum, both at {rate}: {'; '.join(sentences)}."
