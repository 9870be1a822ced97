"""Names for the layers of a model, read from its tree of parameters."""

import fnmatch
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import optax

from thermo_optax._base import Path, layer_name, layer_of, plain_paths

Selector = str | int | Sequence["str | int"]
Labels = Any | Callable[[Any], Any]


def label_layers(
    params: Any, groups: Mapping[str, Selector] | None = None, *, default: str | None = None
) -> Any:
    """Labels every parameter with its layer, or with the group that its layer belongs to.

    A layer is the innermost container of an array: "Dense_0" for the path Dense_0/kernel; an array
    that stands alone at the root is a layer of its own. Layers
    are counted in the order of the tree: fields of a module and items of a list as they stand,
    names of a dict sorted as people sort them (Dense_2 before Dense_10), because JAX forgets the
    order in which a dict was filled. If the names do not sort in the order of the network
    (encoder, decoder, head), select by pattern.

    Args:
        params: parameters (arrays or `jax.ShapeDtypeStruct`) of a plain dict, a Flax linen or NNX
            model (``nnx.state(model, nnx.Param)``), or an Equinox module
            (``eqx.filter(model, eqx.is_inexact_array)``).
        groups: label -> selector, tried in this order; the first that matches names the parameter.
            A selector is "first" or "last", a depth (0 is the first layer, -1 the last), a pattern
            with * and ? for the path joined by "/" ("Dense_0/kernel") or for the layer's name
            ("conv*"), or a list of these. None labels each parameter with the name of its layer.
        default: the label of what no selector matches; None makes that an error.

    Returns:
        A tree like params whose leaves are labels, as `optax.partition` takes it.

    Raises:
        ValueError: if a selector matches nothing, or a parameter is left without a label. The
            message lists the layers that exist.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> layer = {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}
        >>> params = {"Dense_0": layer, "Dense_1": layer, "Dense_10": layer}
        >>> to.label_layers(params)["Dense_0"]
        {'bias': 'Dense_0', 'kernel': 'Dense_0'}
        >>> labels = to.label_layers(params, {"out": "last", "scale": "*/bias"}, default="hidden")
        >>> labels["Dense_10"]["bias"], labels["Dense_1"]["bias"], labels["Dense_1"]["kernel"]
        ('out', 'scale', 'hidden')

    References:
        The partitions of Leimkuhler, Matthews and Vlaar, `Partitioned integrators for thermodynamic
        parameterization of neural networks <https://arxiv.org/abs/1908.11843>`_, 2019, section 3.
    """
    nodes, treedef = jax.tree.flatten(params, is_leaf=_is_masked)
    paths = plain_paths(params, is_leaf=_is_masked)
    masked = [_is_masked(node) for node in nodes]
    layers = _in_order(
        [layer_of(path) for path, gone in zip(paths, masked, strict=True) if not gone]
    )
    if groups is None:
        labels = [layer_name(layer_of(path)) for path in paths]
    else:
        labels = [_first_match(groups, path, layers, default) for path in paths]
        _check_all_used(groups, labels, paths, layers)
    # A masked leaf is a node without leaves: partition must find nothing to label there.
    leaves = [
        optax.MaskedNode() if gone else label for gone, label in zip(masked, labels, strict=True)
    ]
    return jax.tree.unflatten(treedef, leaves)


def _is_masked(node: Any) -> bool:
    return isinstance(node, optax.MaskedNode)


def _in_order(layers: list[Path]) -> list[Path]:
    """Each layer once; siblings that differ in a number are sorted by that number."""
    order = {layer: None for layer in layers}
    first_seen: dict[str, int] = {}
    for layer in order:
        for depth in range(len(layer)):
            stem = "/".join((*layer[:depth], re.sub(r"\d+", "#", layer[depth])))
            first_seen.setdefault(stem, len(first_seen))

    def key(layer: Path) -> list:
        stems = (
            ("/".join((*layer[:depth], re.sub(r"\d+", "#", name))), name)
            for depth, name in enumerate(layer)
        )
        return [
            (first_seen[stem], [int(n) for n in re.findall(r"\d+", name)]) for stem, name in stems
        ]

    return sorted(order, key=key)


def _matches(selector: Selector, path: Path, layers: list[Path]) -> bool:
    layer = layer_of(path)
    if isinstance(selector, int):
        return -len(layers) <= selector < len(layers) and layer == layers[selector]
    if isinstance(selector, str):
        if selector in ("first", "last"):
            return layer == layers[0 if selector == "first" else -1]
        names = ("/".join(path), layer_name(layer))
        return any(fnmatch.fnmatchcase(name, selector) for name in names)
    return any(_matches(one, path, layers) for one in selector)


def _first_match(groups, path, layers, default) -> str | None:
    for label, selector in groups.items():
        if _matches(selector, path, layers):
            return label
    return default


def _check_all_used(groups, labels, paths, layers) -> None:
    if not paths:
        return  # nothing to label: `optax.tree.map_params` probes with a tree without leaves
    known = f"The layers, in order, are {[layer_name(layer) for layer in layers]}."
    for label, selector in groups.items():
        if not any(_matches(selector, path, layers) for path in paths):
            raise ValueError(
                f"`groups[{label!r}]`={selector!r} matches no parameter. Use 'first', 'last', a "
                f"depth, or a pattern for a path such as {'/'.join(paths[0])!r}. {known}"
            )
    left = ["/".join(path) for path, label in zip(paths, labels, strict=True) if label is None]
    if left:
        raise ValueError(
            f"No group in `groups` matches the parameters {left}. Add a group for them, or pass "
            f"`default`. {known}"
        )
