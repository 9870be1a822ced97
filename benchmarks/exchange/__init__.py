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
    BY_BUDGET,
    add_budget,
    add_count,
    add_output_option,
    add_problems,
    add_resume_options,
    add_seed_options,
    begin_each,
    between,
)

PROBLEMS = ("emnist-dropout", "emnist-lr", "cifar-dropout", "cifar-lr")
ASIDE = ("linear-lr",)  # by its page, with options of its own
FOR_A_GPU = ("resnet20-lr",)
_SHORT = {"train": 4_000, "validation": 1_000, "swap_images": 250, "test": 3_000}
BUDGETS = {  # what is not named here is the problem's own: all images, its batch size
    "quick": {**_SHORT, "warmup": 50, "steps": 40, "chunks": 2, "swap_period": 20, "seeds": 1},
    "default": {**_SHORT, "warmup": 300, "steps": 400, "chunks": 4, "swap_period": 20, "seeds": 3},
    "paper": {
        "validation": 1_000,
        "swap_images": 250,
        "batch_size": 128,
        "warmup": 2_000,
        "steps": 10_000,
        "chunks": 25,
        "swap_period": 100,
        "seeds": 2,
    },
}


def add_arguments(parser: argparse.ArgumentParser, benchmark: str) -> None:
    """The options of this benchmark."""
    del benchmark
    known = (*PROBLEMS, *ASIDE, *FOR_A_GPU)
    said = f"all but {ASIDE[0]} and {FOR_A_GPU[0]}, which is meant for a GPU"
    add_problems(parser, known, PROBLEMS, said)
    add_count(parser, "--replicas", 8, "rungs of the ladder", minimum=3)
    numbers = {
        "--train": "training images",
        "--validation": "images whose loss decides on the best replica",
        "--swap-images": "of these, images whose loss decides on swaps",
        "--test": "test images",
        "--batch-size": "images per gradient",
        "--warmup": "gradients per replica before anything is swapped",
        "--steps": "gradients per replica after that, rounded up to whole chunks",
        "--chunks": "points of the curves",
        "--swap-period": "gradients per replica between two rounds of swaps",
    }
    for option, meaning in numbers.items():
        add_count(parser, option, None, f"{meaning} {BY_BUDGET}")
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
    add_seed_options(parser, None, f"runs of all replicas {BY_BUDGET}")
    add_budget(parser, BUDGETS)
    add_resume_options(parser)
    add_output_option(parser, "results/exchange, with a folder for each problem")


def run(options: argparse.Namespace) -> None:
    """Runs the problems one after the other; each leaves its results when it is done."""
    folders = begin_each(options, options.problems)

    from benchmarks.exchange import comparison

    for name, folder in folders.items():
        comparison.run(name, options, folder)
