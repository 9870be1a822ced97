"""Runs of a transformation on a gradient: one scan, and a grid of settings as one program."""

from collections.abc import Callable
from typing import Any

import jax
import optax

from tests.compiling import users_jit


def simulate(
    tx: optax.GradientTransformation,
    gradient: Callable,
    params: Any,
    steps: int,
    *,
    observe: Callable | None = None,
    noise_key: jax.Array | None = None,
    **extra_args: Any,
) -> tuple[Any, Any, Any]:
    """Parameters, state, and what observe(params, state) returned at every step.

    With a noise key the gradient is called as gradient(params, key), with a new key per step.
    """

    def step(carry, count):
        params, state = carry
        if noise_key is None:
            grads = gradient(params)
        else:
            grads = gradient(params, jax.random.fold_in(noise_key, count))
        updates, state = tx.update(grads, state, params, **extra_args)
        params = optax.apply_updates(params, updates)
        return (params, state), None if observe is None else observe(params, state)

    start = (params, tx.init(params))
    (params, state), observations = jax.lax.scan(step, start, jax.numpy.arange(steps))
    return params, state, observations


def over_grid(run: Callable, key: jax.Array, *columns: Any) -> Any:
    """run(key, *row) for every row of a grid of settings: one compilation, a key for each row."""
    columns = tuple(jax.numpy.asarray(column, float) for column in columns)
    keys = jax.random.split(key, len(columns[0]))
    return users_jit(jax.vmap(run))(keys, *columns)


def with_noise(gradient: Callable, spread: Any) -> Callable:
    """A gradient as mini-batches give it: with normal noise of standard deviation `spread`."""
    return lambda x, key: gradient(x) + spread * jax.random.normal(key, x.shape)
