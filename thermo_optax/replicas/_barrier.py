"""The communication barrier: what a ladder must overcome, and where its rungs belong for that."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from thermo_optax._base import check_size, known


def monotone_cubic(x: jax.Array, y: jax.Array, at: jax.Array) -> jax.Array:
    r"""The monotone cubic through the points (x_k, y_k), read at given places.

    .. math::
        y'_k = \frac{w_1 + w_2}{w_1 / s_{k-1} + w_2 / s_k}, \qquad
        s_k = \frac{y_{k+1} - y_k}{h_k}, \quad h_k = x_{k+1} - x_k, \quad
        w_1 = 2 h_k + h_{k-1}, \quad w_2 = h_k + 2 h_{k-1}

    and 0 where the sign of s turns; at the ends the slope of the parabola through three points, cut
    off where it would overshoot.

    Args:
        x: strictly increasing, float[n] with n >= 2.
        y: float[n].
        at: where to read it, any shape; places beyond the ends belong to the outermost cubics.

    Returns:
        float[...], shaped like `at`.

    References:
        Fritsch and Carlson, `Monotone Piecewise Cubic Interpolation`, SIAM J. Numer. Anal. 17,
        1980; Fritsch and Butland, `A Method for Constructing Local Monotone Piecewise Cubic
        Interpolants`, SIAM J. Sci. Stat. Comput. 5, 1984, for the slopes.
    """
    widths = jnp.diff(x)
    secants = jnp.diff(y) / widths
    slopes = _slopes(widths, secants)
    k = jnp.clip(jnp.searchsorted(x, at, side="right") - 1, 0, len(x) - 2)
    t = (at - x[k]) / widths[k]
    # Hermite's basis, around the line from knot to knot.
    bend = (1 - t) * (slopes[k] - secants[k]) - t * (slopes[k + 1] - secants[k])
    return y[k] + widths[k] * t * (secants[k] + (1 - t) * bend)


def _slopes(widths: jax.Array, secants: jax.Array) -> jax.Array:
    """The derivatives at the knots."""
    if len(secants) == 1:
        return jnp.repeat(secants, 2)
    before, after = secants[:-1], secants[1:]
    first = 2 * widths[1:] + widths[:-1]
    second = widths[1:] + 2 * widths[:-1]
    turns = _opposed(before, after)
    # Neither branch of `where` may divide by 0, or gradients would be NaN.
    inverse = first / jnp.where(turns, 1, before) + second / jnp.where(turns, 1, after)
    inner = jnp.where(turns, 0, (first + second) / jnp.where(turns, 1, inverse))
    low = _end_slope(widths[0], widths[1], secants[0], secants[1])
    high = _end_slope(widths[-1], widths[-2], secants[-1], secants[-2])
    return jnp.concatenate([low[None], inner, high[None]])


def _end_slope(width: jax.Array, inner_width: jax.Array, secant: jax.Array, inner: jax.Array):
    """The derivative at an end, from the two intervals next to it."""
    slope = ((2 * width + inner_width) * secant - width * inner) / (width + inner_width)
    slope = jnp.where(_opposed(slope, secant), 0, slope)
    overshoots = _opposed(secant, inner) & (jnp.abs(slope) > 3 * jnp.abs(secant))
    return jnp.where(overshoots, 3 * secant, slope)


def _opposed(slope: jax.Array, other: jax.Array) -> jax.Array:
    """Whether two slopes differ in sign, or one is 0: in any unit, unlike that of their product."""
    return jnp.sign(slope) * jnp.sign(other) <= 0


# Of the mean rejection: a pair that never rejects has some width all the same, so that the
# cumulative barrier increases. Small, because it takes that share of the rungs away from the rest.
LEAST = 1e-3


class CommunicationBarrier(NamedTuple):
    """The communication barrier along a ladder: the rejections that a round trip has to pass."""

    total: jax.Array  # float[], Lambda, the global barrier; twice as many rungs do well
    cumulative: jax.Array  # float[num_rungs], Lambda from the first rung to each; 0 at the first
    rungs: jax.Array  # float[num_rungs], the coordinates of the rungs, as given


def communication_barrier(
    rungs: jax.typing.ArrayLike, rejection_rates: jax.typing.ArrayLike
) -> CommunicationBarrier:
    r"""The communication barrier along a ladder, from how often its pairs rejected a swap.

    .. math::
        \Lambda_k = \sum_{i < k} r_i, \qquad
        r_i = \Lambda(\beta_{i+1}) - \Lambda(\beta_i) + O(|\beta_{i+1} - \beta_i|^3), \qquad
        \Lambda(\beta) = \int^\beta \tfrac{1}{2} E\,|L - L'|\, d\beta'

    with L and L' the losses of two independent replicas at the same beta'. The barrier belongs to
    the problem, not to the ladder: more rungs share it out among more pairs. A ladder with a few
    pairs that nearly always reject shows less than there is, for no pair rejects more than always.

    Args:
        rungs: the coordinate of each rung, monotone: inverse temperatures, temperatures or another
            hyperparameter, in any unit; float[num_rungs].
        rejection_rates: r, the mean probability that a swap of rung k and k + 1 is rejected (1 -
            acceptance), each in [0, 1]; float[num_rungs - 1]. NaN stands for a pair that was never
            tried: it counts as the mean of the others, or as 1/2 if there are none.

    Returns:
        The :class:`CommunicationBarrier`. May be called inside jit and vmap.

    Raises:
        ValueError: for fewer than two rungs, rungs that are not monotone, another number of rates
            than pairs, or rates outside [0, 1].

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> betas = 1 / to.geometric_ladder(1.0, 8.0, num_rungs=4)
        >>> found = to.communication_barrier(betas, jnp.array([0.5, 0.3, 0.2]))
        >>> print(found.total, found.cumulative)
        1.0 [0. 0.5 0.8 1. ]

    References:
        Syed, Bouchard-Cote, Deligiannidis and Doucet, `Non-Reversible Parallel Tempering: a
        Scalable Highly Parallel MCMC Scheme <https://arxiv.org/abs/1905.02939>`_, 2021: the
        global communication barrier, and its estimate by the sum of all rejections.
    """
    rungs, rates = _checked(rungs, rejection_rates)
    cumulative = _cumulative(rates)
    return CommunicationBarrier(cumulative[-1], cumulative, rungs)


def adapted_ladder(
    rungs: jax.typing.ArrayLike,
    rejection_rates: jax.typing.ArrayLike,
    num_rungs: int | None = None,
) -> jax.Array:
    r"""Moves the rungs of a ladder to where all pairs reject equally often: the best ladder.

    .. math::
        \Lambda(\beta'_k) = \frac{k}{K - 1} \Lambda, \qquad k = 0, \dots, K - 1

    Between two rungs the barrier is read off the monotone cubic through the measured points, and
    the ends stay where they are. Measure, move, and measure again with twice as many swaps, until
    the rates are equal; the first rounds are noisy, and the total barrier shows when they agree.

    Args:
        rungs: the coordinate of each rung, monotone, in any unit; float[num_rungs]. Over a wide
            range of temperatures T, the inverse 1/T or ln T takes fewer rounds than T itself.
        rejection_rates: the mean probability that a swap of rung k and k + 1 is rejected, each in
            [0, 1]; float[num_rungs - 1]. NaN stands for a pair that was never tried. Pairs that
            never reject are given a thousandth of the mean rate; if none ever rejects, the rungs
            stay.
        num_rungs: K >= 2, how many rungs to have; None keeps their number.

    Returns:
        The new rungs in the order of the old ones, float[num_rungs]. May be called inside jit, vmap
        and scan.

    Raises:
        ValueError: for fewer than two rungs, old or new, rungs that are not monotone, another
            number of rates than pairs, or rates outside [0, 1].

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> temperatures = to.linear_ladder(1.0, 9.0, num_rungs=5)
        >>> rejected = jnp.array([0.55, 0.30, 0.20, 0.15])
        >>> print(1 / to.adapted_ladder(1 / temperatures, rejected))
        [1. 1.78 3.29 5.44 9. ]

    References:
        Syed, Bouchard-Cote, Deligiannidis and Doucet, `Non-Reversible Parallel Tempering: a
        Scalable Highly Parallel MCMC Scheme <https://arxiv.org/abs/1905.02939>`_, 2021, on the
        optimal annealing schedule.
    """
    rungs, rates = _checked(rungs, rejection_rates)
    if num_rungs is None:
        num_rungs = len(rungs)
    check_size(2, "Pass None to keep the number of rungs.", num_rungs=num_rungs)
    mean = jnp.mean(rates)
    shares = jnp.maximum(rates, LEAST * jnp.where(mean > 0, mean, 1))
    cumulative = _cumulative(shares / jnp.sum(shares))
    inner = jnp.linspace(0, cumulative[-1], num_rungs, dtype=rungs.dtype)[1:-1]
    moved = monotone_cubic(cumulative, rungs, inner)
    return jnp.concatenate([rungs[:1], moved, rungs[-1:]])


def recommended_replicas(barrier: CommunicationBarrier | jax.typing.ArrayLike) -> int:
    r"""The number of replicas that a communication barrier calls for.

    .. math::
        K = \lceil 2 \Lambda \rceil + 1

    Every pair then rejects half of its swaps, Lambda / (K - 1) = 1/2, where round trips for a given
    cost are the most frequent. Fewer replicas reject more, and replicas beyond twice that number
    are better spent on a second, independent ladder.

    Args:
        barrier: what `communication_barrier` returned, or its total Lambda >= 0. A ladder with
            rejection rates near 1 underestimates it: adapt the ladder and measure again.

    Returns:
        K >= 2, a Python integer, since it is the shape of what comes next.

    Raises:
        ValueError: for a total that is negative, not finite, or traced.

    Examples:
        >>> import thermo_optax as to
        >>> to.recommended_replicas(3.4)
        8

    References:
        Syed, Bouchard-Cote, Deligiannidis and Doucet, `Non-Reversible Parallel Tempering: a
        Scalable Highly Parallel MCMC Scheme <https://arxiv.org/abs/1905.02939>`_, 2021, on the
        number of chains.
    """
    number = barrier.total if isinstance(barrier, CommunicationBarrier) else barrier
    if np.shape(number):
        raise ValueError(
            f"`barrier` must be that of one ladder, got {np.shape(number)} of them: ask for each, "
            "or for the largest, since a number of replicas is a shape."
        )
    total = known(number)
    if total is None:
        raise ValueError(
            f"`barrier` must be a known number, got {barrier}: a number of replicas is a shape. "
            "Return the barrier from the jitted function, and ask outside."
        )
    if not (math.isfinite(total) and total >= 0):
        raise ValueError(
            f"`barrier` must be finite and not negative, got {total}. Pass what "
            "`communication_barrier` returns."
        )
    # Rates are means in float32, and a barrier of 2 + 1e-7 calls for no further replica.
    return max(2, math.ceil(2 * total - 1e-5) + 1)


def _cumulative(rates: jax.Array) -> jax.Array:
    return jnp.concatenate([jnp.zeros_like(rates[:1]), jnp.cumsum(rates)])


def _checked(rungs, rejection_rates) -> tuple[jax.Array, jax.Array]:
    """Both as floats; pairs that were never tried get a rate."""
    dtype = jnp.result_type(float)
    rungs, rates = jnp.asarray(rungs, dtype), jnp.asarray(rejection_rates, dtype)
    if rungs.ndim != 1 or len(rungs) < 2:
        raise ValueError(
            f"`rungs` must have the shape [num_rungs] with at least 2 rungs, got {rungs.shape}. "
            "For several ladders at once, `jax.vmap` this function."
        )
    if rates.shape != (len(rungs) - 1,):
        raise ValueError(
            f"`rejection_rates` must have one rate for each pair of neighbours, {len(rungs) - 1} "
            f"for {len(rungs)} rungs, got the shape {rates.shape}. Average over seeds and time "
            "first."
        )
    if not isinstance(rungs, Tracer):
        steps = np.diff(np.asarray(rungs))
        if not (np.all(steps > 0) or np.all(steps < 0)):
            raise ValueError(
                f"`rungs` must increase or decrease from rung to rung, got {rungs}. Sort them, and "
                "the rates with them."
            )
    if not isinstance(rates, Tracer):
        numbers = np.asarray(rates)
        if np.any((numbers < 0) | (numbers > 1)):
            raise ValueError(
                f"`rejection_rates` must be in [0, 1], got {rates}. Pass 1 - acceptance, or NaN "
                "for a pair that was never tried."
            )
    tried = ~jnp.isnan(rates)
    count = jnp.sum(tried, dtype=dtype)
    mean = jnp.sum(jnp.where(tried, rates, 0)) / jnp.maximum(count, 1)
    return rungs, jnp.where(tried, rates, jnp.where(count > 0, mean, 0.5))
