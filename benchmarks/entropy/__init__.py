"""`python -m benchmarks entropy`: local entropy against plain optimizers, at equal gradients.

Problems of P. Chaudhari et al., `Entropy-SGD: biasing gradient descent into wide valleys
<https://arxiv.org/abs/1611.01838>`_, 2017: those of Table 1 that fit two cores, the small ones of
Figure 1 with the spectra of their Hessians, and a sweep of the inner learning rate.

Every inner step of Entropy-SGD is a gradient evaluation like any other: all methods have the same
number of them, in the search for their settings and in the runs that are reported.
"""

import argparse

from benchmarks.engine.options import (
    add_count,
    add_problems,
    add_search_options,
    add_training_options,
    begin_each,
)

PROBLEMS = ("mnistfc", "sweep", "lenet", "charlm", "small-mnistfc", "few-images", "small-lenet")
FOR_A_GPU = ("allcnn",)
SWEEP = "sweep"  # of learning rates, on each of these problems
SWEPT = ("small-mnistfc", "mnistfc", "few-images")
# The steps and chunks of the default and of the paper are those of each problem.
BUDGETS = {
    "quick": {"steps": 100, "chunks": 10, "seeds": 1, "search": 2, "search_share": 0.2},
    "default": {"seeds": 3, "search": 4, "search_share": 0.2},
    "paper": {"seeds": 3, "search": 6, "search_share": 0.05},
}
METHODS = ("sgd", "adam", "sgld", "entropy-sgd", "entropy-adam")


def add_arguments(parser: argparse.ArgumentParser, benchmark: str) -> None:
    """The options of this benchmark."""
    del benchmark
    known = (*PROBLEMS, *(f"{SWEEP}-{name}" for name in SWEPT), *FOR_A_GPU)
    said = f"{', '.join(PROBLEMS)}; some hours on two cores; {FOR_A_GPU[0]} is meant for a GPU"
    add_problems(parser, known, PROBLEMS, said)
    add_count(
        parser,
        "--steps",
        None,
        "gradients per network, rounded up to whole chunks (default: the problem's own)",
    )
    add_search_options(parser, "settings to choose from, for every method")
    add_training_options(
        parser,
        BUDGETS,
        methods=", ".join(METHODS),
        output="results/entropy, with a folder for each problem",
    )


def run(options: argparse.Namespace) -> None:
    """Runs the problems one after the other; each leaves its results when it is done."""
    folders = begin_each(options, options.problems)

    from benchmarks.entropy import comparison, sweeping

    for name, folder in folders.items():
        kind = sweeping if name.startswith(SWEEP) else comparison
        kind.run(name, options, folder)
