"""Greedy layer-wise training of a stacked denoising autoencoder.

784-500-500-2000-10 on MNIST, as in section 5.1 of the paper that `benchmarks.tempering` names; it
switches to the next layer after 100,000 iterations each, which `--steps 100000` does. Readings of
what it leaves open: sigmoid units, decoders with the transposed weights of their encoders, batches
of 64, and dropout as the corruption of the inputs of layers 2 to 4 (of the layers of units the
pixels are the first one and the code is the last). A method descends the squared error of the layer
in training, summed over its units and averaged over the batch; every layer has a fresh optimizer.

What is reported, without dropout: "pixel MSE", the mean squared error per pixel of the whole stack
up to the layer in training, from the pixels through all encoders and back through all decoders;
and "layer MSE", that of the last layer alone, per unit of its input. Only the first can be compared
between methods: the input of a layer is what the layers below have learnt. It chooses the learning
rate too, on the last 5,000 of the 60,000 training images, which the search leaves out.
"""

import argparse

import jax.numpy as jnp

from benchmarks import data
from benchmarks.engine.problem import Column, Problem
from benchmarks.tempering import autoencoder

SIZES = (784, 500, 500, 2000, 10)
BATCH_SIZE = 64
BLOCK = 1000  # images that are measured at once
TRAIN_MEASURED = 10_000
VALIDATION = 5_000
CENTRES = {
    "sgd": 0.03,
    "rmsprop": 1e-3,
    "adam": 3e-3,
    "annealsgd": 0.03,
    "santa": 0.01,
    "ctld": 0.03,
}


def load(options: argparse.Namespace) -> tuple[Problem, str]:
    """The problem, and what is to be said of it above the table."""
    del options
    images = data.load_images("mnist")
    notes = (
        f"Batches of {BATCH_SIZE}; MSE on the {len(images.test_images):,} test images and on the "
        f"first {TRAIN_MEASURED:,} training images, without dropout."
    )
    return problem(images.train_images, images.test_images), notes


def problem(train_images, test_images, sizes=SIZES, *, block=BLOCK, validation=VALIDATION):
    """The autoencoder for these images; `validation` are kept from the search."""

    def blocks(images):
        return list(images.reshape(-1, block, *images.shape[1:]))

    pixel, layer = "pixel MSE", "layer MSE"
    return Problem(
        title=f"Stacked denoising autoencoder, {'-'.join(map(str, sizes))}, MNIST",
        stages=autoencoder.stages(sizes),
        data=jnp.asarray(train_images),
        batch=lambda images, index: autoencoder.as_numbers(images[index]),
        batch_size=min(BATCH_SIZE, len(train_images)),
        examples=len(train_images),
        search_examples=len(train_images) - validation,
        splits={
            "train": blocks(train_images[:TRAIN_MEASURED]),
            "validation": blocks(train_images[len(train_images) - validation :]),
            "test": blocks(test_images),
        },
        score=pixel,
        unit="pixel MSE of the stack",
        columns=[
            Column("pixel MSE, train", "train", pixel, 5),
            Column("pixel MSE, test", "test", pixel, 5),
            Column("last layer's MSE, train", "train", layer, 5),
            Column("last layer's MSE, test", "test", layer, 5),
        ],
        stage_steps="the steps of a layer",
    )
