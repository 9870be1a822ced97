"""`python -m benchmarks dimensions`: continuous tempering of ten to ten million parameters.

Two questions, on a Gaussian target at T = 1, L = |x|^2 / 2. In mode "exact", with the same settings
at every dimension: does alpha cross its range, how does the number of steps grow, and is the law at
each alpha right? In mode "exploration", as `ctld` runs it for networks: does alpha cover its range
within some hundred steps at millions of parameters?
"""

import argparse
import pathlib

from benchmarks.engine.folders import claim
from benchmarks.engine.options import add_output_option, add_seed_options, at_least

EXPLORED = (1_000_000, 10_000_000)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the benchmark."""
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
    add_output_option(parser, "results/dimensions")


def run(options: argparse.Namespace) -> None:
    """Runs both modes, prints the tables, saves numbers and pictures."""
    output = claim(options.output or pathlib.Path("results") / "dimensions")

    from benchmarks.engine import runtime
    from benchmarks.engine.interruption import Interruption
    from benchmarks.sampling import crossing, exploration

    runtime.configure()
    crossed, explored = [], []
    sizes = [size for size in crossing.SIZES if options.slow or not size.slow]
    with Interruption() as interruption:
        try:
            for result in crossing.run(
                sizes, options.divide_steps, options.first_seed, interruption.check
            ):
                crossed.append(result)
            for result in exploration.run(
                options.explored, options.exploration_steps, options.seeds, options.first_seed
            ):
                explored.append(result)
                interruption.check()
        finally:
            _save(output, crossed, explored)
        interruption.check()


def _save(output: pathlib.Path, crossed: list, explored: list) -> None:
    from benchmarks.sampling import crossing, exploration, figures, report

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
    report.save(output, "Continuous tempering and the number of parameters", sections, numbers)
    if crossed:
        figures.crossings(crossed, output / "crossings.png")
    if explored:
        figures.explorations(explored, output / "exploration.png")
