"""Two phases for any sampler: heat at first, then none."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from thermo_optax._base import (
    as_steps,
    at,
    check_leaves,
    check_nonnegative,
    check_steps,
    heating,
    next_count,
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
