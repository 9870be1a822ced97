"""Plain names for the places of a tree of parameters."""

import jax

# What stands between a layer and its arrays in Flax NNX: State and Variable wrap each leaf.
_WRAPPERS = ("value", "raw_value")

Path = tuple[str, ...]


def plain_path(path: tuple) -> Path:
    """The path of a leaf as plain names, without the wrappers of Flax NNX."""
    names = [jax.tree_util.keystr((entry,), simple=True) for entry in path]
    while len(names) > 1 and names[-1] in _WRAPPERS:
        names.pop()
    return tuple(names)


def layer_of(path: Path) -> Path:
    """The layer of an array: its innermost container, or itself if it stands at the root."""
    return path[:-1] or path


def layer_name(layer: Path) -> str:
    """The name under which a layer is shown and selected."""
    return "/".join(layer) if layer else "params"
