"""Chi-squared bands: how far a temperature of finitely many coordinates may stray."""

from typing import NamedTuple

import jax
import jax.numpy as jnp


class Temperature(NamedTuple):
    """A measured temperature, in units of the loss, with its confidence interval."""

    value: jax.Array  # float32[]
    low: jax.Array  # float32[], lower end of the interval for the true temperature
    high: jax.Array  # float32[], upper end
    degrees: jax.Array  # float32[], degrees of freedom: number of coordinates


def _quantiles(degrees: int, confidence: float) -> tuple[float, float]:
    """Quantiles of chi^2 / N, at trace time: the number of coordinates is static."""
    from scipy.special import gammaincinv  # here, because importing SciPy is slow

    if not 0 < confidence < 1:
        raise ValueError(f"`confidence` must be between 0 and 1, got {confidence}. Pass 0.99, say.")
    tail = (1 - confidence) / 2
    half = degrees / 2
    return float(gammaincinv(half, tail) / half), float(gammaincinv(half, 1 - tail) / half)


def temperature_band(
    temperature: jax.typing.ArrayLike, degrees: int, confidence: float = 0.99
) -> tuple[jax.Array, jax.Array]:
    r"""The band in which a measured temperature lies, if the true one is as given.

    .. math::
        \hat T = \frac{1}{N} \sum_i p_i^2 / m \;\sim\; \frac{T}{N}\, \chi^2_N

    Args:
        temperature: T, in units of the loss; any shape.
        degrees: N >= 1, the number of coordinates that were measured at one time. For an average
            over n independent times pass n N.
        confidence: the probability of the band, in (0, 1).

    Returns:
        The lower and the upper end, shaped like the temperature.

    Raises:
        ValueError: for a number of coordinates below 1 or a confidence outside (0, 1).

    Examples:
        >>> import thermo_optax as to
        >>> low, high = to.diagnostics.temperature_band(1.0, degrees=1_000, confidence=0.99)
        >>> print(f"{low:.3f} {high:.3f}")
        0.889 1.119

    References:
        Wenzel et al., `How Good is the Bayes Posterior in Deep Neural Networks Really?
        <https://arxiv.org/abs/2002.02405>`_, 2020, appendix on kinetic temperatures.
    """
    if degrees < 1:
        raise ValueError(f"`degrees` must be at least 1, got {degrees}: measure some coordinates.")
    low, high = _quantiles(degrees, confidence)
    temperature = jnp.asarray(temperature, jnp.result_type(float))
    return temperature * low, temperature * high


def with_interval(value: jax.Array, degrees: int, confidence: float) -> Temperature:
    """The reading with its confidence interval; NaN of no coordinates."""
    value = value.astype(jnp.float32) if degrees else jnp.full([], jnp.nan, jnp.float32)
    low, high = _quantiles(degrees, confidence) if degrees else (0.0, jnp.inf)
    return Temperature(
        value=value,
        low=value / jnp.float32(high),
        high=value / jnp.float32(low),
        degrees=jnp.full_like(value, float(degrees)),
    )
