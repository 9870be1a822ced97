"""Replicas: one transformation over parameters with a leading axis, each entry with its own key."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.core import Tracer

from thermo_optax._base import check_array, check_nonnegative, check_size, heating, rows_at
from thermo_optax._noise import (
    KeyLike,
    is_replica,
    replica_axis,
    replica_key,
    single_key,
    streams_of,
)

from ._hyperparams import check_kept, check_names, with_hyperparams
from ._momenta import EVERYWHERE, Scale, factors, rescaled
from ._settings import as_array, check_values

# One number, or one for each replica. By shape nothing else is split: the data in a `grad_fn` may
# happen to have as many rows as there are replicas.
_BY_SHAPE = ("value", "temperature_scale")
_OF_PARAMETERS = "`init_replicas` makes such parameters; `jax.vmap` the loss over them."
_OF_ARGUMENTS = "Leave it out of `per_replica_args` if it serves all replicas."
_OF_STATE = "Call `init` with the parameters of these replicas."
_VARIANCE = [Scale(name, EVERYWHERE) for name in ("temperature", "mass")]  # of momenta
_TWO = "One replica alone needs no `replicate`; two are the least that can differ."


def replicate(
    tx: optax.GradientTransformation,
    num_replicas: int,
    *,
    hyperparams: Mapping[str, jax.typing.ArrayLike] | None = None,
    per_replica_args: tuple[str, ...] = (),
) -> optax.GradientTransformationExtraArgs:
    r"""Independent replicas of a transformation, in one compiled program.

    .. math::
        \theta_r \leftarrow \theta_r + \text{tx}_r(\nabla L(\theta_r)), \qquad r = 1 \ldots M

    Parameters, gradients and updates have a leading axis of M replicas, and so has every array of
    the state. Each replica has random keys of its own (folded with its number, at every depth of
    wrappers) and, where given, hyperparameters of its own. Functions for one replica read a state
    by ``jax.vmap``: ``jax.vmap(to.diagnostics.kinetic_temperature)(state)``.

    Args:
        tx: any transformation, ours or optax's.
        num_replicas: M >= 1.
        hyperparams: name -> values, float[num_replicas], of hyperparameters that
            ``optax.inject_hyperparams`` around (or within) `tx` keeps in the state. ``init`` writes
            them there, and first momenta have a "temperature" and a "mass" of their own replica
            (those of a `tx` that was built at temperature 0 are at rest); in a run that goes on,
            those in the state count.
        per_replica_args: names of extra arguments of ``update`` that have one entry for each
            replica: trees whose arrays all have a first axis of M. Each replica gets its own. Every
            call of ``update`` must have them.

    Returns:
        A transformation whose state is that of `tx` with a leading replica axis. Of the extra
        arguments of ``update``, a `value` and a `temperature_scale` with a first axis of M are
        given out, too (``value=losses``, one for each). All others serve every replica as they are,
        whatever their shapes: data, functions, and the arrays in a ``jax.tree_util.Partial``.

    Raises:
        ValueError: for no replicas, parameters without the replica axis, values of another number,
            a hyperparameter that `tx` does not have (the message lists those it has) or keeps as an
            integer, or an argument of `per_replica_args` that is missing or lacks the replica axis.

    Examples:
        >>> import jax, jax.numpy as jnp, optax
        >>> import thermo_optax as to
        >>> make = optax.inject_hyperparams(to.sgld)
        >>> rates = jnp.array([0.1, 0.2, 0.4])
        >>> tx = to.replicate(make(0.1, 0.0, key=0), 3, hyperparams={"learning_rate": rates})
        >>> params = jnp.ones((3, 2))  # three replicas of two weights
        >>> state = tx.init(params)
        >>> updates, state = tx.update(params, state, params)
        >>> print(updates[:, 0])
        [-0.1 -0.2 -0.4]

    References:
        Pushkarov et al., `Training Deep Neural Networks by optimizing over nonlocal paths in
        hyperparameter space <https://arxiv.org/abs/1909.04013>`_, 2019, whose comparison is the
        same replicas without swaps.
    """
    check_size(1, _TWO, num_replicas=num_replicas)
    tx = heating(tx, needs_bath=False)
    own = (per_replica_args,) if isinstance(per_replica_args, str) else tuple(per_replica_args)
    values = _per_replica(hyperparams, num_replicas)

    def init(params):
        check_replica_axis("params", params, num_replicas)
        shapes = [isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves(params)]

        def one(index, params):
            return _with_own_keys(tx.init(params), index)

        replicas, axis = jnp.arange(num_replicas, dtype=jnp.uint32), replica_axis()
        replicas = split_like(params, replicas)
        if any(shapes):  # mere shapes cannot be mapped over, and need not be: all are alike
            params = of_one(params)
            state = jax.vmap(lambda index: one(index, params), axis_name=axis)(replicas)
        else:
            state = jax.vmap(one, axis_name=axis)(replicas, params)
        if len(streams_of(state)) > 1 and not is_replica():
            jax.eval_shape(tx.init, of_one(params) if not any(shapes) else params)  # asks of noise
        hear_of_rounding(tx, params)
        check_names(values, state)
        check_kept(values, state)
        drawn = placed_like(tx, state, params)
        placed = with_hyperparams(drawn, values)
        changed = [scale for scale in _VARIANCE if scale.name in values]
        return rescaled(placed, factors(changed, drawn, placed, 1.0)) if changed else placed

    def update(updates, state, params=None, **extra_args):
        for name, tree in {"updates": updates, "params": params}.items():
            check_replica_axis(name, tree, num_replicas)
        check_replica_axis("state", state, num_replicas, _OF_STATE)
        extra_args |= {name: as_array(extra_args[name]) for name in _BY_SHAPE if name in extra_args}
        check_scale(extra_args.get("temperature_scale", 1.0))
        _check_given(own, extra_args)
        each = {name: arg for name, arg in extra_args.items() if name in own}
        for name, arg in each.items():
            check_replica_axis(name, arg, num_replicas, _OF_ARGUMENTS)
        for name in _BY_SHAPE:
            if name in extra_args and np.shape(extra_args[name])[:1] == (num_replicas,):
                each[name] = extra_args[name]
        same = {name: arg for name, arg in extra_args.items() if name not in each}

        def one(updates, state, params, each):
            return tx.update(updates, state, params, **each, **same)

        state, each = split_like(updates, (state, each))
        return jax.vmap(one)(updates, state, params, each)

    return optax.GradientTransformationExtraArgs(init, update)


def init_replicas(init_fn: Callable[[jax.Array], Any], key: KeyLike, num_replicas: int) -> Any:
    r"""Parameters of several replicas, each initialised with a key of its own.

    .. math::
        \theta_r = \text{init}(k_r), \qquad k_r \text{ split from } k

    Args:
        init_fn: one typed key -> parameters: ``lambda key: model.init(key, x)`` for Flax linen,
            ``lambda key: nnx.state(Net(nnx.Rngs(key)), nnx.Param)`` for Flax NNX,
            ``lambda key: eqx.nn.MLP(2, 1, 8, 2, key=key)`` for Equinox, or a function of your own.
            Leaves that are not arrays (activation functions) are kept as they are.
        key: an int, a typed key or a raw uint32 key.
        num_replicas: M >= 1.

    Returns:
        The tree of `init_fn`, with a leading axis of M at every array.

    Raises:
        ValueError: for no replicas, or a malformed key.
        TypeError: for a missing key.

    Examples:
        >>> import jax
        >>> import thermo_optax as to
        >>> params = to.init_replicas(lambda key: {"w": jax.random.normal(key, (3, 2))}, 0, 8)
        >>> print(params["w"].shape)
        (8, 3, 2)

    References:
        Pushkarov et al., 2019: replicas start from different weights.
    """
    check_size(1, _TWO, num_replicas=num_replicas)
    rest: list[Any] = []

    def arrays(key):
        leaves, structure = jax.tree.flatten(init_fn(key))
        rest[:] = [structure, [None if _is_array(leaf) else leaf for leaf in leaves]]
        return [leaf if _is_array(leaf) else None for leaf in leaves]

    stacked = jax.vmap(arrays)(jax.random.split(single_key(key), num_replicas))
    structure, others = rest
    leaves = [other if leaf is None else leaf for leaf, other in zip(stacked, others, strict=True)]
    return jax.tree.unflatten(structure, leaves)


def check_replica_axis(
    name: str, tree: Any, num_replicas: int, remedy: str = _OF_PARAMETERS
) -> None:
    """Every leaf must have a first axis of one entry for each replica."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        place = name + jax.tree_util.keystr(path)
        check_array(place, leaf)
        if jnp.shape(leaf)[:1] != (num_replicas,):
            raise ValueError(
                f"`{place}` must have a first axis of "
                f"{num_replicas}, one entry for each replica, but has shape {jnp.shape(leaf)}. "
                + remedy
            )


def _check_given(own: tuple[str, ...], extra_args: Mapping[str, Any]) -> None:
    """A name that is never given is misspelt: the argument that is meant would serve them all."""
    missing = [name for name in own if name not in extra_args]
    if missing:
        raise ValueError(
            f"`per_replica_args` names {missing}, but this `update` was given {list(extra_args)} "
            "only. Name the arguments as they are passed, and pass them in every call."
        )


def hear_of_rounding(tx: optax.GradientTransformation, params: Any) -> None:
    """Makes one replica alone, for its warning of half precision: in a map numbers are unknown."""
    leaves = jax.tree.leaves(params)
    known = all(isinstance(leaf, jax.Array) and not isinstance(leaf, Tracer) for leaf in leaves)
    if known and any(leaf.dtype.itemsize < 4 for leaf in leaves):
        tx.init(jax.tree.map(lambda leaf: rows_at(leaf, jnp.int32(0)), params))


def check_scale(scale: Any) -> None:
    """A factor of temperatures, one for all replicas or for each, where it is known."""
    if isinstance(scale, Tracer):
        return  # within the map a number becomes one, which the samplers cannot check
    for one in np.ravel(scale).tolist():
        check_nonnegative(temperature_scale=one)


def _per_replica(hyperparams, num_replicas: int) -> dict[str, jax.Array]:
    values = {name: jnp.asarray(value) for name, value in (hyperparams or {}).items()}
    for name, value in values.items():
        if value.shape != (num_replicas,):
            raise ValueError(
                f"`hyperparams[{name!r}]` must have {num_replicas} values, one for each replica, "
                f"but has shape {value.shape}."
            )
        of_variance = name in {scale.name for scale in _VARIANCE}
        check_values(f"hyperparams[{name!r}]", value, least=0 if of_variance else -np.inf)
    return values


def _with_own_keys(state: Any, index: jax.Array) -> Any:
    """Folds the replica index into every `rng_key`, including those of optax transformations."""

    def own(path, leaf):
        if not path or path[-1] != jax.tree_util.GetAttrKey("rng_key"):
            return leaf
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return _over(jax.random.fold_in, leaf.ndim)(leaf, index)
        if leaf.shape[-1:] == (2,):  # replicas within replicas have several
            return _over(replica_key, leaf.ndim - 1)(leaf, index)
        return leaf ^ index  # of a generator with keys of four words

    return jax.tree_util.tree_map_with_path(own, state)


def _over(fold: Callable, axes: int) -> Callable:
    """A function of one key and a number, for an array of keys."""
    for _ in range(axes):
        fold = jax.vmap(fold, (0, None))
    return fold


def placed_like(tx, state: Any, params: Any) -> Any:
    """The state with its copies of parameters on the devices of these: `vmap` forgets them."""
    leaves = jax.tree.leaves(params)
    known = [isinstance(leaf, jax.Array) and not isinstance(leaf, Tracer) for leaf in leaves]
    if not all(known) or all(len(leaf.sharding.device_set) == 1 for leaf in leaves):
        return state  # under jit the compiler places them

    def place(copy, param):
        return jax.device_put(copy, param.sharding) if copy.shape == param.shape else copy

    return optax.tree.map_params(tx, place, state, params)


def split_like(reference: Any, tree: Any) -> Any:
    """The tree with its replicas on the devices of the reference's, where axes are explicit.

    `vmap` wants the mapped axis of all arrays split alike. Numbers by replica come unsplit.
    """
    splits = [split for split in map(_split_of_replicas, jax.tree.leaves(reference)) if split]
    if not splits:
        return tree
    mesh, axis = splits[0]

    def placed(leaf):
        rest = jax.typeof(leaf).sharding.spec[1:]
        there = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(axis, *rest))
        return jax.sharding.reshard(leaf, there)

    return jax.tree.map(placed, tree)


def _split_of_replicas(leaf: Any) -> tuple[Any, Any] | None:
    """The mesh, and its explicit axis over which the replicas of an array are split."""
    if isinstance(leaf, jax.ShapeDtypeStruct):
        return None
    sharding = jax.typeof(leaf).sharding
    explicit = jax.sharding.AxisType.Explicit in sharding.mesh.axis_types
    first = sharding.spec[0] if explicit and sharding.spec else None
    return None if first is None else (sharding.mesh, first)


def of_one(params: Any) -> Any:
    """The shapes of the parameters of one replica."""
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), params)


def _is_array(leaf: Any) -> bool:
    return hasattr(leaf, "dtype") and hasattr(leaf, "shape")
