"""Chains that make their steps one after another, so that large networks need less memory.

What a step computes on the way, a gradient and activations, then exists once and not once a chain.
On CPUs it is also faster, because a product of matrices is faster than a batch of them.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from thermo_optax._xla import after, in_place, kept

from ._around import Around, Traces
from ._curvature import Gauge, curvature_along, norm, turned


def in_turn(around: Around, keys: jax.Array) -> Traces:
    """The traces of a chain for each key, of which as many as there are lanes run at once.

    The chains share one direction of the largest curvature, which follows the mean of their
    Hessians. One for each chain would be as much memory as all that a step computes.
    """
    every = _every(around.plan.lanes)
    # Neighbours lie on the same device, so these take turns.
    pairs = jax.vmap(jax.random.split)(keys)
    shape = (len(keys) // around.plan.lanes,) + (around.plan.lanes,) * (around.plan.lanes > 1)
    sampler_keys = _by_turn(pairs[:, 0], shape)

    def step(carry, count):
        params, state, gauge = carry
        loss = around.loss_at(count)
        look = functools.partial(_looked, around, loss, params)
        gauge = in_place(around.is_due(count), look, gauge)[1]
        h, there = around.step_size(gauge.largest), around.at_center(loss)

        def moved(key, params, state):
            rise, gradient = around.slopes(loss, there, params)
            params, state, seen = around.moved(key, h, gradient, params, state)
            return params, state, (rise, *seen)

        old = sampler_keys, params, state
        params, state, seen = _in_place_of(every(moved), old, shape[0])
        return (params, state, gauge), seen

    spread = lambda x: jnp.broadcast_to(x, (*shape, *x.shape))  # noqa: E731
    gauge = around.first_gauge(pairs[0, 1])
    params = after(gauge.largest, around.center.params)  # else all chains wait in memory
    state = jax.lax.map(every(around.first_state), sampler_keys)
    carry = jax.tree.map(spread, params), state, gauge
    (_, _, gauge), seen = jax.lax.scan(step, carry, around.counts)
    seen = (_by_chain(trace[around.plan.num_burn_in :], shape) for trace in seen)
    rises, heats, weights = seen
    return Traces(rises, heats, weights, jnp.full(len(keys), gauge.largest))


def _looked(around: Around, loss: Callable[[Any], jax.Array], params: Any, gauge: Gauge) -> Gauge:
    """After one product with the Hessian of every chain."""
    base = around.at_center(loss)[0]
    number = len(jax.tree.leaves(params)[0])
    every = _every(around.plan.lanes)

    def product(params):
        value, image, size = curvature_along(loss, params, gauge.vector)
        good = jnp.isfinite(size) & around.is_near(value - base)
        keep = lambda x: jnp.where(good, x, 0)  # noqa: E731
        return jax.tree.map(keep, image), keep(size)

    def add(i, sums):
        image, size = every(product)(_taken(params, i))
        if around.plan.lanes > 1:
            image, size = jax.tree.map(lambda x: jnp.sum(x, axis=0), image), jnp.max(size)
        return jax.tree.map(jnp.add, sums[0], image), jnp.maximum(sums[1], size)

    zeros = jax.tree.map(jnp.zeros_like, (gauge.vector, gauge.largest))
    image, largest = jax.lax.fori_loop(0, number, add, zeros)
    vector = turned(gauge.vector, image, norm(image))
    return Gauge(vector, jnp.maximum(gauge.largest, largest))


def _in_place_of(fn: Callable[..., Any], old: Any, turns: int) -> Any:
    """fn(key, params, state) -> (params, state, numbers) for each turn, in the memory of the old.

    `lax.map` would keep the old arrays beside the new ones.
    """
    keys, *chains = old
    numbers = jax.eval_shape(fn, *_taken(old, 0))[-1]
    shown = jax.tree.map(lambda x: jnp.zeros((turns, *x.shape), x.dtype), numbers)

    def turn(i, chains):
        new = fn(*_taken((keys, *chains[:-1]), i))
        new = kept(new, new[-1])
        put = lambda all, one: jax.lax.dynamic_update_index_in_dim(all, one, i, 0)  # noqa: E731
        return jax.tree.map(put, chains, new)

    return jax.lax.fori_loop(0, turns, turn, (*chains, shown))


def _taken(tree: Any, i: jax.typing.ArrayLike) -> Any:
    return jax.tree.map(lambda x: x[i], tree)


def _every(lanes: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return jax.vmap if lanes > 1 else lambda fn: fn


def _by_turn(x: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """From [chain] to [turn, lane], or to [turn] if there is one lane."""
    return jnp.swapaxes(x.reshape(*shape[:0:-1], shape[0]), 0, -1)


def _by_chain(x: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """From [step, turn, lane] to [chain, step]."""
    x = jnp.moveaxis(x, 0, -1)  # [turn, lane, step]
    x = jnp.swapaxes(x, 0, 1) if len(shape) > 1 else x
    return x.reshape(-1, x.shape[-1])
