"""When a step is collected, and the rows of the arrays that keep it."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import lax

from thermo_optax._base import (
    ScalarOrSchedule,
    as_steps,
    at,
    check_finite,
    check_integer,
    check_leaves,
    check_structure,
    is_sound,
    next_count,
    one_answer,
    ticks_of,
)
from thermo_optax._noise import on_all_shards
from thermo_optax._xla import in_place

from ._rungs import Choice, as_they_are, warn_of_mixed_temperatures

_WARMING = jax.tree_util.GetAttrKey("warming")

Rule = Callable[[jax.Array, Any, Any], jax.Array]


def collection_rule(
    burn_in: Any,
    thinning: Any,
    collect: ScalarOrSchedule | None,
    collect_if: Callable[[Any], Any] | None,
) -> Rule:
    """due(count, old and new inner state) -> bool[]; raises for arguments out of range."""
    check_integer(0, "Pass 0 to collect from the first step on.", burn_in=burn_in)
    check_integer(1, "Pass 1 to collect every step.", thinning=thinning)
    if collect is not None and not callable(collect):
        check_finite(collect=collect)
    if collect_if is not None and not callable(collect_if):
        raise TypeError(
            "`collect_if` must be a function of the inner state that returns a bool, got "
            f"{collect_if!r}. For a function of the step count pass `collect=`."
        )

    def due(count, before, after):
        begin, every = as_steps(burn_in), as_steps(thinning)
        ticks, last = ticks_of(after), ticks_of(before)
        if ticks is None or last is None:
            answer = (count >= begin) & ((count - begin) % every == 0)
        else:  # steps differ in length: samples at equal times
            answer = (count >= begin) & (ticks != last) & (ticks % every == 0)
        if collect is not None:
            answer &= one_answer("collect", at(collect, count)) != 0
        if collect_if is not None:
            answer &= one_answer("collect_if", collect_if(after)).astype(jnp.bool_)
        return answer

    return due


def begun(inner: Any, choose: Choice, params: Any) -> tuple[Any, Any]:
    """The first state of `inner`, and what is kept of the parameters."""
    inner_state = inner.init(params)
    ticks_of(inner_state)  # raises for several clocks
    if choose is as_they_are:
        warn_of_mixed_temperatures(inner_state)
    return inner_state, choose(params, inner_state)


COPIES = "It is the number of copies of the parameters to keep."  # the remedy for a wrong one


def check_kept(name: str, length: int, rows: Any) -> None:
    """The rows of a state must be as many as the settings say: the newest would overwrite the last.

    Without rows (of a rank 0, or of no parameters) there is nothing to check.
    """
    for leaf in jax.tree.leaves(rows):
        if leaf.shape[0] != length:
            raise ValueError(
                f"`{name}` is {length}, but the state keeps {leaf.shape[0]} samples: a run goes on "
                f"with the number it began with. Pass `{name}={leaf.shape[0]}`, or `init` anew."
            )


def check_fits(new: Any, kept: Any, axes: int = 0) -> None:
    """What a step brings must have the shapes of what is kept, behind its axes of samples.

    With another `rung` than the state was made for it may have an axis more or less, and would be
    broadcast, or written over several rows.
    """
    shapes = [leaf.shape for leaf in jax.tree.leaves(new)]
    expected = [leaf.shape[axes:] for leaf in jax.tree.leaves(kept)]
    if shapes != expected:
        raise ValueError(
            f"the state keeps parameters of shapes {expected[:5]}, but what is collected now has "
            f"{shapes[:5]}: pass the `rung` with which the run began (another number, if that was "
            'one; None and "all" keep more than one replica), or call `init` anew.'
        )


def may_enter(number: jax.Array) -> jax.Array:
    """Whether one more sample has a number: with one that stays, sums would lose their scale."""
    return number < jnp.iinfo(number.dtype).max


def next_of_ring(number: jax.Array, length: int) -> jax.Array:
    """The number of samples after one more; a late one goes on at the row whose turn it is."""
    last = jnp.iinfo(number.dtype).max
    again = length + (last % length + 1) % length
    return jnp.where(number == last, jnp.asarray(again, number.dtype), next_count(number))


def empty_rows(tree: Any, length: int) -> Any:
    """Zeros of shape [length, ...], on the devices of the leaves."""

    def rows(leaf):
        return jnp.broadcast_to(jnp.zeros_like(leaf), (length, *leaf.shape))

    return jax.tree.map(rows, tree)


def keep(
    due: jax.Array, new: Any, store: Callable[[jax.Array, tuple], tuple], kept: tuple
) -> tuple:
    """store(due, kept) on steps that are due in any chain, and `kept` untouched on the others.

    `store` is told whether the step is due, and the parameters finite, in this very chain.
    """
    return in_place(due, lambda kept: store(due & _all_finite(new), kept), kept)[1]


def _all_finite(tree: Any) -> jax.Array:
    finite = (on_all_shards(jnp.all(is_sound(leaf))) for leaf in jax.tree.leaves(tree))
    return functools.reduce(jnp.logical_and, finite, jnp.ones([], jnp.bool_))


def write_row(rows: Any, new: Any, index: jax.Array, due: jax.Array) -> Any:
    """The rows with `new` at the index, if due; else with that row as it is."""

    def write(buffer, leaf):
        old = lax.dynamic_index_in_dim(buffer, index, keepdims=False)
        row = jnp.where(due, leaf.astype(buffer.dtype), old)
        return lax.dynamic_update_index_in_dim(buffer, row, index, 0)

    return jax.tree.map(write, rows, new)


def inner_step(
    inner: optax.GradientTransformationExtraArgs,
    due: Rule,
    choose: Choice,
    updates: Any,
    state: Any,
    params: Any,
    **extra_args: Any,
) -> tuple[Any, Any, Any, jax.Array]:
    """A step of `inner`: updates, state, what is kept of the new parameters, whether due."""
    if params is None:
        raise ValueError(
            "`params` is required: what is collected are the new parameters. Pass the present ones "
            "as in `tx.update(grads, state, params)`."
        )
    check_leaves("updates", updates)
    check_structure(updates, params, "`params`")
    moved, inner_state = inner.update(updates, state.inner_state, params, **extra_args)
    # The new parameters with the new state: a swap changes the rungs before they move.
    new = choose(optax.apply_updates(params, moved), inner_state)
    wanted = due(state.count, state.inner_state, inner_state) & ~_is_warming(state.inner_state)
    return moved, inner_state, new, wanted


def _is_warming(state: Any) -> jax.Array:
    """Whether the coming step belongs to a warm-up: a state inside says so by a field `warming`.

    Parameters may have a field of this name, too, but are no truth values.
    """
    leaves = jax.tree_util.tree_leaves_with_path(state)
    fields = [leaf for path, leaf in leaves if path[-1:] == (_WARMING,)]
    marks = [jnp.any(leaf) for leaf in fields if leaf.dtype == jnp.bool_]
    return functools.reduce(jnp.logical_or, marks, jnp.zeros([], jnp.bool_))
