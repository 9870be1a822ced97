"""Work that is seldom due, done in place."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp


def once(
    due: jax.Array, fn: Callable[..., tuple], parts: tuple, later: Any = None
) -> tuple[tuple, Any]:
    """fn(*parts) if due, else the parts, with nothing copied; and `later`, to go on with.

    XLA copies all that goes through a `lax.cond`, in every step. A loop works in place; this one
    runs once or not at all. What does not depend on its result XLA would compute before it, and
    keep beside the buffers that the loop still reads: `later` is unchanged, but waits for the loop.
    """

    def body(carry):
        return (jnp.zeros_like(carry[0]), *fn(*carry[1:]))

    still_due, *result = jax.lax.while_loop(lambda carry: carry[0], body, (due, *parts))
    return tuple(result), jax.tree.map(functools.partial(_unless, still_due), later)


def _unless(never: jax.Array, leaf: Any) -> Any:
    if not jnp.issubdtype(jnp.result_type(leaf), jnp.floating):
        return leaf
    return jnp.where(never, jnp.zeros_like(leaf), leaf)
