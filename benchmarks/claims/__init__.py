"""`python -m benchmarks claims`: numbers of the pages in docs/ that no other benchmark measures.

Each part is a table. The page that quotes it has a link to it.
"""

import argparse

from benchmarks.engine.options import add_output_option, add_parts, begin

PARTS = ("hills", "alpha-step", "metric", "swaps", "frictions", "strays", "times")


def add_arguments(parser: argparse.ArgumentParser, benchmark: str) -> None:
    """The options of this benchmark."""
    add_parts(parser, PARTS, "all, some ten minutes")
    parser.add_argument("--quick", action="store_true", help="a hundredth of the steps: it runs")
    add_output_option(parser, f"results/{benchmark}")


def run(options: argparse.Namespace) -> None:
    """Measures, prints the tables and saves them."""
    output = begin(options)

    from benchmarks.claims import measurement

    measurement.run(options, output)
