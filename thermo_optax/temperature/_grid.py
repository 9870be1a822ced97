"""A grid along the tempering variable, and what a bias on it is made of."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from thermo_optax._base import check_integer


class Visit(NamedTuple):
    """Where the tempering variable is now, and what it feels there; every field is a scalar."""

    count: jax.Array  # int32, steps taken: argument of the schedules
    alpha: jax.Array
    edge: jax.typing.ArrayLike  # delta', a Python number where it is known
    scaling: jax.Array  # g(alpha)
    slope: jax.Array  # g'(alpha)
    energy: jax.Array  # what couples to g, in units of the temperature
    seen: jax.Array  # bool, whether the energy is finite and the bath warm: else nothing is learnt


class Bias(NamedTuple):
    """A potential along alpha that learns while the chain runs: pure functions.

    ``init(edge, scaling)`` makes its state for a grid up to the edge, where ``scaling`` is the
    function g. ``update(state, visit)`` learns from a visit; ``force(state, visit)`` is the force
    on alpha. A state has the field `nodes`, and the methods `potential` and `free_energy`, which
    are functions of alpha.
    """

    init: Callable[[jax.Array, Callable[[jax.Array], jax.Array]], Any]
    update: Callable[[Any, Visit], Any]
    force: Callable[[Any, Visit], jax.Array]
    check: Callable[[jax.typing.ArrayLike], None] = lambda edge: None  # raises for a bad edge


def grid(first: jax.Array, last: jax.Array, num_bins: int) -> jax.Array:
    """The num_bins + 1 nodes of a grid."""
    return first + (last - first) * jnp.linspace(0, 1, num_bins + 1, dtype=last.dtype)


def spacing(nodes: jax.Array) -> jax.Array:
    """The width of a bin."""
    return (nodes[-1] - nodes[0]) / (nodes.shape[0] - 1)


def locate(nodes: jax.Array, alpha: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The bin that holds alpha, by its left node, and alpha's place in it, from 0 to 1.

    Values outside of the grid are moved to its ends.
    """
    last = nodes.shape[0] - 2
    bins = (alpha - nodes[0]) / spacing(nodes)
    left = jnp.clip(jnp.floor(bins).astype(jnp.int32), 0, last)
    # From the node itself: the distance to the first node has lost the digits that are wanted.
    start = jax.lax.dynamic_index_in_dim(nodes, left, keepdims=False)
    return left, jnp.clip((alpha - start) / spacing(nodes), 0, 1)


def bin_ends(values: jax.Array, left: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The values at the two ends of a bin."""
    pair = jax.lax.dynamic_slice(values, (left,), (2,))
    return pair[0], pair[1]


def inside(edge: jax.Array, alpha: jax.Array) -> jax.Array:
    """Whether alpha is between the edges."""
    return jnp.abs(alpha) <= edge


def check_bins(num_bins: int) -> None:
    """Raises unless the number of bins is an integer of at least 2."""
    check_integer(2, "It is the number of bins of the grid, 60 for instance.", num_bins=num_bins)
