"""A Gaussian posterior, read off the running moments."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from thermo_optax._base import (
    cast_like,
    check_one,
    check_size,
    compute_dtype,
    like,
    merged,
    states_of,
    wide_zeros,
)
from thermo_optax._noise import KeyLike, check_key, map_with_noise, stream_key

from ._moments import RunningMomentsState


class _Moments(NamedTuple):
    """What one state says of its parameters."""

    mean: Any
    variance: Any  # NaN before the second sample
    deviations: Any  # leaves [rank, ...]; or None


def posterior_mean(state: Any, params: optax.Params) -> optax.Params:
    r"""The mean of the parameters along a run of `running_moments`.

    .. math::
        m = \frac{1}{n} \sum_{i=1}^n x^{(i)}

    Args:
        state: the state of any transformation with `running_moments` in it; of one chain, or under
            `jax.vmap`.
        params: the present parameters (of one replica where `rung` is a number), which give
            structure and dtypes. Those that are not collected (in another group of a partition, or
            masked) are returned as they are.

    Returns:
        A tree like params; NaN before the first sample.

    Raises:
        ValueError: if there is no `running_moments` in the state, or several one after another (of
            one within another the outer one is read); for `params` of another tree; for the state
            of several chains outside of `jax.vmap`.

    Examples:
        >>> import jax.numpy as jnp, optax
        >>> import thermo_optax as to
        >>> tx, x = to.running_moments(optax.sgd(1.0)), jnp.zeros(2)
        >>> state = tx.init(x)
        >>> for _ in range(3):
        ...     updates, state = tx.update(-jnp.ones(2), state, x)
        ...     x = optax.apply_updates(x, updates)
        >>> print(to.posterior_mean(state, x))
        [2. 2.]

    References:
        Welford, 1962.
    """
    means = merged(params, [m.mean for m in _all(state)], lambda param: param)
    return cast_like(means, params)


def posterior_variance(state: Any, params: optax.Params) -> Any:
    r"""The variance of each parameter along a run of `running_moments`.

    .. math::
        s^2 = \frac{1}{n - 1} \sum_{i=1}^n (x^{(i)} - m)^2

    Args:
        state: the state of any transformation with `running_moments` in it; of one chain, or under
            `jax.vmap`.
        params: the present parameters (of one replica where `rung` is a number), which give
            structure and dtypes. Those that are not collected (in another group of a partition, or
            masked) have the variance 0.

    Returns:
        A tree like params, in at least float32; NaN before the second sample.

    Raises:
        ValueError: if there is no `running_moments` in the state, or several one after another (of
            one within another the outer one is read); for `params` of another tree; for the state
            of several chains outside of `jax.vmap`.

    Examples:
        >>> import jax.numpy as jnp, optax
        >>> import thermo_optax as to
        >>> tx, x = to.running_moments(optax.sgd(1.0)), jnp.zeros(2)
        >>> state = tx.init(x)
        >>> for _ in range(3):
        ...     updates, state = tx.update(-jnp.ones(2), state, x)
        ...     x = optax.apply_updates(x, updates)
        >>> print(to.posterior_variance(state, x))
        [1. 1.]

    References:
        Welford, 1962.
    """
    return merged(params, [m.variance for m in _all(state)], wide_zeros)


def posterior_deviations(state: Any, params: optax.Params) -> Any:
    r"""The deviations of the last samples from the mean: a square root of their covariance.

    .. math::
        D_k = \frac{x^{(n - K + k)} - m}{\sqrt{K (n - 1) / n}}, \qquad
        \textstyle\sum_k D_k D_k^\top \approx \operatorname{Cov}(x)

    The divisor makes the estimate unbiased for independent samples; with n = K it is K - 1. SWAG
    divides by K - 1 always, and by deviations from the mean as it was at the time.

    Args:
        state: the state of any transformation with a `running_moments` of a rank above 0 in it; of
            one chain, or under `jax.vmap`.
        params: the present parameters (of one replica where `rung` is a number), which give
            structure and dtypes. Those that are not collected (in another group of a partition, or
            masked) have the deviation 0.

    Returns:
        A tree with leaves [rank, ...], in at least float32: D, whose rows are in no particular
        order, and 0 as long as there are fewer samples; NaN before the second one. Of groups with
        ranks of their own, rows of 0 fill up to the largest.

    Raises:
        ValueError: if there is no `running_moments` in the state, or one without a rank; for
            `params` of another tree.

    Examples:
        >>> import jax.numpy as jnp, optax
        >>> import thermo_optax as to
        >>> tx, x = to.running_moments(optax.sgd(1.0), rank=2), jnp.zeros(2)
        >>> state = tx.init(x)
        >>> for _ in range(2):
        ...     updates, state = tx.update(jnp.array([-1.0, 2.0]), state, x)
        ...     x = optax.apply_updates(x, updates)
        >>> d = to.posterior_deviations(state, x)
        >>> print(d.T @ d)
        [[ 0.5 -1. ]
         [-1.   2. ]]

    References:
        Maddox, Garipov, Izmailov, Vetrov and Wilson, `A Simple Baseline for Bayesian Uncertainty in
        Deep Learning <https://arxiv.org/abs/1902.02476>`_, 2019, section 3.3.
    """
    every = [m.deviations for m in _all(state)]
    if any(tree is None for tree in every):
        raise ValueError(
            "`state` is of a `running_moments` with `rank=0`, which keeps no samples. Build it "
            "with `rank=20`, say."
        )
    rank = max((rows.shape[0] for rows in jax.tree.leaves(every)), default=0)

    def filled(rows):
        return jnp.pad(rows, [(0, rank - rows.shape[0])] + [(0, 0)] * (rows.ndim - 1))

    return merged(
        params,
        jax.tree.map(filled, every),
        lambda param: jnp.zeros((rank, *param.shape), compute_dtype(param.dtype)),
    )


def draw_posterior(state: Any, params: optax.Params, num_draws: int, *, key: KeyLike) -> Any:
    r"""Draws parameters from the Gaussian of the moments, as SWAG does.

    .. math::
        x = m + \sqrt{\tfrac{1}{2} s^2} \odot z_1 + \sqrt{\tfrac{1}{2}}\, D^\top z_2, \qquad
        z_1, z_2 \sim N(0, 1)

    with the deviations D of `posterior_deviations`; with rank 0 the diagonal alone, x = m + s z_1.
    The draws have the variance of the samples in either case, and half of their covariance with
    rank K > 0. Each group of a partition draws for itself: for covariances between groups put
    `running_moments` around the partition.

    Args:
        state: the state of any transformation with `running_moments` in it, of many samples; of one
            chain, or under `jax.vmap`.
        params: the present parameters (of one replica where `rung` is a number), which give
            structure and dtypes. Those that are not collected (in another group of a partition, or
            masked) are repeated as they are.
        num_draws: number of draws, at least 1.
        key: an int, a typed key or a raw uint32 key. Required. Under `jax.vmap` over chains give
            each a key of its own, such as a row of ``jax.random.split(key, num_chains)``: with one
            for all, their draws have the same noise.

    Returns:
        A tree with leaves [num_draws, ...], in the dtypes of params, for `ensemble_predict`; NaN
        before the second sample.

    Raises:
        ValueError: if there is no `running_moments` in the state, for fewer than one draw, or for
            `params` of another tree.
        TypeError: for a missing key.

    Examples:
        >>> import jax, jax.numpy as jnp, optax
        >>> import thermo_optax as to
        >>> x = jnp.zeros(2)
        >>> tx = to.running_moments(to.langevin(0.5, 1.0, friction=1.0, key=0), rank=5)
        >>> def step(carry, _):
        ...     x, state = carry
        ...     updates, state = tx.update(x, state, x)
        ...     return (optax.apply_updates(x, updates), state), None
        >>> (x, state), _ = jax.lax.scan(step, (x, tx.init(x)), length=5_000)
        >>> print(to.draw_posterior(state, x, 100, key=1).shape)
        (100, 2)

    References:
        Maddox et al., 2019, eq. (1).
    """
    check_size(1, "Pass 30.", num_draws=num_draws)
    check_key(key)
    drawn = [_draws(moments, num_draws, key) for moments in _all(state)]
    full = merged(params, drawn, lambda param: jnp.broadcast_to(param, (num_draws, *param.shape)))
    return cast_like(full, params)


def _all(state: Any) -> list[_Moments]:
    states = states_of(state, RunningMomentsState, "running_moments")
    check_one(states)
    # A group of a partition may be without parameters.
    return [_moments(each) for each in states if jax.tree.leaves(each.mean)]


def _moments(state: RunningMomentsState) -> _Moments:
    n = state.num_collected
    none, few = n < 1, n < 2

    def mean_of(mean):
        return jnp.where(none, jnp.nan, mean)

    def variance_of(squares):
        return jnp.where(few, jnp.nan, squares / like(jnp.maximum(n - 1, 1), squares.dtype))

    mean = jax.tree.map(mean_of, state.mean)
    variance = jax.tree.map(variance_of, state.squares)
    if state.recent is None:
        return _Moments(mean, variance, None)
    return _Moments(mean, variance, jax.tree.map(functools.partial(_rows, n), state.recent, mean))


def _rows(n: jax.Array, recent: jax.Array, mean: jax.Array) -> jax.Array:
    """The rows of D for one leaf."""
    rank = recent.shape[0]
    filled = jnp.arange(rank, dtype=jnp.int32) < n
    filled = filled.reshape(rank, *[1] * mean.ndim)
    number, kept = like(n, mean.dtype), like(jnp.minimum(n, rank), mean.dtype)
    divisor = jnp.where(n < 2, jnp.nan, jnp.sqrt(kept * (number - 1) / number))
    return jnp.where(filled, recent.astype(mean.dtype) - mean[None], 0) / divisor


def _draws(moments: _Moments, num_draws: int, key: Any) -> Any:
    """Draws from one state's Gaussian: leaves [num_draws, ...], in at least float32."""
    wide_key = stream_key(key, "draw_posterior", moments.mean)
    low_key = stream_key(key, "draw_posterior, low rank", moments.mean)
    share = 1.0 if moments.deviations is None else 0.5

    def around(noise, mean, variance):
        return mean + jnp.sqrt(share * variance) * noise.astype(mean.dtype)

    def draw(tick):
        x = map_with_noise(around, wide_key, (tick,), moments.mean, moments.variance)
        if moments.deviations is None:
            return x
        rank = jax.tree.leaves(moments.deviations)[0].shape[0]
        z = map_with_noise(lambda noise, _: noise, low_key, (tick,), jnp.zeros(rank))

        def along(x, rows):
            return x + jnp.tensordot(z.astype(x.dtype), rows, 1) * share**0.5

        return jax.tree.map(along, x, moments.deviations)

    return jax.lax.map(draw, jnp.arange(num_draws, dtype=jnp.int32))
