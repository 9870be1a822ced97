"""`python -m benchmarks gaussians` and `dimensions`: does continuous tempering sample its law?

The method is that of N. Ye, Z. Zhu, R. Mantiuk, `Langevin dynamics with continuous tempering for
training deep neural networks <https://arxiv.org/abs/1703.04379>`_, 2017.
"""

import argparse

from benchmarks.engine.options import (
    add_count,
    add_methods,
    add_output_option,
    add_seed_options,
    at_least,
    begin,
)

METHODS = (
    "langevin, hot, no-bias, printed, printed-high, mirrored, mirrored-higher, "
    "mirrored-high, frozen, well-tempered, force, exact"
)
EXPLORED = (1_000_000, 10_000_000)


def add_arguments(parser: argparse.ArgumentParser, benchmark: str) -> None:
    """The options of one of the benchmarks."""
    (_add_for_gaussians if benchmark == "gaussians" else _add_for_dimensions)(parser)
    add_output_option(parser, f"results/{benchmark}")


def run(options: argparse.Namespace) -> None:
    """Runs all samplers, or both modes; prints the tables, saves numbers and pictures."""
    output = begin(options)

    from benchmarks.sampling import dimensions, gaussians

    {"gaussians": gaussians, "dimensions": dimensions}[options.benchmark].run(options, output)


def _add_for_gaussians(parser: argparse.ArgumentParser) -> None:
    add_count(parser, "--steps", 40_000, "steps per chain", minimum=2)
    add_count(parser, "--chains", 32, "chains per seed")
    add_seed_options(parser, 3, "seeds, run together")
    add_methods(parser, METHODS)


def _add_for_dimensions(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--slow", action="store_true", help='10,000 dimensions too in mode "exact": some minutes'
    )
    parser.add_argument(
        "--divide-steps",
        type=at_least(1),
        default=1,
        metavar="N",
        help='N times shorter runs in mode "exact" (default: %(default)s)',
    )
    parser.add_argument(
        "--explored",
        type=at_least(1),
        nargs="*",
        default=EXPLORED,
        metavar="SIZE",
        help='numbers of parameters in mode "exploration" (default: 1000000 10000000)',
    )
    parser.add_argument(
        "--exploration-steps",
        type=at_least(1),
        default=1000,
        help='steps in mode "exploration" (default: %(default)s)',
    )
    add_seed_options(parser, 2, 'runs of each kind in mode "exploration"')
