"""What chains around trained weights are, and what each of their steps computes."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax

from thermo_optax._base import heating, like, weight_of
from thermo_optax.geometry import tether

from ._curvature import Gauge, first_gauge, in_precision_of_losses, inner

TURN = 0.8  # h sqrt(k) at the largest curvature; a sampler is stable below 2
LOOK = 8  # steps from one look at the curvature to the next, after the burn-in
FAR = 50.0  # times N T: a loss so high above the centre's is that of a chain that left


class Plan(NamedTuple):
    """What the program is compiled for."""

    loss: Callable[..., jax.Array]  # of a list of free arrays, a list of frozen ones and a batch
    batches: Callable[[jax.Array], Any] | None
    sampler: Callable[..., Any]
    num_steps: int
    num_burn_in: int
    num_center_batches: int
    lanes: int = 0  # chains that make a step at once, while the others wait; 0: all of them


class Numbers(NamedTuple):
    """What the program takes as arrays, so that other values need no other program; float[]."""

    temperature: jax.Array
    precision: jax.Array
    step_size: jax.Array  # 0: the curvature chooses it
    turn: jax.Array  # h sqrt(k) at the largest curvature, where it does


Rows = Literal["one", "centers", "numbers"]  # what differs from row to row of chains


class Center(NamedTuple):
    """What is known of the weights around which the chains run."""

    params: Any
    loss: jax.Array  # float[], over all data
    gradient: Any  # like params, over all data; None where it is 0, or not needed
    gradient_norm: jax.Array  # float[]


class Traces(NamedTuple):
    """What the chains show, [chain, step] without the burn-in."""

    rises: jax.Array  # loss minus that at the centre
    temperatures: jax.Array  # configurational, over the set one
    weights: jax.Array  # the time that the parameters stand for, over that of a step
    curvature: jax.Array  # float[chain], the largest one that was met


class Around(NamedTuple):
    """The dynamics of a chain around a centre."""

    plan: Plan
    center: Center
    frozen: Any
    numbers: Numbers
    looks: jax.Array  # bool[], whether the curvature is measured

    @property
    def counts(self) -> jax.Array:
        """The numbers of all steps, int32[num_burn_in + num_steps]."""
        return jnp.arange(self.plan.num_burn_in + self.plan.num_steps, dtype=jnp.int32)

    @property
    def heat(self) -> jax.Array:
        """N T, float[]: what a chain of N weights may have as energy."""
        sizes = (x.size for x in jax.tree.leaves(self.center.params))
        return float(sum(sizes)) * self.numbers.temperature

    def loss_at(self, count: jax.Array) -> Callable[[Any], jax.Array]:
        """The loss of the batch of a step."""
        batches = self.plan.batches
        batch = None if batches is None else batches(count)
        return lambda params: self.plan.loss(params, self.frozen, batch)

    def first_gauge(self, key: jax.Array) -> Gauge:
        """That of the centre."""
        loss = self.loss_at(jnp.zeros([], jnp.int32))
        return first_gauge(loss, self.center.params, self.numbers.temperature, key)

    def first_state(self, key: jax.Array) -> Any:
        """That of tether and sampler."""
        h = jnp.where(self.numbers.step_size > 0, self.numbers.step_size, 1.0)
        return self._transformation(h, key).init(self.center.params)

    def at_center(self, loss: Callable[[Any], jax.Array]) -> tuple[jax.Array, Any]:
        """The loss of a batch at the centre, and its gradient minus that over all data: noise.

        Without batches there is no noise, and None stands for it.
        """
        center = self.center
        if self.plan.batches is None:
            return center.loss, None
        base, there = jax.value_and_grad(loss)(center.params)
        if center.gradient is None:
            return base, there
        return base, jax.tree.map(jnp.subtract, there, center.gradient)

    def slopes(
        self, loss: Callable[[Any], jax.Array], at_center: tuple[jax.Array, Any], params: Any
    ) -> tuple[jax.Array, Any]:
        """Rise of the loss above the centre, and its gradient.

        Both are those of one batch, without the noise that they already have at the centre: a
        gradient, and the slope that belongs to it.
        """
        value, gradient = jax.value_and_grad(loss)(params)
        base, noise = at_center
        if noise is None:
            return value - base, gradient
        slope = inner(*map(in_precision_of_losses, (noise, self._away(params))))
        return value - base - slope, jax.tree.map(jnp.subtract, gradient, noise)

    def is_due(self, count: jax.Array) -> jax.Array:
        """Whether the curvature is measured in a step."""
        return ((count < self.plan.num_burn_in) | (count % LOOK == 0)) & self.looks

    def is_near(self, rise: jax.Array) -> jax.Array:
        """False for a chain that left: it must not slow the others."""
        return rise < FAR * self.heat

    def step_size(self, curvature: jax.Array) -> jax.Array:
        """The set one, or that for the largest curvature that was met."""
        temperature, precision, step_size, turn = self.numbers
        chosen = turn / jnp.sqrt(curvature + precision * temperature)
        return jnp.where(step_size > 0, step_size, chosen)

    def moved(self, key: jax.Array, h: jax.Array, gradient: Any, params: Any, state: Any) -> tuple:
        """Parameters and state after a step, and what it shows: temperature and weight."""
        temperature, precision = self.numbers[:2]
        pulls = jax.tree.map(
            lambda g, x: jnp.sum(x * (g + like(precision * temperature, x.dtype) * x)),
            *(gradient, self._away(params)),
        )
        measured = sum(jax.tree.leaves(in_precision_of_losses(pulls)), jnp.zeros([])) / self.heat
        weight = weight_of(state)  # of the parameters that came with it
        updates, state = self._transformation(h, key).update(gradient, state, params)
        return optax.apply_updates(params, updates), state, (measured, weight)

    def _away(self, params: Any) -> Any:
        return jax.tree.map(jnp.subtract, params, self.center.params)

    def _transformation(self, h: jax.Array, key: jax.Array) -> Any:
        temperature, precision = self.numbers[:2]
        sampler = self.plan.sampler(h, temperature, key)
        tied = tether(precision, temperature, center=self.center.params)
        return optax.chain(tied, heating(sampler, needs_bath=False))
