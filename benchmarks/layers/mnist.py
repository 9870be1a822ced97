"""A perceptron on real images, all 60,000 of them.

784-200-200-10 with ReLU: about 200,000 parameters, the smallest width at which more units no longer
lower the test error of plain SGD by much, so that a step takes milliseconds on a laptop's CPU.
Its two hidden layers make one group in AdLaLa, under one thermostat; the output layer is the other.
"""

import argparse
import math

import numpy as np

from benchmarks.data import load_images
from benchmarks.engine import networks
from benchmarks.engine.options import begin, seeds_of, within_budget
from benchmarks.engine.problem import Problem, select
from benchmarks.engine.resuming import Saves
from benchmarks.layers import IMAGES, MNIST_BUDGETS, comparison, figures, report, settings

BATCH_SIZE = 128
SIZES = (784, 200, 200, 10)


def run(options: argparse.Namespace) -> None:
    """The benchmark as a command; its table has test errors."""
    output = begin(options, options.dataset)
    options = within_budget(options, MNIST_BUDGETS)
    problem = image_problem(options.dataset)
    steps = options.steps or math.ceil(options.epochs * problem.examples / BATCH_SIZE)

    def save(results):
        if report.save(output, problem.title, results, errors=True):
            figures.learning_curves(results, output / "error.png", problem.title, errors=True)

    comparison.compare(
        problem,
        select(settings.IMAGE_METHODS, options.methods),
        seeds=seeds_of(options),
        steps=steps,
        chunks=options.chunks,
        report=save,
        saves=Saves.of(options, output),
    )


def image_problem(dataset: str) -> Problem:
    """Classification of the images of a data set; raises `MissingDataError` if it is nowhere."""
    return comparison.classification(
        f"{IMAGES[dataset]}, {'-'.join(map(str, SIZES))} network",
        load_images(dataset),
        SIZES,
        networks.class_loss,
        networks.class_accuracy,
        batch_size=BATCH_SIZE,
        data_per_seed=False,
        prepare=lambda batch: batch.reshape(*batch.shape[:-2], -1) / np.float32(255),
    )
