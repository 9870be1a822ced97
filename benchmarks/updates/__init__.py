"""`python -m benchmarks updates`: what an update costs, next to other libraries and to the memory.

Everything is measured in one process, in turns (see `clock`), so that the ratios hold on a busy
machine. Compiled programs are not taken from an earlier run, since compilation is measured too.
"""

import argparse
import os

from benchmarks.engine.options import add_output_option, at_least

PARTS = ("updates", "noise", "training", "replicas", "efficiency")
TREES = ("mlp1.7M", "flat10M", "tfm10M")
PROBLEMS = ("mlp", "logistic", "gaussian")


def add_arguments(parser: argparse.ArgumentParser, benchmark: str) -> None:
    """The options of this benchmark."""
    del benchmark
    parser.add_argument(
        "--rounds",
        type=at_least(1),
        default=15,
        help="turns of each contender (default: %(default)s)",
    )
    choices = (
        ("parts", PARTS, PARTS, "what to measure"),
        ("trees", (*TREES, "tiny"), TREES, "on which parameters updates are timed"),
        ("problems", PROBLEMS, PROBLEMS, "on which whole training steps are timed"),
    )
    for name, known, default, meaning in choices:
        parser.add_argument(
            f"--{name}",
            nargs="+",
            choices=known,
            default=default,
            metavar=name[:-1].upper(),
            help=f"{meaning}; some of: {', '.join(known)} (default: {', '.join(default)})",
        )
    parser.add_argument(
        "--methods", nargs="+", metavar="METHOD", help="of the updates, by name (default: all)"
    )
    parser.add_argument(
        "--cores", type=at_least(1), help="run on that many cores of the processor (default: all)"
    )
    parser.add_argument(
        "--noise-size",
        type=at_least(1),
        default=10_000_000,
        help="numbers drawn to time the noise alone (default: %(default)s)",
    )
    add_output_option(parser, "results/updates")


def run(options: argparse.Namespace) -> None:
    """Measures, prints the tables, saves them."""
    if options.cores:  # before jax is imported, since it starts one thread for each core it sees
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
    from benchmarks.updates.measurement import run as measure

    measure(options)
