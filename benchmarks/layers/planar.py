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
from benchmarks.engine.options import begin, seeds_of
from benchmarks.engine.problem import Problem, select
from benchmarks.layers import comparison, figures, report, settings

SIZES = (2, 100, 1)


def run(options: argparse.Namespace) -> None:
    """One of the two, as a command."""
    output = begin(options)
    planar = settings.PROBLEMS[options.benchmark]
    seeds = seeds_of(options)
    data = draw(planar, seeds)
    trained = {}  # networks by label, at the end of the last chunk

    def keep(result, chunk):
        trained[result.label] = chunk.params[-1]

    def save(results):
        if report.save(output, planar.title, results):
            figures.learning_curves(results, output / "accuracy.png", planar.title)
            _, apply = networks.functional(SIZES)
            path = output / "level_sets.png"
            figures.level_sets(results, trained, apply, data, path, planar.title)

    comparison.compare(
        problem(planar, data),
        select(planar.methods, options.methods),
        seeds=seeds,
        steps=options.steps or planar.steps,
        chunks=options.chunks,
        report=save,
        keep=keep,
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
