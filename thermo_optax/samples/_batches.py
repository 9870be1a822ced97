"""Which examples make up the minibatch of a step: a function of key and step, without a state."""

import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from thermo_optax._base import check_choice, check_integer, check_size, known
from thermo_optax._noise import KeyLike, check_key, fold, replica_key, stream_key

from ._shuffling import drawn, grid_of, shuffled

ORDERS = ("reshuffled", "symmetric", "replacement")
_MOST = 2**31 - 1  # indices are int32


class BatchIndices(NamedTuple):
    """The examples of one minibatch, of which mean(weights * losses) is the loss."""

    indices: jax.Array  # int32[batch_size / process_count], from 0 to num_examples - 1
    weights: jax.Array  # float32[batch_size / process_count], 0 for a place that is only filled


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["words", "process_index"],
    meta_fields=["num_examples", "batch_size", "order", "process_count"],
)
@dataclasses.dataclass(frozen=True, eq=False)
class BatchOrder:
    """What `batch_order` returns: a function of the step, and a pytree that `jax.vmap` takes."""

    words: jax.Array  # uint32[2], the key
    process_index: jax.Array  # int32[], which part of each batch
    num_examples: int
    batch_size: int  # of all processes together
    order: str
    process_count: int

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which every example is seen once; with replacement, once on average."""
        return -(-self.num_examples // self.batch_size)

    @property
    def cancels_after(self) -> int | None:
        """Steps in which the errors of the batches add up to 0; None with replacement."""
        return None if self.order == "replacement" else self.steps_per_epoch

    def __call__(
        self, step: jax.typing.ArrayLike, chain: jax.typing.ArrayLike | None = None
    ) -> BatchIndices:
        """The minibatch of a step, which counts from 0: an integer, traced or not.

        With the number of a chain, from 0: of an order of its own, as if it had its own key.
        """
        step = _counted("step", step)
        order = self
        if chain is not None:
            words = replica_key(self.words, _counted("chain", chain).astype(jnp.uint32))
            order = dataclasses.replace(self, words=words)
        return _batch(order, step.astype(jnp.result_type(int)))


def batch_order(
    num_examples: int,
    batch_size: int,
    *,
    order: str = "reshuffled",
    process_index: jax.typing.ArrayLike = 0,
    process_count: int = 1,
    key: KeyLike,
) -> BatchOrder:
    r"""The order in which minibatches visit the data, as a pure function of key and step.

    .. math::
        \frac{1}{S} \sum_{t = e S}^{(e + 1) S - 1} \frac{1}{B} \sum_{i=1}^{B} w_{ti}\,
        \nabla \ell_{j_{ti}}(x) = \frac{1}{N} \sum_{j=1}^{N} \nabla \ell_j(x), \qquad
        S = \lceil N / B \rceil

    The orders without replacement keep this equation exactly, in every epoch e. For a sampler the
    order of the batches counts: errors of the gradient that cancel within an epoch heat much less
    than independent ones. In a harmonic well the variance of `langevin` exceeds the right one by a
    share of order h (the step size) with replacement, h^3 reshuffled and h^4 symmetric; that of
    `sgld` by a share of order 1, 2 and 2 in its learning rate.

    Any number of examples goes: an epoch has S batches of N / S examples each, some with one more.
    Places that are left in a batch are filled with other examples of weight 0, and those that count
    have the weight S B / N. Where B divides N all weights are 1, and need not be used.

    Nothing is stored and nothing is sorted: a step costs O(B), whatever N is. The same step gives
    the same batch on any device, compiled or not, so the number of steps is all that a run needs
    to be resumed.

    Args:
        num_examples: N, from 1 to 2^31 - 1.
        batch_size: B, from 1 to N, of all processes together.
        order: "reshuffled" visits all examples in a new random order in each epoch; "symmetric"
            visits the batches of a random order forward and then backward, two epochs for one
            shuffle; "replacement" draws every example independently.
        process_index: which part of each batch, from 0 to process_count - 1; may be traced.
            `jax.process_index()` on a cluster.
        process_count: into how many equal parts each batch is cut; divides B. The parts are
            disjoint, and one after the other they are the batch of one process.
        key: an int, a typed key or a raw uint32 key; may be traced. Chains with keys of their own
            have orders of their own. Required.

    Returns:
        A :class:`BatchOrder`: ``indices, weights = order(step)``, with ``order.steps_per_epoch``.
        ``order(step, chain)``, as `run_chains` calls it, gives each chain an order of its own.

    Raises:
        ValueError: for no data, a batch size outside of 1 to N, an unknown order, a process index
            outside, a number of processes that does not divide the batch, or a step that is no
            integer.
        TypeError: for a missing key, or a traced step that is no integer.

    Examples:
        >>> import jax, jax.numpy as jnp
        >>> import thermo_optax as to
        >>> data = jnp.arange(10.0)
        >>> order = to.batch_order(10, 4, order="symmetric", key=0)
        >>> def mean_of_a_batch(step):
        ...     indices, weights = order(step)
        ...     return jnp.mean(weights * data[indices])
        >>> means = jax.vmap(mean_of_a_batch)(jnp.arange(2 * order.steps_per_epoch))
        >>> print(means[:3].mean(), means[3:].mean())  # an epoch forward, and one backward
        4.5 4.5
        >>> print(bool(jnp.all(means[:3] == means[:2:-1])))
        True

        Chains that differ have keys that differ:

        >>> def first_batch(key):
        ...     return to.batch_order(50_000, 128, key=key)(0).indices
        >>> print(jax.vmap(first_batch)(jax.random.split(jax.random.key(0), 4)).shape)
        (4, 128)

    References:
        Paulin, Whalley, Chada and Leimkuhler, `Sampling from Bayesian Neural Network Posteriors
        with Symmetric Minibatch Splitting Langevin Dynamics
        <https://arxiv.org/abs/2410.19780>`_, 2024.
    """
    check_size(1, "There must be data to draw from.", num_examples=num_examples)
    check_size(1, "Pass 128, say.", batch_size=batch_size)
    check_choice("order", order, ORDERS)
    check_size(1, "Pass 1 on a single machine.", process_count=process_count)
    check_integer(0, "Pass `jax.process_index()`, or 0.", process_index=process_index)
    if num_examples > _MOST:
        raise ValueError(
            f"`num_examples` must be at most 2^31 - 1, got {num_examples}: indices are int32. "
            "Split the data, and take an order for each part."
        )
    if batch_size > num_examples:
        raise ValueError(
            f"`batch_size` must be at most the number of examples, {num_examples}, got "
            f"{batch_size}. Pass a smaller one, or take the full gradient."
        )
    if batch_size % process_count:
        raise ValueError(
            f"`process_count` must divide `batch_size`, got {process_count} and {batch_size}. Pass "
            f"a batch size of {-(-batch_size // process_count) * process_count}, say."
        )
    place = known(process_index)
    if place is not None and place >= process_count:
        raise ValueError(
            f"`process_index` must be below `process_count`, got {process_index} of "
            f"{process_count}. Processes count from 0."
        )
    check_key(key)
    return BatchOrder(
        words=stream_key(key, "batch_order", ()),
        process_index=jnp.asarray(process_index, jnp.int32),
        num_examples=int(num_examples),
        batch_size=int(batch_size),
        order=order,
        process_count=int(process_count),
    )


def _counted(name: str, number: jax.typing.ArrayLike) -> jax.Array:
    """The number of a step or of a chain, as an array."""
    check_integer(0, f"Pass the number of the {name}, counted from 0.", **{name: number})
    # NumPy's and JAX's integers, too: as an int32 they would wrap around without a word.
    counted = known(number)
    if counted is not None and counted > jnp.iinfo(jnp.result_type(int)).max:
        raise ValueError(
            f"`{name}` must be at most 2^31 - 1, got {number}: it is an int32. `jax.enable_x64` "
            "makes it an int64; or go on from 0 with another key."
        )
    array = jnp.asarray(number)
    if not jnp.issubdtype(array.dtype, jnp.integer) or array.shape:
        raise TypeError(
            f"`{name}` must be a single integer, got {array.dtype} of shape {array.shape}. For "
            "several, `jax.vmap` over them."
        )
    return array


@jax.jit
def _batch(order: BatchOrder, step: jax.Array) -> BatchIndices:
    num, size, epoch_steps = order.num_examples, order.batch_size, order.steps_per_epoch
    part = size // order.process_count
    lanes = jnp.arange(part, dtype=jnp.uint32)
    lanes = lanes + (order.process_index * part).astype(jnp.uint32)
    # In `jax.shard_map` loops must start with numbers that vary over the mesh as the key does.
    lanes = lanes + (order.words[0] & np.uint32(0))
    if order.order == "replacement":
        indices = drawn(fold(order.words, step), lanes, num)
        return BatchIndices(indices.astype(jnp.int32), jnp.ones_like(lanes, jnp.float32))

    epoch, batch = jnp.divmod(step, np.asarray(epoch_steps, step.dtype))
    if order.order == "symmetric":
        batch = jnp.where(epoch % 2 == 0, batch, epoch_steps - 1 - batch)
        epoch = epoch // 2
    batch = batch.astype(jnp.uint32)
    # The first batches of an epoch have one example more than the others.
    least, longer = (np.uint32(number) for number in divmod(num, epoch_steps))
    start = batch * least + jnp.minimum(batch, longer)
    places = (start + lanes) % np.uint32(num)
    indices = shuffled(fold(order.words, epoch), places, grid_of(num))
    counts = lanes < least + (batch < longer).astype(jnp.uint32)
    weights = jnp.where(counts, np.float32(epoch_steps * size / num), np.float32(0))
    return BatchIndices(indices.astype(jnp.int32), weights)
