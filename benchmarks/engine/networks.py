"""The networks that the benchmarks train, in Flax NNX, and their losses."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from benchmarks.engine.losses import binary_accuracy as binary_accuracy
from benchmarks.engine.losses import binary_loss as binary_loss
from benchmarks.engine.losses import class_accuracy as class_accuracy
from benchmarks.engine.losses import class_loss as class_loss
from benchmarks.engine.losses import dropout as dropout


class Perceptron(nnx.Module):
    """Dense layers with ReLU between; weights and biases start in U(+-1/sqrt(fan_in)).

    That is PyTorch's default, which the published experiments use. It matters: Flax's default
    has zero biases, so that every kink of a planar network's first layer starts at the origin.
    """

    def __init__(self, sizes: Sequence[int], *, rngs: nnx.Rngs):
        """Builds the layers; `sizes` are the widths from the inputs to the outputs."""
        self.layers = nnx.List(
            [
                nnx.Linear(
                    fan_in,
                    fan_out,
                    kernel_init=uniform(fan_in),
                    bias_init=uniform(fan_in),
                    rngs=rngs,
                )
                for fan_in, fan_out in zip(sizes[:-1], sizes[1:], strict=True)
            ]
        )

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """Logits, float32[..., outputs]."""
        *hidden, output = self.layers
        for layer in hidden:
            inputs = nnx.relu(layer(inputs))
        return output(inputs)


def uniform(fan_in: int) -> nnx.Initializer:
    """PyTorch's start of weights and biases: U(+-1/sqrt(fan_in))."""
    bound = fan_in**-0.5

    def initialize(key, shape, dtype=jnp.float32, out_sharding=None):
        del out_sharding
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return initialize


def functional(sizes: Sequence[int]) -> tuple[Callable, Callable]:
    """The perceptron as two pure functions: `init(key)` and `apply(params, inputs)`."""
    init, module = pure(lambda rngs: Perceptron(sizes, rngs=rngs))
    return init, lambda params, inputs: module(params)(inputs)


def pure(build: Callable[[nnx.Rngs], nnx.Module]) -> tuple[Callable, Callable]:
    """A module as two pure functions: `init(key)` makes parameters, `module(params)` uses them.

    `params` is the pytree of an NNX `State`, so optax and `vmap` take it as it is.
    """

    def split(key):
        return nnx.split(build(nnx.Rngs(params=key)), nnx.Param)

    graph, _ = nnx.eval_shape(lambda: split(jax.random.key(0)))
    return lambda key: split(key)[1], lambda params: nnx.merge(graph, params)
