"""A loss over data, as a function of one vector of all weights: what curvature is measured of."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.sharding import NamedSharding, PartitionSpec

from thermo_optax import _xla as xla
from thermo_optax._base import (
    check_leaves,
    check_not_empty,
    check_returned_loss,
    compute_dtype,
    size_of,
)
from thermo_optax._noise import KeyLike, stream_key
from thermo_optax._xla import inner_product

Loss = Callable[..., jax.Array]


class Batches(NamedTuple):
    """Data as it is worked on: groups of batches of equal shapes."""

    groups: tuple[Any, ...]  # trees with leaves [num_batches, ...]


Data = Batches | None  # None for a loss without data


class Objective(NamedTuple):
    """The loss on one batch as a function of a vector, the vector where it is asked, and data."""

    loss: Callable[[jax.Array, Any], jax.Array]
    point: jax.Array  # float[num_weights]
    unflatten: Callable[[jax.Array], Any]
    data: Data


def objective(loss: Loss, params: Any, batches: Any) -> Objective:
    """Reads what a user passed; raises where it makes no sense."""
    point, unflatten = flatten("params", params)
    data = gather(batches)

    def on_batch(vector, batch):
        params = unflatten(vector)
        return loss(params) if data is None else loss(params, batch)

    example = None if data is None else _first(data.groups[0])
    check_returned_loss(jax.eval_shape(on_batch, point, example))
    return Objective(on_batch, point, unflatten, data)


def flatten(name: str, tree: Any) -> tuple[jax.Array, Callable[[jax.Array], Any]]:
    """All arrays of a tree as one vector, in at least float32, and the way back.

    The way back does not restore narrower dtypes: in bfloat16 a second derivative is mere rounding.
    Where shardings are a part of the type it restores these; the vector is whole on each device.
    """
    check_leaves(name, tree)
    check_not_empty(name, tree)
    dtype = compute_dtype(*(leaf.dtype for leaf in jax.tree.leaves(tree)))
    wide = jax.tree.map(lambda x: jnp.asarray(x, dtype), tree)
    places = [xla.explicit_sharding(leaf) for leaf in jax.tree.leaves(wide)]
    vector, whole_tree = jax.flatten_util.ravel_pytree(jax.tree.map(_whole, wide))

    def unflatten(vector):
        leaves, structure = jax.tree.flatten(whole_tree(vector))
        return structure.unflatten(map(xla.laid_out, leaves, places))

    return vector, unflatten


def raveled(tree: Any) -> jax.Array:
    """The arrays of a tree as one vector, whole on each device."""
    return jax.flatten_util.ravel_pytree(jax.tree.map(_whole, tree))[0]


def _whole(leaf: jax.Array) -> jax.Array:
    place = xla.explicit_sharding(leaf)
    return xla.laid_out(leaf, place and NamedSharding(place.mesh, PartitionSpec()))


def flatten_like(name: str, tree: Any, params: Any) -> jax.Array:
    """The vector of a tree that must have the arrays of another one."""
    vector, _ = flatten(name, tree)
    shapes = [jax.tree.map(jnp.shape, one) for one in (tree, params)]
    if jax.tree.structure(tree) != jax.tree.structure(params) or shapes[0] != shapes[1]:
        raise ValueError(
            f"`{name}` must have the structure and shapes of the parameters, got {shapes[0]} "
            f"instead of {shapes[1]}: pass two trees of the same model."
        )
    return vector


def gather(batches: Any) -> Data:
    """The batches on the device, in groups of equal shapes.

    An iterable is read once and kept: each product with the Hessian must see the same data, also
    where a loader shuffles and augments, or a generator is used up.
    """
    if batches is None or isinstance(batches, Batches):
        return batches
    if not (isinstance(batches, list) or _is_loader(batches)):
        return Batches((_checked(jax.tree.map(_array, batches)),))
    groups: dict[Any, list[Any]] = {}
    for batch in batches:
        leaves, structure = jax.tree.flatten(batch)
        leaves = [leaf if isinstance(leaf, jax.Array) else np.asarray(leaf) for leaf in leaves]
        kind = (structure, *((leaf.shape, leaf.dtype) for leaf in leaves))
        groups.setdefault(kind, []).append(leaves)
    if not groups:
        raise ValueError(
            "`batches` holds no batch. An iterator can be read only once: pass a list, or what "
            "made the iterator."
        )
    return Batches(
        tuple(
            _checked(kind[0].unflatten([_stack(column) for column in zip(*group, strict=True)]))
            for kind, group in groups.items()
        )
    )


def mean_over(fn: Callable[[Any], Any], data: Data) -> Any:
    """The mean over all examples of `fn(batch)`, which is a mean over those of one batch.

    In at least float32: summed in half precision, the batches after the first hundreds are lost.
    """
    if data is None:
        return jax.tree.map(_wide, fn(None))
    lengths = [_length(group) for group in data.groups]
    counts = [len(jax.tree.leaves(group)[0]) for group in data.groups]
    total = sum(n * count for n, count in zip(lengths, counts, strict=True))
    example = jax.eval_shape(fn, _first(data.groups[0]))
    sums = jax.tree.map(lambda like: jnp.zeros(like.shape, compute_dtype(like.dtype)), example)
    for group, length in zip(data.groups, lengths, strict=True):

        def add(sums, batch, share=length / total):
            return jax.tree.map(lambda s, one: s + share * _wide(one), sums, fn(batch)), None

        sums, _ = jax.lax.scan(add, sums, group)
    return sums


def _wide(value: jax.Array) -> jax.Array:
    return value.astype(compute_dtype(value.dtype))


def mean_loss(loss: Callable[[jax.Array, Any], jax.Array], point: jax.Array, data: Data):
    """The loss over all data."""
    return mean_over(lambda batch: loss(point, batch), data)


def compiled(fn: Callable[..., Any], *args: Any) -> Any:
    """`fn(*args)`, compiled, with all products of matrices in the full precision of their dtype.

    An accelerator's default for float32 keeps three digits: fewer than orthogonal vectors need.
    """
    with jax.default_matmul_precision("highest"):
        return jax.jit(fn)(*args)


def norm_of(vector: jax.Array) -> jax.Array:
    """The Euclidean norm of a vector, in any unit."""
    size = size_of(vector)
    vector = vector / size
    return size * jnp.sqrt(inner_product(vector, vector))


def probe_key(key: KeyLike, name: str, params: Any) -> jax.Array:
    """A typed key for `jax.random`, of its own for each diagnostic."""
    return jax.random.wrap_key_data(stream_key(key, name, params), impl="threefry2x32")


def check_count(name: str, value: Any, least: int, remedy: str) -> None:
    """Numbers of probes, of steps, of points: static, since they are shapes."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(
            f"`{name}` must be an integer of at least {least}, got {value!r}. {remedy}"
        )


def _is_loader(batches: Any) -> bool:
    """An iterable that is neither an array nor a tree that jax knows."""
    is_array = hasattr(batches, "shape") and hasattr(batches, "dtype")
    # Not `jax.tree.structure`, which complains of generators.
    is_leaf = jax.tree_util.default_registry.flatten_one_level(batches) is None
    return isinstance(batches, Iterable) and is_leaf and not is_array


def _array(leaf: Any) -> jax.Array:
    return leaf if isinstance(leaf, jax.Array) else jnp.asarray(leaf)


def _stack(leaves: tuple[Any, ...]) -> jax.Array:
    traced = any(isinstance(leaf, Tracer) for leaf in leaves)
    if traced or jnp.issubdtype(leaves[0].dtype, jax.dtypes.extended):
        return jnp.stack(leaves)
    # By NumPy, since XLA would compile a program of as many arguments as there are batches.
    return jnp.asarray(np.stack(leaves))


def _first(stacked: Any) -> Any:
    """The abstract first batch."""
    return jax.eval_shape(lambda tree: jax.tree.map(lambda leaf: leaf[0], tree), stacked)


def _length(stacked: Any) -> int:
    """The number of examples of each batch."""
    shape = jax.tree.leaves(stacked)[0].shape
    return shape[1] if len(shape) > 1 else 1


def _checked(stacked: Any) -> Any:
    shapes = [leaf.shape for leaf in jax.tree.leaves(stacked)]
    counts = {shape[:1] for shape in shapes}
    if len(counts) != 1 or not min(counts) or not min(min(counts)) or not _length(stacked):
        raise ValueError(
            "`batches` must be a tree of arrays [num_batches, ...] with the same first axis, or an "
            f"iterable of batches, such as a list; got a tree of arrays of the shapes {shapes}. "
            "One batch alone is `[batch]`."
        )
    return stacked
