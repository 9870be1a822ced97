"""`python -m benchmarks spiral` and `trig`: eight methods on a hard problem in the plane.

Every method has the same number of gradient evaluations, the same data, minibatches and initial
networks. A rival without heat gets a grid of settings, and its best row by *test* accuracy is
reported: that favours it, as LOL and AdLaLa run at one setting fixed beforehand.
"""

import argparse
import pathlib

from benchmarks.engine.folders import claim
from benchmarks.engine.options import add_training_options, at_least


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of one planar benchmark."""
    parser.add_argument(
        "--steps",
        type=at_least(1),
        help="gradients per network (default: 40000 for spiral, 100000 for trig)",
    )
    add_training_options(
        parser,
        seeds=20,
        chunks=40,
        methods="sgd, rmsprop, adam, adam-tuned, sgld, langevin, lol, adlala",
        output="results/ and the benchmark's name",
    )


def run(options: argparse.Namespace) -> None:
    """Trains, prints the table, saves results and pictures."""
    output = claim(options.output or pathlib.Path("results") / options.benchmark)

    from benchmarks.engine import runtime
    from benchmarks.layers import comparison, figures, report, settings

    runtime.configure()
    problem = settings.PROBLEMS[options.benchmark]
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    task = problem.task(seeds)

    def save(results):
        if report.save(output, problem.title, results):
            figures.learning_curves(results, output / "accuracy.png", problem.title)
            figures.level_sets(results, task, output / "level_sets.png", problem.title)

    comparison.compare(
        task,
        settings.select(problem.methods, options.methods),
        seeds=seeds,
        steps=options.steps or problem.steps,
        chunks=options.chunks,
        report=save,
    )
