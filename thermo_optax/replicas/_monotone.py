"""Monotone cubic interpolation, in arrays of fixed shape: between the knots it cannot overshoot."""

import jax
import jax.numpy as jnp


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
    turns = before * after <= 0
    # Neither branch of `where` may divide by 0, or gradients would be NaN.
    inverse = first / jnp.where(turns, 1, before) + second / jnp.where(turns, 1, after)
    inner = jnp.where(turns, 0, (first + second) / jnp.where(turns, 1, inverse))
    low = _end_slope(widths[0], widths[1], secants[0], secants[1])
    high = _end_slope(widths[-1], widths[-2], secants[-1], secants[-2])
    return jnp.concatenate([low[None], inner, high[None]])


def _end_slope(width: jax.Array, inner_width: jax.Array, secant: jax.Array, inner: jax.Array):
    """The derivative at an end, from the two intervals next to it."""
    slope = ((2 * width + inner_width) * secant - width * inner) / (width + inner_width)
    slope = jnp.where(slope * secant <= 0, 0, slope)
    overshoots = (secant * inner <= 0) & (jnp.abs(slope) > 3 * jnp.abs(secant))
    return jnp.where(overshoots, 3 * secant, slope)
