"""How good is a predictive?  Probabilities of classes, next to labels or to another predictive."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from thermo_optax._base import check_size, compute_dtype

_STEEPEST = 10.0  # of |log inverse temperature|: beyond 20,000 all is a hard choice
_OFF = 1e-2  # of the sum of probabilities, by rounding
_HALVINGS = 40  # of the interval in which the temperature is sought


class CalibratedLogLikelihood(NamedTuple):
    """A log likelihood after each half of the examples was rescaled by the other half."""

    log_likelihood: jax.Array  # float[], mean over the examples
    temperatures: jax.Array  # float[2], fitted to the even and to the odd examples


def calibration_error(
    probabilities: jax.typing.ArrayLike, labels: jax.typing.ArrayLike, *, num_bins: int = 15
) -> jax.Array:
    r"""Expected calibration error: how far confidence is from accuracy.

    .. math::
        \sum_{b=1}^{B} \frac{n_b}{n}\, \Big| \frac{1}{n_b} \sum_{i \in b} [\hat y_i = y_i]
            - \frac{1}{n_b} \sum_{i \in b} p_i(\hat y_i) \Big|, \qquad
        \hat y_i = \arg\max_c p_i(c)

    The bins divide the confidences :math:`p_i(\hat y_i)` into equal intervals, open on the left.
    With few examples in a bin chance alone makes the error positive, by about
    :math:`\sqrt{B / n} / 3`.

    Args:
        probabilities: float[examples, classes], each row a distribution, such as the mean of
            `ensemble_predict` for a function that returns probabilities.
        labels: int[examples], the true classes, counted from 0.
        num_bins: B >= 1.

    Returns:
        float[], from 0 to 1; runs inside `jit`, where numbers that are no distributions, or labels
        outside of the classes, make it NaN.

    Raises:
        ValueError: for shapes that do not fit or fewer than one bin; for numbers that are no
            distributions and labels outside of the classes, where they are known.
        TypeError: for labels that are not integers.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> probabilities = jnp.array([[0.8, 0.2], [0.8, 0.2]])  # right once in two times
        >>> error = to.diagnostics.calibration_error(probabilities, jnp.array([0, 1]))
        >>> print(f"{error:.2f}")
        0.30

    References:
        Guo, Pleiss, Sun and Weinberger, `On Calibration of Modern Neural Networks
        <https://arxiv.org/abs/1706.04599>`_, 2017.
    """
    check_size(1, "Pass 15, as is usual.", num_bins=num_bins)
    probabilities, labels = _checked(probabilities, labels)
    confidence = jnp.max(probabilities, axis=-1)
    right = (jnp.argmax(probabilities, axis=-1) == labels).astype(confidence.dtype)
    bins = jnp.clip(jnp.ceil(confidence * num_bins).astype(jnp.int32) - 1, 0, num_bins - 1)
    gaps = jnp.zeros(num_bins, confidence.dtype).at[bins].add(right - confidence)
    return jnp.sum(jnp.abs(gaps)) / len(labels)


def brier_score(probabilities: jax.typing.ArrayLike, labels: jax.typing.ArrayLike) -> jax.Array:
    r"""Brier score: the squared distance from the predictive to the labels.

    .. math::
        \frac{1}{n} \sum_{i=1}^{n} \sum_c \big( p_i(c) - [c = y_i] \big)^2

    It is proper: in expectation nothing but the true probabilities makes it smallest. This is the
    sum over all classes, which for two classes is twice the square that is also in use.

    Args:
        probabilities: float[examples, classes], each row a distribution.
        labels: int[examples], the true classes, counted from 0.

    Returns:
        float[], from 0 to 2; runs inside `jit`, where numbers that are no distributions, or labels
        outside of the classes, make it NaN.

    Raises:
        ValueError: for shapes that do not fit; for numbers that are no distributions and labels
            outside of the classes, where they are known.
        TypeError: for labels that are not integers.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> score = to.diagnostics.brier_score(jnp.array([[0.8, 0.2]]), jnp.array([0]))
        >>> print(f"{score:.2f}")
        0.08

    References:
        Brier, `Verification of Forecasts Expressed in Terms of Probability`, 1950.
    """
    probabilities, labels = _checked(probabilities, labels)
    truth = jax.nn.one_hot(labels, probabilities.shape[-1], dtype=probabilities.dtype)
    return jnp.mean(jnp.sum((probabilities - truth) ** 2, axis=-1))


def agreement(probabilities: jax.typing.ArrayLike, reference: jax.typing.ArrayLike) -> jax.Array:
    r"""Share of the examples for which two predictives name the same class.

    .. math::
        \frac{1}{n} \sum_{i=1}^{n} \big[ \arg\max_c p_i(c) = \arg\max_c q_i(c) \big]

    Args:
        probabilities: float[examples, classes], each row a distribution p.
        reference: float[examples, classes], q, such as the predictive of a long chain.

    Returns:
        float[], from 0 to 1; runs inside `jit`, where numbers that are no distributions make it
        NaN.

    Raises:
        ValueError: for shapes that differ, or numbers that are no distributions, where they are
            known.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> p, q = jnp.array([[0.6, 0.4], [0.3, 0.7]]), jnp.array([[0.9, 0.1], [0.8, 0.2]])
        >>> print(to.diagnostics.agreement(p, q))
        0.5

    References:
        Izmailov, Vikram, Hoffman and Wilson, `What Are Bayesian Neural Network Posteriors Really
        Like? <https://arxiv.org/abs/2104.14421>`_, 2021, section 6.
    """
    first, second = _alike(probabilities, reference)
    same = jnp.argmax(first, axis=-1) == jnp.argmax(second, axis=-1)
    meant = ~jnp.isnan(first[:, 0] + second[:, 0])
    return jnp.mean(jnp.where(meant, same.astype(first.dtype), jnp.nan))


def total_variation(
    probabilities: jax.typing.ArrayLike, reference: jax.typing.ArrayLike
) -> jax.Array:
    r"""Total variation distance between two predictives, the mean over the examples.

    .. math::
        \frac{1}{n} \sum_{i=1}^{n} \frac{1}{2} \sum_c | p_i(c) - q_i(c) |

    Args:
        probabilities: float[examples, classes], each row a distribution p.
        reference: float[examples, classes], q, such as the predictive of a long chain.

    Returns:
        float[], from 0 for the same to 1 for predictives without a class in common; runs inside
        `jit`, where numbers that are no distributions make it NaN.

    Raises:
        ValueError: for shapes that differ, or numbers that are no distributions, where they are
            known.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> p, q = jnp.array([[0.6, 0.4]]), jnp.array([[0.9, 0.1]])
        >>> print(f"{to.diagnostics.total_variation(p, q):.1f}")
        0.3

    References:
        Izmailov, Vikram, Hoffman and Wilson, `What Are Bayesian Neural Network Posteriors Really
        Like? <https://arxiv.org/abs/2104.14421>`_, 2021, section 6.
    """
    first, second = _alike(probabilities, reference)
    return jnp.mean(jnp.sum(jnp.abs(first - second), axis=-1)) / 2


def calibrated_log_likelihood(
    probabilities: jax.typing.ArrayLike, labels: jax.typing.ArrayLike
) -> CalibratedLogLikelihood:
    r"""Log likelihood at the best temperature of the predictive, by cross-validation in halves.

    .. math::
        \frac{1}{n} \sum_{i=1}^{n} \log
            \frac{p_i(y_i)^{1/\tau}}{\sum_c p_i(c)^{1/\tau}}

    Log likelihoods of predictives that are too sure or too unsure do not compare the predictives
    but their temperatures. Here :math:`\tau` is the one at which the odd examples are most
    probable for the even ones, and the other way round. The likelihood is concave in
    :math:`1 / \tau`, so that bisection finds its maximum.

    Args:
        probabilities: float[examples, classes], each row a distribution; at least 2 examples, in
            an order that means nothing.
        labels: int[examples], the true classes, counted from 0.

    Returns:
        A :class:`CalibratedLogLikelihood`; runs inside `jit`, where numbers that are no
        distributions, or labels outside of the classes, make the likelihood NaN. Temperatures are
        from e^-10 to e^10: the least one where every example of a half is right. A probability of
        0, whose likelihood would be -inf, counts as the least normal number of its dtype (1e-38).

    Raises:
        ValueError: for shapes that do not fit or a single example; for numbers that are no
            distributions and labels outside of the classes, where they are known.
        TypeError: for labels that are not integers.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> too_sure = jnp.tile(jnp.array([[0.99, 0.01]]), (10, 1))  # right 8 times of 10
        >>> labels = jnp.array([0, 0, 0, 0, 0, 0, 0, 0, 1, 1])
        >>> found = to.diagnostics.calibrated_log_likelihood(too_sure, labels)
        >>> print(f"{found.log_likelihood:.3f}", found.temperatures.round(2))
        -0.500 [3.31 3.31]

    References:
        Ashukha, Lyzhov, Molchanov and Vetrov, `Pitfalls of In-Domain Uncertainty Estimation and
        Ensembling in Deep Learning <https://arxiv.org/abs/2002.06470>`_, 2020, section 3.
    """
    probabilities, labels = _checked(probabilities, labels)
    if len(labels) < 2:
        raise ValueError(
            f"`labels` must name at least 2 examples, got {len(labels)}: the temperature of one "
            "half is fitted to the other. Pass more of the test data."
        )
    tiny = jnp.finfo(probabilities.dtype).tiny
    logs = jnp.log(jnp.maximum(probabilities, tiny))
    right = jnp.take_along_axis(logs, labels[:, None], axis=1)
    halves = [(logs[start::2], right[start::2]) for start in (0, 1)]
    inverse = [_best_inverse_temperature(*half) for half in halves]

    def total(half, beta):
        logs, right = half
        return jnp.sum(beta * right[:, 0] - jax.nn.logsumexp(beta * logs, axis=-1))

    summed = total(halves[0], inverse[1]) + total(halves[1], inverse[0])
    return CalibratedLogLikelihood(summed / len(labels), 1 / jnp.stack(inverse))


def _best_inverse_temperature(logs: jax.Array, right: jax.Array) -> jax.Array:
    """Where the slope of the concave log likelihood is 0, by bisection of its logarithm."""
    # Where the right class is always on top the slope is positive to the end, but rounds to 0.
    margins = right - logs
    sure = jnp.all(margins >= 0) & jnp.any(margins > 0)

    def slope(log_beta):
        weights = jax.nn.softmax(jnp.exp(log_beta) * logs, axis=-1)
        return jnp.mean(right[:, 0] - jnp.sum(weights * logs, axis=-1))

    def halve(_, ends):
        low, high = ends
        middle = (low + high) / 2
        rising = sure | (slope(middle) > 0)
        return jnp.where(rising, middle, low), jnp.where(rising, high, middle)

    ends = jnp.full((), -_STEEPEST, logs.dtype), jnp.full((), _STEEPEST, logs.dtype)
    low, high = jax.lax.fori_loop(0, _HALVINGS, halve, ends)
    return jnp.exp((low + high) / 2)


def _distributions(name: str, probabilities: jax.typing.ArrayLike) -> jax.Array:
    """As an array of at least float32, if it holds distributions in its rows."""
    array = jnp.asarray(probabilities)
    if jnp.iscomplexobj(array):
        raise TypeError(f"`{name}` must be real numbers, got {array.dtype}.")
    array = array.astype(compute_dtype(array.dtype))
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(
            f"`{name}` must be an array [examples, classes], got one of shape {array.shape}. "
            "Reshape it, and average over samples first."
        )
    if isinstance(array, Tracer):
        sums = jnp.sum(array, axis=-1)
        return _where_meant(jnp.all(array >= 0, axis=-1) & (jnp.abs(sums - 1) < _OFF), array)
    values = np.asarray(array, float)
    sums = np.sum(values, axis=-1)
    if np.any(values < 0) or not np.all(np.abs(sums - 1) < _OFF):
        raise ValueError(
            f"`{name}` must hold a distribution in each row, got rows with sums from "
            f"{np.min(sums):.4g} to {np.max(sums):.4g}. Pass `jax.nn.softmax(logits)`."
        )
    return array


def _where_meant(meaningful: jax.Array, rows: jax.Array) -> jax.Array:
    """Not a number in rows without a meaning: under jit nothing can be raised."""
    return jnp.where(meaningful[:, None], rows, jnp.nan)


def _checked(
    probabilities: jax.typing.ArrayLike, labels: jax.typing.ArrayLike
) -> tuple[jax.Array, jax.Array]:
    array, classes = _distributions("probabilities", probabilities), jnp.asarray(labels)
    if not jnp.issubdtype(classes.dtype, jnp.integer):
        raise TypeError(
            f"`labels` must be integers, got {classes.dtype}. Of one-hot labels take "
            "`jnp.argmax(labels, axis=-1)`."
        )
    if classes.shape != array.shape[:1]:
        raise ValueError(
            f"`labels` must name a class for each of the {len(array)} examples, got an array of "
            f"shape {classes.shape}."
        )
    if isinstance(classes, Tracer):
        classes = classes.astype(jnp.int32)
        return _where_meant((classes >= 0) & (classes < array.shape[1]), array), classes
    values = np.asarray(classes)
    if not np.all((values >= 0) & (values < array.shape[1])):
        raise ValueError(
            f"`labels` must be from 0 to {array.shape[1] - 1}, got {np.min(values)} to "
            f"{np.max(values)}. Classes count from 0."
        )
    return array, classes.astype(jnp.int32)  # images often have labels in uint8


def _alike(
    probabilities: jax.typing.ArrayLike, reference: jax.typing.ArrayLike
) -> tuple[jax.Array, jax.Array]:
    first = _distributions("probabilities", probabilities)
    second = _distributions("reference", reference)
    if first.shape != second.shape:
        raise ValueError(
            f"`reference` must have the shape of `probabilities`, {first.shape}, got "
            f"{second.shape}. Predict the same examples with both."
        )
    wide = compute_dtype(first.dtype, second.dtype)
    return first.astype(wide), second.astype(wide)
