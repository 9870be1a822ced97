"""Chains of a posterior: how they start, and the loop that runs them."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.core import Tracer

from thermo_optax._base import (
    added,
    check_integer,
    check_leaves,
    check_not_empty,
    check_returned_loss,
    check_size,
    compute_dtype,
    has_clock,
    hashable,
    is_function,
    like,
    next_in_turn,
    rows_at,
    weight_of,
)
from thermo_optax._noise import KeyLike
from thermo_optax.diagnostics import Temperature, kinetic_temperature

from ._records import check_not_for_the_loss, shape_of_ladder
from ._replicate import (
    check_replica_axis,
    hear_of_rounding,
    init_replicas,
    placed_like,
    replicate,
    split_like,
)

_AGAIN = "Make chains with `init_chains` and the same `tx`."


class Chains(NamedTuple):
    """Chains that `init_chains` starts and `run_chains` moves: one tree, which can be saved."""

    count: jax.Array  # int32[], steps taken; after 2^31 - 1 it goes on from 2^30
    params: Any  # like the parameters of one chain, leaves [chains, ...]
    state: Any  # of the transformation, leaves [chains, ...]


class ChainTrace(NamedTuple):
    """What `run_chains` measured: means over the steps of each chunk, in NumPy arrays.

    With `adaptive_step` they are means over the time, in which steps count by their lengths.
    """

    count: np.ndarray  # int32[chunks], steps taken at the end of each chunk
    # float[chains, chunks], of the batches if there are any; where each chain is a ladder of
    # `replica_exchange`, float[chains, replicas, chunks]
    loss: np.ndarray
    # float[chains, chunks], kinetic; by group of a partition; None without momenta, and where each
    # chain is several replicas, which have no temperature together
    temperature: Any


class _Function(NamedTuple):
    """A function without the arrays that it holds: equal functions have one program."""

    structure: Any  # of a `jax.tree_util.Partial`, a `BatchOrder`, ...; of a plain function a leaf
    rest: tuple[Any, ...]  # its leaves, None for arrays

    def with_arrays(self, arrays: list[Any]) -> Any:
        """The function."""
        pairs = zip(self.rest, arrays, strict=True)
        return self.structure.unflatten([x if a is None else a for x, a in pairs])


class _Program(NamedTuple):
    """What the loop is compiled for."""

    tx: Any
    loss: _Function
    batches: _Function


def init_chains(
    tx: optax.GradientTransformation, params: Any, num_chains: int, *, key: KeyLike | None = None
) -> Chains:
    r"""Chains of one transformation, each with a start and a noise of its own.

    .. math::
        \theta_c = \text{init}(k_c), \qquad k_c \text{ split from } k, \qquad c = 1 \ldots M

    The noise of `tx` is that of `replicate`: its key is folded with the number of the chain. So the
    first chains of two calls share their noise, whatever the starts are: for more chains that are
    independent of these, give `tx` another key. Let chains start far from each other, for
    R-hat finds only differences that are there at the start.

    Args:
        tx: any transformation for the parameters of one chain: a sampler, a chain or partition, or
            `collect_samples` around one.
        params: a function of a typed key that returns the parameters of one chain, such as
            ``lambda key: model.init(key, x)``; or parameters with a leading axis of M at every
            array.
        num_chains: M >= 1.
        key: of the starts: an int, a typed key or a raw uint32 key. Required where `params` is a
            function.

    Returns:
        :class:`Chains`. Readers such as `collected_samples` take them as a state.

    Raises:
        ValueError: for no chains, parameters without the leading axis or without arrays, or a `key`
            that nobody reads.
        TypeError: for a missing key, or for parameters that are not real floating-point arrays.

    Examples:
        >>> import jax
        >>> import thermo_optax as to
        >>> tx = to.langevin(0.5, temperature=1.0, friction=1.0, key=0)
        >>> start = lambda key: {"w": jax.random.normal(key, (3, 2))}
        >>> chains = to.init_chains(tx, start, 4, key=1)
        >>> print(chains.params["w"].shape, chains.state.momentum["w"].shape)
        (4, 3, 2) (4, 3, 2)

    References:
        Vehtari et al., `Rank-normalization, folding, and localization: An improved R-hat
        <https://arxiv.org/abs/1903.08008>`_, 2021, on starts.
    """
    check_size(1, "Four show whether they agree.", num_chains=num_chains)
    if is_function(params):
        if key is None:
            raise TypeError(
                "`key` is required where `params` is a function: it draws the starts. Pass an int "
                "seed, `jax.random.key(seed)` or `jax.random.PRNGKey(seed)`."
            )
        params = init_replicas(params, key, num_chains)
    elif key is not None:
        raise ValueError(
            "`key` draws the starts where `params` is a function of a key; here the starts are "
            "given. Leave it out: the noise has the key of `tx`."
        )
    check_not_empty("params", params)
    check_replica_axis("params", params, num_chains, "Pass a function of a key, or stack them.")
    check_leaves("params", params)
    hear_of_rounding(tx, params)
    state = jax.jit(replicate(tx, num_chains).init)(params)  # op by op it would take many programs
    return Chains(jnp.zeros([], jnp.int32), params, placed_like(tx, state, params))


def run_chains(
    tx: optax.GradientTransformation,
    loss: Callable[..., jax.Array],
    chains: Chains,
    num_steps: int,
    *,
    batches: Callable[[jax.Array, jax.Array], Any] | None = None,
    chunk: int = 1_000,
    on_chunk: Callable[[Chains, ChainTrace], Any] | None = None,
) -> tuple[Chains, ChainTrace]:
    r"""Runs chains for some steps, from where they are.

    .. math::
        \theta_c \leftarrow \theta_c + \text{tx}\big(\nabla L(\theta_c, b(t, c))\big), \qquad
        c = 1 \ldots M

    The loop is compiled once, for any number of steps, and leaves the compiled program after each
    chunk, for what belongs to Python: a progress bar, a save. A run in two parts, also with a save
    between them, has the bits of a run in one: the step t goes on from the count in `chains`. The
    program is kept as long as `tx`, `loss` and `batches` are the same objects: define them once. An
    object without a hash, such as a dataclass that can be called, is compiled anew in each call.

    Two copies of `chains` are in memory during a chunk, the one before and the one after it.

    Args:
        tx: the transformation with which `chains` were made. Its `update` also gets
            ``value=``, the loss of each chain.
        loss: ``loss(params)``, or ``loss(params, batch)`` with `batches`, of one chain; a single
            number. With a mean over N examples the temperature of the posterior is 1 / N. Where
            each chain is a ladder of `replica_exchange`, one number for each replica, as
            ``jax.vmap(loss)`` returns; they decide on swaps, so its `energy` must be "value". It is
            given parameters only, so a ladder of what the loss itself reads, such as a dropout rate
            or a power of the likelihood (`model_hyperparams`), is refused: it needs a loop of your
            own.
        chains: those of `init_chains`, of a former run, or of a checkpoint.
        num_steps: n >= 1, steps to take now, one gradient each.
        batches: ``batches(step, chain)``, a function of two integers (int32[] and uint32[]) that
            jit can trace: the step, which counts from 0, and the number of the chain. A
            `batch_order` is one, and gives each chain an order of its own;
            ``lambda step, chain: order(step)`` gives all chains the same one. Large data are
            better not in a closure, which copies them into the program, but in arguments of a
            ``jax.tree_util.Partial``, here or for `loss`.
        chunk: steps from one reading of the trace to the next, at least 1. The last chunk may be
            shorter.
        on_chunk: ``on_chunk(chains, trace)``, called after each chunk, outside of jit, with the
            trace of this call so far.

    Returns:
        The chains after the steps, and a :class:`ChainTrace`.

    Raises:
        ValueError: for numbers below 1, a state that is not that of `tx`, a ladder that the loss
            would have to read, or a loss that is not a single number.
        TypeError: for `chains` that are none or are traced, or for a `loss`, `batches` or
            `on_chunk` that is no function.

    Examples:
        >>> import jax, jax.numpy as jnp
        >>> import thermo_optax as to
        >>> sampler = to.langevin(0.5, temperature=1.0, friction=1.0, key=0)
        >>> tx = to.collect_samples(sampler, num_samples=500, burn_in=100, thinning=4)
        >>> chains = to.init_chains(tx, lambda key: 3 * jax.random.normal(key, (2,)), 4, key=1)
        >>> loss = lambda x: jnp.sum(x**2) / 2  # of a normal law of variance 1
        >>> chains, trace = to.run_chains(tx, loss, chains, 2_100, chunk=100)
        >>> samples = to.collected_samples(chains)
        >>> print(samples.shape, bool(jnp.all(to.diagnostics.rhat(samples) < 1.02)))
        (4, 500, 2) True
        >>> print(bool(abs(trace.temperature[:, 1:].mean() - 1) < 0.05))
        True

    References:
        The loop is this package's own.
    """
    check_integer(1, "Pass the steps to take now.", num_steps=num_steps)
    check_integer(1, "Pass 1_000, say.", chunk=chunk)
    functions = {"loss": loss, "batches": batches, "on_chunk": on_chunk}
    for name, function in functions.items():
        if not callable(function) and (function is not None or name == "loss"):
            raise TypeError(f"`{name}` must be a function, got {function!r}.")
    _check_chains(tx, chains)
    parts = [_without_arrays(function) for function in (loss, batches)]
    program = _Program(tx, *(part for part, _ in parts))
    arrays = [found for _, found in parts]
    _check_loss(program, arrays, chains)

    counts: list[int] = []
    readings: list[Any] = []
    trace = ChainTrace(np.zeros(0, np.int32), np.zeros(0), None)
    for start in range(0, num_steps, chunk):
        length = min(chunk, num_steps - start)
        chains, means = _advanced(program, arrays, chains, np.int32(length))
        counts.append(int(chains.count))
        readings.append(jax.device_get(means))
        if on_chunk is not None or start + chunk >= num_steps:
            series = jax.tree.map(lambda *each: np.stack(each, axis=-1), *readings)
            trace = ChainTrace(np.array(counts, np.int32), *series)
        if on_chunk is not None:
            on_chunk(chains, trace)
    return chains, trace


@functools.partial(jax.jit, static_argnums=0)
def _advanced(program: _Program, arrays: list[Any], chains: Chains, length: jax.Array):
    """The chains some steps later, and the means of what was read in these steps.

    The number of steps is traced, so that one program serves all: compiled for another number it
    might round differently.
    """
    tx = replicate(program.tx, _number_of(chains))

    def step(done, carry):
        chains, means, times = carry
        values, grads = _slopes(program, arrays, chains)
        updates, state = tx.update(grads, chains.state, chains.params, value=values)
        params = optax.apply_updates(chains.params, updates)
        # The losses are those of the parameters before the step.
        weights = _times(chains.state), _times(state)
        times = jax.tree.map(lambda time, weight: added(time, weight, done), times, weights)
        pairs = zip(times, weights, strict=True)
        parts = [done + 1 if weight is None else time / weight for time, weight in pairs]

        def grown(part, mean, x):
            return added(mean, (x - mean) / like(part, x.dtype), done)

        means = tuple(
            jax.tree.map(functools.partial(grown, part), mean, x)
            for part, mean, x in zip(parts, means, _seen(values, state), strict=True)
        )
        # In turn: with a count that stays, all later steps would have one batch.
        return Chains(next_in_turn(chains.count), params, state), means, times

    def first(chains):
        seen = _seen(_slopes(program, arrays, chains)[0], chains.state)
        return seen, (_times(chains.state),) * 2

    nothing = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(first, chains))
    nothing = split_like(chains.params, nothing)
    chains = chains._replace(state=split_like(chains.params, chains.state))
    return jax.lax.fori_loop(0, length, step, (chains, *nothing))[:2]


def _slopes(program: _Program, arrays: list[Any], chains: Chains) -> tuple[jax.Array, Any]:
    """The loss and its gradient for each chain, on the batch of this step."""
    loss, batches = map(_Function.with_arrays, (program.loss, program.batches), arrays)

    def one(params, chain):
        batch = () if batches is None else (batches(chains.count, chain),)
        values, pull = jax.vjp(lambda params: loss(params, *batch), params)
        return values, *pull(jnp.ones_like(values))  # of replicas: the gradient of each one's own

    numbers = jnp.arange(_number_of(chains), dtype=jnp.uint32)
    return jax.vmap(one)(chains.params, split_like(chains.params, numbers))


def _seen(values: jax.Array, state: Any) -> tuple[jax.Array, Any]:
    """The losses of the chains, and the temperatures of their momenta if they have any."""

    def one(value, state):
        value = value.astype(compute_dtype(value.dtype))
        try:
            heat = kinetic_temperature(state)
        except ValueError:  # no momenta
            return value, None
        heats = jax.tree.map(
            lambda reading: reading.value,
            heat,
            is_leaf=lambda node: isinstance(node, Temperature),
        )
        return value, heats

    return jax.vmap(one)(values, split_like(values, state))


def _times(state: Any) -> jax.Array | None:
    """The time that the parameters of each chain stand for; None if all steps are equally long."""
    return jax.vmap(weight_of)(state) if has_clock(state) else None


def _number_of(chains: Chains) -> int:
    return jax.tree.leaves(chains.params)[0].shape[0]


_ARRAYS = (jax.Array, np.ndarray, np.generic)  # by class: a function may have a `dtype`, too


def _without_arrays(function: Any) -> tuple[_Function, list[Any]]:
    """A function without its arrays, and these."""
    leaves, structure = jax.tree.flatten(function)
    arrays = [leaf if isinstance(leaf, _ARRAYS) else None for leaf in leaves]
    pairs = zip(leaves, arrays, strict=True)
    rest = [hashable(leaf) if array is None else None for leaf, array in pairs]
    return _Function(structure, tuple(rest)), arrays


def _check_chains(tx: Any, chains: Any) -> None:
    if not isinstance(chains, Chains):
        raise TypeError(
            f"`chains` must be what `init_chains` returns, got {type(chains).__name__}. Make them "
            "with `init_chains(tx, params, num_chains)`; restore a checkpoint with a template."
        )
    if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(chains)):
        raise TypeError(
            "`chains` are traced, but `run_chains` is a loop of Python's around a compiled one. "
            "Call it outside of `jax.jit`, `jax.vmap` and `jax.lax.scan`."
        )
    check_not_empty("chains.params", chains.params)
    check_replica_axis("chains.params", chains.params, _number_of(chains), _AGAIN)
    expected = jax.eval_shape(replicate(tx, _number_of(chains)).init, chains.params)
    if jax.tree.structure(expected) != jax.tree.structure(chains.state):
        raise ValueError(
            "`chains.state` must be a state of `tx`, but its tree is that of another "
            f"transformation, of type {type(chains.state).__name__}. {_AGAIN}"
        )
    leaves = jax.tree_util.tree_leaves_with_path(chains.state)
    for (path, leaf), wanted in zip(leaves, jax.tree.leaves(expected), strict=True):
        if (leaf.shape, leaf.dtype) != (wanted.shape, wanted.dtype):
            raise ValueError(
                f"`chains.state{jax.tree_util.keystr(path)}` must be {wanted.dtype} of shape "
                f"{wanted.shape} as in a state of `tx`, got {leaf.dtype} of shape {leaf.shape}. "
                + _AGAIN
            )


def _check_loss(program: _Program, arrays: list[Any], chains: Chains) -> None:
    loss, batches = map(_Function.with_arrays, (program.loss, program.batches), arrays)

    def first(chains):
        first_of = functools.partial(rows_at, place=jnp.int32(0))
        params, chain = jax.tree.map(first_of, chains.params), jnp.zeros([], jnp.uint32)
        return loss(params) if batches is None else loss(params, batches(chains.count, chain))

    check_not_for_the_loss(chains.state)
    returned, ladder = jax.eval_shape(first, chains), shape_of_ladder(chains.state)
    if ladder and isinstance(returned, jax.ShapeDtypeStruct):
        if returned.shape != ladder:
            raise ValueError(
                f"`loss` must return one number for each replica, of shape {ladder}, since each "
                f"chain is a ladder of `replica_exchange`, got shape {returned.shape}: `jax.vmap` "
                "the loss of one replica, as in `run_chains(tx, jax.vmap(loss), ...)`."
            )
        returned = returned.update(shape=())
    check_returned_loss(returned, "the examples of one chain")
