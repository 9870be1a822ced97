"""Continuous tempering of ten to ten million parameters.

Two questions, on a Gaussian target at T = 1, L = |x|^2 / 2. In mode "exact", with the same settings
at every dimension: does alpha cross its range, how does the number of steps grow, and is the law at
each alpha right? In mode "exploration", as `ctld` runs it for networks: does alpha cover its range
within some hundred steps at millions of parameters?
"""

import argparse
import pathlib

from benchmarks.engine import report, runtime
from benchmarks.sampling import crossing, exploration, figures


def run(options: argparse.Namespace, output: pathlib.Path) -> None:
    """Runs both modes, prints the tables, saves numbers and pictures."""
    crossed, explored = [], []
    sizes = [size for size in crossing.SIZES if options.slow or not size.slow]
    first = options.first_seed
    with runtime.interruptible(lambda: _save(output, crossed, explored)) as check:
        for result in crossing.run(sizes, options.divide_steps, first, check):
            crossed.append(result)
        steps = options.exploration_steps
        for result in exploration.run(options.explored, steps, options.seeds, first):
            explored.append(result)
            check()


def _save(output: pathlib.Path, crossed: list, explored: list) -> None:
    sections = [
        *([crossing.section(crossed)] if crossed else []),
        *([exploration.section(explored)] if explored else []),
    ]
    if not sections:
        print("Dimensions: nothing was finished")
        return
    numbers = {
        "exact": [result.numbers() for result in crossed],
        "exploration": [result.numbers() for result in explored],
    }
    title = "Continuous tempering and the number of parameters"
    report.save(output, (report.heading(title), *sections), report.facts(title) | numbers)
    if crossed:
        figures.crossings(crossed, output / "crossings.png")
    if explored:
        figures.explorations(explored, output / "exploration.png")
