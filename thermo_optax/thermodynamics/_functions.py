"""What users hand over as functions, and what their loss must return."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from thermo_optax._base import check_returned_loss

from ._parts import Joined

_REMEDIES = {
    "loss": "Write `lambda params: ...`, which returns the mean loss of the examples.",
    "batches": "Write `lambda step: ...`, which returns the batch of a step from an array of all.",
    "sampler": "Write `lambda step_size, temperature, key: ...`, which builds one, as `to.sgld`.",
}


def check_functions(**functions: Any) -> None:
    """Raises for what cannot be called; only a loss must be there."""
    for name, function in functions.items():
        if not callable(function) and (function is not None or name == "loss"):
            raise TypeError(f"`{name}` must be a function, got {function!r}. {_REMEDIES[name]}")


def checked_loss(
    joined: Joined,
    batches: Callable[[jax.Array], Any] | None,
    moving: list[Any],
    frozen: list[Any],
) -> float:
    """The relative rounding of what the user's loss returns; raises unless that is a number."""
    loss, together, _ = joined.facts

    def first(moving, frozen):
        if batches is None:
            return loss(together(moving, frozen))
        return loss(together(moving, frozen), batches(jnp.zeros([], jnp.int32)))

    value = jax.eval_shape(first, moving, frozen)
    check_returned_loss(value)
    return float(jnp.finfo(value.dtype).eps)
