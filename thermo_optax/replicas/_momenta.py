"""Momenta of replicas whose temperature changes."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import DictKey, GetAttrKey

from thermo_optax._base import once

EVERYWHERE = None  # in place of the label of a group


def rescaled(state: Any, factors: Mapping[str | None, jax.Array], due: jax.Array) -> Any:
    """The state with its momenta multiplied, if due, each replica's by its factor.

    Factors are float[num_replicas], and hold for the momenta of one group of a partition, or for
    all: p -> p sqrt(T'/T) keeps the law exp(-p^2 / 2 m T) when a replica comes to another rung.
    """
    leaves, structure = jax.tree_util.tree_flatten_with_path(state)
    places = [place for place, (path, _) in enumerate(leaves) if _is_momentum(path)]
    scales = [_scale(leaves[place][0], factors) for place in places]

    def multiply(*momenta):
        return tuple(_times(p, scale) for p, scale in zip(momenta, scales, strict=True))

    arrays = [leaf for _, leaf in leaves]
    if places:
        done, _ = once(due, multiply, tuple(arrays[place] for place in places))
        for place, momentum in zip(places, done, strict=True):
            arrays[place] = momentum
    return jax.tree.unflatten(structure, arrays)


def _is_momentum(path: tuple) -> bool:
    return GetAttrKey("momentum") in path


def _scale(path: tuple, factors: Mapping[str | None, jax.Array]) -> jax.Array | float:
    scale = 1.0
    for label, factor in factors.items():
        if label is None or _is_in_group(path, label):
            scale = scale * factor
    return scale


def _is_in_group(path: tuple, label: str) -> bool:
    groups = zip(path, path[1:], strict=False)
    return any(
        above == GetAttrKey("inner_states") and key == DictKey(label) for above, key in groups
    )


def _times(momentum: jax.Array, scale: jax.Array | float) -> jax.Array:
    factor = jnp.asarray(scale, momentum.dtype)
    return momentum * factor.reshape(factor.shape + (1,) * (momentum.ndim - factor.ndim))
