"""The L inner steps of opaque mode, and the checks of both modes."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

GradFn = Callable[[Any, jax.Array], Any]


def inner_loop(
    step: Callable[..., tuple[Any, Any]],
    num_steps: jax.typing.ArrayLike,
    updates: Any,
    state: Any,
    params: Any,
    grad_fn: GradFn | None,
    value_fn: GradFn | None,
    **extra_args: Any,
) -> tuple[Any, Any]:
    """Runs all steps in one loop; returns the move of the outer point, and the state after it."""
    if grad_fn is None:
        raise TypeError(
            "`grad_fn` is required in opaque mode: pass `grad_fn=lambda params, i: ...`, the "
            "gradients at `params` on the batch of inner step i (a traced index, 1 to L - 1). "
            "Without `opaque=True` each update is one inner step, and needs none."
        )
    _check_gradients(grad_fn, params, updates)

    # The loss that was given is that of the first step. Who needs one in each says so.
    lasting = {name: arg for name, arg in extra_args.items() if name != "value"}

    def inner_step(i, grads, params, state, extra):
        extra = extra if value_fn is None else {**extra, "value": value_fn(params, i)}
        moved, state = step(grads, state, params, **extra)
        return optax.apply_updates(params, moved), state

    def body(i, carry):
        params, state = carry
        return inner_step(i, grad_fn(params, i), params, state, lasting)

    first = inner_step(jnp.zeros([], jnp.int32), updates, params, state, extra_args)
    end, state = jax.lax.fori_loop(1, num_steps, body, first)
    return jax.tree.map(lambda new, old: new - old, end, params), state


def _check_gradients(grad_fn: GradFn, params: Any, updates: Any) -> None:
    given = jax.eval_shape(grad_fn, params, jax.ShapeDtypeStruct((), jnp.int32))
    found, wanted = (
        [(jax.tree_util.keystr(path), leaf.shape) for path, leaf in leaves]
        for leaves in map(jax.tree_util.tree_leaves_with_path, (given, updates))
    )
    if jax.tree.structure(given) != jax.tree.structure(updates) or found != wanted:
        raise ValueError(
            f"`grad_fn` must return gradients like `updates`, {dict(wanted)}, got {dict(found)}. "
            "Of `jax.value_and_grad` or `has_aux=True` return the gradients only."
        )


def check_no_functions(**functions: Any) -> None:
    """Raises for functions of the opaque mode where each update is one inner step."""
    for name, fn in functions.items():
        if fn is not None:
            raise TypeError(
                f"`{name}` is for `opaque=True`, where one update runs all inner steps. This "
                f"`local_entropy` takes one inner step in each update and would not call it: pass "
                f"`opaque=True` when you build it, or leave `{name}` out."
            )


def check_params(params: Any) -> None:
    """Raises if the parameters are missing."""
    if params is None:
        raise ValueError(
            "`params` is required: local entropy needs the distance from the outer point. Pass "
            "them as in `tx.update(grads, state, params)`."
        )
