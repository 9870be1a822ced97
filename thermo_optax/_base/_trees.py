"""Trees: plain names for the places of arrays, and states inside those of chains and partitions."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import optax

from ._scalars import in_dtype_of

Path = tuple[str, ...]
Function = TypeVar("Function", bound=Callable[..., Any])


def plain_paths(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> list[Path]:
    """The paths of all leaves, in the order of the tree, without the boxes of Flax.

    A box is known by its type, never by the name of its field: a parameter may be called "value".
    """

    def stop(node):
        return _is_box(node) or (is_leaf is not None and is_leaf(node))

    paths = []
    for path, node in jax.tree_util.tree_leaves_with_path(tree, is_leaf=stop):
        names = tuple(jax.tree_util.keystr((entry,), simple=True) for entry in path)
        if _is_box(node):
            inner = jax.tree.leaves(node, is_leaf=lambda child, box=node: child is not box)
            paths += [names + rest for child in inner for rest in plain_paths(child, is_leaf)]
        else:
            paths.append(names)
    return paths


def _is_box(node: Any) -> bool:
    """Whether a node is a Flax box: `nnx.Variable`, its state, or an axis-metadata box of linen.

    All of them can add and remove an axis of their metadata. The type is asked, because a variable
    passes unknown attributes on to its array.
    """
    return all(hasattr(type(node), method) for method in ("add_axis", "remove_axis"))


def is_function(value: Any) -> bool:
    """Whether a value is a function, and not a tree of arrays that can also be called: a model."""
    known = isinstance(value, functools.partial)  # that of `jax.tree_util` is a tree as well
    return callable(value) and (known or jax.tree_util.all_leaves([value]))


def hashable(fn: Function) -> Function:
    """The function, or the same one under an identity of its own: programs are kept by functions.

    A model that can be called, or an object with data, may have no hash.
    """
    try:
        hash(fn)
    except TypeError:
        own: Any = functools.partial(fn)
        return own
    return fn


def layer_of(path: Path) -> Path:
    """The layer of an array: its innermost container, or itself if it stands at the root."""
    return path[:-1] or path


def layer_name(layer: Path) -> str:
    """The name under which a layer is shown and selected."""
    return "/".join(layer) if layer else "params"


def is_variable(node: Any) -> bool:
    """Whether a node is a variable of Flax NNX, told by its methods: Flax is not imported."""
    return hasattr(type(node), "get_value") and hasattr(type(node), "get_metadata")


def unwrapped(tree: Any) -> Any:
    """The tree with the value of each variable in its place."""
    return jax.tree.map(_value, tree, is_leaf=is_variable)


def state_arrays(state: Any) -> Any:
    """A state with bare arrays, as the transformation made it.

    `nnx.Optimizer` wraps every leaf of a state, its counters included. Where some leaf is bare, the
    variables are those of the parameters, and stay: what is read then has the user's containers.
    """
    wrapped = [is_variable(leaf) for leaf in jax.tree.leaves(state, is_leaf=is_variable)]
    return unwrapped(state) if all(wrapped) else state


def states_of(state: Any, kind: type, maker: str) -> list[Any]:
    """All states of a kind: one, or one for each group of a partition; see `state_arrays`.

    Of one within another only the outer one, which is the one that a reader was given.
    """
    every = optax.tree.get_all_with_path(state, kind.__name__)
    paths = {path for path, _ in every}
    within = [any(path[:n] in paths for n in range(len(path))) for path, _ in every]
    found = [node for (_, node), inner in zip(every, within, strict=True) if not inner]
    if not found:
        raise ValueError(
            f"`state` has no `{maker}` in it: pass the state of `{maker}(...)`, or of a chain or "
            "partition with one of them."
        )
    return [state_arrays(node) for node in found]


def merged(params: Any, trees: Sequence[Any], otherwise: Callable[[Any], Any]) -> Any:
    """A tree like params of the arrays that stand at the same places in the trees.

    Groups of a partition have holes where the others have their parameters, a whole layer at once
    where the labels name layers; what is in no group becomes `otherwise(param)`. A leaf of params
    that is no array, such as an activation function, stays as it is. Raises where an array of the
    trees has no place in params, or two have the same: what is returned would not be theirs.
    """
    arrays: dict[Path, Any] = {}
    for tree in trees:
        new = arrays_by_place(tree)
        twice = sorted(layer_name(place) for place in new.keys() & arrays.keys())
        if twice:
            raise ValueError(
                f"`state` has several that know the parameters at {twice[:5]}, one after another, "
                "and their answers differ. Pass the part of the state with one of them."
            )
        arrays.update(new)
    here = plain_paths(params)
    lost = sorted(layer_name(place) for place in arrays.keys() - set(here))
    if lost:
        raise ValueError(
            f"`params` must be like the parameters that `init` saw: it has none at {lost[:5]}, but "
            f"at {sorted(map(layer_name, here))[:5]}. Of Flax linen pass `variables['params']`, "
            "where these were trained."
        )

    def chosen(place, param):
        if place not in arrays:
            value = _value(param)
            return _rewrapped(param, otherwise(value)) if _is_array(value) else param
        shape = jax.eval_shape(otherwise, _value(param)).shape
        if shape != arrays[place].shape:
            remedy = (
                " Of one `rung` pass the parameters of one replica: `jax.tree.map(lambda x: x[0], "
                "params)`."
            )
            raise ValueError(
                f"`params` must be like the parameters that `init` saw: of one of shape "
                f"{jnp.shape(_value(param))} at {layer_name(place)!r} the shape {shape} would be "
                f"read, but the state has {arrays[place].shape}."
                + remedy
                * (len(shape) == 1 + arrays[place].ndim)
            )
        return _rewrapped(param, arrays[place])

    leaves, structure = jax.tree.flatten(params, is_leaf=is_variable)
    return structure.unflatten(map(chosen, here, leaves))


def cast_like(tree: Any, params: Any) -> Any:
    """The arrays of a tree in the dtypes of params, which has the same structure."""
    return jax.tree.map(
        lambda x, param: in_dtype_of(x, param) if _is_array(param) else x, tree, params
    )


def rows_at(array: Any, place: jax.Array) -> jax.Array:
    """array[place], of one row or several, also where explicit axes split the rows.

    One row then lies on every device along that axis; several are split as the array is.
    """
    sharding = jax.typeof(array).sharding
    spec = sharding.spec
    if jax.sharding.AxisType.Explicit not in sharding.mesh.axis_types or not any(spec[:1]):
        return array[place]
    one = not jnp.ndim(place)
    split = jax.sharding.PartitionSpec(None if one else spec[0], *spec[1:])
    split = jax.sharding.NamedSharding(sharding.mesh, split)  # there may be no mesh around
    rows = jnp.asarray(array).at[jnp.atleast_1d(place)].get(out_sharding=split)
    return rows[0] if one else rows


def arrays_by_place(tree: Any) -> dict[Path, Any]:
    """The arrays of a tree by their place: the names of its containers, from the root.

    A Flax module, its state and a plain dict of the same arrays have the same places.
    """
    return dict(zip(plain_paths(tree), jax.tree.leaves(tree), strict=True))


def check_one(states: Sequence[Any]) -> None:
    """Raises for states of several chains or replicas, whose axis readers would misread."""
    shape = next((shape for shape in map(_counter_shape, states) if shape), ())
    if shape:
        raise ValueError(
            f"`state` is of {math.prod(shape)} chains: `jax.vmap` the reader over them, as in "
            "`jax.vmap(reader)(state, params)`. Replicas are chains, too: those of "
            "`replica_exchange` are in its `inner_state`, those of `run_chains` in `chains.state`."
        )


def _counter_shape(state: Any) -> tuple[int, ...]:
    """The axes in front of a state: a counter has none of its own."""
    return jnp.shape(getattr(state, "num_collected", state.count))


def _value(leaf: Any) -> Any:
    return leaf.get_value() if is_variable(leaf) else leaf


def _rewrapped(param: Any, array: Any) -> Any:
    """The array, in a variable like the parameter's if that is one."""
    return jax.tree.map(lambda _: array, param) if is_variable(param) else array


def _is_array(leaf: Any) -> bool:
    return hasattr(leaf, "dtype") and not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
