"""Chains around trained weights: all of them in one compiled program."""

import functools
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax

from thermo_optax._base import heating, like, weight_of
from thermo_optax.geometry import tether

from ._curvature import Gauge, first_gauge, looked

TURN = 0.8  # h sqrt(k) at the largest curvature; a sampler is stable below 2
LOOK = 8  # steps from one look at the curvature to the next, after the burn-in
FAR = 50.0  # times N T: a loss so high above the centre's is that of a chain that left
SIGNIFICANT = 4.0  # square of a mean gradient over its variance, from which it is more than noise
AXIS = "chains"


class Plan(NamedTuple):
    """What the program is compiled for."""

    loss: Callable[..., jax.Array]  # of a list of free arrays, a list of frozen ones and a batch
    batches: Callable[[jax.Array], Any] | None
    sampler: Callable[..., Any]
    num_steps: int
    num_burn_in: int
    num_center_batches: int


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
    gradient: Any  # like params, over all data
    gradient_norm: jax.Array  # float[]


class Traces(NamedTuple):
    """What the chains show, [chain, step] without the burn-in."""

    rises: jax.Array  # loss minus that at the centre
    temperatures: jax.Array  # configurational, over the set one
    weights: jax.Array  # the time that the parameters stand for, over that of a step
    curvature: jax.Array  # float[chain], the largest one that was met


@functools.partial(jax.jit, static_argnums=0)
def center_of(plan: Plan, params: Any, frozen: Any) -> Center:
    """Loss and gradient at the centre, over all data.

    The mean gradient of some batches is mostly noise where params are a minimum, and would tilt the
    density. It counts as 0 unless its square is several times what the spread between batches
    explains, and is shrunk by this part, as James and Stein propose.
    """

    def on_batch(step):
        batch = None if plan.batches is None else plan.batches(step)
        value, gradient = jax.value_and_grad(plan.loss)(params, frozen, batch)
        return value, gradient, jnp.square(optax.tree.norm(gradient))

    number = 1 if plan.batches is None else plan.num_center_batches

    def add(sums, step):
        return jax.tree.map(jnp.add, sums, on_batch(step)), None

    shapes = jax.eval_shape(on_batch, jax.ShapeDtypeStruct((), jnp.int32))
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
    sums, _ = jax.lax.scan(add, zeros, jnp.arange(number, dtype=jnp.int32))
    value, gradient, square = jax.tree.map(lambda x: x / number, sums)
    if number > 1:
        own = jnp.square(optax.tree.norm(gradient))
        noise = (square - own) / (number - 1)
        share = jnp.where(own > SIGNIFICANT * noise, 1 - noise / own, 0)
        gradient = jax.tree.map(lambda g: like(share, g.dtype) * g, gradient)
    return Center(params, value, gradient, optax.tree.norm(gradient))


@functools.partial(jax.jit, static_argnums=(0, 1))
def run_chains(
    plan: Plan,
    rows: Rows,
    center: Center,
    frozen: Any,
    numbers: Numbers,
    looks: jax.Array,
    keys: jax.Array,
) -> Traces:
    """The traces of one chain for each key.

    With several rows all results have an axis for them in front, and so have the keys, and either
    the centres with the frozen arrays, or the numbers. `looks`, bool[], is whether the curvature is
    measured: the numbers of one row must not decide it, for then all rows would always measure it.
    """

    def row(center, frozen, numbers, keys):
        one = functools.partial(_chain, plan, center, frozen, numbers, looks)
        return jax.vmap(one, axis_name=AXIS)(keys)

    if rows != "one":
        of_center, of_numbers = (0, None) if rows == "centers" else (None, 0)
        row = jax.vmap(row, in_axes=(of_center, of_center, of_numbers, 0))
    return row(center, frozen, numbers, keys)


def _chain(plan, center, frozen, numbers, looks, key):
    temperature, precision, step_size, turn = numbers
    degrees = float(sum(x.size for x in jax.tree.leaves(center.params)))
    sampler_key, gauge_key = jax.random.split(key)

    def transformation(h):
        sampler = plan.sampler(h, temperature, sampler_key)
        tied = tether(precision, temperature, center=center.params)
        return optax.chain(tied, heating(sampler, needs_bath=False))

    def loss_at(step):
        batch = None if plan.batches is None else plan.batches(step)
        return lambda params: plan.loss(params, frozen, batch)

    def slopes(loss, params):
        """Rise of the loss above the centre, and its gradient.

        Both are those of one batch, without the noise that they already have at the centre: a
        gradient, and the slope that belongs to it.
        """
        value, gradient = jax.value_and_grad(loss)(params)
        if plan.batches is None:
            return value - center.loss, gradient
        base, there = jax.value_and_grad(loss)(center.params)
        excess = jax.tree.map(jnp.subtract, there, center.gradient)  # the noise at the centre
        away = jax.tree.map(jnp.subtract, params, center.params)
        slope = optax.tree.vdot(excess, away)
        return value - base - slope, jax.tree.map(jnp.subtract, gradient, excess)

    def step(carry, count):
        params, state, gauge = carry
        loss = loss_at(count)
        rise, gradient = slopes(loss, params)

        def look(gauge):
            vector, largest = looked(jax.grad(loss), params, gauge)
            # A chain that left must not slow the others.
            sane = rise < FAR * degrees * temperature
            met = jax.lax.pmax(jnp.where(sane, largest, 0), AXIS)
            return Gauge(vector, jnp.maximum(largest, met))

        due = (count < plan.num_burn_in) | (count % LOOK == 0)
        gauge = jax.lax.cond(due & looks, look, lambda gauge: gauge, gauge)
        chosen = turn / jnp.sqrt(gauge.largest + precision * temperature)
        tx = transformation(jnp.where(step_size > 0, step_size, chosen))
        away = jax.tree.map(jnp.subtract, params, center.params)
        pulls = jax.tree.map(
            lambda g, x: jnp.sum(x * (g + like(precision * temperature, x.dtype) * x)),
            *(gradient, away),
        )
        heat = sum(jax.tree.leaves(pulls), jnp.zeros([])) / (degrees * temperature)
        weight = weight_of(state)  # of the parameters that came with it
        updates, state = tx.update(gradient, state, params)
        return (optax.apply_updates(params, updates), state, gauge), (rise, heat, weight)

    start = jnp.zeros([], jnp.int32)
    gauge = first_gauge(loss_at(start), center.params, temperature, gauge_key)
    state = transformation(jnp.where(step_size > 0, step_size, 1.0)).init(center.params)
    counts = jnp.arange(plan.num_burn_in + plan.num_steps, dtype=jnp.int32)
    carry, seen = jax.lax.scan(step, (center.params, state, gauge), counts)
    rises, heats, weights = (trace[plan.num_burn_in :] for trace in seen)
    return Traces(rises, heats, weights, carry[2].largest)
