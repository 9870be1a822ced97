"""Which replicas of `replica_exchange` are kept: all, or those on a rung."""

import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from thermo_optax._base import check_integer, rows_at

Choice = Callable[[Any, Any], Any]


def replica_choice(rung: Any) -> Choice:
    """choose(params, state of the exchange that moved them) -> what is kept of the parameters."""
    if rung is None:
        return as_they_are
    if rung != "all":
        check_integer(0, 'Pass 0 for the coldest, or "all".', rung=rung)

    def choose(params, inner_state):
        rungs = _rungs(inner_state)
        size = len(rungs)
        if rung != "all" and rung >= size:
            raise ValueError(f"`rung` must be below {size}, the number of rungs, got {rung}.")
        order = jnp.argsort(rungs)  # the replica that stands on each rung
        place = order if rung == "all" else order[rung]
        return jax.tree.map(lambda leaf: rows_at(as_array(leaf), place), params)

    return choose


def as_they_are(params: Any, inner_state: Any) -> Any:
    """All replicas, in their order."""
    del inner_state
    return params


def warn_of_mixed_temperatures(inner_state: Any) -> None:
    """Warns that replicas, not rungs, are collected: their samples follow no law."""
    exchanges = optax.tree.get_all_with_path(inner_state, "ReplicaExchangeState")
    if any("temperature" in exchange.ladder for _, exchange in exchanges):
        warnings.warn(
            "the replicas of `replica_exchange` are collected as they are: each wanders over the "
            "ladder, so that its samples and moments mix temperatures, and `by_rung` cannot sort "
            'them afterwards. Pass `rung=0` for the coldest rung, or `rung="all"`.',
            stacklevel=4,
        )


def as_array(leaf: Any) -> jax.Array:
    """`init` is given mere shapes, too."""
    return jnp.zeros_like(leaf) if isinstance(leaf, jax.ShapeDtypeStruct) else leaf


def _rungs(inner_state: Any) -> jax.Array:
    # By its name: replicas are a floor above.
    found = optax.tree.get_all_with_path(inner_state, "ReplicaExchangeState")
    if len(found) != 1 or found[0][1].rung.ndim != 1:
        raise ValueError(
            f"`rung` needs one `replica_exchange` within what is collected, found {len(found)}: "
            "put it around the exchange, `collect_samples(replica_exchange(...), ..., rung=0)`."
        )
    return found[0][1].rung
