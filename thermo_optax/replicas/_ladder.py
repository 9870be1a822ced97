"""Ladders: the values of a hyperparameter, one for each rung, the coldest first."""

import jax
import jax.numpy as jnp
import numpy as np

from thermo_optax._base import check_finite, check_integer, check_positive, known

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
    check_integer(2, "A ladder needs two rungs to swap between.", num_rungs=num_rungs)
    first, last = known(low), known(high)
    if first is not None and last is not None and not first < last:
        raise ValueError(
            f"`low` must be below `high`, got {low} and {high}. Exchange them: the coldest rung "
            "comes first."
        )
