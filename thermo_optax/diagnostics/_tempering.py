"""Continuous tempering, read off the trace of its variable: is every temperature visited?

A trace is the tempering variable alpha, recorded at every step, in an array [..., steps]; axes
before the last one (chains, say) are kept. All are pure functions that run inside `jit` and `vmap`.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from thermo_optax._base import check_nonnegative, check_positive, check_size


class AlphaHistogram(NamedTuple):
    """How often alpha was where, next to the uniform law between the edges."""

    centers: jax.Array  # float[num_bins], the middle of each bin
    ratio: jax.Array  # float[..., num_bins], density over that of the uniform law; 1 if it is flat
    inside: jax.Array  # float[...], share of the time between the edges


class TimeAtTemperature(NamedTuple):
    """The share of the time at the temperature T itself."""

    measured: jax.Array  # float[...]
    expected: jax.Array  # float[], under a law that is flat between the edges


class TemperingCrossings(NamedTuple):
    """How often alpha went from the cold plateau to the hot end or back."""

    count: jax.Array  # int32[...]
    steps: jax.Array  # float[...], mean number of steps for one of them; inf without any


def alpha_histogram(
    alphas: jax.typing.ArrayLike, *, edge: jax.typing.ArrayLike = 1.5, num_bins: int = 30
) -> AlphaHistogram:
    r"""The histogram of the tempering variable, as a ratio to the uniform law between the edges.

    .. math::
        \rho_k = \frac{n_k}{\sum_j n_j / K}, \qquad
        n_k = \#\{t : \alpha_t \in \text{bin } k \text{ of } [-\delta', \delta']\}

    A bias that has done its work makes it flat: all ratios near 1. The wall at the edges is soft,
    so the share inside is 1 / (1 + 1 / (C delta')) then, with C the steepness of the wall.

    Args:
        alphas: the tempering variable at each step, without unit; [..., steps].
        edge: delta' > 0, without unit; where \|alpha\| is above it the bath is hottest.
        num_bins: K >= 1, the number of bins from edge to edge.

    Returns:
        An :class:`AlphaHistogram` for each trace; of a trace that never was inside, the ratios are
        0. To pool chains, flatten their axis and that of the steps.

    Raises:
        ValueError: for an edge that is not positive, fewer than one bin or a trace without steps.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> alphas = jnp.linspace(-1.6, 1.6, 10_000)
        >>> histogram = to.diagnostics.alpha_histogram(alphas, num_bins=3)
        >>> print(histogram.ratio.round(2), histogram.inside.round(2))
        [1. 1. 1.] 0.94

    References:
        Ye, Zhu and Mantiuk, `Langevin Dynamics with Continuous Tempering for Training Deep Neural
        Networks <https://arxiv.org/abs/1703.04379>`_, 2017, section 4.2, on why the law of alpha
        should be uniform.
    """
    check_positive(edge=edge)
    check_size(1, "Pass 30.", num_bins=num_bins)
    num_bins = int(num_bins)  # one of NumPy's has a dtype of its own
    alphas = _trace(alphas)
    edge = jnp.asarray(edge, alphas.dtype)
    width = 2 * edge / num_bins
    inside = jnp.abs(alphas) <= edge
    # A bin that does not exist is dropped by the addition below.
    bins = jnp.clip(jnp.floor((alphas + edge) / width), 0, num_bins - 1).astype(jnp.int32)
    bins = jnp.where(inside, bins, num_bins)

    def count(trace):
        return jnp.zeros(num_bins, jnp.int32).at[trace].add(1, mode="drop")

    counts = jnp.apply_along_axis(count, -1, bins).astype(alphas.dtype)
    total = jnp.sum(counts, axis=-1)
    uniform = jnp.maximum(total, 1) / num_bins
    centers = edge * ((2 * jnp.arange(num_bins, dtype=alphas.dtype) + 1) / num_bins - 1)
    return AlphaHistogram(centers, counts / uniform[..., None], total / alphas.shape[-1])


def time_at_temperature(
    alphas: jax.typing.ArrayLike,
    *,
    plateau: jax.typing.ArrayLike = 0.4,
    edge: jax.typing.ArrayLike = 1.5,
    wall: jax.typing.ArrayLike = 10.0,
) -> TimeAtTemperature:
    r"""The share of the time at the temperature T itself: the samples that tempering leaves.

    .. math::
        \frac{\#\{t : |\alpha_t| < \delta\}}{\#\{t\}}
        \quad\text{against}\quad \frac{\delta}{\delta' + 1 / C}

    Args:
        alphas: the tempering variable at each step, without unit; [..., steps].
        plateau: delta >= 0, without unit; the bath is at T where \|alpha\| is below it.
        edge: delta' > delta, without unit; the bath is hottest where \|alpha\| is above it.
        wall: C > 0, the steepness of the wall behind the edges, in units of T.

    Returns:
        A :class:`TimeAtTemperature`: what was measured for each trace, and what is expected where
        the law of alpha is flat between the edges and falls off like exp(-C x) behind them.

    Raises:
        ValueError: for numbers out of their range, or a trace without steps.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> share = to.diagnostics.time_at_temperature(jnp.array([0.0, 0.3, -0.7, 1.2]))
        >>> print(share.measured, share.expected)
        0.5 0.25

    References:
        Ye, Zhu and Mantiuk, 2017, section 4.1, which has 1 - delta / delta' for the time above T;
        that is the limit of a hard wall.
    """
    check_nonnegative(plateau=plateau)
    check_positive(edge=edge, wall=wall)
    known = not isinstance(plateau, Tracer) and not isinstance(edge, Tracer)
    if known and not np.asarray(plateau) < np.asarray(edge):
        raise ValueError(
            f"`edge` must be above `plateau`, got {edge} and {plateau}. Pass those of "
            "`continuous_tempering`."
        )
    alphas = _trace(alphas)
    plateau, edge, wall = (jnp.asarray(x, alphas.dtype) for x in (plateau, edge, wall))
    cold = jnp.sum(jnp.abs(alphas) < plateau, axis=-1, dtype=jnp.int32)
    measured = cold.astype(alphas.dtype) / alphas.shape[-1]
    return TimeAtTemperature(measured, plateau / (edge + 1 / wall))


def tempering_crossings(
    alphas: jax.typing.ArrayLike,
    *,
    plateau: jax.typing.ArrayLike = 0.4,
    hot: jax.typing.ArrayLike = 1.4,
) -> TemperingCrossings:
    r"""How often the tempering variable crossed its range, and in how many steps.

    .. math::
        \#\{t : s_t \ne s_{t-1}\}, \qquad s_t = \text{the last visited of cold } (|\alpha| < \delta)
        \text{ and hot } (|\alpha| > \alpha_\text{hot})

    Two crossings make a round trip, which is what tempering lives on: heat carries the parameters
    over a barrier, and the way back makes a sample of it.

    Args:
        alphas: the tempering variable at each step, without unit; [..., steps].
        plateau: delta > 0: alpha is cold below it.
        hot: where the hot end begins, above delta and best just below the edge.

    Returns:
        The :class:`TemperingCrossings` of each trace. The number of steps is that of the trace by
        the count; over chains, divide their steps together by their count together.

    Raises:
        ValueError: for numbers that are not positive, a hot end not above the plateau, or a trace
            without steps.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> alphas = jnp.array([0.0, 0.9, 1.45, 0.9, 1.42, 0.5, -0.2, -0.9, -1.6, -1.5])
        >>> crossings = to.diagnostics.tempering_crossings(alphas)
        >>> print(crossings.count, crossings.steps.round(2))
        3 3.33

    References:
        Katzgraber, Trebst, Huse and Troyer, `Feedback-optimized parallel tempering Monte Carlo
        <https://arxiv.org/abs/cond-mat/0602085>`_, 2006, for round trips as the measure of it.
    """
    check_positive(plateau=plateau, hot=hot)
    alphas = _trace(alphas)
    known = not isinstance(plateau, Tracer) and not isinstance(hot, Tracer)
    if known and not np.asarray(plateau) < np.asarray(hot):
        raise ValueError(
            f"`hot` must be above `plateau`, got {hot} and {plateau}. Pass a little less than the "
            "edge of `continuous_tempering`, 1.4 for an edge of 1.5."
        )
    size = jnp.abs(alphas)
    is_cold = size < jnp.asarray(plateau, alphas.dtype)
    is_hot = size > jnp.asarray(hot, alphas.dtype)
    steps = jnp.broadcast_to(jnp.arange(1, alphas.shape[-1] + 1, dtype=jnp.int32), alphas.shape)
    # The last visits to either end before a step; the end with the later one is the side it is on.
    cold_visit = _latest(jnp.where(is_cold, steps, 0))
    hot_visit = _latest(jnp.where(is_hot, steps, 0))
    arrived = jnp.where(is_hot, cold_visit > hot_visit, is_cold & (hot_visit > cold_visit))
    count = jnp.sum(arrived, axis=-1, dtype=jnp.int32)
    return TemperingCrossings(count, alphas.shape[-1] / count.astype(alphas.dtype))


def _latest(visits: jax.Array) -> jax.Array:
    """The largest of all entries before each."""
    seen = jax.lax.cummax(visits, axis=visits.ndim - 1)
    return jnp.concatenate([jnp.zeros_like(seen[..., :1]), seen[..., :-1]], axis=-1)


def _trace(alphas: jax.typing.ArrayLike) -> jax.Array:
    """The trace in the default precision; raises without an axis of steps."""
    alphas = jnp.asarray(alphas)
    if not alphas.ndim or not alphas.shape[-1]:
        raise ValueError(
            f"`alphas` must be a trace [..., steps] with at least one step, got the shape "
            f"{alphas.shape}. Return `tempering_state(state).alpha` from the body of `lax.scan`."
        )
    return alphas.astype(jnp.result_type(float))
