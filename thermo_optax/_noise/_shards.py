"""Inside `jax.shard_map`: over which axes of the mesh an array varies, and sums over them."""

import math
import warnings
from typing import Any

import jax
import jax.numpy as jnp

from thermo_optax import _xla as xla


def varying_axes(leaf: Any) -> tuple[str, ...]:
    """The axes of the mesh along which each shard has another part of an array, in order.

    Empty outside of `jax.shard_map`, and for an array that is the same on all shards.
    """
    if not hasattr(leaf, "shape") or isinstance(leaf, jax.ShapeDtypeStruct):
        return ()
    return tuple(sorted(jax.typeof(leaf).manual_axis_type.varying))


def warn_of_hidden_axes() -> None:
    """Warns inside a `jax.shard_map` that does not tell what differs from shard to shard."""
    axes = sorted(jax.sharding.get_abstract_mesh().manual_axes)
    if axes and not varying_axes(jax.lax.axis_index(axes[0])):
        warnings.warn(
            "`jax.shard_map(..., check_vma=False)` hides which parameters are split over "
            f"{axes}: all shards draw equal noise, which is right only for parameters that all of "
            "them hold. For split ones leave `check_vma` True.",
            stacklevel=2,
        )


def on_all_shards(flag: jax.Array) -> jax.Array:
    """Whether a bool is true on all shards."""
    axes = varying_axes(flag)
    return jax.lax.pmin(flag.astype(jnp.int32), axes) > 0 if axes else flag


def over_shards(total: jax.Array) -> jax.Array:
    """A sum over the elements of one shard, added up over all of them."""
    axes = varying_axes(total)
    return jax.lax.psum(total, axes) if axes else total


def size(leaf: Any) -> int:
    """The number of elements of an array, those on all shards together."""
    return math.prod(leaf.shape) * math.prod(map(jax.lax.axis_size, varying_axes(leaf)))


def sum_of_squares(array: jax.Array) -> jax.Array:
    """The sum of the squares of all elements, those on all shards together."""
    return over_shards(xla.sum_of_squares(array))
