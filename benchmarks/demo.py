"""`python -m benchmarks demo`, which is `make demo`: every benchmark, small enough for a coffee.

About four minutes on two cores for the planar problems, and two for the images.
"""

import argparse
import pathlib

from benchmarks.options import at_least

PLANAR_STEPS = {"spiral": 16_000, "trig": 20_000}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the demonstration."""
    parser.add_argument(
        "--seeds",
        type=at_least(1),
        default=6,
        help="networks per setting, in the plane (default: %(default)s)",
    )
    parser.add_argument(
        "--steps",
        type=at_least(1),
        help="gradients per network, in the plane (default: 16000 for spiral, 20000 for trig)",
    )
    parser.add_argument(
        "--epochs", type=float, default=4, help="passes over the images (default: %(default)s)"
    )
    parser.add_argument(
        "--output",
        type=pathlib.Path,
        default=pathlib.Path("results/demo"),
        help="folder (default: %(default)s)",
    )


def run(options: argparse.Namespace) -> None:
    """Runs the planar problems, then the images if their data can be had."""
    from benchmarks import mnist, planar
    from benchmarks.data import MissingDataError

    for benchmark, steps in PLANAR_STEPS.items():
        planar.run(
            argparse.Namespace(
                benchmark=benchmark,
                seeds=options.seeds,
                first_seed=0,
                steps=options.steps or steps,
                chunks=40,
                methods=None,
                output=options.output / benchmark,
            )
        )
    try:
        mnist.run(
            argparse.Namespace(
                dataset="mnist",
                seeds=2,
                first_seed=0,
                epochs=options.epochs,
                steps=None,
                chunks=10,
                methods=None,
                output=options.output / "mnist",
            )
        )
    except MissingDataError as error:
        print(f"No run on MNIST: {error}")
    print(f"Tables, numbers and pictures are in {options.output}/ (accuracy.png, level_sets.png)")
