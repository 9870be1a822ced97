"""`python -m benchmarks mnist`: a perceptron on real images, all 60,000 of them.

784-200-200-10 with ReLU: about 200,000 parameters, the smallest width at which more units no longer
lower the test error of plain SGD by much, so that a step takes milliseconds on a laptop's CPU.
Its two hidden layers make one group in AdLaLa, under one thermostat; the output layer is the other.
"""

import argparse
import math
import pathlib
from collections.abc import Sequence

from benchmarks.engine.folders import claim
from benchmarks.engine.options import add_training_options, at_least

BATCH_SIZE = 128
TITLES = {"mnist": "MNIST", "fashion-mnist": "Fashion-MNIST"}
SIZES = (784, 200, 200, 10)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the image benchmark."""
    parser.add_argument(
        "--dataset",
        choices=tuple(TITLES),
        default="mnist",
        help="found, or downloaded (default: %(default)s)",
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument(
        "--epochs", type=float, default=20, help="passes over the images (default: %(default)s)"
    )
    length.add_argument(
        "--steps", type=at_least(1), help="gradients per network, instead of --epochs"
    )
    add_training_options(
        parser,
        seeds=3,
        chunks=20,
        methods="adam, sgd, langevin, adlala",
        output="results/ and the data set's name",
    )


def run(options: argparse.Namespace) -> None:
    """The benchmark as a command: missing data end it with a message instead of a traceback."""
    from benchmarks.data import MissingDataError

    try:
        train_on_images(options)
    except MissingDataError as error:
        raise SystemExit(f"error: {error}") from error


def train_on_images(options: argparse.Namespace) -> None:
    """Trains, prints the table of test errors, saves results and the picture."""
    output = claim(options.output or pathlib.Path("results") / options.dataset)

    from benchmarks.engine import runtime
    from benchmarks.layers import comparison, figures, report, settings

    runtime.configure()
    task = image_task(options.dataset)
    steps = options.steps or math.ceil(options.epochs * len(task.data[1]) / BATCH_SIZE)
    title = f"{TITLES[options.dataset]}, {'-'.join(map(str, SIZES))} network"

    def save(results):
        if report.save(output, title, results, errors=True):
            figures.learning_curves(results, output / "error.png", title, errors=True)

    comparison.compare(
        task,
        settings.select(settings.IMAGE_METHODS, options.methods),
        seeds=range(options.first_seed, options.first_seed + options.seeds),
        steps=steps,
        chunks=options.chunks,
        report=save,
    )


def image_task(dataset: str, sizes: Sequence[int] = SIZES):
    """Classification of the images of a data set; raises `MissingDataError` if it is nowhere."""
    import numpy as np

    from benchmarks.data import load_images
    from benchmarks.engine import networks
    from benchmarks.layers.training import Task

    images = load_images(dataset)

    def prepare(batch):
        return batch.reshape(*batch.shape[:-2], -1) / np.float32(255)

    return Task(
        data=images,
        data_per_seed=False,
        sizes=sizes,
        loss=networks.class_loss,
        accuracy=networks.class_accuracy,
        batch_size=BATCH_SIZE,
        prepare=prepare,
    )
