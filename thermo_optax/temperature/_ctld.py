"""CTLD: continuously tempered Langevin dynamics, an optimizer in two phases; the phases alone."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from thermo_optax._base import (
    ScalarOrSchedule,
    as_steps,
    at,
    check_leaves,
    check_nonnegative,
    check_rate,
    check_steps,
    first_value,
    heating,
    known,
    next_count,
)
from thermo_optax._noise import KeyLike
from thermo_optax.integrators import sghmc

from ._grid import Bias
from ._tempering import continuous_tempering


def ctld(
    learning_rate: ScalarOrSchedule | None = None,
    temperature: ScalarOrSchedule | None = None,
    *,
    sampling_steps: jax.typing.ArrayLike,
    momentum: ScalarOrSchedule | None = None,
    step_size: ScalarOrSchedule | None = None,
    friction: ScalarOrSchedule | None = None,
    gradient_noise: ScalarOrSchedule = 0.0,
    initial_momentum: str = "thermal",
    momentum_dtype: Any = None,
    generator: str = "threefry",
    mode: str = "exploration",
    order: str | None = None,
    bias: Bias | Sequence[Bias] | str | None = "auto",
    plateau: jax.typing.ArrayLike = 0.4,
    edge: jax.typing.ArrayLike = 1.5,
    depth: jax.typing.ArrayLike = 0.85,
    wall: ScalarOrSchedule = 10.0,
    alpha_step: ScalarOrSchedule = 0.05,
    alpha_friction: ScalarOrSchedule | None = None,
    alpha_mass: jax.typing.ArrayLike | None = None,
    key: KeyLike,
) -> optax.GradientTransformationExtraArgs:
    r"""Continuously tempered Langevin dynamics: a sampling phase, then SGD with momentum.

    .. math::
        \begin{aligned}
        r &\leftarrow \mu r - h \nabla L(x) + \sqrt{2 (1 - \mu) T / g(\alpha)}\, z, \qquad
        x \leftarrow x + h r, \qquad h = \sqrt{\text{learning rate}} \\
        \alpha &\leftarrow \alpha + h_\alpha r_\alpha, \qquad
        r_\alpha \leftarrow r_\alpha + h_\alpha \big( {-g'(\alpha)} E - \phi'(\alpha) - V'(\alpha)
        \big) - \text{friction} + \text{noise}
        \end{aligned}

    It is `explore_then_refine` around `continuous_tempering` around `sghmc`. In the sampling phase
    the bath's temperature wanders from T to T / 0.15 and back; the metadynamics bias V makes it
    spend about as long at each alpha, a quarter of the time at T itself. After `sampling_steps`
    there is no noise: ``optax.sgd(learning_rate, momentum)``, from the momentum that the first
    phase left.

    Two ways to say how it moves: learning rate and momentum, or step size and friction, with
    lr = h^2 and mu = 1 - h gamma.

    Args:
        learning_rate: lr > 0, in units of parameter^2 / loss.
        temperature: T >= 0, in units of the loss, of the bath where it is coldest. The paper has 1
            for a loss summed over all N examples, which is 1 / N for a loss averaged over them.
        sampling_steps: whole number of steps of the sampling phase. The paper's is not known;
            related methods explore for 15 to 50 % of a training run.
        momentum: mu in [0, 1); None means 0.9. The paper's experiment has 0.7.
        step_size: h > 0, in units of time, instead of `learning_rate`.
        friction: gamma >= 0 and at most 1 / h, in units of 1 / time, instead of `momentum`.
        gradient_noise: s^2 >= 0, the variance per coordinate of the mini-batch gradient, whose heat
            is subtracted from the noise (down to none). 0, the default, trusts the gradient.
        initial_momentum: "thermal" draws N(0, T), "zero" starts at rest.
        momentum_dtype: dtype of the stored momentum, such as ``jnp.dtype("float32")``; None means
            that of the parameters, but at least float32.
        generator: of the noise: "threefry" (default), "threefry13", "inverse_cdf", "ternary" or
            "jax"; see :func:`thermo_optax.noise_generators`.
        mode: "exploration" (default), for networks of any size: alpha covers its range soon, and
            the law is not exact. "paper": exact, for up to 30 parameters. "exact": exact for any
            number, but alpha takes longer the more there are.
        order: "as printed" moves the parameters before alpha, "alpha first" after it. None means
            "as printed", but "alpha first" in mode "exact", which needs it. Both have the exact
            bath of alpha, not the printed Euler friction.
        bias: of alpha: one bias or a list, None for none, or "auto": hills in "paper", the mean
            force in "exact", both in "exploration".
        plateau: delta >= 0, without unit; the bath is at T where \|alpha\| is below it. The paper
            has 0.4.
        edge: delta' > delta, without unit; the bath is hottest where \|alpha\| is above it.
        depth: S in [0, 1); the hottest bath is at T / (1 - S).
        wall: C > 0, steepness of the wall at the edges, in units of T.
        alpha_step: h_alpha > 0, the step of alpha in its own unit of time.
        alpha_friction: gamma_alpha >= 0, in units of 1 / that time. None: 1, or 0.1 in "exact".
        alpha_mass: m_alpha > 0. None: 1, or the number of parameters in "exact".
        key: an int, a typed key or a raw uint32 key; read by ``init`` only. Required.

    Returns:
        A transformation whose ``update`` needs the loss, ``update(..., value=loss)``. See
        `tempering_state` for alpha and the bias.

    Raises:
        ValueError: for numbers out of their range, and if both or neither of the ways to say how
            it moves are given.
        TypeError: for a missing key or a missing `value`.

    Examples:
        >>> import jax, jax.numpy as jnp, optax
        >>> import thermo_optax as to
        >>> loss = lambda x: jnp.sum(x**4 - x**2)
        >>> tx = to.ctld(0.01, temperature=0.01, momentum=0.9, sampling_steps=200, key=0)
        >>> def step(carry, _):
        ...     x, state = carry
        ...     value, grads = jax.value_and_grad(loss)(x)
        ...     updates, state = tx.update(grads, state, x, value=value)
        ...     return (optax.apply_updates(x, updates), state), None
        >>> x = jnp.ones(3)
        >>> (x, state), _ = jax.lax.scan(step, (x, tx.init(x)), length=600)
        >>> print(jnp.abs(x).round(3))  # minima at +-1 / sqrt(2)
        [0.707 0.707 0.707]

    References:
        Ye, Zhu and Mantiuk, `Langevin Dynamics with Continuous Tempering for Training Deep Neural
        Networks <https://arxiv.org/abs/1703.04379>`_, 2017, Algorithm 1 and section 4.3.
    """
    if temperature is None:  # optional in the signature, because `learning_rate` before it is
        raise TypeError("`temperature` is required: pass `temperature=...`, a number.")
    check_nonnegative(sampling_steps=sampling_steps)
    check_steps(0, "Pass the number of steps with heat.", sampling_steps=sampling_steps)
    learning_rate, momentum = _as_sgd(learning_rate, momentum, step_size, friction)
    sampler = sghmc(
        learning_rate,
        temperature,
        momentum=momentum,
        gradient_noise=gradient_noise,
        initial_momentum=initial_momentum,
        momentum_dtype=momentum_dtype,
        generator=generator,
        key=key,
    )
    hot = continuous_tempering(
        sampler,
        temperature,
        mode=mode,
        order=order or ("alpha first" if mode == "exact" else "as printed"),
        bias=bias,
        plateau=plateau,
        edge=edge,
        depth=depth,
        wall=wall,
        alpha_step=alpha_step,
        alpha_friction=alpha_friction,
        alpha_mass=alpha_mass,
        key=key,
    )
    return explore_then_refine(hot, sampling_steps)


def _as_sgd(
    learning_rate: ScalarOrSchedule | None,
    momentum: ScalarOrSchedule | None,
    step_size: ScalarOrSchedule | None,
    friction: ScalarOrSchedule | None,
) -> tuple[ScalarOrSchedule, ScalarOrSchedule]:
    """Learning rate and momentum, whichever way the motion was given."""
    if step_size is not None:
        check_rate(step_size=step_size)
    if friction is not None:
        check_nonnegative(friction=friction)
    if learning_rate is not None and step_size is None and friction is None:
        return learning_rate, 0.9 if momentum is None else momentum
    if learning_rate is not None or momentum is not None or step_size is None or friction is None:
        raise ValueError(
            "Give either `learning_rate` (and `momentum`) or `step_size` and `friction`, got "
            f"learning_rate={learning_rate}, momentum={momentum}, step_size={step_size} and "
            f"friction={friction}. They are related by lr = h^2 and momentum = 1 - h * friction."
        )
    h, gamma = known(first_value(step_size)), known(first_value(friction))
    if h is not None and gamma is not None and h * gamma > 1 + 1e-6:  # 1 / h is rounded, too
        raise ValueError(
            f"`step_size` times `friction` must be at most 1, got {h * gamma:g}: momentum = "
            f"1 - h * friction would be negative. Pass a friction of {1 / h:g} or less."
        )
    return (
        lambda count: jnp.square(at(step_size, count)),
        # No friction, or a step of no length, is a momentum of 1, which only sampling forbids.
        lambda count: jnp.clip(1 - at(step_size, count) * at(friction, count), 0, 1 - 2.0**-24),
    )


class TwoPhaseState(NamedTuple):
    """State of `explore_then_refine`."""

    count: jax.Array  # int32[], steps taken
    inner_state: Any  # of the sampler


def explore_then_refine(
    inner: optax.GradientTransformation, exploration_steps: jax.typing.ArrayLike
) -> optax.GradientTransformationExtraArgs:
    r"""Lets a sampler explore for a number of steps, and then refine at temperature 0.

    .. math::
        T_t = T \;\; (t < t_0), \qquad T_t = 0 \;\; (t \ge t_0)

    Nothing of the sampler changes but its bath: momenta, thermostats and metrics go on from where
    they are. A sampler whose cold limit is SGD with momentum so becomes SGD with momentum.

    Args:
        inner: any transformation that takes `temperature_scale`; a partition or chain passes it on.
        exploration_steps: t_0 >= 0, the number of steps with heat.

    Returns:
        A transformation with state :class:`TwoPhaseState`.

    Raises:
        ValueError: for a negative number of steps, or one that is not whole; in ``init``, for an
            `inner` without a sampler.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> tx = to.explore_then_refine(to.sgld(0.1, temperature=1.0, key=0), exploration_steps=1)
        >>> params, grads = jnp.zeros(2), jnp.ones(2)
        >>> _, state = tx.update(grads, tx.init(params), params)  # with noise
        >>> updates, state = tx.update(grads, state, params)
        >>> print(updates)
        [-0.1 -0.1]

    References:
        Ye, Zhu and Mantiuk, `Langevin Dynamics with Continuous Tempering for Training Deep Neural
        Networks <https://arxiv.org/abs/1703.04379>`_, 2017, Algorithm 1; the same two phases are
        in Chen et al., `Bridging the Gap between Stochastic Gradient MCMC and Stochastic
        Optimization <https://arxiv.org/abs/1512.07962>`_, 2016.
    """
    check_nonnegative(exploration_steps=exploration_steps)
    check_steps(0, "Pass the number of steps with heat.", exploration_steps=exploration_steps)
    inner = heating(inner)

    def init(params):
        return TwoPhaseState(jnp.zeros([], jnp.int32), inner.init(params))

    def update(updates, state, params=None, *, temperature_scale=1.0, **extra_args):
        check_leaves("updates", updates)
        check_nonnegative(temperature_scale=temperature_scale)
        scale = at(temperature_scale, 0)
        exploring = state.count < as_steps(exploration_steps)
        scale = jnp.where(exploring, scale, 0)
        moved, inner_state = inner.update(
            updates, state.inner_state, params, temperature_scale=scale, **extra_args
        )
        return moved, TwoPhaseState(next_count(state.count), inner_state)

    return optax.GradientTransformationExtraArgs(init, update)
