"""Parameters taken apart into arrays that move and arrays that rest, and the loss as theirs."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from thermo_optax._base import at, compute_dtype


class _Together:
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
        return isinstance(other, _Together) and self.facts == other.facts

    def __hash__(self) -> int:
        """By what they do."""
        return hash(self.facts)


class Joined:
    """The loss as a function of free arrays, frozen arrays and a batch; equal for equal losses."""

    def __init__(self, loss: Callable[..., jax.Array], together: _Together, batched: bool) -> None:
        """From the user's loss."""
        self.facts = loss, together, batched

    def __call__(self, moving: list[Any], frozen: list[Any], batch: Any) -> jax.Array:
        """The loss of one batch, or of all data."""
        loss, together, batched = self.facts
        params = together(moving, frozen)
        return at(loss(params, batch) if batched else loss(params), 0)

    def __eq__(self, other: object) -> bool:
        """By what they compute."""
        return isinstance(other, Joined) and self.facts == other.facts

    def __hash__(self) -> int:
        """By what they compute."""
        return hash(self.facts)


def _flag(value: Any) -> bool:
    """Whether an array may move; a name or a selector would be true, whatever it means."""
    if np.asarray(value).dtype.kind not in "bui":
        raise ValueError(f"{value!r} is neither True nor False.")
    return bool(value)


def rows_of(params: Any) -> int:
    """The number of checkpoints, which all arrays have as their first axis."""
    sizes = {jnp.shape(leaf)[:1] for leaf in jax.tree.leaves(params)}
    if len(sizes) > 1 or sizes == {()} or sizes == {(0,)}:
        shown = [jnp.shape(leaf) for leaf in jax.tree.leaves(params)]
        raise ValueError(
            "`params` must be stacked checkpoints: arrays whose first axis counts them, equally "
            f"long in all, got the shapes {shown}. Stack a list of trees with "
            "`jax.tree.map(lambda *leaves: jnp.stack(leaves), *checkpoints)`."
        )
    return next(iter(sizes))[0]


def split(params: Any, free: Any) -> tuple[list[Any], list[Any], _Together]:
    """Free and frozen arrays, in at least float32."""
    leaves, structure = jax.tree.flatten(params)
    leaves = [jnp.asarray(leaf, compute_dtype(leaf.dtype)) for leaf in leaves]
    free = True if free is None else free
    try:
        flags = tuple(map(_flag, jax.tree.leaves(jax.tree.broadcast(free, params))))
    except ValueError as error:
        raise ValueError(
            f"`free` must be a tree of bools like `params` or a prefix of it, got {free!r}: "
            "write True for the arrays that may move."
        ) from error
    if not any(flags):
        raise ValueError("`free` must leave some array of `params` free, got False for all.")
    pairs = list(zip(leaves, flags, strict=True))
    moving, frozen = ([x for x, flag in pairs if flag is kind] for kind in (True, False))
    if not any(x.size for x in moving):
        raise ValueError(
            "`params` must have a free weight, got arrays without elements, of the shapes "
            f"{[x.shape for x in moving]}."
        )
    return moving, frozen, _Together(structure, flags)
