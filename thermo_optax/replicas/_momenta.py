"""Momenta of replicas whose temperature or mass changes: their variance is m T."""

from collections.abc import Hashable, Iterable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.tree_util import DictKey, GetAttrKey

from thermo_optax._base import map_momenta, momenta, once

from ._hyperparams import injections, leading

EVERYWHERE = None  # in place of the label of a group


class Scale(NamedTuple):
    """A hyperparameter that the variance of momenta is proportional to."""

    name: str
    label: Hashable  # of the group of a partition; EVERYWHERE: of all momenta


def factors(scales: Iterable[Scale], before: Any, after: Any, heat: Any) -> list[jax.Array]:
    """sqrt(m' T' / (m T)) for each of the momenta, in their order.

    Hyperparameters are read from the states before and after a change; those of an
    `inject_hyperparams` scale the momenta below it only. `heat`, float[num_replicas], is the ratio
    of what multiplies the temperature of every bath.
    """
    changes = [(label, injections(before, name), injections(after, name)) for name, label in scales]

    def factor(path, momentum):
        ratio = leading(jnp.asarray(heat, jnp.float32), momentum.ndim)
        for label, old, new in changes:
            place = _nearest(path, old)
            if place is not None and (label is EVERYWHERE or _is_in_group(path, label)):
                change = _ratio(old[place], new[place])
                ratio = ratio * leading(change, momentum.ndim)
        return jnp.sqrt(ratio)

    return [factor(*leaf) for leaf in momenta(before)]


def rescaled(state: Any, scales: Sequence[jax.Array], due: jax.Array) -> Any:
    """The state with its momenta multiplied, if due, each by its factor.

    p -> p sqrt(m' T' / (m T)) takes the law exp(-p^2 / 2 m T) to that of another rung.
    """

    def multiply(*arrays):
        return tuple(
            p * jnp.asarray(scale, p.dtype) for p, scale in zip(arrays, scales, strict=True)
        )

    return map_momenta(lambda arrays: once(due, multiply, tuple(arrays))[0], state)


def group_labels(state: Any) -> list[Hashable]:
    """The labels of the groups of all partitions in a state."""
    labels: list[Hashable] = []
    for node in jax.tree.leaves(state, is_leaf=_is_partition):
        if _is_partition(node):
            labels += [*node.inner_states, *group_labels(node.inner_states)]
    return labels


def _is_partition(node: Any) -> bool:
    return "inner_states" in getattr(node, "_fields", ())


def _nearest(path: tuple, places: Iterable[tuple]) -> tuple | None:
    """The innermost of the places that lie above a path."""
    above = [place for place in places if path[: len(place)] == place]
    return max(above, key=len, default=None)


def _is_in_group(path: tuple, label: Hashable) -> bool:
    groups = zip(path, path[1:], strict=False)
    return any(
        above == GetAttrKey("inner_states") and key == DictKey(label) for above, key in groups
    )


def _ratio(old: jax.Array, new: jax.Array) -> jax.Array:
    """How the variance changes; momenta of no temperature are at rest, and stay so."""
    old, new = jnp.asarray(old, jnp.float32), jnp.asarray(new, jnp.float32)
    return new / jnp.where(old > 0, old, new)
