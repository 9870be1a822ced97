"""States of one transformation inside those of chains and partitions, and their arrays by path."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import optax


def states_of(state: Any, kind: type, maker: str) -> list[Any]:
    """All states of a kind: one, or one for each group of a partition."""
    found = [node for _, node in optax.tree.get_all_with_path(state, kind.__name__)]
    if not found:
        raise ValueError(
            f"`state` has no `{maker}` in it: pass the state of `{maker}(...)`, or of a chain or "
            "partition with one of them."
        )
    return found


def merged(params: Any, trees: Sequence[Any], otherwise: Callable[[Any], Any]) -> Any:
    """A tree like params of the arrays that stand at the same paths in the trees.

    Groups of a partition have holes where the others have their parameters, a whole layer at once
    where the labels name layers; what is in no group becomes `otherwise(param)`.
    """
    arrays: dict[tuple, Any] = {}
    for tree in trees:
        arrays.update(jax.tree_util.tree_leaves_with_path(tree))

    def chosen(path, param):
        return arrays[path] if path in arrays else otherwise(param)

    return jax.tree_util.tree_map_with_path(chosen, params)
