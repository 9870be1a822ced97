"""`python -m benchmarks sda` and `charlm`: CTLD, Santa and annealed noise against plain optimizers.

Each method is at its best learning rate. The two problems are those of N. Ye, Z. Zhu, R. Mantiuk,
`Langevin dynamics with continuous tempering for training deep neural networks
<https://arxiv.org/abs/1703.04379>`_, 2017.
"""

import argparse
import math

from benchmarks.engine.options import add_count, add_training_options, begin, between

TEXTS = {"warpeace": "War and Peace", "tinyshakespeare": "Tiny Shakespeare"}  # by name: the title
SEARCH_SHARE = 0.25  # of the steps of the training that is reported
METHODS = ("sgd", "rmsprop", "adam", "annealsgd", "santa", "ctld")


def add_arguments(parser: argparse.ArgumentParser, benchmark: str) -> None:
    """The options of one of the benchmarks."""
    if benchmark == "charlm":
        _add_text_options(parser)
    steps, per, chunks = {"sda": (400, "layer and ", 8), "charlm": (1600, "", 16)}[benchmark]
    add_count(parser, "--steps", steps, f"gradients per {per}network, rounded up to whole chunks")
    add_count(
        parser,
        "--search",
        6,
        "learning rates to choose from, for every method, half "
        f"a decade apart, each on one run of {SEARCH_SHARE:g} of the steps",
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


def run(options: argparse.Namespace) -> None:
    """Searches, trains, prints the table, saves results and pictures."""
    output = begin(options)

    from benchmarks.tempering import charlm, comparison, sda

    benchmark = {"sda": sda, "charlm": charlm}[options.benchmark]
    problem, notes = benchmark.load(options)
    comparison.run(options, problem, notes, benchmark.CENTRES, output)


def _add_text_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--text",
        choices=tuple(TEXTS),
        default="warpeace",
        help="found, or downloaded (default: %(default)s)",
    )
    for name, default, meaning in (
        ("--units", 64, "of LSTM per layer"),
        ("--layers", 1, "of LSTM; the paper's 3"),
        ("--batch-size", 32, "pieces of text per gradient"),
        ("--length", 50, "characters per piece"),
    ):
        add_count(parser, name, default, meaning)
