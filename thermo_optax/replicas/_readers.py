"""What a state of replica exchange says."""

from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.core import Tracer

from thermo_optax._base import (
    check_array,
    check_choice,
    check_not_empty,
    check_one,
    rows_at,
    states_of,
)

from ._records import EnergyRecord, ReplicaExchangeState
from ._swaps import replica_at

Params = TypeVar("Params")  # any tree of arrays


class SwapAcceptance(NamedTuple):
    """How often neighbouring rungs exchange replicas, by pair, since the ladder moved last."""

    attempts: jax.Array  # int32[num_rungs - 1]
    rate: jax.Array  # float32[num_rungs - 1], accepted / attempts; NaN without attempts
    probability: jax.Array  # float32[num_rungs - 1], mean of min(1, ratio): less noise than `rate`


def only_exchange(state: Any) -> ReplicaExchangeState:
    """The one state of `replica_exchange` in a state, also if that is of several runs."""
    found = states_of(state, ReplicaExchangeState, "replica_exchange")
    if len(found) > 1:
        raise ValueError(
            f"`state` has {len(found)} of `replica_exchange`, one beside the other, and replicas "
            "stand on other rungs in each. Pass the part of the state with one of them."
        )
    return found[0]


def exchange_state(state: Any) -> ReplicaExchangeState:
    """The state of `replica_exchange` within the state of a chain or another wrapper."""
    found = only_exchange(state)
    check_one([found])
    return found


def replica_hyperparams(state: Any) -> dict[str, jax.Array]:
    r"""The hyperparameters of each replica now: what a training step reads for its model.

    .. math::
        h_r = \text{ladder}[k(r)]

    Args:
        state: the state of `replica_exchange`, or of a chain with it.

    Returns:
        Name -> values, float32[num_replicas], in the order of the replicas.

    Raises:
        ValueError: if there is no `replica_exchange` in the state, or several.

    Examples:
        >>> import jax.numpy as jnp, optax
        >>> import thermo_optax as to
        >>> ladder = {"dropout_rate": [0.1, 0.2, 0.3]}
        >>> tx = to.replica_exchange(
        ...     optax.sgd(0.1), ladder, model_hyperparams=("dropout_rate",), key=0
        ... )
        >>> state = tx.init(jnp.zeros((3, 5)))
        >>> print(to.replica_hyperparams(state)["dropout_rate"])  # vmap the loss over these
        [0.1 0.2 0.3]

    References:
        Pushkarov et al., 2019, Algorithm 1.
    """
    found = exchange_state(state)
    return {name: value[found.rung] for name, value in found.ladder.items()}


def by_rung(state: Any, tree: Any) -> Any:
    """A tree with a leading replica axis, put in the order of the rungs: the coldest first.

    Samples of the law at the first rung's temperature are ``by_rung(state, params)[0]``, whoever
    stands there. Pass a state and parameters from the same side of ``update`` (both before, or both
    after), because swaps happen inside of it. Samples and
    moments that were collected over time are not sorted by the rungs of now: collect them by
    rung, ``collect_samples(replica_exchange(...), n, rung=0)``.

    Args:
        state: the state of `replica_exchange`, or of a chain with it.
        tree: arrays with a leading axis of replicas: parameters, losses, readings.

    Returns:
        The tree, with a leading axis of rungs.

    Raises:
        ValueError: if there is no `replica_exchange` in the state, or the tree is not of its
            replicas.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> tx = to.replica_exchange(
        ...     to.sgld(0.1, 1.0, key=0), {"temperature": [1.0, 2.0]}, swap_period=1,
        ...     normalization=0.0, key=1,
        ... )
        >>> x = jnp.array([10.0, 20.0])
        >>> state = tx.init(x)
        >>> for _ in range(2):  # C = 0 accepts every swap; the first round follows an update
        ...     _, state = tx.update(x, state, x, value=x)
        >>> print(to.by_rung(state, x))
        [20. 10.]

    References:
        Syed et al., `Non-Reversible Parallel Tempering <https://arxiv.org/abs/1905.02939>`_, 2021,
        on the index process.
    """
    _check_replicas(state, "tree", tree)
    order = replica_at(exchange_state(state).rung)
    return jax.tree.map(lambda leaf: rows_at(leaf, order), tree)


def _check_replicas(state: Any, name: str, tree: Any) -> None:
    """Arrays must be of the replicas as they are now, not samples of theirs in the past."""
    size = exchange_state(state).rung.shape[0]
    remedy = (
        "Samples of a rung are kept by `collect_samples(replica_exchange(...), ..., rung=0)`, and "
        "moments by `running_moments(replica_exchange(...), rung=0)`."
    )
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        check_array(f"{name}{jax.tree_util.keystr(path)}", leaf)
        if jnp.shape(leaf)[:1] != (size,):
            raise ValueError(
                f"`{name}{jax.tree_util.keystr(path)}` must have a first axis of {size}, one entry "
                f"for each replica, but has shape {jnp.shape(leaf)}. {remedy}"
            )
    inside = optax.tree.get_all_with_path(
        exchange_state(state).inner_state, "CollectedSamplesState"
    )
    for _, node in inside:
        axes = [[jnp.ndim(leaf) for leaf in jax.tree.leaves(each)] for each in (node.samples, tree)]
        if axes[0] == axes[1]:
            raise ValueError(
                f"`{name}` has the axes of the samples that each replica collected, on whichever "
                f"rungs it stood; the rungs of now cannot sort them. {remedy}"
            )


def best_replica(state: Any, params: Params, *, by: str = "lowest") -> Params:
    r"""The parameters of the best replica, among those that are finite now.

    .. math::
        r^* = \arg\min_r \min_t L_r(t)

    A replica whose parameters or whose latest loss are not finite is never the best, whatever its
    losses were before.

    Args:
        state: the state of `replica_exchange`, or of a chain with it.
        params: the parameters of all replicas, as they are now.
        by: "lowest": the replica that has had the lowest loss so far (of minibatches, the luckiest:
            exchange by a validation loss instead); "latest": the lowest of the latest losses.

    Returns:
        The parameters of one replica, without the replica axis. Under ``jit``, where nothing can be
        raised, they are NaN if no replica has a finite loss and finite parameters.

    Raises:
        ValueError: for an unknown `by`, if there is no `replica_exchange` in the state, if the
            parameters are not of its replicas, if it has seen no loss yet, or if no replica is
            finite.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> tx = to.replica_exchange(
        ...     to.sgld(0.0001, 1.0, key=0), {"temperature": [1.0, 2.0, 4.0]}, key=1
        ... )
        >>> params = jnp.array([5.0, 3.0, 4.0])
        >>> _, state = tx.update(params, tx.init(params), params, value=params**2)
        >>> print(to.best_replica(state, params))
        3.0

    References:
        Pushkarov et al., 2019, whose results are those of the best replica.
    """
    check_choice("by", by, ("lowest", "latest"))
    check_not_empty("params", params)
    _check_replicas(state, "params", params)
    energies = exchange_state(state).energies
    losses, rest = energies.lowest, energies.lowest_rest
    if by == "latest":
        losses = rest = energies.excess
    sound = jnp.isfinite(losses) & jnp.isfinite(energies.latest) & _are_finite(params)
    found = jnp.any(sound)
    if not isinstance(found, Tracer) and not found:
        raise ValueError(_no_best(energies))
    losses = jnp.where(sound, losses, jnp.inf)
    best = jnp.argmin(jnp.where(losses == jnp.min(losses), rest, jnp.inf))

    def chosen(leaf):
        one = rows_at(leaf, best)
        return jnp.where(found, one, jnp.nan) if jnp.issubdtype(one.dtype, jnp.floating) else one

    return jax.tree.map(chosen, params)


def _are_finite(params: Any) -> jax.Array:
    """bool[num_replicas], by all parameters of each."""
    leaves = [jnp.asarray(leaf) for leaf in jax.tree.leaves(params)]
    checks = [jnp.all(jnp.isfinite(leaf), axis=tuple(range(1, leaf.ndim))) for leaf in leaves]
    return jnp.all(jnp.stack(checks), axis=0)


def _no_best(energies: EnergyRecord) -> str:
    if not np.any(energies.faults) and np.all(np.isinf(energies.lowest)):
        return (
            "`state` has seen no losses yet: call `update` with `value`, or with "
            '`energy`="value_fn" until a round of swaps is due, and ask again.'
        )
    return (
        f"no replica of `state` has finite parameters and a finite latest loss, which are "
        f"{energies.latest}: go back to parameters saved before. `state.energies.faults` counts "
        "the losses that were not finite by replica."
    )


def swap_acceptance(state: Any) -> SwapAcceptance:
    r"""How often the pairs of neighbouring rungs accepted a swap.

    .. math::
        a_k = \frac{1}{n_k} \sum \min(1, e^{(\beta_k - \beta_{k+1}) (L_k - L_{k+1})})

    Args:
        state: the state of `replica_exchange`, or of a chain with it.

    Returns:
        The :class:`SwapAcceptance`, since the ladder moved last. ``1 - probability`` is what
        `communication_barrier` takes.

    Raises:
        ValueError: if there is no `replica_exchange` in the state, or several.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> ladder = {"temperature": [1.0, 2.0]}
        >>> tx = to.replica_exchange(to.sgld(0.1, 1.0, key=0), ladder, swap_period=1, key=1)
        >>> x = jnp.array([1.0, 1.0])  # equal losses: always accepted
        >>> state = tx.init(x)
        >>> for _ in range(4):  # of three rounds the second tries the odd pairs: there are none
        ...     _, state = tx.update(x, state, x, value=x)
        >>> print(to.swap_acceptance(state).rate, state.swaps.attempts)
        [1.] [2]

    References:
        Syed et al., `Non-Reversible Parallel Tempering <https://arxiv.org/abs/1905.02939>`_, 2021.
    """
    # Each number for itself, so that those of vmapped exchanges are right, too.
    swaps = jax.tree.map(jnp.asarray, only_exchange(state).swaps)  # NumPy warns of 0 / 0
    tries = swaps.attempts.astype(jnp.float32)
    accepted = swaps.acceptances.astype(jnp.float32)
    return SwapAcceptance(swaps.attempts, accepted / tries, swaps.probability / tries)
