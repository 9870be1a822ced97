"""`optax.partition` that knows which labels there are, and takes any tree of parameters."""

from collections.abc import Mapping
from typing import Any

import jax
import optax

from thermo_optax._base import check_structure, is_function

from ._labels import Labels


def partition_layers(
    transforms: Mapping[str, optax.GradientTransformation], param_labels: Labels
) -> optax.GradientTransformationExtraArgs:
    """`optax.partition` in which a label without a transformation, or the reverse, is an error."""
    is_tree = not is_function(param_labels)
    if is_tree:
        _check_labels(param_labels, transforms)

    # A function for optax in any case: an Equinox module of labels can be called, and optax would.
    def labels(params: Any) -> Any:
        tree = param_labels if is_tree else param_labels(params)
        _check_labels(tree, transforms)
        return tree

    groups = optax.partition({**transforms}, labels)

    def update(updates, state, params=None, **extra_args):
        # Else optax compares them to the labels, and its message names neither argument.
        if params is not None:
            check_structure(updates, params, "`params`")
        return groups.update(updates, state, params, **extra_args)

    return optax.GradientTransformationExtraArgs(groups.init, update)


def _check_labels(labels: Any, transforms: Mapping[str, Any]) -> None:
    used = set(jax.tree.leaves(labels))
    known = sorted(transforms, key=str)
    unknown = sorted(used - set(transforms), key=str)
    if unknown:
        raise ValueError(
            f"`param_labels` has the labels {unknown}, for which there is no transformation. "
            f"The labels with one are {known}: correct the labels, or add the group."
        )
    idle = sorted(set(transforms) - used, key=str)
    # No label at all: the probe of `optax.tree.map_params`, or a tree masked from outside.
    if idle and used:
        raise ValueError(
            f"The groups {idle} have no parameter: `param_labels` uses only "
            f"{sorted(used, key=str)} of the labels {known}. "
            "Correct the labels, or leave out the group."
        )
