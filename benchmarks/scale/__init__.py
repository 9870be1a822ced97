"""`python -m benchmarks scale`: training steps over many devices, compiled and never run.

Shapes are abstract and devices simulated, so nothing is allocated. A size has a process of its own,
since jax must know the number of devices before it starts.
"""

import argparse
import json
import pathlib
import subprocess
import sys

from benchmarks.engine.options import add_count, add_methods, add_output_option, claim

SIZES = ("10M", "100M", "1B", "7B")


def add_arguments(parser: argparse.ArgumentParser, benchmark: str) -> None:
    """The options of this benchmark."""
    del benchmark
    parser.add_argument(
        "--sizes",
        nargs="+",
        choices=("tiny", *SIZES),
        default=SIZES,
        metavar="SIZE",
        help=f"numbers of parameters, some of: tiny, {', '.join(SIZES)} (default: all but tiny)",
    )
    add_count(parser, "--rounds", 3, "compilations of each step; their mean counts")
    add_methods(parser, "the first column of the table")
    add_output_option(parser, "results/scale")


def run(options: argparse.Namespace) -> None:
    """One process for each size; tables of what is done, also after Ctrl-C."""
    output = claim(options.output or pathlib.Path("results") / "scale")
    from benchmarks.engine import runtime
    from benchmarks.scale import tables

    found: dict[str, dict] = {}
    with runtime.interruptible(lambda: tables.save(output, found)) as check:
        for size in options.sizes:
            check()
            found[size] = _of_size(size, options.rounds, options.methods or [])


def _of_size(size: str, rounds: int, methods: list[str]) -> dict:
    """The builds of one size, from a process with as many devices as it needs."""
    command = [sys.executable, "-m", "benchmarks.scale.builds", size, str(rounds), *methods]
    print(f"compiling {size} ...", flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"error: the process that compiles {size} failed (see above)")
    return json.loads(done.stdout.splitlines()[-1])
