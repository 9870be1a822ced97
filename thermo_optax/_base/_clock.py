"""Steps of different lengths: how transformations around them learn how long each step was.

`adaptive_step` keeps the fields `ticks` and `weight` in its state. Ticks are equally far apart in
time, so the parameters at the ticks are samples of equal weight. Whatever counts steps asks here.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import GetAttrKey

_TICKS, _WEIGHT = GetAttrKey("ticks"), GetAttrKey("weight")
_BATH = GetAttrKey("bath_temperature")


def has_clock(state: Any) -> bool:
    """Whether there is an `adaptive_step` in a state."""
    return bool(_clocks(state))


def ticks_of(state: Any) -> jax.Array | None:
    """int32[], the number of ticks so far; None where all steps are equally long."""
    return _of_one_clock(state, _TICKS)


def weight_of(state: Any) -> jax.Array:
    """float32[], the time that the parameters of this state stand for; 1 if all steps are alike."""
    weight = _of_one_clock(state, _WEIGHT)
    return jnp.ones([], jnp.float32) if weight is None else weight


def check_no_clock(name: str, state: Any, remedy: str) -> None:
    """Raises for an `adaptive_step` inside of what takes all steps to be equally long."""
    if has_clock(state):
        raise ValueError(
            f"`{name}` cannot have `adaptive_step` inside: it takes all steps to be equally long. "
            f"{remedy}"
        )


def _clocks(state: Any) -> list[tuple]:
    """The paths of all states with a clock; parameters of this name are no integers."""
    leaves = jax.tree_util.tree_leaves_with_path(state)
    fields = [(path, leaf) for path, leaf in leaves if path[-1:] == (_TICKS,)]
    return [path[:-1] for path, leaf in fields if jnp.issubdtype(leaf.dtype, jnp.integer)]


def _of_one_clock(state: Any, field: Any) -> jax.Array | None:
    """A field of the only state with a clock; raises where samplers are on several clocks."""
    clocks = _clocks(state)
    if not clocks:
        return None
    clock, leaves = clocks[0], dict(jax.tree_util.tree_leaves_with_path(state))
    outside = [path for path in leaves if path[-1] == _BATH and path[: len(clock)] != clock]
    if clocks[1:] or outside:
        raise ValueError(
            "`adaptive_step` must be around all samplers: parameters that move at paces of their "
            "own have no law together. Let its `make_sampler` build the whole chain or partition, "
            "as in `adaptive_step(lambda step_size: lala(step_size, ...), step_size, ...)`."
        )
    value = leaves[(*clock, field)]
    if jnp.ndim(value):
        raise ValueError(
            f"`adaptive_step` has a clock for each of {jnp.size(value)} replicas, which reach the "
            "same time at different steps. Put what collects inside of the replicas, as in "
            "`replicate(collect_samples(adaptive_step(...), ...), ...)`."
        )
    return value
