"""Mean and covariance of the parameters along a run, without its samples."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from thermo_optax._base import (
    ScalarOrSchedule,
    added,
    check_leaves,
    check_size,
    heating,
    like,
    next_count,
    next_in_turn,
    wide_zeros,
)

from ._rule import (
    COPIES,
    begun,
    check_fits,
    check_kept,
    collection_rule,
    empty_rows,
    inner_step,
    keep,
    may_enter,
    write_row,
)
from ._rungs import replica_choice


class RunningMomentsState(NamedTuple):
    """State of `running_moments`."""

    count: jax.Array  # int32[], steps taken: argument of the schedule
    num_collected: jax.Array  # int32[], n, samples in the moments: after 2^31 - 1 no more enter
    mean: Any  # like params (at least float32)
    squares: Any  # like params (at least float32): sum of squared deviations from the mean
    recent: Any  # like params, leaves [rank, ...]: the newest samples, i in row i % rank; or None
    inner_state: Any  # of the sampler


def running_moments(
    inner: optax.GradientTransformation,
    *,
    burn_in: jax.typing.ArrayLike = 0,
    thinning: jax.typing.ArrayLike = 1,
    collect: ScalarOrSchedule | None = None,
    collect_if: Callable[[Any], Any] | None = None,
    rank: int = 0,
    rung: int | str | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Keeps mean, variance and, on request, a low-rank covariance of the parameters in the state.

    .. math::
        n \leftarrow n + 1, \qquad
        m' = m + \frac{x - m}{n}, \qquad
        M \leftarrow M + (x - m)(x - m'), \qquad m \leftarrow m'

    for the parameters x that the step leads to, in at least float32 whatever their dtype. After n
    samples m is their mean and M / (n - 1) their variance, in the memory of two copies of the
    parameters. With a rank K the last K samples stay too: their deviations from m are a square
    root of an estimate of the covariance, as in SWAG. Parameters that are not finite, or whose
    square is not, do not enter. Sums round up or down so that what is below their last digit counts
    in the long run: of a parameter at 1 with a deviation of 0.001, plain sums would lose all that
    come after the first 20,000. What rounding leaves there is 0.5 % of the deviation in the mean,
    as much as the chance of 40,000 independent samples: the root of 0.4 u s, of a last digit u of
    the mean and a deviation s.

    Args:
        inner: any optax transformation: a sampler, a chain or a partition.
        burn_in: B >= 0, the number of steps at the start that are not collected.
        thinning: K >= 1, steps from one sample to the next.
        collect: a schedule of the step count that returns a bool, or 0 or 1, and restricts
            collection further, such as ``cyclical_cooling(...).sampling``. `thinning` goes on
            counting all steps.
        collect_if: a function of the new state of `inner` that returns a bool and restricts
            collection further.
        rank: K >= 0, the number of samples of the low-rank covariance; 0 keeps the diagonal only.
        rung: of a `replica_exchange` in `inner`: 0 for the moments at the coldest rung, "all" for
            those at each rung. None mixes the rungs that a replica was on.

    Returns:
        A transformation with state :class:`RunningMomentsState`; read it with `posterior_mean`,
        `posterior_variance`, `posterior_deviations` and `draw_posterior`.

    Raises:
        ValueError: for numbers out of range, or missing `params`; for a `rung` without a
            `replica_exchange` inside.
        TypeError: for a rank that is traced, or a `collect_if` that is no function.

    Examples:
        >>> import jax, jax.numpy as jnp, optax
        >>> import thermo_optax as to
        >>> sampler = to.langevin(0.5, temperature=0.25, friction=1.0, key=0)
        >>> tx = to.running_moments(sampler, burn_in=100)
        >>> def step(carry, _):
        ...     x, state = carry
        ...     updates, state = tx.update(x - 3, state, x)  # of (x - 3)^2 / 2
        ...     return (optax.apply_updates(x, updates), state), None
        >>> x = jnp.zeros(2)
        >>> (x, state), _ = jax.lax.scan(step, (x, tx.init(x)), length=20_000)
        >>> mean, variance = to.posterior_mean(state, x), to.posterior_variance(state, x)
        >>> print(bool(jnp.all(jnp.abs(mean - 3) < 0.1) & jnp.all(jnp.abs(variance - 0.25) < 0.05)))
        True

    References:
        Welford, `Note on a Method for Calculating Corrected Sums of Squares and Products
        <https://doi.org/10.1080/00401706.1962.10490022>`_, 1962; Maddox, Garipov, Izmailov, Vetrov
        and Wilson, `A Simple Baseline for Bayesian Uncertainty in Deep Learning
        <https://arxiv.org/abs/1902.02476>`_, 2019, section 3.3, for the low rank.
    """
    check_size(0, COPIES, rank=rank)
    rule = collection_rule(burn_in, thinning, collect, collect_if)
    choose = replica_choice(rung)
    inner = heating(inner, needs_bath=False)

    def init(params):
        check_leaves("params", params)
        count, num_collected = jnp.zeros([], jnp.int32), jnp.zeros([], jnp.int32)
        inner_state, kept = begun(inner, choose, params)
        mean, squares = jax.tree.map(wide_zeros, kept), jax.tree.map(wide_zeros, kept)
        recent = empty_rows(kept, rank) if rank else None
        return RunningMomentsState(count, num_collected, mean, squares, recent, inner_state)

    def update(updates, state, params=None, **extra_args):
        step = inner_step(inner, rule, choose, updates, state, params, **extra_args)
        moved, inner_state, new, due = step
        if (state.recent is None) != (rank == 0):
            kept = 0 if state.recent is None else "more"
            raise ValueError(
                f"`rank` is {rank}, but the state keeps {kept} samples: a run goes on with the "
                "rank it began with. Pass that, or call `init` again."
            )
        check_kept("rank", rank, state.recent)
        check_fits(new, state.mean)

        def store(due, kept):
            number, mean, squares, recent = kept
            due &= may_enter(number)
            if rank:
                recent = write_row(recent, new, number % rank, due)
            number = jnp.where(due, next_count(number), number)

            def share(dtype):
                return like(jnp.maximum(number, 1), dtype)

            def deviation(leaf, mean):
                # What is not due deviates by nothing, and so changes nothing.
                return jnp.where(due, leaf.astype(mean.dtype) - mean, 0)

            def grown(squares, leaf, mean):
                n = share(mean.dtype)
                return added(squares, jnp.square(deviation(leaf, mean)) * ((n - 1) / n), number)

            def pulled(mean, leaf):
                return added(mean, deviation(leaf, mean) / share(mean.dtype), number)

            # The squares first, which need the mean as it was: so both are written in place.
            squares = jax.tree.map(grown, squares, new, mean)
            return number, jax.tree.map(pulled, mean, new), squares, recent

        start = (state.num_collected, state.mean, state.squares, state.recent)
        number, mean, squares, recent = keep(due, new, store, start)
        count = next_in_turn(state.count)
        return moved, RunningMomentsState(count, number, mean, squares, recent, inner_state)

    return optax.GradientTransformationExtraArgs(init, update)
