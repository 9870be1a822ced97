"""Chains around trained weights: all of them in one compiled program."""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from thermo_optax._base import like

from ._around import Around, Center, Numbers, Plan, Rows, Traces
from ._curvature import Gauge, looked, norm
from ._in_turn import in_turn

SIGNIFICANT = 4.0  # square of a mean gradient over its variance, from which it is more than noise
AXIS = "chains"


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
        return value, gradient, jnp.square(norm(gradient))

    number = 1 if plan.batches is None else plan.num_center_batches

    def add(sums, step):
        return jax.tree.map(jnp.add, sums, on_batch(step)), None

    value, _, square = jax.eval_shape(on_batch, jax.ShapeDtypeStruct((), jnp.int32))
    none = [jnp.zeros([], number.dtype) for number in (value, square)]
    zeros = none[0], jax.tree.map(jnp.zeros_like, params), none[1]
    sums, _ = jax.lax.scan(add, zeros, jnp.arange(number, dtype=jnp.int32))
    value, gradient, square = jax.tree.map(lambda x: x / number, sums)
    if number > 1:
        own = jnp.square(norm(gradient))
        noise = (square - own) / (number - 1)
        share = jnp.where(own > SIGNIFICANT * noise, 1 - noise / own, 0)
        share = jnp.where(jnp.isfinite(square), share, 1)  # a gradient of 1e20 has no square
        gradient = jax.tree.map(lambda g: like(share, g.dtype) * g, gradient)
    return Center(params, value, gradient, norm(gradient))


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
        around = Around(plan, center, frozen, numbers, looks)
        if plan.lanes:
            return in_turn(around, keys)
        return jax.vmap(functools.partial(_chain, around), axis_name=AXIS)(keys)

    if rows != "one":
        of_center, of_numbers = (0, None) if rows == "centers" else (None, 0)
        row = jax.vmap(row, in_axes=(of_center, of_center, of_numbers, 0))
    return row(center, frozen, numbers, keys)


def _chain(around: Around, key: jax.Array) -> Traces:
    """One of the chains that all run at once, under a `vmap`."""
    sampler_key, gauge_key = jax.random.split(key)

    def step(carry, count):
        params, state, gauge = carry
        loss = around.loss_at(count)
        rise, gradient = around.slopes(loss, around.at_center(loss), params)

        def look(gauge):
            vector, largest = looked(jax.grad(loss), params, gauge)
            met = jax.lax.pmax(jnp.where(around.is_near(rise), largest, 0), AXIS)
            return Gauge(vector, jnp.maximum(largest, met))

        gauge = jax.lax.cond(around.is_due(count), look, lambda gauge: gauge, gauge)
        h = around.step_size(gauge.largest)
        params, state, seen = around.moved(sampler_key, h, gradient, params, state)
        return (params, state, gauge), (rise, *seen)

    carry = around.center.params, around.first_state(sampler_key), around.first_gauge(gauge_key)
    (_, _, gauge), seen = jax.lax.scan(step, carry, around.counts)
    rises, heats, weights = (trace[around.plan.num_burn_in :] for trace in seen)
    return Traces(rises, heats, weights, gauge.largest)
