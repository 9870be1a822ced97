"""Names for the layers of a model, read from its tree of parameters."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import optax

from thermo_optax._base import Path, check_array, is_number, layer_name, layer_of, plain_paths

from ._selectors import (
    Selector,
    first_match,
    in_order,
    matches,
    selectors,
    warn_of_names,
    warn_of_normalisation,
)

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
            ("conv*"), or a list of these. A position counts normalisation layers too, and warns if
            it means one ("BatchNorm_0" sorts before "Dense_0"); a name never warns. None labels
            each parameter with the name of its layer.
        default: the label of what no selector matches; None makes that an error.

    Returns:
        A tree like params whose leaves are labels, as `optax.partition` takes it.

    Raises:
        ValueError: if a selector, also one of a list, matches nothing, or a parameter is left
            without a label. The message lists the layers that exist.
        TypeError: for a leaf that is no array, such as a function of an Equinox model, and for what
            is no selector.

    Warns:
        UserWarning: if "first", "last" or a depth selects a layer that only scales and shifts. The
            message names the next layer with weights.

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
    if not (groups is None or isinstance(groups, Mapping)):
        raise TypeError(
            f"`groups` must be a dict from label to selector, got {groups!r}. Write "
            f"{{'chosen': {groups!r}}}, and the `default` for all others."
        )
    nodes, treedef = jax.tree.flatten(params, is_leaf=_is_masked)
    paths = plain_paths(params, is_leaf=_is_masked)
    # A masked leaf is a node without leaves: partition must find nothing to label there.
    arrays = {path: node for path, node in zip(paths, nodes, strict=True) if not _is_masked(node)}
    for path, array in arrays.items():
        if not is_number(array):
            check_array(f"params/{'/'.join(path)}" if path else "params", array)
    layers = in_order([layer_of(path) for path in arrays])
    if groups is None:
        labels = {path: layer_name(layer_of(path)) for path in arrays}
    else:
        labels = {path: first_match(groups, path, layers, default) for path in arrays}
        _check_all_used(groups, labels, layers)
        warn_of_normalisation(groups, layers, arrays)
        warn_of_names(groups, layers)
    leaves = [labels.get(path, optax.MaskedNode()) for path in paths]
    return jax.tree.unflatten(treedef, leaves)


def _is_masked(node: Any) -> bool:
    return isinstance(node, optax.MaskedNode)


def _check_all_used(
    groups: Mapping[str, Selector], labels: Mapping[Path, str | None], layers: list[Path]
) -> None:
    if not labels:
        return  # nothing to label: an empty or masked tree, or the probe of `optax.tree.map_params`
    known = f"The layers, in order, are {[layer_name(layer) for layer in layers]}."
    # An empty list matches nothing either.
    each = [(label, one) for label in groups for one in selectors(groups[label]) or [groups[label]]]
    for label, one in each:
        if not any(matches(one, path, layers) for path in labels):
            raise ValueError(
                f"`groups[{label!r}]`={one!r} matches no parameter. Use 'first', 'last', a "
                f"depth, or a pattern for a path such as {'/'.join(next(iter(labels)))!r}. {known}"
            )
    left = [path for path, label in labels.items() if label is None]
    if left:
        places = ["/".join(path) for path in left]
        others = list(dict.fromkeys(layer_name(layer_of(path)) for path in left))
        raise ValueError(
            f"No group in `groups` matches the parameters {places}. Add a group for them, "
            f"`label_layers(params, {{..., 'others': {others}}})`, or pass `default`: "
            f"`label_layers(params, {dict(groups)}, default='others')`. The partition needs a "
            "transformation for this label too, such as `optax.set_to_zero()`, which keeps them as "
            f"they are. {known}"
        )
