"""`python -m benchmarks updates`: what an update costs, next to other libraries and to the memory.

Everything is measured in one process, in turns (see `clock`), so that the ratios hold on a busy
machine. Compiled programs are not taken from an earlier run, since compilation is measured too.
"""

import argparse
import os

from benchmarks.engine.options import add_count, add_output_option

PARTS = ("updates", "noise", "training", "replicas", "efficiency")
TREES = ("mlp1.7M", "flat10M", "tfm10M")
PROBLEMS = ("mlp", "logistic", "gaussian")


def add_arguments(parser: argparse.ArgumentParser, benchmark: str) -> None:
    """The options of this benchmark."""
    del benchmark
    add_count(parser, "--rounds", 15, "turns of each contender")
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
    add_count(parser, "--cores", None, "run on that many cores of the processor (default: all)")
    add_count(parser, "--noise-size", 10_000_000, "numbers drawn to time the noise alone")
    add_output_option(parser, "results/updates")


def run(options: argparse.Namespace) -> None:
    """Measures, prints the tables, saves them."""
    if options.cores:  # before jax is imported, since it starts one thread for each core it sees
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
    from benchmarks.updates.measurement import run as measure

    measure(options)
