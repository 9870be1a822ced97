"""What LOL, LaLa and AdLaLa share: a law of motion for each group of layers.

Hidden layers do well with heat and little friction, the output layer with hardly any heat. The
methods give each its own integrator. Laws are dicts from label to temperature, so that there can
be any number of groups; every other hyperparameter is one number for all groups, or a dict from
label to number.
"""

import functools
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from thermo_optax._base import ScalarOrSchedule

from ._labels import Labels, label_layers
from ._partition import partition_layers

T = TypeVar("T")
PerGroup = T | Mapping[str, T]
Laws = Mapping[str, ScalarOrSchedule]


def of_group(value: Any, label: str, name: str) -> Any:
    """The hyperparameter of one group."""
    if not isinstance(value, Mapping):
        return value
    if label not in value:
        raise ValueError(
            f"`{name}` has no value for the group {label!r}, only for {sorted(value)}: add one, or "
            "pass a single number for all groups."
        )
    return value[label]


def laws(name: str, groups: Laws | None, default: Laws) -> Laws:
    """The groups of one law; an empty dict means none, and not the default."""
    if not (groups is None or isinstance(groups, Mapping)):
        raise TypeError(
            f"`{name}` must be a dict from label to temperature, such as {dict(default)}, got "
            f"{groups!r}."
        )
    return default if groups is None else groups


def check_groups(groups: Iterable[str], **values: Any) -> None:
    """Raises for a value of a group that does not have such a hyperparameter: nobody would see."""
    known = sorted(groups, key=str)
    for name, value in values.items():
        others = sorted(set(value) - set(known), key=str) if isinstance(value, Mapping) else []
        if others:
            raise ValueError(
                f"`{name}` has values for {others}, but the groups that have one are {known}. "
                "Correct the labels, or leave these out."
            )


def by_layer(transforms, first: Laws, others: Laws, param_labels: Labels | None):
    """The partition; without labels, the first layer gets the first law and the rest the other."""
    both = sorted(set(first) & set(others), key=str)
    if both:
        raise ValueError(f"The groups {both} are given two laws: use each label once.")
    if param_labels is None:
        if len(first) != 1 or len(others) != 1:
            raise ValueError(
                f"`param_labels` is required for the groups {sorted(transforms, key=str)}: only a "
                "partition into two groups can tell by itself which layer is meant. See "
                "`label_layers`."
            )
        (head,), (rest,) = first, others
        param_labels = functools.partial(label_layers, groups={head: "first"}, default=rest)
    return partition_layers(transforms, param_labels)
