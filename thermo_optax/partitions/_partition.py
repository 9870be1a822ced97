"""`optax.partition` that knows which labels there are."""

from collections.abc import Mapping
from typing import Any

import jax
import optax

from ._labels import Labels


def partition_layers(
    transforms: Mapping[str, optax.GradientTransformation], param_labels: Labels
) -> optax.GradientTransformationExtraArgs:
    """`optax.partition` in which a label without a transformation, or the reverse, is an error."""

    def labels(params: Any) -> Any:
        tree = param_labels(params) if callable(param_labels) else param_labels
        used = set(jax.tree.leaves(tree))
        known = sorted(transforms)
        unknown = sorted(used - set(transforms))
        if unknown:
            raise ValueError(
                f"`param_labels` has the labels {unknown}, for which there is no transformation. "
                f"The labels with one are {known}: correct the labels, or add the group."
            )
        idle = sorted(set(transforms) - used)
        # No label at all: the probe of `optax.tree.map_params`, or a tree masked from outside.
        if idle and used:
            raise ValueError(
                f"The groups {idle} have no parameter: `param_labels` uses only {sorted(used)} of "
                f"the labels {known}. Correct the labels, or leave out the group."
            )
        return tree

    return optax.partition({**transforms}, labels)
