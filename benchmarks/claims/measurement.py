"""Which parts there are, and how they become a page."""

import argparse
import pathlib

from benchmarks.claims import exchanging, steps, tempering
from benchmarks.engine import report, runtime

PARTS = {
    "hills": tempering.hills,
    "alpha-step": tempering.alpha_steps,
    "metric": steps.metric,
    "swaps": exchanging.swaps,
    "frictions": exchanging.frictions,
    "strays": steps.strays,
    "times": steps.times,
}


def run(options: argparse.Namespace, output: pathlib.Path) -> None:
    """Measures the parts one after the other, and saves what is finished."""
    sections = []
    title = "Numbers of the docs"
    with runtime.interruptible(lambda: _save(output, title, sections)) as check:
        for part in options.parts:
            print(f"{part} ...", flush=True)
            sections += PARTS[part](options.seed, 100 if options.quick else 1)
            check()


def _save(output: pathlib.Path, title: str, sections: list[str]) -> None:
    if sections:
        report.save(output, (report.heading(title), *sections), report.facts(title))
