"""The loss as a function of free and frozen arrays."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from thermo_optax._base import compute_dtype


class Together:
    """How free and frozen arrays make a tree; equal for equal splits, so that programs serve again.

    Calls of the same loss then share one compiled program.
    """

    def __init__(self, structure: Any, flags: tuple[bool, ...]) -> None:
        """From the structure of the parameters, and which of their arrays are free."""
        self.facts = structure, flags

    def __call__(self, moving: list[Any], frozen: list[Any]) -> Any:
        """The whole tree."""
        structure, flags = self.facts
        parts = iter(moving), iter(frozen)
        return structure.unflatten([next(parts[0] if flag else parts[1]) for flag in flags])

    def __eq__(self, other: object) -> bool:
        """By what they do."""
        return isinstance(other, Together) and self.facts == other.facts

    def __hash__(self) -> int:
        """By what they do."""
        return hash(self.facts)


class Joined:
    """The loss as a function of free arrays, frozen arrays and a batch; equal for equal losses."""

    def __init__(self, loss: Callable[..., jax.Array], together: Together, batched: bool) -> None:
        """From the user's loss."""
        self.facts = loss, together, batched

    def __call__(self, moving: list[Any], frozen: list[Any], batch: Any) -> jax.Array:
        """The loss of one batch, or of all data."""
        loss, together, batched = self.facts
        params = together(moving, frozen)
        value = jnp.asarray(loss(params, batch) if batched else loss(params))
        return value.astype(compute_dtype(value.dtype))

    def __eq__(self, other: object) -> bool:
        """By what they compute."""
        return isinstance(other, Joined) and self.facts == other.facts

    def __hash__(self) -> int:
        """By what they compute."""
        return hash(self.facts)
