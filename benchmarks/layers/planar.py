"""Eight methods on two hard problems in the plane.

Every method has the same number of gradient evaluations, the same data, minibatches and initial
networks. A rival without heat gets a grid of settings, and its best row by *test* accuracy is
reported: that favours it, as LOL and AdLaLa run at one setting fixed beforehand.
"""

import argparse
from collections.abc import Sequence

import numpy as np

from benchmarks.data import PlanarData
from benchmarks.engine import networks
from benchmarks.engine.options import begin, seeds_of, within_budget
from benchmarks.engine.problem import Problem, select
from benchmarks.engine.resuming import Saves
from benchmarks.layers import PLANAR_BUDGETS, comparison, figures, report, settings

SIZES = (2, 100, 1)


def run(options: argparse.Namespace) -> None:
    """One of the two, as a command."""
    output = begin(options)
    planar = settings.PROBLEMS[options.benchmark]
    options = within_budget(options, PLANAR_BUDGETS, steps=planar.steps)
    seeds = seeds_of(options)
    data = draw(planar, seeds)

    def save(results):
        if report.save(output, planar.title, results):
            figures.learning_curves(results, output / "accuracy.png", planar.title)
            _, apply = networks.functional(SIZES)
            path = output / "level_sets.png"
            trained = {result.label: result.networks[-1] for result in results}
            figures.level_sets(results, trained, apply, data, path, planar.title)

    comparison.compare(
        problem(planar, data),
        select(planar.methods, options.methods),
        seeds=seeds,
        steps=options.steps,
        chunks=options.chunks,
        report=save,
        keep=1,
        saves=Saves.of(options, output),
    )


def draw(planar: settings.Planar, seeds: Sequence[int]) -> PlanarData:
    """Data of their own for these seeds, along the first axis."""
    arrays = zip(*(planar.draw(seed) for seed in seeds), strict=True)
    return PlanarData(*(np.stack(array) for array in arrays))


def problem(planar: settings.Planar, data: PlanarData) -> Problem:
    """The classification of these points."""
    return comparison.classification(
        planar.title,
        data,
        SIZES,
        networks.binary_loss,
        networks.binary_accuracy,
        batch_size=planar.batch_size,
        data_per_seed=True,
    )
