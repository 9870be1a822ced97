"""`python -m benchmarks spiral`, `trig`, `mnist` and `barriers`: Langevin dynamics layer by layer.

LOL and AdLaLa of B. Leimkuhler, C. Matthews, T. Vlaar, `Partitioned integrators for thermodynamic
parameterization of neural networks <https://arxiv.org/abs/1908.11843>`_, 2019, against optimizers
without heat, on the paper's two problems in the plane and on images; and heat that wanders.
"""

import argparse

from benchmarks.engine.options import BY_BUDGET, add_count, add_training_options, at_least

IMAGES = {"mnist": "MNIST", "fashion-mnist": "Fashion-MNIST"}  # by name: the title
# The paper's own problems are at its length by default; on images it is not followed.
PLANAR_BUDGETS = {
    "quick": {"steps": 2_000, "seeds": 4, "chunks": 10},
    "default": {"seeds": 20, "chunks": 40},
    "paper": {"seeds": 20, "chunks": 40},
}
BARRIER_BUDGETS = {
    "quick": {"steps": 2_000, "seeds": 2, "search_seeds": 2, "chunks": 4},
    "default": {"steps": 40_000, "seeds": 20, "search_seeds": 4, "chunks": 40},
    "paper": {"steps": 40_000, "seeds": 20, "search_seeds": 4, "chunks": 40},
}
MNIST_BUDGETS = {
    "quick": {"epochs": 1, "seeds": 1, "chunks": 5},
    "default": {"epochs": 20, "seeds": 3, "chunks": 20},
    "paper": {"epochs": 100, "seeds": 3, "chunks": 100},
}


def add_arguments(parser: argparse.ArgumentParser, benchmark: str) -> None:
    """The options of one of the benchmarks."""
    if benchmark == "mnist":
        parser.add_argument(
            "--dataset",
            choices=tuple(IMAGES),
            default="mnist",
            help="found, or downloaded (default: %(default)s)",
        )
        length = parser.add_mutually_exclusive_group()
        length.add_argument("--epochs", type=float, help=f"passes over the images {BY_BUDGET}")
        length.add_argument(
            "--steps", type=at_least(1), help="gradients per network, instead of --epochs"
        )
        add_training_options(
            parser,
            MNIST_BUDGETS,
            methods="adam, sgd, langevin, adlala",
            output="results/ and the data set's name",
        )
        return
    if benchmark == "barriers":
        add_count(parser, "--steps", None, f"gradients of a run {BY_BUDGET}")
        add_count(parser, "--search-seeds", None, f"runs of each setting searched {BY_BUDGET}")
        add_training_options(
            parser,
            BARRIER_BUDGETS,
            methods="adlala, tempered, ctld, apart, exchanged",
            output="results/barriers",
        )
        return
    add_count(
        parser,
        "--steps",
        None,
        "gradients per network (default: 40000 for spiral, 100000 for trig)",
    )
    add_training_options(
        parser,
        PLANAR_BUDGETS,
        methods="sgd, rmsprop, adam, adam-tuned, sgld, langevin, lol, adlala",
        output="results/ and the benchmark's name",
    )


def run(options: argparse.Namespace) -> None:
    """Trains, prints the table, saves results and pictures."""
    from benchmarks.layers import barriers, mnist, planar

    {"mnist": mnist, "barriers": barriers}.get(options.benchmark, planar).run(options)
