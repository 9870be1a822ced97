"""`python -m benchmarks gaussians`: continuous tempering on 25 Gaussians in the plane.

The means are 8 standard deviations apart, so a sampler at T hops about once in 40,000 steps. Heat
carries it from mode to mode, and what is asked is whether the points that it leaves at T, those
with |alpha| < delta, have the law at T. All rows spend the same number of gradients and start from
draws of the law. The first half of each run fills the biases; all numbers are of the second half.
"""

import argparse
import pathlib

from benchmarks.engine.folders import claim
from benchmarks.engine.options import add_output_option, add_seed_options, at_least

METHODS = (
    "langevin, hot, no-bias, printed, printed-high, mirrored, mirrored-higher, "
    "mirrored-high, frozen, well-tempered, force, exact"
)
PICTURES = ("mirrored", "printed-high")
SCATTERED = ("langevin", "mirrored", "printed-high")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the benchmark."""
    parser.add_argument(
        "--steps", type=at_least(2), default=40_000, help="steps per chain (default: %(default)s)"
    )
    parser.add_argument(
        "--chains", type=at_least(1), default=32, help="chains per seed (default: %(default)s)"
    )
    add_seed_options(parser, 3, "seeds, run together")
    parser.add_argument(
        "--methods", nargs="+", metavar="METHOD", help=f"some of: {METHODS} (default: all)"
    )
    add_output_option(parser, "results/gaussians")


def run(options: argparse.Namespace) -> None:
    """Runs all samplers, prints the table, saves numbers and pictures."""
    output = claim(options.output or pathlib.Path("results") / "gaussians")

    import jax
    from tqdm import tqdm

    from benchmarks.engine import runtime
    from benchmarks.engine.interruption import Interruption
    from benchmarks.layers.settings import select_names
    from benchmarks.sampling import chains, hopping, mixture

    runtime.configure()
    names = select_names(mixture.SAMPLERS, options.methods)
    keys = chains.keys_of(options.first_seed, options.seeds, options.chains)
    starts = jax.vmap(lambda key: mixture.draw(jax.random.fold_in(key, 1)))(keys)
    results = {}
    with Interruption() as interruption:
        try:
            for name in tqdm(names, unit="sampler"):
                sampler = mixture.SAMPLERS[name]
                trace, states = chains.simulate(
                    lambda key, sampler=sampler: sampler.make(key, options.steps),
                    mixture.loss,
                    hopping.recorder(sampler),
                    starts,
                    keys,
                    options.steps,
                )
                results[name] = hopping.measure(sampler, trace, states)
                interruption.check()
        finally:
            _save(options, output, results)
        interruption.check()


def _save(options: argparse.Namespace, output: pathlib.Path, results: dict) -> None:
    from benchmarks.sampling import figures, hopping, mixture, report

    if not results:
        print("25 Gaussians: nothing was finished")
        return
    before = (
        f"{options.seeds} x {options.chains} chains of {options.steps:,} steps, of which the "
        "second half counts; ± is the standard error over chains. Step size "
        f"{mixture.STEP_SIZE:g}, friction {mixture.FRICTION:g}. A hop ends in the core (two "
        "standard deviations) of another mode than the last."
    )
    report.save(
        output,
        "25 Gaussians in the plane",
        [hopping.section(list(results.values()), before)],
        {"samplers": {name: result.numbers() for name, result in results.items()}},
    )
    for name in PICTURES:
        if name in results:
            figures.tempering(results[name], output / f"tempering-{name}.png")
    scattered = [results[name] for name in SCATTERED if name in results]
    if scattered:
        figures.samples(scattered, output / "samples.png")
