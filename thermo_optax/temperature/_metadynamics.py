"""Metadynamics: hills where the tempering variable has been push it to where it has not."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from thermo_optax._base import (
    ScalarOrSchedule,
    as_steps,
    at,
    check_integer,
    check_nonnegative,
    check_number,
    check_positive,
    check_steps,
    known,
)

from ._grid import Bias, bin_ends, check_bins, grid, inside, locate, on_grid, spacing

_REACH = 6.0  # widths at which a hill ends: there it is 1.5e-8 of its height, below float32


class MetadynamicsState(NamedTuple):
    """State of a `metadynamics` bias."""

    nodes: jax.Array  # float32[num_bins + 1], the grid, from -edge to edge
    hills: jax.Array  # float32[num_bins + 1], the sum of all hills, in units of the temperature
    raised: (
        jax.Array
    )  # float32[num_bins + 1], added to frozen hills for lower baselines of the energy
    boost: jax.Array  # float32[], -(free energy) / hills: 1, or f / (f - 1) if well-tempered

    def potential(self, alpha: jax.typing.ArrayLike) -> jax.Array:
        """The bias at any alpha, in units of the temperature."""
        return self._at(alpha, self.hills + self.raised)

    def free_energy(self, alpha: jax.typing.ArrayLike) -> jax.Array:
        """The free energy at any alpha, in units of the temperature, up to a constant."""
        return -self._at(alpha, self.boost * self.hills + self.raised)

    def _at(self, alpha, values):
        return jnp.interp(jnp.asarray(alpha, values.dtype), self.nodes, values)


def metadynamics(
    height: ScalarOrSchedule = 0.003,
    *,
    width: float = 0.1,
    num_bins: int = 60,
    stride: int = 1,
    mirror: bool = True,
    bias_factor: float | None = None,
    freeze_after: int | None = None,
) -> Bias:
    r"""A bias of Gaussian hills that flattens the law of the tempering variable.

    .. math::
        V(\cdot) \leftarrow V(\cdot) + w\, e^{-(\cdot - \alpha)^2 / 2 \sigma^2}, \qquad
        -V'(\alpha) = -\frac{V_{k+1} - V_k}{2 \delta' / K} \text{ in bin } k

    A hill near an edge would lose the half that falls off the grid: the bias would slope down at
    the wall, ever more, and drive the variable out. Each hill therefore has a mirror image behind
    the nearer edge. The paper's algorithm has none (``mirror=False``): between 25 Gaussian modes,
    at a height of 0.1, alpha then spends 22 % of its time inside the edges, where 94 % belong.

    With hills of constant height the bias never stops changing, so there is no stationary
    distribution. For samples rather than exploration let the height fall to 0 (a schedule), freeze
    the bias, or temper it (`bias_factor`). A step costs the same whatever the number of bins: a
    hill is added to the nodes within 6 widths only, beyond which it is below the rounding of
    float32.

    Args:
        height: w >= 0, in units of the temperature.
        width: sigma > 0, in units of alpha; at least a bin, and below a sixth of the edge.
        num_bins: K >= 2, the number of bins from edge to edge; a bin of half a width is fine.
        stride: number of steps from hill to hill.
        mirror: whether hills are mirrored at the edges.
        bias_factor: f > 1 tempers the hills, w exp(-V(alpha) / (f - 1)): the bias converges, and
            alpha's law to the power 1 / f of the one without bias. None leaves them as they are.
        freeze_after: number of steps after which the bias stays as it is; None never freezes it.

    Returns:
        A bias for `continuous_tempering`, with state :class:`MetadynamicsState`.

    Raises:
        ValueError: for a negative height, for hills that the grid cannot resolve or hold, for a
            bias factor of 1 or less, a stride below 1 or a negative number of steps.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> bias = to.metadynamics(height=0.01, width=0.1, num_bins=60, freeze_after=20_000)
        >>> state = bias.init(jnp.float32(1.5), to.temperature_scaling)
        >>> state.hills.shape
        (61,)

    References:
        Laio and Parrinello, `Escaping free-energy minima
        <https://arxiv.org/abs/cond-mat/0208352>`_, 2002; Ye, Zhu and Mantiuk, 2017, eq. (13) and
        (14); tempering: Barducci, Bussi and Parrinello, `Well-Tempered Metadynamics
        <https://arxiv.org/abs/0803.3861>`_, 2008, eq. (3).
    """
    check_nonnegative(height=height)
    check_number(width=width, bias_factor=bias_factor)
    check_positive(width=width)
    check_bins(num_bins)
    check_integer(1, "With 1 every step lays a hill.", stride=stride)
    if bias_factor is not None and not 1 < bias_factor < math.inf:
        raise ValueError(
            f"`bias_factor` must be above 1, got {bias_factor}: it is the finite factor by "
            "which the bias seems to heat alpha. Pass 10, or None for hills of full height."
        )
    if freeze_after is not None:
        check_nonnegative(freeze_after=freeze_after)
        check_steps(0, "With 0 the bias never changes.", freeze_after=freeze_after)

    def boost(dtype):
        return jnp.asarray(1.0 if bias_factor is None else bias_factor / (bias_factor - 1), dtype)

    def init(edge, scaling):
        del scaling
        nodes = grid(-edge, edge, num_bins)
        hills, raised = jnp.zeros_like(nodes), jnp.zeros_like(nodes)  # two, to be donated
        return MetadynamicsState(nodes, hills, raised, boost(nodes.dtype))

    def fitted(state, settings):
        edge, fields = settings.edge, ("hills", "raised")
        state = on_grid(state, MetadynamicsState, -edge, edge, num_bins, fields)
        raised = state.raised + settings.change * settings.scaling(state.nodes)
        return state._replace(raised=raised, boost=boost(state.nodes.dtype))

    def follows(count):
        """While hills are laid they learn what a lower baseline changes; a frozen bias is a law."""
        return freeze_after is not None and count >= as_steps(freeze_after)

    def update(state, visit):
        left, place = locate(state.nodes, visit.alpha)
        hill = at(height, visit.count).astype(state.nodes.dtype)
        if bias_factor is not None:
            low, high = bin_ends(state.hills, left)
            hill *= jnp.exp(-(low + place * (high - low)) / (bias_factor - 1))
        on_time = visit.count % as_steps(stride) == 0
        due = visit.seen & inside(state.nodes[-1], visit.alpha) & on_time
        if freeze_after is not None:
            due &= visit.count < as_steps(freeze_after)
        hill, reach = jnp.where(due, hill, 0), _reach(visit.edge, width, num_bins)
        centers = [visit.alpha]
        if mirror:
            nearer = jnp.where(visit.alpha < 0, state.nodes[0], state.nodes[-1])
            centers.append(2 * nearer - visit.alpha)
        hills = state.hills
        for center in centers:
            hills = _added(hills, *_hill(state.nodes, reach, hill, center, width))
        return state._replace(hills=hills)

    def force(state, visit):
        potential = state.hills + state.raised
        low, high = bin_ends(potential, locate(state.nodes, visit.alpha)[0])
        downhill = -(high - low) / spacing(state.nodes)
        return jnp.where(inside(state.nodes[-1], visit.alpha), downhill, 0)

    def check(edge):
        _check_resolution(edge, width, num_bins)

    return Bias(init, update, force, check, fitted, follows=follows)


def _reach(edge: jax.typing.ArrayLike, width: float, num_bins: int) -> int:
    """The number of nodes that a hill can touch; all of them if the edge is a traced value."""
    half = known(edge)
    if half is None:
        return num_bins + 1
    bin_width = 2 * half / num_bins
    return min(num_bins + 1, 2 * math.ceil(_REACH * width / bin_width) + 2)


def _hill(nodes, reach: int, height, center, width) -> tuple[jax.Array, jax.Array]:
    """A hill on the nodes in its reach: the first of them, and its values there."""
    first = jnp.floor((center - nodes[0]) / spacing(nodes)).astype(jnp.int32) - reach // 2 + 1
    first = jnp.clip(first, 0, nodes.shape[0] - reach)
    near = jax.lax.dynamic_slice(nodes, (first,), (reach,))
    distance = (near - center) / jnp.asarray(width, nodes.dtype)
    return first, height * jnp.exp(-0.5 * jnp.square(distance))


def _added(hills: jax.Array, first: jax.Array, hill: jax.Array) -> jax.Array:
    old = jax.lax.dynamic_slice(hills, (first,), hill.shape)
    return jax.lax.dynamic_update_slice(hills, old + hill, (first,))


def _check_resolution(edge: jax.typing.ArrayLike, width: float, num_bins: int) -> None:
    half = known(edge)
    if half is None:
        return
    bin_width = 2 * half / num_bins
    if width < bin_width * (1 - 1e-6):
        raise ValueError(
            f"`num_bins`={num_bins} makes bins of width {bin_width:.3g}, which cannot resolve "
            f"hills of `width`={width}. Pass num_bins={math.ceil(2 * half / width)} or "
            "more (twice that is fine), or wider hills."
        )
    if width > half / _REACH * (1 + 1e-6):
        raise ValueError(
            f"`width`={width} is too wide for a grid from -{half} to {half}: a hill and its mirror "
            f"images would overlap. Pass {half / _REACH:.3g} or less."
        )
