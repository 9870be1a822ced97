"""Walks whose every position is known: no heat, or noise that is known beforehand."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from tests.compiling import quick_jit


def counting(shape: tuple = ()) -> optax.GradientTransformation:
    """Adds 1 to every parameter: after n steps from 0 they are n."""

    def update(updates, state, params=None):
        del params
        return jax.tree.map(jnp.ones_like, updates), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def following(path: Any) -> optax.GradientTransformation:
    """Adds path[t] at step t, of a tree with leaves [steps, ...]."""

    def update(updates, state, params=None):
        del updates, params
        return jax.tree.map(lambda leaf: leaf[state.count], path), state._replace(
            count=state.count + 1
        )

    return optax.GradientTransformation(
        lambda params: optax.ScaleByScheduleState(jnp.zeros([], jnp.int32)), update
    )


def walk(tx: Any, params: Any, steps: int, jit: Any = quick_jit) -> tuple[Any, Any, Any]:
    """Parameters, state, and the parameters after every step, in one program."""
    return jit(lambda params: walk_inside(tx, params, steps))(params)


def walk_inside(tx: Any, params: Any, steps: int) -> tuple[Any, Any, Any]:
    """The same, as a part of another program."""

    def step(carry, _):
        params, state = carry
        updates, state = tx.update(params, state, params)
        params = optax.apply_updates(params, updates)
        return (params, state), params

    (params, state), visited = jax.lax.scan(step, (params, tx.init(params)), length=steps)
    return params, state, visited
