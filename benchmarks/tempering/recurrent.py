"""A character-level LSTM, in Flax NNX.

A. Karpathy, J. Johnson, L. Fei-Fei, `Visualizing and understanding recurrent networks
<https://arxiv.org/abs/1506.02078>`_, 2015: weights start in U(+-0.08), forget gates open.
"""

import jax
import jax.numpy as jnp
from flax import nnx

from benchmarks.engine import networks
from benchmarks.engine.problem import Stage

BOUND = 0.08


class LSTM(nnx.Module):
    """One layer of long short-term memory, over whole sequences."""

    def __init__(self, inputs: int, units: int, *, rngs: nnx.Rngs):
        """The four gates are one matrix for the inputs and one for the layer's own past."""
        self.inputs = nnx.Linear(inputs, 4 * units, kernel_init=_uniform, rngs=rngs)
        self.past = nnx.Linear(units, 4 * units, use_bias=False, kernel_init=_uniform, rngs=rngs)

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """float32[time, batch, inputs] -> float32[time, batch, units], from an empty memory."""
        kernel = self.past.kernel[...]
        empty = jnp.zeros((inputs.shape[1], kernel.shape[0]), inputs.dtype)

        def advance(memory, drive):
            cell, output = memory
            write, forget, read, new = jnp.split(drive + output @ kernel, 4, axis=-1)
            cell = nnx.sigmoid(forget + 1) * cell + nnx.sigmoid(write) * jnp.tanh(new)
            output = nnx.sigmoid(read) * jnp.tanh(cell)
            return (cell, output), output

        # The inputs' share of all gates at all times is one product outside the loop.
        return jax.lax.scan(advance, (empty, empty), self.inputs(inputs))[1]


class CharacterModel(nnx.Module):
    """Predicts every next character from those before it in the sequence."""

    def __init__(self, characters: int, units: int, layers: int, *, rngs: nnx.Rngs):
        """Layers of LSTM, one after the other, and a linear output."""
        sizes = [characters, *[units] * layers]
        pairs = zip(sizes[:-1], sizes[1:], strict=True)
        self.characters = characters
        self.layers = nnx.List([LSTM(*pair, rngs=rngs) for pair in pairs])
        self.output = nnx.Linear(units, characters, kernel_init=_uniform, rngs=rngs)

    def __call__(self, text: jax.Array) -> jax.Array:
        """int[batch, time] -> logits, float32[time, batch, characters]."""
        signal = jax.nn.one_hot(text.T, self.characters)
        for layer in self.layers:
            signal = layer(signal)
        return self.output(signal)


def _uniform(key, shape, dtype=jnp.float32, out_sharding=None):
    del out_sharding
    return jax.random.uniform(key, shape, dtype, -BOUND, BOUND)


def stage(characters: int, units: int, layers: int) -> Stage:
    """The training of the whole network, on pieces of text int[batch, time + 1]."""
    init, module = networks.pure(lambda rngs: CharacterModel(characters, units, layers, rngs=rngs))

    def cross_entropy(params, text):
        """In nats per character."""
        return networks.class_loss(module(params)(text[:, :-1]), text[:, 1:].T)

    def loss(params, frozen, text, key):
        del frozen, key
        return cross_entropy(params, text)

    def measure(params, frozen, text):
        del frozen
        return {"cross-entropy": cross_entropy(params, text)}

    return Stage(init, loss, measure)
