"""Plain names for the places of a tree of parameters."""

from collections.abc import Callable
from typing import Any

import jax

Path = tuple[str, ...]


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


def layer_of(path: Path) -> Path:
    """The layer of an array: its innermost container, or itself if it stands at the root."""
    return path[:-1] or path


def layer_name(layer: Path) -> str:
    """The name under which a layer is shown and selected."""
    return "/".join(layer) if layer else "params"
