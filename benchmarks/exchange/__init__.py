"""`python -m benchmarks exchange`: replicas that swap hyperparameters, against the same without.

The problems of V. Pushkarov et al., `Training Deep Neural Networks by optimizing over nonlocal
paths in hyperparameter space <https://arxiv.org/abs/1909.04013>`_, 2019: eight replicas of a
LeNet-5 on a ladder of dropout rates or learning rates, on EMNIST's letters and on CIFAR-10, and
ResNet-20 for a GPU. Two cores cannot train as long as they did (350,000 steps), so there are fewer
images, wider ladders and momentum; the README beside this file has what came of it.
"""

import argparse
import math

from benchmarks.engine.options import (
    add_count,
    add_output_option,
    add_problems,
    add_seed_options,
    begin_each,
    between,
)

PROBLEMS = ("emnist-dropout", "emnist-lr", "cifar-dropout", "cifar-lr")
FOR_A_GPU = ("resnet20-lr",)


def add_arguments(parser: argparse.ArgumentParser, benchmark: str) -> None:
    """The options of this benchmark."""
    del benchmark
    known = (*PROBLEMS, *FOR_A_GPU)
    said = f"all but {FOR_A_GPU[0]}, which is meant for a GPU"
    add_problems(parser, known, PROBLEMS, said)
    numbers = {
        "--replicas": (3, 8, "rungs of the ladder"),
        "--train": (1, 4_000, "training images"),
        "--validation": (1, 1_000, "images whose loss decides on the best replica"),
        "--swap-images": (1, 250, "of these, images whose loss decides on swaps"),
        "--test": (1, 3_000, "test images"),
        "--warmup": (1, 300, "gradients per replica before anything is swapped"),
        "--steps": (1, 400, "gradients per replica after that, rounded up to whole chunks"),
        "--chunks": (1, 4, "points of the curves"),
        "--swap-period": (1, 20, "gradients per replica between two rounds of swaps"),
    }
    for option, (minimum, default, meaning) in numbers.items():
        add_count(parser, option, default, meaning, minimum=minimum)
    parser.add_argument(
        "--ladder",
        choices=("wide", "paper"),
        default="wide",
        help="the range of the hyperparameter: the paper's is too narrow to tell rungs apart in so "
        "few steps (default: %(default)s)",
    )
    parser.add_argument(
        "--normalization",
        type=between(0, math.inf),
        help="C, in units of inverse temperature per loss (default: 1 for the median pair of rungs "
        "and a difference of losses that the problem sets)",
    )
    add_seed_options(parser, 3, "runs of all replicas")
    add_output_option(parser, "results/exchange, with a folder for each problem")


def run(options: argparse.Namespace) -> None:
    """Runs the problems one after the other; each leaves its results when it is done."""
    folders = begin_each(options, options.problems)

    from benchmarks.exchange import comparison

    for name, folder in folders.items():
        comparison.run(name, options, folder)
