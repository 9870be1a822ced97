"""Work that is seldom due, done in place."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap


def once(
    due: jax.Array, fn: Callable[..., tuple], parts: tuple, later: Any = None
) -> tuple[tuple, Any]:
    """fn(*parts) if due, else the parts, with nothing copied; and `later`, to go on with.

    XLA copies all that goes through a `lax.cond`, in every step. A loop works in place; this one
    runs once or not at all. Without a data dependency XLA would compute `later` before the loop and
    hold both sets of buffers. Returning it from here, unchanged, forces it to come after.
    """

    def body(carry):
        _, *old = carry
        new = jax.tree.map(functools.partial(jnp.where, due), fn(*old), tuple(old))
        return (jnp.zeros_like(carry[0]), *new)

    still_due, *result = jax.lax.while_loop(lambda carry: carry[0], body, (for_any(due), *parts))
    return tuple(result), jax.tree.map(functools.partial(_unless, still_due), later)


@custom_vmap
def for_any(due: jax.Array) -> jax.Array:
    """One answer for all members of a `vmap`: a loop with many would copy all that it carries."""
    return due


@for_any.def_vmap
def _(axis_size, in_batched, due):
    del axis_size, in_batched
    return for_any(jnp.any(due, axis=0)), False


def _unless(never: jax.Array, leaf: Any) -> Any:
    if not jnp.issubdtype(jnp.result_type(leaf), jnp.floating):
        return leaf
    # A scalar, since zeros like a concrete array forget the mesh of explicit axes under a trace.
    return jnp.where(never, jnp.zeros([], leaf.dtype), leaf)
