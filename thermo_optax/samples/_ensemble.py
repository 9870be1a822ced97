"""Predictions of an ensemble of parameters."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from thermo_optax._base import check_array, check_size, size_of


class EnsemblePrediction(NamedTuple):
    """What the samples predict, together and each for itself."""

    mean: Any  # like what `apply_fn` returns, in at least float32
    standard_deviation: Any  # likewise, but real: between the samples; NaN for a single one
    predictions: Any  # of each sample, leaves [samples, ...]


def ensemble_predict(
    apply_fn: Callable[[Any, Any], Any],
    samples: Any,
    inputs: Any,
    *,
    batch_size: int | None = None,
    weights: jax.typing.ArrayLike | None = None,
) -> EnsemblePrediction:
    r"""The predictions of each sample of the parameters, their mean and their spread.

    .. math::
        \bar f = \sum_i w_i f(x^{(i)}), \qquad
        s^2 = \frac{\sum_i w_i (f(x^{(i)}) - \bar f)^2}{1 - \sum_i w_i^2}, \qquad \sum_i w_i = 1

    Average what should be averaged: probabilities, not logits, for a Bayesian classifier. The
    spread is that of the predictions between samples; the noise of the data comes on top.

    Args:
        apply_fn: ``apply_fn(params, inputs)``, which returns an array or a tree of arrays.
        samples: a tree of parameters with leaves [samples, ...], of `collected_samples` or
            `draw_posterior`. Merge the chains first: ``x.reshape(-1, *x.shape[2:])``.
        inputs: what `apply_fn` takes, the same for all samples.
        batch_size: samples to predict with at once, at least 1; None takes one after the other.
            More are faster and need the memory of that many networks at work.
        weights: numbers >= 0, one for each sample, normalised here; None for equal ones. The mask
            of `samples_and_mask` serves, and for functions of the tempering variable the
            exponential of `unbiasing_log_weights`.

    Returns:
        An :class:`EnsemblePrediction`; all of it runs inside `jit`. NaN where the weights turn out,
        under `jit`, to be all 0, negative or not finite.

    Raises:
        ValueError: for samples without an axis of samples or with different ones, weights of
            another shape, or a batch size below 1; for weights that are all 0, negative or not
            finite, where they are known.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> slopes = jnp.array([1.0, 2.0, 3.0])
        >>> inputs = jnp.array([0.0, 1.0, 2.0])
        >>> ensemble = to.ensemble_predict(lambda slope, x: slope * x, slopes, inputs)
        >>> print(ensemble.mean, ensemble.standard_deviation)
        [0. 2. 4.] [0. 1. 2.]

    References:
        Welling and Teh, `Bayesian Learning via Stochastic Gradient Langevin Dynamics`, 2011,
        section 5, for means over samples.
    """
    number = _number_of(samples)
    if batch_size is not None:
        check_size(1, "Pass None for one after the other.", batch_size=batch_size)
    shares = jnp.ones(number) if weights is None else jnp.asarray(weights, jnp.result_type(float))
    if shares.shape != (number,):
        raise ValueError(
            f"`weights` must be one number for each of the {number} samples, got an array of shape "
            f"{shares.shape}."
        )
    _check_weights(shares)
    # NaN where the weights mean nothing, which inside of jit is not known before. Said in so many
    # words, because of a mask XLA takes 0 / 0 for 0. By the largest first: sums may overflow.
    largest = jnp.max(shares, initial=0)
    sound = jnp.all(shares >= 0) & (largest > 0) & jnp.isfinite(largest)
    parts = jnp.ldexp(shares, -jnp.frexp(jnp.where(sound, largest, 1))[1])
    total = jnp.sum(parts)
    shares = jnp.where(sound, parts / total, jnp.nan)
    freedom = jnp.sum(parts * _others(parts)) / total**2
    predictions = jax.lax.map(lambda x: apply_fn(x, inputs), samples, batch_size=batch_size)

    def mean(values):
        return _weighted(shares, values)

    def spread(values, center):
        apart = _counting(shares, jnp.abs(_wide(values) - center[None]))
        size = size_of(apart, axis=0)  # squares of 1e-20 or 1e20 are no float32
        squares = jnp.square(apart / size[None])
        return size * jnp.sqrt(_weighted(shares, squares) / freedom.astype(squares.dtype))

    means = jax.tree.map(mean, predictions)
    return EnsemblePrediction(means, jax.tree.map(spread, predictions, means), predictions)


def _others(parts: jax.Array) -> jax.Array:
    """The sum of the others for each of some numbers: beside a large one no digit is lost."""
    none = jnp.zeros(1, parts.dtype)
    before = jnp.concatenate([none, jnp.cumsum(parts[:-1])])
    after = jnp.concatenate([none, jnp.cumsum(parts[:0:-1])])[::-1]
    return before + after


def _number_of(samples: Any) -> int:
    for path, leaf in jax.tree_util.tree_leaves_with_path(samples):
        check_array(f"samples{jax.tree_util.keystr(path)}", leaf)
    shapes = [jnp.shape(leaf) for leaf in jax.tree.leaves(samples)]
    numbers = {shape[0] if shape else None for shape in shapes}
    if len(numbers) != 1 or None in numbers:
        raise ValueError(
            "`samples` must have one axis in front that counts samples, of the same length in "
            f"every leaf; got shapes {shapes[:5]}. Pass what `collected_samples` returns."
        )
    (number,) = numbers
    assert number is not None
    if number == 0:
        raise ValueError("`samples` has none in it: run past `burn_in` first.")
    return number


def _check_weights(weights: jax.Array) -> None:
    """Weights must be numbers >= 0 that do not all vanish, where they are known."""
    if isinstance(weights, Tracer):
        return
    known = np.asarray(weights)
    if not (np.all(np.isfinite(known)) and np.all(known >= 0) and np.any(known > 0)):
        raise ValueError(
            f"`weights` must be finite numbers >= 0 that are not all 0, got {known}. Of a mask of "
            "`samples_and_mask` without any sample, run past `burn_in` first; of log weights take "
            "`jnp.exp(w - w.max())`."
        )


def _wide(values: jax.Array) -> jax.Array:
    """In at least float32: means of half-precision numbers, or of 0 and 1, need the digits."""
    half = not jnp.issubdtype(values.dtype, jnp.inexact) or values.dtype.itemsize < 4
    return values.astype(jnp.float32) if half else values


def _weighted(shares: jax.Array, values: jax.Array) -> jax.Array:
    wide = _wide(values)
    along = _along(shares, wide)
    return jnp.sum(_counting(shares, along * wide), axis=0)


def _counting(shares: jax.Array, values: jax.Array) -> jax.Array:
    """0 in place of a sample without weight, which may be anything, also not a number."""
    return jnp.where(_along(shares, values) == 0, 0, values)


def _along(shares: jax.Array, values: jax.Array) -> jax.Array:
    return shares.astype(values.dtype).reshape(-1, *[1] * (values.ndim - 1))
