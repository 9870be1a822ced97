"""`python -m benchmarks spiral` and `trig`: eight methods on a hard problem in the plane.

Every method has the same number of gradient evaluations, the same data, minibatches and initial
networks. A rival without heat gets a grid of settings, and its best row by *test* accuracy is
reported: that favours it, as LOL and AdLaLa run at one setting fixed beforehand.
"""

import argparse
import pathlib


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of one planar benchmark."""
    parser.add_argument("--seeds", type=int, default=20, help="networks per setting")
    parser.add_argument("--first-seed", type=int, default=0, help="seeds count from here")
    parser.add_argument(
        "--steps", type=int, help="gradients per network; None: 40,000 (spiral), 100,000 (trig)"
    )
    parser.add_argument("--chunks", type=int, default=40, help="points of the accuracy curves")
    parser.add_argument("--methods", nargs="+", metavar="METHOD", help="a selection; None: all")
    parser.add_argument("--output", type=pathlib.Path, help="folder; None: results/<benchmark>")


def run(options: argparse.Namespace) -> None:
    """Trains, prints the table, saves results and pictures."""
    from benchmarks import comparison, figures, report, runtime, settings

    runtime.configure()
    problem = settings.PROBLEMS[options.benchmark]
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    task = problem.task(seeds)
    output = options.output or pathlib.Path("results") / options.benchmark

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
