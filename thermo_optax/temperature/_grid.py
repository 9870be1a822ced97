"""A grid along the tempering variable, and what a bias on it is made of."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from thermo_optax._base import check_size


class Visit(NamedTuple):
    """Where the tempering variable is now, and what it feels there; every field is a scalar."""

    count: jax.Array  # int32, steps taken: argument of the schedules
    alpha: jax.Array
    edge: jax.typing.ArrayLike  # delta', a Python number where it is known
    scaling: jax.Array  # g(alpha)
    slope: jax.Array  # g'(alpha)
    energy: jax.Array  # what couples to g, in units of the temperature
    seen: jax.Array  # bool, whether the energy is finite and the bath warm: else nothing is learnt


class Settings(NamedTuple):
    """The settings of a step that a bias has to know, and how the baseline of the energy moved."""

    count: jax.Array  # int32, steps taken
    edge: jax.Array  # delta', float32
    scaling: Callable[[jax.Array], jax.Array]  # the function g
    change: jax.Array  # of the baseline, in units of what couples to g: energies are lower by it


class Bias(NamedTuple):
    """A potential along alpha that learns while the chain runs: pure functions.

    ``init(edge, scaling)`` makes its state for a grid up to the edge, where ``scaling`` is the
    function g. ``update(state, visit)`` learns from a visit; ``force(state, visit)`` is the force
    on alpha. A state has the field `nodes`, and the methods `potential` and `free_energy`, which
    are functions of alpha. The others have defaults, for a bias of your own:
    ``fitted(state, settings)`` begins each step with the state as the settings want it, on their
    grid and for the present baseline of the energy; ``expected(state, visit)`` is the energy that
    the bias expects at a visit, before it learns from it. Of several biases one makes up for a
    change of the baseline: one that ``learns_mean``, which has to, or else the first that
    ``follows(count)``.
    """

    init: Callable[[jax.Array, Callable[[jax.Array], jax.Array]], Any]
    update: Callable[[Any, Visit], Any]
    force: Callable[[Any, Visit], jax.Array]
    check: Callable[[jax.typing.ArrayLike], None] = lambda edge: None  # raises for a bad edge
    fitted: Callable[[Any, Settings], Any] = lambda state, settings: state
    expected: Callable[[Any, Visit], jax.Array] = lambda state, visit: jnp.zeros_like(visit.energy)
    follows: Callable[[jax.Array], jax.typing.ArrayLike] = lambda count: True
    learns_mean: bool = False


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


def on_grid(
    state: Any, kind: type, first: jax.Array, last: jax.Array, num_bins: int, fields: tuple
) -> Any:
    """The state of a bias on the grid of the settings; its fields follow straight lines.

    A restored state may have another edge, which is a number. Another number of nodes is another
    shape, and an error.
    """
    nodes = getattr(state, "nodes", jnp.zeros(0))
    if not isinstance(state, kind) or nodes.shape != (num_bins + 1,):
        raise ValueError(
            f"`state.bias` must hold the state of a bias, {kind.__name__} with {num_bins} bins, "
            f"got {type(state).__name__} with {len(nodes) - 1} bins: the state is of a "
            "transformation with another bias. Pass the `bias` and `num_bins` that made it, or "
            "call `init` again."
        )

    def moved(values):
        new = grid(first, last, num_bins)
        return (new, *(jnp.interp(new, nodes, each) for each in values[1:]))

    old = (nodes, *(getattr(state, field) for field in fields))
    same = (nodes[0] == first) & (nodes[-1] == last)
    new = jax.lax.cond(same, lambda values: values, moved, old)
    return state._replace(**dict(zip(("nodes", *fields), new, strict=True)))


def as_biases(bias: Any) -> tuple[Bias, ...]:
    """The biases of an argument that may be one, a list or None."""
    if bias is None:
        return ()
    biases = (bias,) if isinstance(bias, Bias) else bias
    if not isinstance(biases, (list, tuple)) or not all(isinstance(b, Bias) for b in biases):
        raise TypeError(
            "`bias` must be `metadynamics(...)`, `adaptive_biasing_force(...)`, a list of such, "
            f'None for no bias or "auto" for the one of the mode, got {bias!r}.'
        )
    return tuple(biases)


def fitted(states: Any, biases: tuple[Bias, ...], settings: Settings) -> tuple[Any, ...]:
    """The states of the biases as the settings want them; one makes up for a new baseline."""
    check_biases(states, biases)
    new = list(states)
    change = settings.change
    for place in sorted(range(len(biases)), key=lambda place: not biases[place].learns_mean):
        bias = biases[place]
        takes = jnp.asarray(bias.follows(settings.count))
        mine = settings._replace(change=jnp.where(takes, change, 0))
        new[place] = bias.fitted(states[place], mine)
        change = jnp.where(takes, 0, change)
    return tuple(new)


def check_biases(states: Any, biases: tuple[Bias, ...]) -> None:
    """Raises unless a state has as many biases as the transformation."""
    if len(states) != len(biases):
        raise ValueError(
            f"`state.bias` must hold {len(biases)} biases, got {len(states)}: the state is of a "
            "transformation with another `bias` or `mode`. Pass the ones that made it, or call "
            "`init` again."
        )


def check_bins(num_bins: int) -> None:
    """Raises unless the number of bins is an integer of at least 2."""
    check_size(2, "It is the number of bins of the grid, 60 for instance.", num_bins=num_bins)
