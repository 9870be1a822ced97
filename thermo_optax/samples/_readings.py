"""The samples of a state, in the order in which they were collected."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.core import Tracer

from thermo_optax._base import check_one, merged, states_of

from ._collect import CollectedSamplesState


def collected_samples(state: Any, params: optax.Params | None = None) -> Any:
    """The samples that `collect_samples` kept, in the order of collection.

    For states at hand, outside of jit, since the number of samples becomes a shape; inside use
    `samples_and_mask`. The state of a run that was vmapped over chains is read as it is: its
    samples have the axis of the chains first. Where the chains collected different numbers, the
    newest of each are taken, as many as the shortest has.

    Args:
        state: the state of any transformation with `collect_samples` in it.
        params: the present parameters (of one replica where `rung` is a number), which complete the
            samples of a part of them: parameters that are not collected (in another group of a
            partition, or masked) are repeated as they are. Needed where there is more than one
            `collect_samples`, one for each group.

    Returns:
        A tree with leaves [n, ...], or [chains, n, ...]; n is at most `num_samples`.

    Raises:
        ValueError: if there is no `collect_samples` in the state, more than one and no `params`,
            groups that have collected different numbers of samples, at different steps that is, no
            sample at all, or `params` of another tree. Of one within another the outer one is read.
        TypeError: for a traced state.

    Examples:
        >>> import jax.numpy as jnp, optax
        >>> import thermo_optax as to
        >>> x = jnp.float32(0.0)
        >>> tx = to.collect_samples(optax.sgd(1.0), num_samples=3)
        >>> state = tx.init(x)
        >>> for _ in range(5):
        ...     updates, state = tx.update(jnp.float32(-1.0), state, x)
        ...     x = optax.apply_updates(x, updates)
        >>> print(to.collected_samples(state))
        [3. 4. 5.]

    References:
        Zhang et al., 2020, Algorithm 1, for the set of samples.
    """
    states = _collections(state)
    if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(states)):
        raise TypeError(
            "`state` is traced, so the number of its samples is not known: use "
            "`samples_and_mask` inside jit, or read the state outside of it."
        )
    numbers = {_number(each) for each in states}
    if len(numbers) > 1 or 0 in numbers:
        raise ValueError(
            f"`state` holds {sorted(numbers)} samples: it must hold at least one, and the same "
            "number in each group. Run past `burn_in`, with the same settings in each group."
        )
    (number,) = numbers
    # Rows that are full are as many, whatever the steps at which they were written.
    counts = [np.asarray(each.num_collected).tolist() for each in states]
    if any(count != counts[0] for count in counts):
        raise ValueError(
            f"the groups of `state` have collected {counts} samples, those overwritten since "
            "included, so that theirs are of different steps and no samples together. Collect with "
            "the same settings in each group, or put one `collect_samples` around the partition."
        )

    trees = [_newest(each, number) for each in states]
    axes = np.shape(states[0].num_collected)
    return _completed(trees, params, (*axes, number), len(axes))


def samples_and_mask(state: Any, params: optax.Params | None = None) -> tuple[Any, jax.Array]:
    """All rows of the samples in the order of collection, and which of them were collected.

    The same as `collected_samples` for use inside jit and vmap: shapes do not depend on the number
    of samples. The mask serves as the weights of `ensemble_predict`.

    Args:
        state: the state of any transformation with `collect_samples` in it; of one chain, or under
            `jax.vmap`.
        params: the present parameters (of one replica where `rung` is a number), which complete the
            samples of a part of them: parameters that are not collected (in another group of a
            partition, or masked) are repeated as they are.

    Returns:
        A tree with leaves [num_samples, ...], and bool[num_samples].

    Raises:
        ValueError: if there is no `collect_samples` in the state, or more than one: groups may have
            collected at different steps; for `params` of another tree; for the state of several
            chains outside of `jax.vmap`.

    Examples:
        >>> import jax.numpy as jnp, optax
        >>> import thermo_optax as to
        >>> x = jnp.zeros(2)
        >>> tx = to.collect_samples(optax.sgd(1.0), num_samples=3)
        >>> _, state = tx.update(-jnp.ones(2), tx.init(x), x)
        >>> samples, mask = to.samples_and_mask(state)
        >>> print(samples[0], mask)
        [1. 1.] [ True False False]

    References:
        Zhang et al., 2020, Algorithm 1, for the set of samples.
    """
    states = _collections(state)
    if len(states) > 1:
        raise ValueError(
            f"`state` has {len(states)} times `collect_samples` in it, and one mask cannot serve "
            "them all. Put one `collect_samples` around the partition."
        )
    check_one(states)
    (only,) = states
    length = jax.tree.leaves(only.samples)[0].shape[0]
    # The oldest sample is in the next row to be written, once all are full.
    first = jnp.where(only.num_collected > length, only.num_collected % length, 0)
    samples = jax.tree.map(lambda rows: jnp.roll(rows, -first, axis=0), only.samples)
    mask = jnp.arange(length, dtype=jnp.int32) < only.num_collected
    return _completed([samples], params, (length,), 0), mask


def _collections(state: Any) -> list[CollectedSamplesState]:
    """Those with samples of something: a group of a partition may be without parameters."""
    states = states_of(state, CollectedSamplesState, "collect_samples")
    found = [each for each in states if jax.tree.leaves(each.samples)]
    if not found:
        raise ValueError("`state` is of a tree without arrays, of which there are no samples.")
    return found


def _number(state: CollectedSamplesState) -> int:
    """Samples to read: the same number from each chain."""
    num_collected = np.asarray(state.num_collected)
    length = jax.tree.leaves(state.samples)[0].shape[num_collected.ndim]
    return int(min(np.min(num_collected), length))


def _newest(state: CollectedSamplesState, number: int) -> Any:
    """The newest samples in order, along the axis after those of the chains."""
    num_collected = np.asarray(state.num_collected)
    axis = num_collected.ndim
    last = num_collected[..., None] + np.arange(-number, 0)

    def rows_in_order(rows):
        index = (last % rows.shape[axis]).reshape(*last.shape, *[1] * (rows.ndim - axis - 1))
        return jnp.take_along_axis(rows, index, axis=axis)

    return jax.tree.map(rows_in_order, state.samples)


def _completed(trees: list[Any], params: Any, axes: tuple[int, ...], chain_axes: int) -> Any:
    """The samples of all groups as one tree, with the parameters that no group has."""
    if params is None:
        if len(trees) > 1:
            raise ValueError(
                f"`params` is required to read {len(trees)} `collect_samples` in one state: pass "
                "the present parameters, which tell how the groups fit together."
            )
        return trees[0]

    def repeated(param):
        lead, rest = param.shape[:chain_axes], param.shape[chain_axes:]
        with_axis = param.reshape(*lead, 1, *rest)
        return jnp.broadcast_to(with_axis, (*axes, *rest))

    return merged(params, trees, repeated)
