"""Momenta of replicas whose temperature changes."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import DictKey, GetAttrKey

from thermo_optax._base import map_momenta, momenta, once

EVERYWHERE = None  # in place of the label of a group


def rescaled(state: Any, factors: Mapping[str | None, jax.Array], due: jax.Array) -> Any:
    """The state with its momenta multiplied, if due, each replica's by its factor.

    Factors are float[num_replicas], and hold for the momenta of one group of a partition, or for
    all: p -> p sqrt(T'/T) keeps the law exp(-p^2 / 2 m T) when a replica comes to another rung.
    """
    scales = [_scale(path, factors) for path, _ in momenta(state)]

    def multiply(*arrays):
        return tuple(_times(p, scale) for p, scale in zip(arrays, scales, strict=True))

    return map_momenta(lambda arrays: once(due, multiply, tuple(arrays))[0], state)


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
