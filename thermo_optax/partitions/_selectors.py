"""Which layers a selector means: by position, by name, or by a pattern of names."""

import fnmatch
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any

import jax.numpy as jnp

from thermo_optax._base import Path, layer_name, layer_of

Selector = str | int | Sequence["str | int"]
# What the arrays of a normalisation layer are called in Flax, Haiku, Equinox and Keras. Haiku's
# have the shape [1, 1, 1, C], and Equinox normalises over several axes.
_SCALE_AND_SHIFT = {
    frozenset(names)
    for names in (
        {"scale"},
        {"scale", "bias"},
        {"scale", "offset"},
        {"weight", "bias"},
        {"gamma", "beta"},
    )
}
_NAMES = frozenset().union(*_SCALE_AND_SHIFT)


def in_order(layers: list[Path]) -> list[Path]:
    """Each layer once, in the order of the tree, but for a dict, which has "10" before "2".

    Names of a dict are sorted by their letters; by their numbers is what is meant. Names in another
    order are the fields of a class or those of an ordered dict, and stay as they are.
    """
    siblings: dict[Path, dict[str, None]] = {}
    for layer in layers:
        for depth, name in enumerate(layer):
            siblings.setdefault(layer[:depth], {})[name] = None
    places = {}
    for parent, names in siblings.items():
        by_letters = list(names) == sorted(names)
        ordered = sorted(names, key=_numbers_apart) if by_letters else names
        places |= {(*parent, name): place for place, name in enumerate(ordered)}

    def key(layer: Path) -> list[int]:
        return [places[layer[: depth + 1]] for depth in range(len(layer))]

    return sorted(dict.fromkeys(layers), key=key)


def _numbers_apart(name: str) -> list[str | int]:
    """Letters and numbers of a name by turns: "conv10_a" is "conv", 10, "_a"."""
    parts = re.split(r"(\d+)", name)
    return [int(part) if place % 2 else part for place, part in enumerate(parts)]


def selectors(selector: Selector) -> list[str | int]:
    """The selectors of a list, or the one that there is."""
    if isinstance(selector, str):
        return [selector]
    if isinstance(selector, Integral) and not isinstance(selector, bool):
        return [int(selector)]
    if isinstance(selector, Iterable):
        return [one for each in selector for one in selectors(each)]
    raise TypeError(
        'A selector of `groups` must be "first", "last", a depth such as 0 or -1, a pattern of '
        f"names, or a list of these, got {selector!r}."
    )


def matches(selector: Selector, path: Path, layers: list[Path]) -> bool:
    """Whether a selector means the parameter at a path."""
    return any(_matches(one, path, layers) for one in selectors(selector))


def _matches(selector: str | int, path: Path, layers: list[Path]) -> bool:
    layer = layer_of(path)
    if isinstance(selector, int):
        return -len(layers) <= selector < len(layers) and layer == layers[selector]
    if selector in ("first", "last"):
        return layer == layers[0 if selector == "first" else -1]
    names = ("/".join(path), layer_name(layer))
    return any(fnmatch.fnmatchcase(name, selector) for name in names)


def first_match(
    groups: Mapping[str, Selector], path: Path, layers: list[Path], default: str | None
) -> str | None:
    """The label of the first selector that matches."""
    for label, selector in groups.items():
        if matches(selector, path, layers):
            return label
    return default


def warn_of_normalisation(
    groups: Mapping[str, Selector], layers: list[Path], arrays: Mapping[Path, Any]
) -> None:
    """Warns if a position means a layer that only scales and shifts, as normalisation does.

    Names of a dict are sorted, so "BatchNorm_0" comes before "Dense_0" and is its "first" layer.
    """
    contents: dict[Path, dict[str, tuple[int, ...]]] = {layer: {} for layer in layers}
    for path, array in arrays.items():
        # An array that stands alone is a layer for want of one, and may be a bias.
        if layer_of(path) != path:
            contents[layer_of(path)][path[-1]] = jnp.shape(array)
    with_weights = [layer for layer in layers if not _only_scales(layer, contents[layer])]
    if not with_weights:
        return
    for label, selector in groups.items():
        for one in selectors(selector):
            position = {"first": 0, "last": -1}.get(one) if isinstance(one, str) else one
            if position is None:
                continue  # a layer that is named is meant
            chosen = layers[position]
            if chosen in with_weights:
                continue
            found = _nearest(with_weights, layers, position)
            warnings.warn(
                f"`groups[{label!r}]`={one!r} selects the layer {layer_name(chosen)!r}, which only "
                "scales and shifts, as a normalisation layer does. The next layer with weights is "
                f"{layer_name(found)!r}. Name the one that is meant: `label_layers(params, "
                f"{{{label!r}: {layer_name(found)!r}}}, ...)`, or {layer_name(chosen)!r} there.",
                UserWarning,
                stacklevel=3,
            )


def warn_of_names(groups: Mapping[str, Selector], layers: list[Path]) -> None:
    """Warns if "first" or "last" is also what another layer is called."""
    for label, selector in groups.items():
        for one in selectors(selector):
            if one not in ("first", "last") or not layers:
                continue
            chosen = layer_name(layers[0 if one == "first" else -1])
            if one != chosen and one in map(layer_name, layers):
                warnings.warn(
                    f"`groups[{label!r}]`={one!r} selects the layer {chosen!r} by its position, "
                    f"not the layer that is called {one!r}. If that is meant, write the pattern "
                    f"'[{one[0]}]{one[1:]}'.",
                    UserWarning,
                    stacklevel=3,
                )


def _nearest(candidates: list[Path], layers: list[Path], position: int) -> Path:
    """The next candidate inward from a position that counts from the front or from the end."""
    place = position % len(layers)
    after = [layer for layer in candidates if layers.index(layer) > place]
    before = [layer for layer in candidates if layers.index(layer) < place]
    if position >= 0:
        return after[0] if after else before[-1]
    return before[-1] if before else after[0]


def _only_scales(layer: Path, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether all arrays of a layer act on each feature by itself."""
    names = frozenset(shapes)
    if len(set(shapes.values())) != 1:
        return False
    (shape,) = set(shapes.values())
    if len(shape) > 1:
        return names in _SCALE_AND_SHIFT
    return names <= _NAMES or bool(re.search("norm|^(bn|ln|gn)[^a-z]*$", layer[-1].lower()))
