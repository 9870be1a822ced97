"""A stack of denoising autoencoders, trained one after the other, in Flax NNX.

P. Vincent et al., `Stacked denoising autoencoders
<https://www.jmlr.org/papers/v11/vincent10a.html>`_, 2010: a layer learns to restore what it is
given from a corrupted copy; then its weights stay, and what it makes of its clean input is the
input of the next one. Sigmoid units throughout; a decoder has the weights of its encoder, turned.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from benchmarks.engine import networks
from benchmarks.engine.problem import Stage

DROPOUT = 0.2  # of the units between the first and the last layer


class Coder(nnx.Module):
    """One layer, and the decoder it is trained with."""

    def __init__(self, inputs: int, units: int, *, rngs: nnx.Rngs):
        """Xavier initialisation (uniform); biases start at zero."""
        xavier = nnx.initializers.glorot_uniform()
        self.encoder = nnx.Linear(inputs, units, kernel_init=xavier, rngs=rngs)
        self.restored_bias = nnx.Param(jnp.zeros(inputs))

    def encode(self, inputs: jax.Array) -> jax.Array:
        """float32[..., inputs] -> float32[..., units], within 0 and 1."""
        return nnx.sigmoid(self.encoder(inputs))

    def decode(self, code: jax.Array) -> jax.Array:
        """float32[..., units] -> float32[..., inputs], within 0 and 1."""
        return nnx.sigmoid(code @ self.encoder.kernel[...].T + self.restored_bias[...])


def stages(sizes: Sequence[int]) -> list[Stage]:
    """One stage per layer; `sizes` are the units from the pixels to the code."""
    pairs = list(zip(sizes[:-1], sizes[1:], strict=True))
    modules = [
        networks.pure(lambda rngs, pair=pair: Coder(*pair, rngs=rngs))  # pair: of this round
        for pair in pairs
    ]
    return [_stage(number, modules) for number in range(len(pairs))]


def _stage(number: int, modules) -> Stage:
    init, module = modules[number]

    def encode_below(frozen, images):
        for (_, lower), params in zip(modules, frozen, strict=False):
            images = lower(params).encode(images)
        return images

    def loss(params, frozen, images, key):
        """Squared error of what the layer restores: summed over units, averaged over images."""
        clean = encode_below(frozen, images)
        # The pixels, the first layer of units, are not corrupted; the code, the last one, neither.
        given = networks.dropout(key, clean, DROPOUT) if number else clean
        coder = module(params)
        restored = coder.decode(coder.encode(given))
        return jnp.mean(jnp.sum(jnp.square(restored - clean), axis=-1))

    def measure(params, frozen, images):
        """Mean squared errors per unit, of clean inputs: of this layer, and of all layers."""
        pixels = as_numbers(images)
        clean = encode_below(frozen, pixels)
        coder = module(params)
        layer = coder.decode(coder.encode(clean))
        restored = layer
        for (_, lower), lower_params in reversed(list(zip(modules, frozen, strict=False))):
            restored = lower(lower_params).decode(restored)
        return {
            "layer MSE": jnp.mean(jnp.square(layer - clean)),
            "pixel MSE": jnp.mean(jnp.square(restored - pixels)),
        }

    return Stage(init, loss, measure)


def as_numbers(images: jax.Array) -> jax.Array:
    """Bytes, any shape of an image -> float32[..., pixels] within 0 and 1."""
    return images.reshape(*images.shape[:-2], -1) / jnp.float32(255)
