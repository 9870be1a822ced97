"""A time step that becomes short where the loss is steep, and long where it is flat."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.core import Tracer

from thermo_optax._base import (
    ScalarOrSchedule,
    at,
    check_finite,
    check_leaves,
    check_positive,
    check_rate,
    compute_dtype,
    finite_or_zero,
    has_clock,
    in_dtype_of,
    is_sound,
    known,
    like,
    next_count,
    next_in_turn,
    samplers,
    state_arrays,
    weight_of,
    with_extra_args,
)
from thermo_optax._noise import on_all_shards, size, sum_of_squares

_MOST = 1e30  # of zeta: the squares of sound gradients may add up to more than float32 holds
_OUTSIDE = "Put it around `adaptive_step`: it takes samples at equal times there."
_BY_STEPS = "It takes all steps to be equally long. Leave one of the two out."
# Half of a kick belongs to the step before, and a force that is added inside has no part in that.
_IN_FRONT = "Its force must be seen here: put it in front, as in `optax.chain({}(...), this one)`."
_MISPLACED = {  # states of what may not be inside
    "CollectedSamplesState": ("collect_samples", _OUTSIDE),
    "RunningMomentsState": ("running_moments", _OUTSIDE),
    "LossCovariancesState": ("loss_covariances", _OUTSIDE),
    "TetherState": ("tether", _IN_FRONT.format("tether")),
    "ElasticState": ("elastic_coupling", _IN_FRONT.format("elastic_coupling")),
    "EntropyMCMCState": (
        "entropy_mcmc",
        "Its force must be seen here: write `entropy_mcmc(adaptive_step(...), scope=...)`.",
    ),
    "LocalEntropyState": ("local_entropy", _BY_STEPS),
    "TemperingState": ("continuous_tempering", _BY_STEPS),
    "ReplicaExchangeState": ("replica_exchange", _BY_STEPS),
    "WarmUpState": (
        "warm_up",
        "Run the warm-up first, and pass on the step size that `warm_up_report` shows.",
    ),
    "MultiStepsState": ("optax.MultiSteps", "Put that around `adaptive_step`."),
    "AdaptiveStepState": ("adaptive_step", "One is enough."),
}


class AdaptiveStepState(NamedTuple):
    """State of `adaptive_step`."""

    count: jax.Array  # int32[], steps taken: argument of the schedules
    zeta: jax.Array  # float32[], running mean of squared gradients, in units of `typical_square`
    factor: jax.Array  # float32[], length of the last step, in units of `step_size`
    weight: jax.Array  # float32[], time that the new parameters stand for, in the same unit
    fraction: jax.Array  # float32[], of the time from the last tick to the next, in [0, 1)
    ticks: jax.Array  # int32[], ticks so far, which are `largest` times `step_size` apart
    inner_state: Any  # of the sampler


def adaptive_step(
    make_sampler: Callable[..., Any],
    step_size: ScalarOrSchedule,
    *,
    typical_square: ScalarOrSchedule,
    smallest: jax.typing.ArrayLike = 0.25,
    largest: jax.typing.ArrayLike = 4.0,
    rate: jax.typing.ArrayLike = 0.2,
) -> optax.GradientTransformationExtraArgs:
    r"""A sampler whose time step is short where the loss is steep and long where it is flat.

    .. math::
        \zeta \leftarrow e^{-\alpha} \zeta + (1 - e^{-\alpha})
        \frac{\|\nabla L(x)\|^2}{d\, G}, \qquad
        h_t = \psi(\zeta)\, h, \qquad
        \psi(\zeta) = \frac{(1 - s)\, l + (l - 1)\, s \sqrt{\zeta}}{(1 - s) + (l - 1) \sqrt{\zeta}}

    A step of fixed size must suit the stiffest place that a chain visits. Where the stiffness
    varies, as in a funnel, or in a network whose curvature grows away from a minimum, a chain of
    fixed step is too hot there, or diverges. Here the step follows :math:`\zeta`, the mean of the
    squared gradients of d parameters over the last :math:`1 / \alpha` steps, in units of G. In
    equilibrium a squared gradient is the curvature times T, so the step stays near a fixed share of
    the stability limit. The step lies between s h and l h (`smallest` and `largest`), and is h at
    :math:`\zeta = 1`.

    **Parameters count by time, not by steps.** The chain makes many short steps where the loss is
    steep. The parameters after a step stand for the time ``state.weight``, and means over a run
    must be weighted by it; `time_weight` reads it. `collect_samples`, `running_moments` and
    `loss_covariances` around this transformation do so by themselves: they take samples at equal
    times, which need no weights. Their `thinning` then counts times of ``largest * step_size``, the
    longest step, instead of steps. `learning_coefficient` weighs its means. What takes all steps to
    be equally long (`validate`, `warm_up`, `replica_exchange`, `continuous_tempering`,
    `local_entropy`) refuses to have this transformation inside.

    With momenta and a symmetric splitting such as "BAOAB" the error is of second order in the step:
    zeta moves by half a step before and after, a kick is the mean of the two steps around it, and
    the weight belongs to the end of the step. It is of first order with `sgld` and
    `leimkuhler_matthews`.

    Put it around everything that moves parameters: those that move at another pace have no law
    together with the others. What adds to the gradient (`tether`, weight decay) belongs in front of
    it, ``optax.chain(tether(...), adaptive_step(...))``, so that zeta sees it, and `entropy_mcmc`
    around it: a force that is added inside is not shared between the two steps around a kick.

    Args:
        make_sampler: builds the sampler from the keyword argument `step_size` (float32[], traced),
            the *time* that a step takes: ``functools.partial(to.langevin, temperature=T,
            friction=1.0, key=0)``. The time of `sghmc` is the root of its learning rate, and that
            of `sgld` the learning rate itself: ``lambda step_size: to.sgld(step_size, T, key=0)``.
        step_size: h >= 0, the step at the typical square, in units of time. A number, a traced
            scalar or a schedule.
        typical_square: G > 0, the mean over all parameters of the squared gradient at which the
            step is h, in units of (loss / parameter)^2; a number or a schedule. In equilibrium the
            mean is T times the mean curvature; a short run with a small step measures it.
        smallest: the shortest step over h, above 0 and below 1.
        largest: the longest step over h, above 1.
        rate: alpha > 0, in units of 1 / step. zeta remembers 1 / alpha steps: at 1 it follows
            single gradients, and the error of a step is larger; a step that adapts over more than
            some ten steps comes too late.

    Returns:
        A transformation with state :class:`AdaptiveStepState`: that of the sampler, and six
        numbers. A gradient that is not finite leaves zeta as it is.

    Raises:
        ValueError: for numbers out of range, or a transformation inside that takes all steps to be
            equally long or adds a force.
        TypeError: if `make_sampler` is no function, or a number is none.

    Examples:
        >>> import functools
        >>> import jax, jax.numpy as jnp, optax
        >>> import thermo_optax as to
        >>> funnel = lambda x: x[0] ** 2 / 4.5 + jnp.exp(-x[0]) * x[1] ** 2 / 2 + x[0] / 2
        >>> make = functools.partial(to.langevin, temperature=1.0, friction=1.0, key=0)
        >>> tx = to.adaptive_step(make, 0.3, typical_square=1.0, smallest=0.1)
        >>> tx = to.collect_samples(tx, num_samples=10_000)
        >>> def step(carry, _):
        ...     x, state = carry
        ...     updates, state = tx.update(jax.grad(funnel)(x), state, x)
        ...     return (optax.apply_updates(x, updates), state), None
        >>> x = jnp.zeros(2)
        >>> (x, state), _ = jax.lax.scan(step, (x, tx.init(x)), length=100_000)
        >>> samples = to.collected_samples(state)
        >>> print(bool(abs(samples[:, 0].std() - 1.5) < 0.15))
        True

    References:
        Leimkuhler, Lohmann and Whalley, `A Langevin sampling algorithm inspired by the Adam
        optimizer <https://arxiv.org/abs/2504.18911>`_, 2025: SamAdams, in the splitting ZBAOABZ.
        Their weight needs the gradient at the new parameters, which optax asks for in the next step
        only; here the last half step of zeta is taken with the old gradient, which leaves the order
        as it is.
    """
    if not callable(make_sampler):
        raise TypeError(
            "`make_sampler` must be a function of step_size that builds a sampler, got "
            f"{make_sampler!r}. Write for instance `functools.partial(to.langevin, temperature=T, "
            "friction=1.0, key=0)`."
        )
    check_rate(step_size=step_size)
    check_positive(typical_square=typical_square)
    numbers = {"smallest": smallest, "largest": largest, "rate": rate}
    check_finite(**numbers)  # by no schedule: ticks are as long as the longest step
    check_positive(**numbers)
    _check_limits(smallest, largest)

    def built(step):
        return with_extra_args(make_sampler(step_size=step))

    if not isinstance(step_size, Tracer) and not callable(step_size):
        built(step_size)  # what is wrong with it shows here

    def factor_at(zeta):
        """The length of a step over h: 1 at zeta = 1, `largest` at 0, `smallest` far above."""
        low, high = at(smallest, 0).astype(zeta.dtype), at(largest, 0).astype(zeta.dtype)
        steep, flat = (high - 1) * jnp.sqrt(zeta), 1 - low
        return (steep * low + flat * high) / (steep + flat)

    def init(params):
        check_leaves("params", params)
        inner_state = built(at(step_size, 0)).init(params)
        for name, (maker, remedy) in _MISPLACED.items():
            if optax.tree.get_all_with_path(inner_state, name):
                raise ValueError(f"`make_sampler` must not build a `{maker}`. {remedy}")
        return AdaptiveStepState(
            count=jnp.zeros([], jnp.int32),
            zeta=jnp.ones([], jnp.float32),
            factor=jnp.ones([], jnp.float32),
            weight=jnp.ones([], jnp.float32),
            fraction=jnp.zeros([], jnp.float32),
            ticks=jnp.zeros([], jnp.int32),
            inner_state=inner_state,
        )

    def update(updates, state, params=None, **extra_args):
        check_leaves("updates", updates)
        step, typical = at(step_size, state.count), at(typical_square, state.count)
        mean, sound = _mean_square(updates)
        typical = jnp.maximum(typical.astype(jnp.float32), jnp.finfo(jnp.float32).tiny)
        seen = jnp.minimum(mean / typical, _MOST)
        gain = -jnp.expm1(-at(rate, 0) / 2).astype(jnp.float32)

        def halfway(zeta):
            return jnp.where(sound, zeta + gain * (seen - zeta), zeta)

        first = state.count == 0
        begun = jnp.where(first & sound, seen, state.zeta)
        zeta = halfway(halfway(begun))  # the second half of the last step, and the first of this
        factor, weight = factor_at(zeta), factor_at(halfway(zeta))
        last = jnp.where(first, factor, state.factor)
        if samplers(state.inner_state):
            # Half of the kick belongs to the last step, and half to this one.
            updates = _scaled(updates, (1 + last / factor) / 2)
        now = step * like(factor, step.dtype)
        moved, inner_state = built(now).update(updates, state.inner_state, params, **extra_args)
        passed = state.fraction + weight / at(largest, 0).astype(jnp.float32)
        due = passed >= 1
        return moved, AdaptiveStepState(
            count=next_count(state.count),
            zeta=zeta,
            factor=factor,
            weight=weight,
            fraction=jnp.where(due, passed - 1, passed),
            ticks=jnp.where(due, next_in_turn(state.ticks), state.ticks),
            inner_state=inner_state,
        )

    return optax.GradientTransformationExtraArgs(init, update)


def time_weight(state: Any) -> jax.Array:
    r"""The time that the present parameters stand for, in a run of `adaptive_step`.

    .. math::
        \langle f \rangle = \frac{\sum_t w_t f(x_t)}{\sum_t w_t}

    Collectors around `adaptive_step` need it not; it is for means in loops of your own.

    Args:
        state: the state of `adaptive_step`, or of a chain with one, that came with the parameters;
            of one chain, or under `jax.vmap`.

    Returns:
        float32[], w > 0, in units of `step_size`.

    Raises:
        ValueError: if there is no `adaptive_step` in the state, or several.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> make = lambda step_size: to.langevin(step_size, 1.0, friction=1.0, key=0)
        >>> tx, x = to.adaptive_step(make, 0.1, typical_square=1.0), jnp.ones(4)
        >>> _, state = tx.update(2 * x, tx.init(x), x)  # the square is 4, not 1
        >>> print(f"{to.time_weight(state):.2f}")
        0.67

    References:
        Leimkuhler, Lohmann and Whalley, 2025, on reweighting.
    """
    state = state_arrays(state)
    if not has_clock(state):
        raise ValueError(
            "`state` has no `adaptive_step` in it, so all steps are equally long and means need "
            "no weights."
        )
    return weight_of(state)


def _check_limits(smallest: Any, largest: Any) -> None:
    low, high = known(smallest), known(largest)
    if low is not None and low >= 1:
        raise ValueError(
            f"`smallest` must be below 1, got {smallest}: it is the shortest step over "
            "`step_size`. Pass 0.25."
        )
    if high is not None and high <= 1:
        raise ValueError(
            f"`largest` must be above 1, got {largest}: it is the longest step over `step_size`. "
            "Pass 4.0."
        )


def _mean_square(updates: Any) -> tuple[jax.Array, jax.Array]:
    """The mean over all coordinates of the squared gradient, and whether all of them are sound."""
    total, sound, number = jnp.zeros([], jnp.float32), jnp.ones([], jnp.bool_), 0.0
    for g in jax.tree.leaves(updates):
        wide = finite_or_zero(g).astype(compute_dtype(g.dtype))
        total += sum_of_squares(wide).astype(jnp.float32)
        sound &= on_all_shards(jnp.all(is_sound(g)))
        number += float(size(g))
    return total / max(number, 1.0), sound


def _scaled(updates: Any, factor: jax.Array) -> Any:
    def leaf(g):
        dtype = compute_dtype(g.dtype)
        return in_dtype_of(like(factor, dtype) * g.astype(dtype), g)

    return jax.tree.map(leaf, updates)
