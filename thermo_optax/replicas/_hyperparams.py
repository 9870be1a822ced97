"""Hyperparameters that `optax.inject_hyperparams` keeps in a state, at any depth."""

from collections.abc import Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.tree_util import DictKey, GetAttrKey

_INJECTED, _SCHEDULED = GetAttrKey("hyperparams"), GetAttrKey("hyperparams_states")


def injected_names(state: Any) -> list[str]:
    """The hyperparameters that can be set in a state, in alphabetical order."""
    return sorted(_names_below(state, _INJECTED) - _names_below(state, _SCHEDULED))


def _names_below(state: Any, field: Any) -> set[str]:
    steps: list[tuple[Any, Any]] = [
        (above, entry)
        for path, _ in jax.tree_util.tree_leaves_with_path(state)
        for above, entry in zip(path, path[1:], strict=False)
    ]
    return {
        str(entry.key) for above, entry in steps if above == field and isinstance(entry, DictKey)
    }


def injections(state: Any, name: str) -> dict[tuple, jax.Array]:
    """The values under a name, by the paths of the states of `inject_hyperparams` that have it."""
    leaves = jax.tree_util.tree_leaves_with_path(state)
    return {path[:-2]: leaf for path, leaf in leaves if _is_named(path, name)}


def with_hyperparams(state: Any, given: Mapping[str, jax.Array]) -> Any:
    """The state with other values, float[num_replicas]; what has no such name stays as it is."""

    def chosen(path, leaf):
        for name, value in given.items():
            if _is_named(path, name):
                values = jnp.broadcast_to(leading(value, leaf.ndim), leaf.shape)
                return jnp.array(values, leaf.dtype)  # a copy: the state may be donated
        return leaf

    return jax.tree_util.tree_map_with_path(chosen, state) if given else state


def leading(values: jax.typing.ArrayLike, ndim: int) -> jax.Array:
    """Values along the first axes of an array of so many, to be broadcast over the others."""
    values = jnp.asarray(values)
    return values.reshape(values.shape + (1,) * (ndim - values.ndim))


def check_names(names: Iterable[str], state: Any) -> None:
    """Every name must be one that the state has."""
    there = injected_names(state)
    for name in names:
        if name not in there:
            raise ValueError(
                f"the transformation has no hyperparameter {name!r} that can be set: it has "
                f"{there}. Build it as `optax.inject_hyperparams(make)(...)`, with a number, not a "
                f"schedule, for {name!r}."
            )


def check_kept(
    given: Mapping[str, Any], state: Any, *, exactly: Iterable[str] = (), moving: bool = False
) -> None:
    """Raises where the state would keep other numbers than were given, of the type that it has.

    `inject_hyperparams` keeps 1 as an integer, and cuts what is written there; beside parameters in
    half precision it keeps three digits. Those are enough, except for the names to be kept
    `exactly`, whose steps from one value to the next must stay. `moving` values change later.
    """
    for name, values in given.items():
        for kept in injections(state, name).values():
            known = None if moving or isinstance(values, Tracer) else np.asarray(values, float)
            if jnp.issubdtype(kept.dtype, jnp.floating):
                few = jnp.finfo(kept.dtype).bits < 32 and name in exactly
                remedy = f"`optax.inject_hyperparams(..., hyperparam_dtype=jnp.float32)`: {_HALF}"
                same = known is not None and _same_steps(known, known.astype(kept.dtype))
            else:
                few, same = True, known is not None and np.array_equal(known, np.trunc(known))
                remedy = f"the number with a point, {name}=1.0: {_WHOLE}"
            if few and not same:
                raise ValueError(
                    f"the state keeps the hyperparameter {name!r} as {kept.dtype}, which cannot "
                    f"hold {values}. Give `inner` {remedy}"
                )


_HALF = "swaps would know other values than the replicas on these rungs."
_WHOLE = "of an integer `optax.inject_hyperparams` makes one, and values in its place are cut."


def _same_steps(values: np.ndarray, kept: np.ndarray) -> bool:
    """Whether steps from value to value are the same, up to a hundredth of each."""
    steps = np.diff(values)
    return bool(np.all(np.abs(np.diff(kept.astype(float)) - steps) <= 0.01 * np.abs(steps)))


def _is_named(path: tuple, name: str) -> bool:
    return len(path) > 1 and path[-2:] == (_INJECTED, DictKey(name))
