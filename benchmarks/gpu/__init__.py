"""`python -m benchmarks gpu`, which is `make gpu`: what one accelerator can say in eight minutes.

It needs jax, optax and this repository, and nothing else. Parts run in order of importance; what is
not done when the time is up is left out, and the table says so.
"""

import argparse
import pathlib

from benchmarks.engine.options import add_output_option, between, claim


def add_arguments(parser: argparse.ArgumentParser, benchmark: str) -> None:
    """The options of this benchmark."""
    del benchmark
    parser.add_argument(
        "--tiny", action="store_true", help="small enough for a CPU: shows that all parts run"
    )
    parser.add_argument(
        "--minutes",
        type=between(0.1, 600),
        default=8,
        help="no part begins, and no timing goes on, after them (default: %(default)s)",
    )
    add_output_option(parser, "results/gpu")


def run(options: argparse.Namespace) -> None:
    """Measures, prints the table, saves it."""
    output = claim(options.output or pathlib.Path("results") / "gpu")
    from benchmarks.gpu.measurement import run as measure

    measure(output, options.tiny, 60 * options.minutes)
