"""Hyperparameters that `optax.inject_hyperparams` keeps in a state, at any depth."""

from collections.abc import Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
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


def _is_named(path: tuple, name: str) -> bool:
    return len(path) > 1 and path[-2:] == (_INJECTED, DictKey(name))
