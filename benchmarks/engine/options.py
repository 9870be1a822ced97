"""Command-line options that several benchmarks share."""

import argparse
import pathlib
from collections.abc import Callable


def at_least(minimum: int) -> Callable[[str], int]:
    """Whole numbers from `minimum` on, as `type` of an option."""

    def integer(text: str) -> int:
        number = int(text)
        if number < minimum:
            raise argparse.ArgumentTypeError(f"must be at least {minimum}, got {number}")
        return number

    return integer


def between(low: float, high: float) -> Callable[[str], float]:
    """Numbers from `low` to `high`, as `type` of an option."""

    def number(text: str) -> float:
        value = float(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"must be from {low:g} to {high:g}, got {value:g}")
        return value

    return number


def add_seed_options(parser: argparse.ArgumentParser, seeds: int, meaning: str) -> None:
    """How many runs, and which."""
    parser.add_argument(
        "--seeds", type=at_least(1), default=seeds, help=f"{meaning} (default: %(default)s)"
    )
    parser.add_argument(
        "--first-seed",
        type=at_least(0),
        default=0,
        help="seeds count from here (default: %(default)s)",
    )


def add_training_options(
    parser: argparse.ArgumentParser, *, seeds: int, chunks: int | None, methods: str, output: str
) -> None:
    """The options of every benchmark that trains networks; None for chunks that vary."""
    add_seed_options(parser, seeds, "networks per setting")
    parser.add_argument(
        "--chunks",
        type=at_least(1),
        default=chunks,
        help=f"points of the curves (default: {chunks or 'the problem' + chr(39) + 's own'})",
    )
    parser.add_argument(
        "--methods", nargs="+", metavar="METHOD", help=f"some of: {methods} (default: all)"
    )
    add_output_option(parser, output)


def add_output_option(parser: argparse.ArgumentParser, default: str) -> None:
    """Where the results go; what the default means is up to the benchmark."""
    parser.add_argument(
        "--output",
        type=pathlib.Path,
        help=f"folder (default: {default}); one that holds results keeps them, and new ones go to "
        "run-2, run-3... in it",
    )
