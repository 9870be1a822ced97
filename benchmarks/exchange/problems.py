"""What is trained: the networks and hyperparameters of the paper, on fewer images."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import data
from benchmarks.data import ImageData, MissingDataError
from benchmarks.exchange import lenet, resnet

DROPOUT, LEARNING_RATE = "dropout_rate", "learning_rate"
MOMENTUM = 0.9


class UnfitOptionsError(MissingDataError):
    """Numbers of images that the data set cannot give."""


class Splits(NamedTuple):
    """Images and labels, those of validation taken from the training images."""

    train: tuple[np.ndarray, np.ndarray]
    validation: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]


class Experiment(NamedTuple):
    """One hyperparameter of one network on one data set."""

    network: str  # title
    init: Callable[[jax.Array], Any]  # init(key) -> the parameters of one replica
    logits: Callable[..., jax.Array]  # logits(params, prepared images, dropout_rate, key)
    load: Callable[[], tuple[str, ImageData]]
    hyperparameter: str
    ladder: tuple[float, float]  # its ends; wide, for short runs
    paper: tuple[float, float]  # those in the figures of the paper
    loss_scale: float  # differences of validation losses that decide on a swap
    dropout: float = 0.0  # where the ladder is one of learning rates
    warmup_rate: float = 0.03  # the learning rate of all replicas before the ladder begins
    cold_rate: float = 0.005  # and after, where the ladder is one of dropout
    batch_size: int = 32
    augment: Callable[[jax.Array, jax.Array], jax.Array] | None = None
    prepare: Callable[[jax.Array], jax.Array] = lambda images: images  # once for all replicas
    falling: bool = False  # whether a third arm has rates that fall

    def inverse_temperatures(self, ladder: np.ndarray) -> np.ndarray:
        """beta on each rung, as `replica_exchange` has it."""
        return (1 - ladder) / ladder if self.hyperparameter == DROPOUT else 1 / ladder

    def normalization(self, ladder: np.ndarray) -> float:
        """C, with which that difference of losses makes the exponent 1 for the median pair."""
        gaps = np.abs(np.diff(self.inverse_temperatures(ladder)))
        return float(1 / (self.loss_scale * np.median(gaps)))


def _emnist() -> tuple[str, ImageData]:
    return "EMNIST letters", data.load_emnist_letters()


def _cifar10() -> tuple[str, ImageData]:
    """The images themselves if they can be had, else the lossy copies."""
    try:
        return "CIFAR-10", data.load_cifar10()
    except MissingDataError as missing:
        try:
            return "CIFAR-10 (JPEG copy)", data.load_cifar10_jpeg()
        except MissingDataError:
            raise missing from None


def _lenet(smooth: bool, channels: int, classes: int) -> tuple[str, Callable, Callable]:
    return (
        "LeNet-5",
        functools.partial(lenet.init, channels=channels, classes=classes),
        functools.partial(lenet.logits, smooth=smooth),
    )


def _with_lenet(*arguments: Any, **options: Any) -> Experiment:
    return Experiment(*arguments, prepare=lenet.prepared, **options)


def _linear_init(key: jax.Array) -> dict[str, jax.Array]:
    weights = jax.random.normal(key, (28 * 28, 26)) / 28
    return {"weights": weights, "bias": jnp.zeros(26)}


def _linear_logits(params, images, rate=0.0, key=None):
    del rate, key  # there is nothing to drop
    return images.reshape(len(images), -1) @ params["weights"] + params["bias"]


EMNIST = (*_lenet(smooth=True, channels=1, classes=26), _emnist)
CIFAR10 = (*_lenet(smooth=False, channels=3, classes=10), _cifar10)

EXPERIMENTS = {
    "emnist-dropout": _with_lenet(*EMNIST, DROPOUT, (0.05, 0.4), (0.05, 0.12), 0.1),
    "emnist-lr": _with_lenet(
        *EMNIST, LEARNING_RATE, (0.001, 0.03), (0.006, 0.012), 0.02, dropout=0.05
    ),
    "cifar-dropout": _with_lenet(*CIFAR10, DROPOUT, (0.05, 0.4), (0.47, 0.55), 0.1),
    "cifar-lr": _with_lenet(
        *CIFAR10, LEARNING_RATE, (0.001, 0.03), (0.002, 0.018), 0.02, dropout=0.05
    ),
    # Small rates are bad early, for the way is long, and large ones late, for batches are small.
    "linear-lr": Experiment(
        *("Softmax regression", _linear_init, _linear_logits, _emnist),
        LEARNING_RATE,
        (1e-4, 0.015),
        (1e-4, 0.015),
        0.02,
        batch_size=8,
        falling=True,
    ),
    "resnet20-lr": Experiment(
        "ResNet-20",
        functools.partial(resnet.init, channels=3, classes=10),
        resnet.logits,
        _cifar10,
        LEARNING_RATE,
        (0.009, 0.018),
        (0.009, 0.018),
        0.02,
        warmup_rate=0.1,
        batch_size=128,
        augment=resnet.augmented,
    ),
}


def split(images: ImageData, train: int, validation: int, test: int) -> Splits:
    """The first `train` training images, the last `validation`, and `test` from all of the others.

    Those of EMNIST lie sorted by class, so they are taken at even distances.
    """
    count, others = len(images.train_labels), len(images.test_labels)
    if train + validation > count:
        raise UnfitOptionsError(
            f"--train {train} and --validation {validation} are more than the {count:,} training "
            "images: lower one of them"
        )
    if test > others:
        raise UnfitOptionsError(f"--test {test} is more than the {others:,} test images: lower it")
    held_out = slice(count - validation, count)
    spread = np.arange(test) * others // test
    return Splits(
        (images.train_images[:train], images.train_labels[:train]),
        (images.train_images[held_out], images.train_labels[held_out]),
        (images.test_images[spread], images.test_labels[spread]),
    )


def as_numbers(images: jax.Array) -> jax.Array:
    """Bytes as numbers from -1/2 to 1/2, with an axis of channels."""
    pixels = images / jnp.float32(255) - 0.5
    return pixels if pixels.ndim == 4 else pixels[..., None]
