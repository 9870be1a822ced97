"""Samples of the parameters, kept in the state of the transformation that moves them."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from thermo_optax._base import (
    ScalarOrSchedule,
    check_choice,
    check_leaves,
    check_size,
    heating,
    next_in_turn,
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
    next_of_ring,
    write_row,
)
from ._rungs import replica_choice

WHEN_FULL = ("overwrite", "stop")


class CollectedSamplesState(NamedTuple):
    """State of `collect_samples`."""

    count: jax.Array  # int32[], steps taken: argument of the schedule
    # int32[], samples stored so far, those overwritten since included; after 2^31 - 1 it goes on
    # from a small number, at which the rows are in the same order
    num_collected: jax.Array
    samples: Any  # like params, leaves [num_samples, ...]: sample i is in row i % num_samples
    inner_state: Any  # of the sampler


def collect_samples(
    inner: optax.GradientTransformation,
    num_samples: int,
    *,
    burn_in: jax.typing.ArrayLike = 0,
    thinning: jax.typing.ArrayLike = 1,
    collect: ScalarOrSchedule | None = None,
    collect_if: Callable[[Any], Any] | None = None,
    when_full: str = "overwrite",
    rung: int | str | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Keeps samples of the parameters in the state, thinned and after a burn-in.

    .. math::
        S \leftarrow S \cup \{x_{t+1}\} \quad \text{if} \quad
        t \ge B, \quad (t - B) \bmod K = 0, \quad c(t) \ne 0, \qquad t = 0, 1, \dots

    Step t leads from x_t to x_{t+1} = ``optax.apply_updates(params, updates)``, and this is what is
    stored, in the dtypes of the parameters. So put it outside of whatever else changes the
    updates: ``collect_samples(optax.chain(...), ...)``. The samples lie in arrays of a fixed size,
    so that runs of any length, scanned or vmapped over chains, need the memory of `num_samples`
    copies of the parameters; donate the state, or step in a ``lax.scan``, and they are written in
    place. Parameters that are not finite, or whose square is not, are never stored. On several
    devices samples lie as the parameters do; `copy_sharding` tells `optax.tree.map_params` so.

    With `continuous_tempering` inside, samples of exp(-L / T) are those on the cold plateau:
    ``collect_if=lambda state: jnp.abs(to.tempering_state(state).alpha) < 0.4``; they need no
    weights, since the bias acts on alpha alone. Functions of alpha need those of
    `unbiasing_log_weights`, which `ensemble_predict` takes as ``weights=jnp.exp(...)``. With
    `local_entropy`, ``collect_if=lambda state: state.inner_step == 0`` keeps the outer points.

    Around `replica_exchange` each replica wanders between the rungs, so that its samples mix their
    temperatures, and no reading can sort them afterwards: `by_rung` knows the rungs of now. With
    ``rung=0`` the samples are those of the coldest rung, whichever replica stands on it at the
    time, in the memory of one replica.

    Args:
        inner: any optax transformation: a sampler, a chain or a partition.
        num_samples: S >= 1, the number of samples that are kept.
        burn_in: B >= 0, the number of steps at the start that are not collected.
        thinning: K >= 1, steps from one sample to the next.
        collect: a schedule c of the step count t that returns a bool, or 0 or 1, and restricts
            collection further, such as ``cyclical_cooling(...).sampling``. `thinning` goes on
            counting all steps.
        collect_if: a function of the new state of `inner` that returns a bool and restricts
            collection further.
        when_full: "overwrite", so that the newest samples stay, or "stop", so that the first do.
        rung: of a `replica_exchange` in `inner`, the rung whose parameters are kept, 0 for the
            coldest, without the axis of replicas; "all" keeps those of all rungs, in their order.
            None keeps the parameters as they are: of all replicas, in the order of the replicas,
            which mixes temperatures, so that on a ladder of these it warns.

    Returns:
        A transformation with state :class:`CollectedSamplesState`; read it with
        `collected_samples`.

    Raises:
        ValueError: for numbers out of range, an unknown `when_full` or missing `params`; for a
            `rung` without a `replica_exchange` inside.
        TypeError: for a number of samples that is traced, or a `collect_if` that is no function.

    Examples:
        >>> import jax, jax.numpy as jnp, optax
        >>> import thermo_optax as to
        >>> sampler = to.langevin(0.5, temperature=1.0, friction=1.0, key=0)
        >>> tx = to.collect_samples(sampler, num_samples=2_000, burn_in=100, thinning=5)
        >>> def step(carry, _):
        ...     x, state = carry
        ...     updates, state = tx.update(x, state, x)  # the gradient of x^2 / 2 is x
        ...     return (optax.apply_updates(x, updates), state), None
        >>> x = jnp.zeros(3)
        >>> (x, state), _ = jax.lax.scan(step, (x, tx.init(x)), length=100 + 5 * 2_000)
        >>> samples = to.collected_samples(state)
        >>> print(samples.shape, bool(jnp.all(jnp.abs(samples.var(0) - 1) < 0.2)))
        (2000, 3) True

        With cycles, those of the cold parts only:

        >>> cycles = to.cyclical_cooling(
        ...     0.5, 1e-4, num_steps=200, num_cycles=4, exploration_fraction=0.9
        ... )
        >>> sampler = to.sghmc(cycles.learning_rate, cycles.temperature, momentum=0.9, key=0)
        >>> tx = to.collect_samples(sampler, num_samples=20, collect=cycles.sampling)

        With replica exchange, those of the cold rung:

        >>> ladder = {"temperature": [1.0, 2.0, 4.0]}
        >>> exchange = to.replica_exchange(to.sgld(0.1, 1.0, key=0), ladder, key=1)
        >>> tx = to.collect_samples(exchange, num_samples=20, rung=0)
        >>> print(tx.init(jnp.zeros((3, 5))).samples.shape)
        (20, 5)

    References:
        Zhang, Li, Zhang, Chen and Wilson, `Cyclical Stochastic Gradient MCMC for Bayesian Deep
        Learning <https://arxiv.org/abs/1902.03932>`_, 2020, Algorithm 1, for collection by cycles.
    """
    check_size(1, COPIES, num_samples=num_samples)
    check_choice("when_full", when_full, WHEN_FULL)
    rule = collection_rule(burn_in, thinning, collect, collect_if)
    choose = replica_choice(rung)
    inner = heating(inner, needs_bath=False)

    def init(params):
        check_leaves("params", params)
        count, num_collected = jnp.zeros([], jnp.int32), jnp.zeros([], jnp.int32)
        inner_state, kept = begun(inner, choose, params)
        samples = empty_rows(kept, num_samples)
        return CollectedSamplesState(count, num_collected, samples, inner_state)

    def update(updates, state, params=None, **extra_args):
        step = inner_step(inner, rule, choose, updates, state, params, **extra_args)
        moved, inner_state, new, due = step
        check_kept("num_samples", num_samples, state.samples)
        check_fits(new, state.samples, axes=1)
        if when_full == "stop":
            due &= state.num_collected < num_samples

        def store(due, kept):
            number, samples = kept
            samples = write_row(samples, new, number % num_samples, due)
            return jnp.where(due, next_of_ring(number, num_samples), number), samples

        number, samples = keep(due, new, store, (state.num_collected, state.samples))
        return moved, CollectedSamplesState(next_in_turn(state.count), number, samples, inner_state)

    return optax.GradientTransformationExtraArgs(init, update)
