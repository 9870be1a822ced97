"""Checks of trees: parameters, gradients, and whether one fits another."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from thermo_optax._noise import size


def is_masked(node: Any) -> bool:
    """Whether a node stands for a parameter that a wrapper of optax leaves out."""
    return isinstance(node, optax.MaskedNode)


# What a model holds beside its parameters is for the user to leave out, in one line.
_PARAMETERS_ONLY = (
    "Pass the parameters only: `eqx.filter(model, eqx.is_inexact_array)` of an Equinox model, "
    "`nnx.state(model, nnx.Param)` of Flax NNX, `variables['params']` of Flax linen."
)


def check_leaves(name: str, tree: Any) -> None:
    """Every leaf of a tree of parameters or gradients must be a real floating-point array.

    A tree without leaves passes, as in optax: it is what a partition hands to a group that has
    nothing to move.
    """
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree, is_leaf=is_masked):
        if is_masked(leaf):
            continue
        place = name + jax.tree_util.keystr(path)
        check_array(place, leaf)
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            raise TypeError(
                f"`{place}` has dtype {leaf.dtype}, but heat moves only real floating-point "
                f"arrays. {_PARAMETERS_ONLY} Or leave the other leaves out with `optax.masked`: "
                "`optax.masked(tx, jax.tree.map(lambda x: jnp.issubdtype(x.dtype, jnp.floating), "
                "params))`. Split a complex array into its real and imaginary part."
            )


def check_not_complex(name: str, tree: Any) -> None:
    """Of complex arrays a cast would drop the imaginary part; numbers may stand for arrays."""
    if any(map(jnp.iscomplexobj, jax.tree.leaves(tree))):
        check_leaves(name, tree)


def check_not_empty(name: str, tree: Any) -> None:
    """Where there must be something to look at, a tree without arrays is a mistake."""
    if not jax.tree.leaves(tree):
        raise ValueError(
            f"`{name}` has no arrays in it ({tree!r}): pass the tree of the model's parameters, "
            "for instance the 'params' collection of a Flax model."
        )


def check_array(place: str, leaf: Any) -> None:
    """A leaf must be an array, or have the shape and dtype of one."""
    if hasattr(leaf, "dtype"):
        return
    remedy = "Turn numbers into arrays with `jnp.asarray`." if is_number(leaf) else _PARAMETERS_ONLY
    raise TypeError(
        f"`{place}` must be an array, got {leaf!r} of type {type(leaf).__name__}. {remedy}"
    )


def is_number(leaf: Any) -> bool:
    """A Python number; a truth value is none."""
    return isinstance(leaf, (int, float, complex)) and not isinstance(leaf, bool)


def check_structure(updates: Any, reference: Any, name: str) -> None:
    """Gradients must have the tree structure and shapes of what `init` saw."""
    given, expected = _arrays_by_path(updates), _arrays_by_path(reference)
    if jax.tree.structure(updates) != jax.tree.structure(reference):
        lacking = [path for path in expected if path not in given][:5]
        surplus = [path for path in given if path not in expected][:5]
        trees = f"{jax.tree.structure(updates)} instead of {jax.tree.structure(reference)}"
        # Of a deep network the two trees fill pages: show them only where the paths do not tell.
        found = f"it lacks {lacking} and has in addition {surplus}" if lacking or surplus else trees
        raise ValueError(
            f"`updates` must have the tree structure of {name}: {found}. Call `init` again after "
            "the model's parameters change, and pass `init` and `update` the same tree (of an "
            "Equinox model, `eqx.filter(model, eqx.is_inexact_array)`)."
        )
    for path, leaf in given.items():
        if jnp.shape(leaf) != jnp.shape(expected[path]):
            raise ValueError(
                f"`updates{path}` has shape {jnp.shape(leaf)}, but {name} has shape "
                f"{jnp.shape(expected[path])} there: pass the gradients of the same model."
            )


def _arrays_by_path(tree: Any) -> dict[str, Any]:
    with_path = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path): leaf for path, leaf in with_path}


def tree_size(tree: Any) -> int:
    """The number of coordinates of a tree: its degrees of freedom."""
    return sum(size(leaf) for leaf in jax.tree.leaves(tree))
