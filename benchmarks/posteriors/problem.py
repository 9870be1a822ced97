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
    """The loss of each step, and its gradient."""

    loss: Callable[[jax.Array, jax.Array], jax.Array]  # of x and the number of the gradient
    gradient: Callable[[jax.Array, jax.Array], jax.Array]
    temperature: float
    size: int
    order: to.BatchOrder | None = None  # of the minibatches


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


def problems_of(target: Target, batches: str) -> Callable[[jax.Array], Problem]:
    """The problem of a chain, by its key: the target with its batches."""

    def of_chain(key):
        if batches == "full":
            return of_loss(target, lambda x, _: target.loss(x))
        assert target.data is not None
        examples, batch_loss = target.data
        order = to.batch_order(examples, -(-examples // SHARE), order=batches, key=key)
        problem = of_loss(target, lambda x, count: batch_loss(x, *order(count)))
        return problem._replace(order=order)

    return of_chain


def of_loss(target: Target, loss: Callable[[jax.Array, jax.Array], jax.Array]) -> Problem:
    """With the gradient of that loss."""
    return Problem(loss, jax.grad(loss), target.temperature, target.size)
