"""`python -m benchmarks sda` and `charlm`: CTLD, Santa and annealed noise against plain optimizers.

Each method is at its best learning rate. The two problems are those of N. Ye, Z. Zhu, R. Mantiuk,
`Langevin dynamics with continuous tempering for training deep neural networks
<https://arxiv.org/abs/1703.04379>`_, 2017.
"""

import argparse
import math

from benchmarks.engine.options import (
    BY_BUDGET,
    add_count,
    add_search_options,
    add_training_options,
    begin,
    between,
    within_budget,
)

TEXTS = {"warpeace": "War and Peace", "tinyshakespeare": "Tiny Shakespeare"}  # by name: the title
METHODS = ("sgd", "rmsprop", "adam", "annealsgd", "santa", "ctld")  # by default
OTHERS = ("ctld-cold",)
BUDGETS = {
    "sda": {
        "quick": {
            "methods": ["sgd", "ctld"],
            "steps": 40,
            "seeds": 1,
            "chunks": 4,
            "search": 2,
            "search_share": 0.25,
        },
        "default": {"steps": 400, "seeds": 3, "chunks": 8, "search": 6, "search_share": 0.25},
        "paper": {
            "methods": ["sgd", "adam", "ctld", "ctld-cold"],
            "steps": 100_000,
            "seeds": 2,
            "chunks": 200,
            "search": 4,
            "search_share": 0.02,
        },
    },
    "charlm": {
        "quick": {"steps": 160, "seeds": 1, "chunks": 4, "search": 2, "search_share": 0.25},
        "default": {"steps": 1_600, "seeds": 3, "chunks": 16, "search": 6, "search_share": 0.25},
        # 50 passes over the text, with batches of 100 x 100 characters.
        "paper": {
            "steps": 12_800,
            "seeds": 3,
            "chunks": 100,
            "search": 4,
            "search_share": 0.05,
            "layers": 3,
            "batch_size": 100,
            "length": 100,
        },
    },
}


def add_arguments(parser: argparse.ArgumentParser, benchmark: str) -> None:
    """The options of one of the benchmarks."""
    if benchmark == "charlm":
        _add_text_options(parser)
    per = {"sda": "layer and ", "charlm": ""}[benchmark]
    steps = f"gradients per {per}network, rounded up to whole chunks {BY_BUDGET}"
    add_count(parser, "--steps", None, steps)
    add_search_options(
        parser, "learning rates to choose from, for every method, half a decade apart"
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
        BUDGETS[benchmark],
        methods=", ".join((*METHODS, *OTHERS)),
        output="results/ and the benchmark's name",
    )


def run(options: argparse.Namespace) -> None:
    """Searches, trains, prints the table, saves results and pictures."""
    output = begin(options)
    own = {"units": 64, "layers": 1, "batch_size": 32, "length": 50, "methods": list(METHODS)}
    options = within_budget(options, BUDGETS[options.benchmark], **own)

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
    for name, meaning in (
        ("--units", "of LSTM per layer (default: 64)"),
        ("--layers", "of LSTM; the paper's 3 (default: 1)"),
        ("--batch-size", "pieces of text per gradient (default: 32)"),
        ("--length", "characters per piece (default: 50)"),
    ):
        add_count(parser, name, None, meaning)
