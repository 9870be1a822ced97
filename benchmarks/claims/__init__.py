"""`python -m benchmarks claims`: numbers of the pages in docs/ that no other benchmark measures.

Each part is a table. The page that quotes it has a link to it.
"""

import argparse

from benchmarks.engine.options import add_count, add_output_option, begin

PARTS = ("hills", "alpha-step", "metric", "swaps", "frictions", "strays", "times")


def add_arguments(parser: argparse.ArgumentParser, benchmark: str) -> None:
    """The options of this benchmark."""
    parser.add_argument(
        "--parts",
        nargs="+",
        choices=PARTS,
        default=PARTS,
        metavar="PART",
        help=f"some of: {', '.join(PARTS)} (default: all, some 20 minutes)",
    )
    add_count(parser, "--seed", 0, "of the chains", minimum=0)
    parser.add_argument("--quick", action="store_true", help="a hundredth of the steps: it runs")
    add_output_option(parser, f"results/{benchmark}")


def run(options: argparse.Namespace) -> None:
    """Measures, prints the tables and saves them."""
    output = begin(options)

    from benchmarks.claims import measurement

    measurement.run(options, output)
