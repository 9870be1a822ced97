"""Continuous tempering on 25 Gaussians in the plane.

The means are 8 standard deviations apart, so a sampler at T hops about once in 40,000 steps. Heat
carries it from mode to mode, and what is asked is whether the points that it leaves at T, those
with |alpha| < delta, have the law at T. All rows spend the same number of gradients and start from
draws of the law. The first half of each run fills the biases; all numbers are of the second half.
"""

import argparse
import pathlib

import jax
from tqdm import tqdm

from benchmarks.engine import report, runtime
from benchmarks.engine.problem import select_names
from benchmarks.sampling import chains, figures, hopping, mixture

PICTURES = ("mirrored", "printed-high")
SCATTERED = ("langevin", "mirrored", "printed-high")


def run(options: argparse.Namespace, output: pathlib.Path) -> None:
    """Runs all samplers, prints the table, saves numbers and pictures."""
    names = select_names(mixture.SAMPLERS, options.methods)
    keys = chains.keys_of(options.first_seed, options.seeds, options.chains)
    starts = jax.vmap(lambda key: mixture.draw(jax.random.fold_in(key, 1)))(keys)
    results = {}
    with runtime.interruptible(lambda: _save(options, output, results)) as check:
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
            check()


def _save(options: argparse.Namespace, output: pathlib.Path, results: dict) -> None:
    if not results:
        print("25 Gaussians: nothing was finished")
        return
    before = (
        f"{options.seeds} x {options.chains} chains of {options.steps:,} steps, of which the "
        "second half counts; ± is the standard error over chains. Step size "
        f"{mixture.STEP_SIZE:g}, friction {mixture.FRICTION:g}. A hop ends in the core (two "
        "standard deviations) of another mode than the last."
    )
    title = "25 Gaussians in the plane"
    parts = report.heading(title), hopping.section(list(results.values()), before)
    numbers = {"samplers": {name: result.numbers() for name, result in results.items()}}
    report.save(output, parts, report.facts(title) | numbers)
    for name in PICTURES:
        if name in results:
            figures.tempering(results[name], output / f"tempering-{name}.png")
    scattered = [results[name] for name in SCATTERED if name in results]
    if scattered:
        figures.samples(scattered, output / "samples.png")
