"""A target with its batches, as a sampler sees it, and what a method has to provide."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax

import thermo_optax as to
from benchmarks.posteriors.targets import Target

BATCHES = ("full", "replacement", "reshuffled", "symmetric")
SHARE = 10  # a minibatch holds a tenth of the examples


class Setting(NamedTuple):
    """The two numbers of a sampler, in units of time."""

    step: jax.Array
    friction: jax.Array


class Problem(NamedTuple):
    """The loss of each step."""

    loss: Callable[[jax.Array, jax.Array], jax.Array]  # of x and the number of the gradient
    temperature: float
    size: int

    def gradient(self, x: jax.Array, count: jax.Array) -> jax.Array:
        """Of the loss of that step."""
        return jax.grad(self.loss)(x, count)


class Kernel(NamedTuple):
    """One chain: pure functions, for `jax.lax.scan`."""

    init: Callable[[jax.Array], Any]  # x -> carry
    step: Callable[[Any, jax.Array], Any]  # carry, count of the gradient -> carry
    read: Callable[[Any], tuple[jax.Array, Any]] = lambda carry: (carry[0], 1.0)  # x and its weight


class Method(NamedTuple):
    """A sampler in the comparison."""

    make: Callable[[Problem, Setting, jax.Array], Kernel]
    cost: int = 1  # gradients a step
    searched: str = "both"  # "both" step and friction, the "step" alone, or "nothing"
    units: str = "time"  # of the step: "time", or "metric" where gradients are rescaled
    warm_up: int = 0  # first steps that are never sampled
    multimodal: bool = False  # only run where there are several modes
    batches: bool = True  # whether it takes minibatches


def problem_of(target: Target, batches: str, key: jax.Array) -> Problem:
    """The target with the batches of one chain."""
    if batches == "full":
        return Problem(lambda x, _: target.loss(x), target.temperature, target.size)
    assert target.data is not None
    examples, batch_loss = target.data
    size = -(-examples // SHARE)
    order = to.batch_order(examples, size, order=batches, key=key)
    return Problem(lambda x, count: batch_loss(x, *order(count)), target.temperature, target.size)
