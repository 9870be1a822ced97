"""Diffusion from the start: is a hyperparameter a temperature, so that replicas may exchange it?

Weights under stochastic gradients wander off, and hotter ones go farther. A hyperparameter acts as
a temperature if the distances are in the order of its values; otherwise it does not belong on a
ladder.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from thermo_optax._base import (
    arrays_by_place,
    check_leaves,
    check_not_complex,
    check_not_empty,
    compute_dtype,
)
from thermo_optax._noise import sum_of_squares

from ._ranks import average_ranks, correlate, permutation_p_value

ArrayLike = jax.typing.ArrayLike


class DiffusionReading(NamedTuple):
    """How far replicas went, and whether in the order of a hyperparameter; a table when printed."""

    steps: jax.Array  # float[num_times], when it was recorded
    distances: jax.Array  # float[num_times, num_seeds, num_replicas], from the start
    values: jax.Array  # float[num_replicas], of the hyperparameter
    correlation: jax.Array  # float[num_times], of ranks, mean over seeds; -1 to 1
    standard_error: jax.Array  # float[], of the correlation, if value and distance had no relation
    p_value: jax.Array  # float[num_times], chance of such a correlation then, of either sign
    exponent: jax.Array  # float[num_replicas], distance ~ step^exponent; 1/2 of free diffusion
    exponent_error: jax.Array  # float[num_replicas], its standard error
    ordered: jax.Array  # bool[num_times], whether the distances are in the order of the values
    eligible: jax.Array  # bool[], whether they are in all of the second half of the record

    def __str__(self) -> str:
        """The verdict, and a line for each value."""
        count = int(np.sum(np.asarray(self.ordered)))
        verdict = "eligible for exchange" if bool(self.eligible) else "NOT eligible for exchange"
        lines = [
            f"{verdict}: distances are in the order of the values at {count} of "
            f"{len(self.steps)} times; at step {float(self.steps[-1]):g} the rank correlation is "
            f"{float(self.correlation[-1]):.3f} (p = {float(self.p_value[-1]):.1g})",
            f"{'value':>10}  {'distance':>10}  exponent",
        ]
        rows = zip(
            np.asarray(self.values),
            np.asarray(self.distances[-1]).mean(axis=0),
            np.asarray(self.exponent),
            np.asarray(self.exponent_error),
            strict=True,
        )
        lines += [f"{v:>10.4g}  {d:>10.4g}  {e:.3f} +- {error:.3f}" for v, d, e, error in rows]
        return "\n".join(lines)


def distance(params: Any, start: Any) -> jax.Array:
    r"""How far each replica is from where it started.

    .. math::
        d_k = \lVert W_k(t) - W_k(0) \rVert_2

    Args:
        params: the parameters of all replicas, a tree of arrays [num_replicas, ...].
        start: those at step 0: of all replicas alike, or of one if all started there.

    Returns:
        The Euclidean distances in units of the parameters, float[num_replicas]; added up in single
        precision at least, whatever the dtype of the leaves. May be called inside jit.

    Raises:
        ValueError: if the two trees do not fit, or without an axis of replicas.
        TypeError: for leaves that are not arrays of real numbers.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> start = {"w": jnp.zeros([2, 3]), "b": jnp.zeros([2])}
        >>> params = {"w": jnp.ones([2, 3]), "b": jnp.array([1.0, -5.0])}
        >>> print(to.diagnostics.distance(params, start).round(2))
        [2. 5.29]

    References:
        Hoffer, Hubara and Soudry, `Train longer, generalize better
        <https://arxiv.org/abs/1705.08741>`_, 2017, section 4.1, for the distance from the start as
        a random walk.
    """
    check_leaves("params", params)
    check_not_complex("start", start)
    check_not_empty("params", params)
    by_place, origins = arrays_by_place(params), arrays_by_place(start)
    if by_place.keys() != origins.keys():
        raise ValueError(
            f"`start` must have the tree structure of `params`, got {jax.tree.structure(start)} "
            f"and {jax.tree.structure(params)}. Keep a copy of the parameters of step 0."
        )
    counts = {jnp.shape(leaf)[:1] for leaf in by_place.values()}
    if len(counts) != 1 or counts == {()}:
        raise ValueError(
            "`params` must have the replicas as the first axis of every leaf, got leaves with "
            f"{sorted(counts)} in front. Of a single replica, add the axis: "
            "`jax.tree.map(lambda leaf: leaf[None], params)`."
        )
    squares = []
    for place, leaf in by_place.items():
        origin = origins[place]
        if jnp.shape(origin) not in (leaf.shape, leaf.shape[1:]):
            where = "".join(f"[{name!r}]" for name in place)
            raise ValueError(
                f"`start{where}` has shape {jnp.shape(origin)}, but `params` "
                f"has {leaf.shape} there. Pass the parameters of step 0, of all replicas or of one."
            )
        dtype = compute_dtype(leaf.dtype)
        away = leaf.astype(dtype) - jnp.broadcast_to(origin, leaf.shape).astype(dtype)
        squares.append(jax.vmap(sum_of_squares)(away).astype(jnp.result_type(float)))
    return jnp.sqrt(sum(squares))


def diffusion(
    distances: ArrayLike,
    values: ArrayLike,
    steps: ArrayLike | None = None,
    *,
    least_correlation: float = 0.95,
    level: float = 0.01,
) -> DiffusionReading:
    r"""Reads off whether replicas diffuse in the order of a hyperparameter, and with which power.

    .. math::
        \rho(t) = \operatorname{corr}\bigl(\operatorname{rank}(v_k),
        \operatorname{rank}(d_k(t))\bigr), \qquad d_k(t) \propto t^{\nu_k}

    A hyperparameter may be exchanged between replicas if it acts as a temperature: the curves of
    the distance from the start separate in the order of its values (rising or falling, as for a
    batch size), and stay so. That is what `eligible` says: in all of the second half of the record,
    the correlation has one sign, is at least `least_correlation` in size, and would come about by
    chance with a probability of `level` at most. Of eight replicas, two pairs of neighbours may be
    in the wrong order then.

    Ranks of equal numbers are averaged (Spearman's correlation). Its standard error without any
    relation, 1 / sqrt(S (K - 1)) for S seeds of K replicas, is exact. So is the p-value for up to
    eight replicas without ties, by all permutations within each seed; for more it is that of
    Student's law with S (K - 1) - 1 degrees of freedom. A perfect order has 2 / (K!)^S, so in one
    seed five replicas cannot prove anything at 0.01. A distance that is not finite counts as the
    largest.

    Args:
        distances: d, from `distance`, in units of the parameters; [num_times, num_replicas], or
            [num_times, num_seeds, num_replicas].
        values: v, of the hyperparameter, in any unit; [num_replicas].
        steps: t, when the distances were recorded; [num_times]. None for 1, 2, 3, ...
        least_correlation: in (0, 1].
        level: the probability of a false alarm at each time, in (0, 1).

    Returns:
        The :class:`DiffusionReading`; `print` shows its verdict. The exponents are least-squares
        slopes of ln d over ln t. Their standard errors come from the spread between seeds; with one
        seed from the residuals, which are correlated in time, so that they are too small. May be
        called inside jit.

    Raises:
        ValueError: for shapes that do not fit, fewer than three replicas, steps that do not
            increase, or options out of their range.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> steps = jnp.arange(1.0, 6.0) * 100
        >>> rates = jnp.linspace(0.1, 0.8, 8)
        >>> print(to.diagnostics.diffusion(rates * jnp.sqrt(steps)[:, None], rates, steps))
        eligible for exchange: distances are in the order of the values at 5 of 5 times; at step 500
        the rank correlation is 1.000 (p = 5e-05)
             value    distance  exponent
               0.1       2.236  0.500 +- 0.000
               ...

    References:
        Pushkarov, Efroni, Maksymenko and Koch-Janusz, `Training Deep Neural Networks by optimizing
        over nonlocal paths in hyperparameter space <https://arxiv.org/abs/1909.04013>`_, 2019,
        figure 1, on which hyperparameters qualify; Kendall and Gibbons, `Rank Correlation Methods`,
        1990, for the laws of rank correlations.
    """
    distances, values, steps = _checked(distances, values, steps)
    if not 0 < least_correlation <= 1:
        raise ValueError(
            f"`least_correlation` must be above 0 and at most 1, got {least_correlation}. Pass "
            "0.95, say."
        )
    if not 0 < level < 1:
        raise ValueError(f"`level` must be above 0 and below 1, got {level}. Pass 0.01.")
    num_times, num_seeds, num_replicas = distances.shape
    reached = jnp.where(jnp.isfinite(distances), distances, jnp.inf)
    by_seed = correlate(average_ranks(reached), average_ranks(values))
    correlation = jnp.mean(by_seed, axis=1)
    p_value = permutation_p_value(correlation, num_seeds, num_replicas)
    # A perfect order of ranks is 1 up to rounding.
    ordered = (jnp.abs(correlation) >= least_correlation - 1e-5) & (p_value <= level)
    late, signs = ordered[num_times // 2 :], jnp.sign(correlation[num_times // 2 :])
    exponent, exponent_error = _exponents(distances, steps)
    return DiffusionReading(
        steps=steps,
        distances=distances,
        values=values,
        correlation=correlation,
        standard_error=jnp.asarray((num_seeds * (num_replicas - 1)) ** -0.5, distances.dtype),
        p_value=p_value,
        exponent=exponent,
        exponent_error=exponent_error,
        ordered=ordered,
        eligible=jnp.all(late) & jnp.all(signs == signs[0]),
    )


def _exponents(distances: jax.Array, steps: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Slopes in logarithms, of each replica over its seeds, with standard errors."""
    num_seeds = distances.shape[1]
    times = jnp.broadcast_to(steps[:, None, None], distances.shape)
    usable = jnp.isfinite(distances) & (distances > 0) & (times > 0)
    weight = usable.astype(distances.dtype)
    x, y = (jnp.log(jnp.where(usable, array, 1)) for array in (times, distances))

    def total(array):
        return jnp.sum(weight * array, axis=0, keepdims=True)

    count = total(weight)
    x, y = (z - total(z) / jnp.maximum(count, 1) for z in (x, y))
    width = total(x**2)
    # Of fewer than two times there is no slope: NaN.
    slope = total(x * y) / jnp.where(width > 0, width, jnp.nan)
    exponent = jnp.mean(slope, axis=(0, 1))
    if num_seeds > 1:
        return exponent, jnp.std(slope, axis=(0, 1), ddof=1) / num_seeds**0.5
    residual = total((y - slope * x) ** 2)
    error = jnp.sqrt(residual / jnp.where(count > 2, count - 2, jnp.nan) / width)
    return exponent, error[0, 0]


def _checked(distances, values, steps) -> tuple[jax.Array, jax.Array, jax.Array]:
    """All as floats, the distances with an axis of seeds."""
    dtype = jnp.result_type(float)
    distances, values = jnp.asarray(distances, dtype), jnp.asarray(values, dtype)
    if distances.ndim not in (2, 3) or not distances.size:
        raise ValueError(
            "`distances` must have the shape [num_times, num_replicas] or [num_times, num_seeds, "
            f"num_replicas], got {distances.shape}. Stack what `distance` returns over time."
        )
    if values.shape != distances.shape[-1:] or values.size < 3:
        raise ValueError(
            f"`values` must have one number for each of at least 3 replicas, got the shape "
            f"{values.shape} for distances of {distances.shape}. The replicas are their last axis."
        )
    num_times = len(distances)
    steps = jnp.arange(1, num_times + 1) if steps is None else jnp.asarray(steps)
    if steps.shape != (num_times,):
        raise ValueError(
            f"`steps` must have one number for each of {num_times} times, got the shape "
            f"{steps.shape}. Leave it out to count from 1."
        )
    if not isinstance(steps, Tracer) and not np.all(np.diff(np.asarray(steps)) > 0):
        raise ValueError(f"`steps` must increase, got {steps}. Pass the step of each record.")
    if distances.ndim == 2:
        distances = distances[:, None, :]
    return distances, values, steps.astype(dtype)
