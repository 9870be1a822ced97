"""Ladders: the values of a hyperparameter, one for each rung, the coldest first.

For a harmonic energy swaps are known in closed form: of d coordinates in a bath at T it is
distributed like Gamma(d / 2, scale T). That gives the first ladder for a network.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from thermo_optax._base import check_finite, check_positive, check_size, known

ArrayLike = jax.typing.ArrayLike


def linear_ladder(low: ArrayLike, high: ArrayLike, num_rungs: int) -> jax.Array:
    r"""A ladder with equal steps, as in the paper on exchange of hyperparameters.

    .. math::
        v_k = v_0 + \frac{k}{K - 1} (v_{K-1} - v_0)

    Args:
        low: v_0, the value of the first rung, in units of the hyperparameter.
        high: v_{K-1} > v_0, that of the last one.
        num_rungs: K >= 2.

    Returns:
        The values, float[num_rungs], increasing.

    Raises:
        ValueError: for values that are not finite or not increasing, or fewer than two rungs.

    Examples:
        >>> import thermo_optax as to
        >>> print(to.linear_ladder(0.0, 1.0, num_rungs=5))
        [0.   0.25 0.5  0.75 1.  ]

    References:
        Pushkarov, Efroni, Maksymenko and Koch-Janusz, `Training Deep Neural Networks by optimizing
        over nonlocal paths in hyperparameter space <https://arxiv.org/abs/1909.04013>`_, 2019,
        whose dropout rates and learning rates are spaced like this.
    """
    _check_range(low, high, num_rungs)
    low, high = (jnp.asarray(end, jnp.result_type(float)) for end in (low, high))
    return jnp.linspace(low, high, num_rungs)


def geometric_ladder(low: ArrayLike, high: ArrayLike, num_rungs: int) -> jax.Array:
    r"""A ladder with equal ratios: the usual first one for temperatures.

    .. math::
        v_k = v_0 \left( \frac{v_{K-1}}{v_0} \right)^{k / (K - 1)}

    For a harmonic energy, whose heat capacity is the same at all temperatures, every pair of
    neighbours accepts equally often. Elsewhere let `adapted_ladder` move the rungs.

    Args:
        low: v_0 > 0, the value of the first rung, in units of the hyperparameter.
        high: v_{K-1} > v_0, that of the last one.
        num_rungs: K >= 2.

    Returns:
        The values, float[num_rungs], increasing.

    Raises:
        ValueError: for values that are not positive or not increasing, or fewer than two rungs.

    Examples:
        >>> import thermo_optax as to
        >>> print(to.geometric_ladder(1.0, 8.0, num_rungs=4))
        [1. 2. 4. 8.]

    References:
        Kofke, `On the acceptance probability of replica-exchange Monte Carlo trials`, J. Chem.
        Phys. 117, 2002.
    """
    check_positive(low=low, high=high)
    _check_range(low, high, num_rungs)
    low, high = (jnp.asarray(end, jnp.result_type(float)) for end in (low, high))
    share = jnp.asarray(np.linspace(0, 1, num_rungs)[1:-1], low.dtype)
    inner = low * (high / low) ** share
    return jnp.concatenate([low[None], inner, high[None]])


def _check_range(low: ArrayLike, high: ArrayLike, num_rungs: int) -> None:
    check_finite(low=low, high=high)
    check_size(2, "A ladder needs two rungs to swap between.", num_rungs=num_rungs)
    first, last = known(low), known(high)
    if first is not None and last is not None and not first < last:
        raise ValueError(
            f"`low` must be below `high`, got {low} and {high}. Exchange them: the coldest rung "
            "comes first."
        )


def harmonic_acceptance(ratio: ArrayLike, num_degrees_of_freedom: int) -> jax.Array:
    r"""How often a swap between two temperatures is accepted, for a quadratic energy.

    .. math::
        a = 2 P(E_1 > E_2) = 2\, I_{1 / (1 + \rho)}\!\left( \tfrac{d}{2}, \tfrac{d}{2} \right),
        \qquad \rho = T_2 / T_1

    with I the regularised incomplete beta function. Only the ratio of the temperatures counts. In
    many dimensions a ratio of 1 + sqrt(8 / d) is accepted in 16 % of all cases.

    Args:
        ratio: rho > 0, of one temperature to the other, either way; any shape.
        num_degrees_of_freedom: d >= 1, the number of coordinates of the energy: parameters whose
            loss is quadratic.

    Returns:
        The mean acceptance of the Metropolis rule, float, shaped like `ratio`.

    Raises:
        ValueError: for a number that is not positive, or a traced ratio: the function is evaluated
            in double precision, outside of jit.

    Examples:
        >>> import thermo_optax as to
        >>> print(to.harmonic_acceptance(2.0, 2), to.harmonic_acceptance(1.001, 10_000_000))
        0.667 0.114

    References:
        Kofke, `On the acceptance probability of replica-exchange Monte Carlo trials`, J. Chem.
        Phys. 117, 2002. An exchange of the two energies turns w of the rule min(1, w) into 1 / w,
        so its mean is twice the chance that w > 1, when the colder replica has more energy; a ratio
        of two Gamma variables follows a beta law.
    """
    check_positive(num_degrees_of_freedom=num_degrees_of_freedom)
    if isinstance(ratio, Tracer):
        raise ValueError(
            f"`ratio` must be a known number, got {ratio}: float32 would not do for many degrees "
            "of freedom. Call this outside of jit."
        )
    if not np.all(np.asarray(ratio) > 0):
        raise ValueError(f"`ratio` must be positive, got {ratio}. Pass T_2 / T_1.")
    accepted = _acceptance(np.asarray(ratio, np.float64), num_degrees_of_freedom)
    return jnp.asarray(accepted, jnp.result_type(float))


def harmonic_barrier(low: ArrayLike, high: ArrayLike, num_degrees_of_freedom: int) -> jax.Array:
    r"""The communication barrier between two temperatures, for a quadratic energy.

    .. math::
        \Lambda = \int_{1/T_2}^{1/T_1} \tfrac{1}{2} E\,|E - E'|\, d\beta
        = \ln \frac{T_2}{T_1} \,
        \frac{\Gamma(\frac{d + 1}{2})}{\sqrt{\pi}\, \Gamma(\frac{d}{2})}

    That is about sqrt(d / 2 pi) for each factor of e. A million parameters in equilibrium have a
    barrier of 277 between T and 2 T, so their ladder is either long or narrow.

    Args:
        low: T_1 > 0, in any unit.
        high: T_2 >= T_1, in the same one.
        num_degrees_of_freedom: d >= 1, the number of coordinates of the energy.

    Returns:
        Lambda, float[].

    Raises:
        ValueError: for numbers that are not positive, or `low` above `high`.

    Examples:
        >>> import thermo_optax as to
        >>> print(to.harmonic_barrier(1.0, 8.0, num_degrees_of_freedom=10))
        2.559

    References:
        Syed, Bouchard-Cote, Deligiannidis and Doucet, `Non-Reversible Parallel Tempering
        <https://arxiv.org/abs/1905.02939>`_, 2021, for the definition.
    """
    check_positive(low=low, high=high, num_degrees_of_freedom=num_degrees_of_freedom)
    first, last = known(low), known(high)
    if first is not None and last is not None and first > last:
        raise ValueError(
            f"`low` must not be above `high`, got {low} and {high}. Exchange them, since a barrier "
            "is not negative."
        )
    half = num_degrees_of_freedom / 2
    slope = math.exp(math.lgamma(half + 0.5) - math.lgamma(half)) / math.sqrt(math.pi)
    low, high = (jnp.asarray(end, jnp.result_type(float)) for end in (low, high))
    return jnp.log(high / low) * slope


def ladder_from_acceptance(
    low: ArrayLike, high: ArrayLike, acceptance: float, num_degrees_of_freedom: int
) -> jax.Array:
    r"""The shortest geometric ladder whose swaps are accepted often enough, if all is harmonic.

    .. math::
        v_k = v_0 \rho^k, \qquad
        2\, I_{1 / (1 + \rho)}\!\left( \tfrac{d}{2}, \tfrac{d}{2} \right) \ge a

    The ratio at which the swap is accepted as often as asked is found first, then made a little
    smaller so that a whole number of steps ends at the highest temperature.

    Args:
        low: v_0 > 0, the lowest temperature.
        high: the highest one, above it, in the same unit.
        acceptance: a in (0, 1), of the swaps of each pair of neighbours; 1/2 is the best for round
            trips at a given cost.
        num_degrees_of_freedom: d >= 1, the number of coordinates of the energy. Of a network in
            training that is the number of coordinates that equilibrate, so less than that of its
            parameters.

    Returns:
        The temperatures, float[num_rungs], increasing; the ends are exact.

    Raises:
        ValueError: for an acceptance outside (0, 1), temperatures that are not positive or not
            increasing, or traced ones: their ratio decides on a shape.

    Examples:
        >>> import thermo_optax as to
        >>> print(to.ladder_from_acceptance(1.0, 8.0, acceptance=0.5, num_degrees_of_freedom=10))
        [1. 1.516 2.297 3.482 5.278 8. ]

    References:
        Kofke, `On the acceptance probability of replica-exchange Monte Carlo trials`, J. Chem.
        Phys. 117, 2002.
    """
    check_positive(low=low, high=high, num_degrees_of_freedom=num_degrees_of_freedom)
    first, last = known(low), known(high)
    if first is None or last is None:
        raise ValueError(
            f"`low` and `high` must be known numbers, got {low} and {high}: their ratio decides on "
            "the number of rungs. Build the ladder outside of jit."
        )
    if not 0 < acceptance < 1:
        raise ValueError(
            f"`acceptance` must be above 0 and below 1, got {acceptance}. Pass 0.5, say."
        )
    span = math.log(last / first)
    # The acceptance falls with the logarithm of the ratio, from 1 at 0.
    near, far = 0.0, max(span, 0.0)
    for _ in range(100):
        middle = (near + far) / 2
        enough = _acceptance(np.exp(middle), num_degrees_of_freedom) >= acceptance
        near, far = (middle, far) if enough else (near, middle)
    # A ladder of exactly so many steps shall not get another one by rounding.
    steps = max(1, math.ceil(span / far * (1 - 1e-12))) if far else 1
    return geometric_ladder(low, high, steps + 1)


def _acceptance(ratio: np.ndarray, degrees: int) -> np.ndarray:
    from scipy.special import betainc  # here, because importing SciPy is slow

    ratio = np.maximum(ratio, 1 / ratio)  # either way; I at more than 1/2 would be above 1 / 2
    return 2 * betainc(degrees / 2, degrees / 2, 1 / (1 + ratio))
