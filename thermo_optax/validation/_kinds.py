"""What a transformation is a sampler of: one set of parameters, tempered ones, or a ladder."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from thermo_optax._base import check_no_clock, one_answer

PLATEAU = 0.4  # of alpha, below which the bath of `continuous_tempering` is at T, as by default


class Kind(NamedTuple):
    """How chains of a transformation start, and which of their ends count."""

    heats: np.ndarray | None  # temperatures of the rungs over the first, of `replica_exchange`
    tempered: bool  # whether there is a tempering variable


@jax.tree_util.register_pytree_node_class
class _NoArrays:
    """Parameters without arrays, as `optax.tree.map_params` has them."""

    def tree_flatten(self):
        return (), None

    @classmethod
    def tree_unflatten(cls, aux, children):
        del aux, children
        return cls()


def kind_of(tx: optax.GradientTransformation, params: Any) -> Kind:
    """Told by the state; replicas are a neighbour on this floor, so by the names of states."""
    try:
        state = jax.eval_shape(tx.init, params)
    except ValueError:
        # The parameters of an exchange have an axis of replicas, which these have not.
        try:
            state = tx.init(_NoArrays())  # pyright: ignore[reportArgumentType]
        except Exception:  # whatever it is, it is not that
            state = None
        if not _states(state, "ReplicaExchangeState"):
            raise
    check_no_clock(
        "validate",
        state,
        "The end of a run of equally many steps is no sample there. Compare means that are "
        "weighted by `time_weight` with moments that you know.",
    )
    tempered = bool(_states(state, "TemperingState"))
    if not _states(state, "ReplicaExchangeState"):
        return Kind(None, tempered)
    (exchange,) = _states(tx.init(_NoArrays()), "ReplicaExchangeState")  # pyright: ignore
    values = np.asarray(exchange.ladder.get("temperature", np.ones(len(exchange.rung))))
    return Kind(values / values[0], tempered)


def cold_replica(state: Any, tree: Any) -> Any:
    """The parameters on the first rung."""
    (exchange,) = _states(state, "ReplicaExchangeState")
    replica = jnp.argmax(exchange.rung == 0)
    return jax.tree.map(lambda leaf: leaf[replica], tree)


def on_rungs(state: Any, by_rung: jax.Array) -> jax.Array:
    """An array by rung as one by replica."""
    (exchange,) = _states(state, "ReplicaExchangeState")
    return by_rung[exchange.rung]


def counts(state: Any, collect_if: Callable[[Any], Any] | None) -> jax.Array:
    """Whether the parameters with this state are samples of the law: bool[]."""
    if collect_if is not None:
        return one_answer("collect_if", collect_if(state)).astype(jnp.bool_)
    alphas = [node.alpha for node in _states(state, "TemperingState")]
    return jnp.all(jnp.abs(jnp.asarray(alphas or [0.0])) < PLATEAU)


def _states(state: Any, name: str) -> list[Any]:
    return [node for _, node in optax.tree.get_all_with_path(state, name)]
