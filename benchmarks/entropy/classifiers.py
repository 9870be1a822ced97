"""Classifiers of images with batch normalisation and dropout, in Flax NNX.

Normalisation keeps no running averages: a classifier returns the statistics of the batch that it
was given, and uses those that it is given. So they can be taken anew at any point in the space of
parameters, as an evaluation of local entropy at its outer point needs it.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from benchmarks.engine import networks

Statistics = tuple[jax.Array, jax.Array]  # mean and variance, of every unit or channel


class Normalization(nnx.Module):
    """Mean 0 and variance 1 for every unit over the batch, then a learnt scale and shift."""

    def __init__(self, units: int):
        """It begins as the identity, but for the statistics."""
        self.scale = nnx.Param(jnp.ones(units))
        self.bias = nnx.Param(jnp.zeros(units))

    def __call__(
        self, inputs: jax.Array, statistics: Statistics | None
    ) -> tuple[jax.Array, Statistics]:
        """With the statistics given, or those of the inputs over all axes but the last."""
        if statistics is None:
            axes = tuple(range(inputs.ndim - 1))
            statistics = jnp.mean(inputs, axes), jnp.var(inputs, axes)
        mean, variance = statistics
        factor = self.scale[...] * jax.lax.rsqrt(variance + 1e-5)
        return (inputs - mean) * factor + self.bias[...], statistics


class Convolution(nnx.Module):
    """A convolution without padding, as one product of matrices: on a CPU five times as fast."""

    def __init__(self, channels: int, units: int, size: int, *, rngs: nnx.Rngs):
        """`size` is that of the square kernel; PyTorch's initialisation."""
        fan_in = channels * size**2
        start = networks.uniform(fan_in)
        self.size = size
        self.product = nnx.Linear(fan_in, units, kernel_init=start, bias_init=start, rngs=rngs)

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """float32[batch, height, width, channels], smaller by `size` - 1."""
        height, width = (length - self.size + 1 for length in inputs.shape[1:3])
        shifts = [(i, j) for i in range(self.size) for j in range(self.size)]
        patches = [inputs[:, i : i + height, j : j + width] for i, j in shifts]
        return self.product(jnp.concatenate(patches, axis=-1))


class Layer(nnx.Module):
    """A product with weights, then pooling, normalisation, ReLU."""

    def __init__(self, weights: nnx.Module, units: int, *, pool: int = 1, normalized: bool):
        """`pool` is the width of windows of which the maximum goes on; 1 for none."""
        self.weights, self.pool = weights, pool
        self.normalization = Normalization(units) if normalized else None

    def __call__(self, inputs: jax.Array, statistics: Statistics | None):
        """The outputs, and the statistics they were normalised with; None without."""
        if isinstance(self.weights, nnx.Linear):
            inputs = inputs.reshape(len(inputs), -1)
        outputs = self.weights(inputs)  # pyright: ignore[reportCallIssue]
        if self.pool > 1:  # before the normalisation, where there is less to normalise
            batch, height, width, channels = outputs.shape
            windows = (batch, height // self.pool, self.pool, width // self.pool, self.pool)
            outputs = outputs.reshape(*windows, channels).max((2, 4))
        if self.normalization is not None:
            outputs, statistics = self.normalization(outputs, statistics)
        return nnx.relu(outputs), statistics


class Classifier(nnx.Module):
    """Layers, each followed by dropout, and a linear output."""

    def __init__(self, layers: Sequence[Layer], output: Any, dropout: Sequence[float]):
        """`dropout` has one rate for the images and one for each layer."""
        self.layers, self.output, self.dropout = nnx.List(layers), output, tuple(dropout)

    def __call__(
        self,
        images: jax.Array,
        statistics: Sequence[Any] | None = None,
        key: jax.Array | None = None,
    ) -> tuple[jax.Array, list[Any]]:
        """float32[batch, height, width, channels] -> logits, and the statistics of all layers.

        Without `statistics` they are those of this batch; without a key there is no dropout.
        """
        found, signal = [], self._thinned(images, 0, key)
        for number, layer in enumerate(self.layers):
            given = None if statistics is None else statistics[number]
            signal, used = layer(signal, given)
            signal = self._thinned(signal, number + 1, key)
            found.append(used)
        return self.output(signal), found

    def _thinned(self, signal: jax.Array, number: int, key: jax.Array | None) -> jax.Array:
        rate = self.dropout[number]
        if key is None or not rate:
            return signal
        return networks.dropout(jax.random.fold_in(key, number), signal, rate)


def perceptron(sizes: Sequence[int], *, normalized: bool, dropout: float) -> Callable:
    """A maker of fully connected networks, for `networks.pure`."""

    def build(rngs: nnx.Rngs) -> Classifier:
        *hidden, last = [_linear(*pair, rngs) for pair in zip(sizes[:-1], sizes[1:], strict=True)]
        layers = [
            Layer(linear, units, normalized=normalized)
            for linear, units in zip(hidden, sizes[1:-1], strict=True)
        ]
        return Classifier(layers, last, [0, *[dropout] * len(layers)])

    return build


def lenet(channels: Sequence[int], pools: Sequence[int], **options: Any) -> Callable:
    """A maker of LeNets: 5 x 5 convolutions, the last of `channels` being a dense layer."""
    normalized, dropout = options["normalized"], options["dropout"]
    *convolved, dense = channels

    def build(rngs: nnx.Rngs) -> Classifier:
        layers, side, inputs = [], 28, 1
        for units, pool in zip(convolved, pools, strict=True):
            kernel = Convolution(inputs, units, 5, rngs=rngs)
            layers.append(Layer(kernel, units, pool=pool, normalized=normalized))
            side, inputs = (side - 4) // pool, units
        dense_layer = _linear(side**2 * inputs, dense, rngs)
        layers.append(Layer(dense_layer, dense, normalized=normalized))
        return Classifier(layers, _linear(dense, 10, rngs), [0, *[dropout] * len(layers)])

    return build


def all_cnn(width: int = 96) -> Callable:
    """A maker of the All-CNN-C of Springenberg et al. 2015, with batch normalisation."""
    wide = 2 * width
    plan = [  # channels, size of the kernel, stride, dropout after it
        *((width, 3, 1, 0.0), (width, 3, 1, 0.0), (width, 3, 2, 0.5)),
        *((wide, 3, 1, 0.0), (wide, 3, 1, 0.0), (wide, 3, 2, 0.5)),
        *((wide, 3, 1, 0.0), (wide, 1, 1, 0.0)),
    ]

    def build(rngs: nnx.Rngs) -> Classifier:
        layers, inputs = [], 3
        for units, size, stride, _ in plan:
            kernel = nnx.Conv(inputs, units, (size, size), stride, rngs=rngs)
            layers.append(Layer(kernel, units, normalized=True))
            inputs = units
        return Classifier(layers, MeanOverPlaces(wide, rngs), [0.2, *(rate for *_, rate in plan)])

    return build


class MeanOverPlaces(nnx.Module):
    """Logits at every place of the image, averaged."""

    def __init__(self, channels: int, rngs: nnx.Rngs):
        """One product of all channels, which is a convolution of size 1."""
        self.product = _linear(channels, 10, rngs)

    def __call__(self, signal: jax.Array) -> jax.Array:
        """float32[batch, height, width, channels] -> float32[batch, 10]."""
        return jnp.mean(self.product(signal), axis=(1, 2))


def _linear(inputs: int, units: int, rngs: nnx.Rngs) -> nnx.Linear:
    start = networks.uniform(inputs)
    return nnx.Linear(inputs, units, kernel_init=start, bias_init=start, rngs=rngs)
