"""What the commands `sda` and `charlm` share: their options, and their run.

The modules that import jax are imported inside `run`, since the help text imports this one.
"""

import argparse
import math
import pathlib
from collections.abc import Mapping

from benchmarks.engine.options import add_training_options, at_least, between

SEARCH_SHARE = 0.25  # of the steps of the training that is reported
METHODS = ("sgd", "rmsprop", "adam", "annealsgd", "santa", "ctld")


def add_arguments(parser: argparse.ArgumentParser, *, steps: int, per: str, chunks: int) -> None:
    """The options of both; `steps` are counted per `per`."""
    parser.add_argument(
        "--steps",
        type=at_least(1),
        default=steps,
        help=f"gradients per {per}network, rounded up to whole chunks (default: %(default)s)",
    )
    parser.add_argument(
        "--search",
        type=at_least(1),
        default=6,
        help="learning rates to choose from, for every method, half a decade apart, each on one "
        f"run of {SEARCH_SHARE:g} of the steps (default: %(default)s)",
    )
    parser.add_argument(
        "--temperature",
        type=between(0, math.inf),
        help="of CTLD, and of AnnealSGD and Santa at their start, in units of the loss (default: "
        "1 / N, of N examples, which is the paper's)",
    )
    parser.add_argument(
        "--sampling",
        type=between(0, 1),
        default=0.5,
        help="share of the steps in which CTLD samples and Santa explores (default: %(default)s)",
    )
    add_training_options(
        parser,
        seeds=3,
        chunks=chunks,
        methods=", ".join(METHODS),
        output="results/ and the benchmark's name",
    )


def run(
    options: argparse.Namespace,
    problem,
    centres: Mapping[str, float],
    notes: str,
    output: pathlib.Path,
) -> None:
    """Searches, trains, prints the table, saves results and pictures in the folder `output`."""
    from benchmarks.engine import comparison, report
    from benchmarks.engine.figures import learning_curves
    from benchmarks.layers.settings import select_names
    from benchmarks.tempering import figures
    from benchmarks.tempering.methods import CTLD, CTLD_LIKE_SGD, SGD, all_methods
    from benchmarks.tempering.report import comparison_with_sgd

    temperature = 1 / problem.examples if options.temperature is None else options.temperature
    methods = all_methods(temperature, options.sampling, centres, options.search)
    heat = (
        f"Temperature {temperature:.3g}; CTLD samples, and Santa explores, in the first "
        f"{options.sampling:.0%} of {problem.stage_steps}."
    )

    def save(results):
        remarks = [comparison_with_sgd(problem, results)]
        if report.save(output, problem, results, f"{notes} {heat}", remarks):
            learning_curves(
                results,
                problem,
                output / "curves.png",
                figures.TEMPERING_COLOURS,
                figures.PLAIN,
            )
            figures.noise_magnitude(results, problem, output / "noise.png")

    comparison.compare(
        problem,
        {name: methods[name] for name in select_names(methods, options.methods)},
        seeds=range(options.first_seed, options.first_seed + options.seeds),
        chunk_steps=-(-options.steps // options.chunks),
        chunks=options.chunks,
        search_chunks=math.ceil(SEARCH_SHARE * options.chunks),
        report=save,
        repeats={CTLD: (SGD, CTLD_LIKE_SGD)},
    )
