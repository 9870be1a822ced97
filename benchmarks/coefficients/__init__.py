"""`python -m benchmarks coefficients`: learning coefficients against values that are known.

Parts: `calibration` against exact values with the defaults, `large` for a linear network of 10,000
weights, `sweep` over steps and precisions, `peers` side by side with devinterp where it is
installed, and `mnist`, a network of a million weights that is trained first.
"""

import argparse

from benchmarks.engine.options import add_output_option, add_parts, begin

PARTS = ("calibration", "large", "sweep", "peers", "mnist")


def add_arguments(parser: argparse.ArgumentParser, benchmark: str) -> None:
    """The options of this benchmark."""
    add_parts(parser, PARTS, "all")
    parser.add_argument(
        "--quick", action="store_true", help="few steps and small models, to see that it runs"
    )
    add_output_option(parser, f"results/{benchmark}")


def run(options: argparse.Namespace) -> None:
    """Measures, prints the tables, saves them and the pictures."""
    output = begin(options)
    from benchmarks.coefficients import measurement

    measurement.run(options, output)
