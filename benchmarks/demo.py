"""`python -m benchmarks demo`, which is `make demo`: every benchmark, small enough for a coffee.

On two cores it takes less than four minutes for the planar problems, and one for the images.
"""

import argparse
import pathlib

from benchmarks.engine.folders import claim
from benchmarks.engine.options import add_output_option, at_least

PLANAR_STEPS = {"spiral": 20_000, "trig": 30_000}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the demonstration."""
    parser.add_argument(
        "--seeds",
        type=at_least(1),
        default=8,
        help="networks per setting, in the plane (default: %(default)s)",
    )
    parser.add_argument(
        "--steps",
        type=at_least(1),
        help="gradients per network, in the plane (default: 20000 for spiral, 30000 for trig)",
    )
    parser.add_argument(
        "--epochs", type=float, default=6, help="passes over the images (default: %(default)s)"
    )
    add_output_option(parser, "results/demo")


def run(options: argparse.Namespace) -> None:
    """Runs the planar problems, then the images if their data can be had."""
    output = options.output or pathlib.Path("results") / "demo"
    for name in (*PLANAR_STEPS, "mnist"):
        claim(output / name)  # all of them before the first runs

    from benchmarks.data import MissingDataError
    from benchmarks.layers import mnist, planar

    for benchmark, steps in PLANAR_STEPS.items():
        planar.run(
            argparse.Namespace(
                benchmark=benchmark,
                seeds=options.seeds,
                first_seed=0,
                steps=options.steps or steps,
                chunks=40,
                methods=None,
                output=output / benchmark,
            )
        )
    try:
        mnist.train_on_images(
            argparse.Namespace(
                dataset="mnist",
                seeds=2,
                first_seed=0,
                epochs=options.epochs,
                steps=None,
                chunks=10,
                methods=None,
                output=output / "mnist",
            )
        )
    except MissingDataError as error:
        print(f"No run on MNIST: {error}")
    print(f"Tables, numbers and pictures are in the folders of {output}/")
