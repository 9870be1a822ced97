"""`python -m benchmarks demo`, which is `make demo`: every benchmark, small enough for a coffee.

On two cores it takes less than four minutes for the planar problems, and one for the images.
"""

import argparse

from benchmarks.engine.options import add_count, add_output_option, begin_each

PLANAR_STEPS = {"spiral": 20_000, "trig": 30_000}


def add_arguments(parser: argparse.ArgumentParser, benchmark: str) -> None:
    """The options of the demonstration."""
    del benchmark
    add_count(parser, "--seeds", 8, "networks per setting, in the plane")
    add_count(
        parser,
        "--steps",
        None,
        "gradients per network, in the plane (default: 20000 for spiral, 30000 for trig)",
    )
    parser.add_argument(
        "--epochs", type=float, default=6, help="passes over the images (default: %(default)s)"
    )
    add_output_option(parser, "results/demo")


def run(options: argparse.Namespace) -> None:
    """Runs the planar problems, then the images if their data can be had."""
    folders = begin_each(options, (*PLANAR_STEPS, "mnist"))

    from benchmarks.data import MissingDataError
    from benchmarks.layers import mnist, planar

    def namespace(benchmark, **others):
        return argparse.Namespace(
            benchmark=benchmark,
            first_seed=0,
            methods=None,
            output=folders[benchmark],
            budget="default",
            resume=False,
            join=(),
            **others,
        )

    for benchmark, steps in PLANAR_STEPS.items():
        steps = options.steps or steps
        planar.run(namespace(benchmark, seeds=options.seeds, steps=steps, chunks=40))
    epochs = options.epochs
    try:
        mnist.run(
            namespace("mnist", dataset="mnist", seeds=2, epochs=epochs, steps=None, chunks=10)
        )
    except MissingDataError as error:
        print(f"No run on MNIST: {error}")
    print(f"Tables, numbers and pictures are in the folders of {folders['mnist'].parent}/")
