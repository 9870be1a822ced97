"""Entropy-MCMC: weights, and a guide whose distribution favours wide valleys."""

from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import optax

from thermo_optax._base import (
    ScalarOrSchedule,
    at,
    cast_like,
    check_leaves,
    check_nonnegative,
    check_structure,
    finite_or_zero,
    heating,
    in_dtype_of,
    like,
    merged,
    next_count,
    states_of,
    wide_copy,
)


class EntropyMCMCState(NamedTuple):
    """State of `entropy_mcmc`."""

    count: jax.Array  # int32[], steps taken: argument of a schedule of the scope
    guide: Any  # like params (at least float32): w_a
    inner_state: Any  # of the sampler of the pair (params, guide)


def entropy_mcmc(
    inner: optax.GradientTransformation, *, scope: ScalarOrSchedule
) -> optax.GradientTransformationExtraArgs:
    r"""Samples weights together with a guide, whose law is the local entropy; one gradient a step.

    .. math::
        p(w, w_a) \propto \exp\Big[ -\frac{1}{T} \Big( L(w) + \frac{\gamma}{2} \|w - w_a\|^2 \Big)
        \Big]

    Of this joint law the weights alone have the marginal exp(-L(w) / T), as without a guide. The
    guide has exp(F(w_a) / T) with F(w_a) = T ln of the integral of exp(-(L(w) + gamma/2 \|w -
    w_a\|^2) / T) over w: it is where wide valleys are, and its draws may serve as a posterior of
    flat solutions. In a harmonic well of curvature k its variance is T (1 / k + 1 / gamma).

    The energy of this law has the spring in it. Inside `replica_exchange` and
    `continuous_tempering` pass all of it, ``value = L(w) + gamma / 2 * jnp.sum((w - w_a)**2)``,
    with w_a by `guiding_params` and the state of the last step: by the loss alone rungs lose their
    distribution.

    Args:
        inner: a sampler, which moves the pair (weights, guide) as one tree; its temperature is T.
        scope: gamma >= 0, 1 / eta of the paper, in units of loss / parameter^2; a number or a
            schedule of the steps. The pull has the curvature gamma for the sampler's step size.

    Returns:
        A transformation of the weights with state :class:`EntropyMCMCState`: one copy of the
        parameters, the guide, and the state of `inner` for weights and guide. Read the guide with
        `guiding_params`. A weight that is not finite does not pull at the guide.

    Raises:
        ValueError: for a negative scope, missing `params`, or gradients of another structure.

    Examples:
        >>> import jax, jax.numpy as jnp, optax
        >>> import thermo_optax as to
        >>> sampler = to.langevin(0.5, temperature=1.0, friction=1.0, key=0)
        >>> tx = to.entropy_mcmc(sampler, scope=1.0)
        >>> def step(carry, _):
        ...     w, state = carry
        ...     updates, state = tx.update(w, state, w)  # of w^2 / 2
        ...     w = optax.apply_updates(w, updates)
        ...     return (w, state), (w, to.guiding_params(state, w))
        >>> w = jnp.zeros(100)
        >>> _, (weights, guides) = jax.lax.scan(step, (w, tx.init(w)), length=2_000)
        >>> print(f"{weights[100:].var():.1f} {guides[100:].var():.1f}")
        1.0 2.0

    References:
        Li and Zhang, `Entropy-MCMC: Sampling from Flat Basins with Ease
        <https://arxiv.org/abs/2310.05401>`_, 2024, eq. (4) and Algorithm 1.
    """
    check_nonnegative(scope=scope)
    inner = heating(inner, needs_bath=False)

    def init(params):
        check_leaves("params", params)
        guide = jax.tree.map(wide_copy, params)
        return EntropyMCMCState(jnp.zeros([], jnp.int32), guide, inner.init((params, guide)))

    def update(updates, state, params=None, **extra_args):
        if params is None:
            raise ValueError(
                "`params` is required: the guide pulls at the weights by their distance. Pass them "
                "as in `tx.update(grads, state, params)`."
            )
        check_leaves("updates", updates)
        check_structure(updates, state.guide, "the parameters given to `init`")
        check_structure(updates, params, "`params`")
        gamma = at(scope, state.count)

        def pull(param, guide):
            tie = finite_or_zero(param.astype(guide.dtype) - guide)
            return like(gamma, guide.dtype) * tie

        ties = jax.tree.map(pull, params, state.guide)
        pulled = jax.tree.map(lambda g, tie: g + in_dtype_of(tie, g), updates, ties)
        gradients = pulled, jax.tree.map(jnp.negative, ties)
        pair: Any = (params, state.guide)
        both: Any
        both, inner_state = inner.update(gradients, state.inner_state, pair, **extra_args)
        moved, drift = both
        guide = jax.tree.map(_moved, state.guide, drift)
        return moved, EntropyMCMCState(next_count(state.count), guide, inner_state)

    return optax.GradientTransformationExtraArgs(init, update)


def _moved(guide: jax.Array, drift: jax.Array) -> jax.Array:
    """The guide after its move; one that is not finite leaves it where it is."""
    new = guide + drift.astype(guide.dtype)
    return jnp.where(jnp.isfinite(new), new, guide)


Params = TypeVar("Params")  # any tree of arrays


def guiding_params(state: Any, params: Params) -> Params:
    """The guide of `entropy_mcmc`: a draw of the law that prefers wide valleys.

    Parameters that `entropy_mcmc` does not move (in another group of a partition, or masked) are
    returned as they are.

    Args:
        state: the state of any transformation with `entropy_mcmc` in it.
        params: the present parameters, which give structure and dtypes.

    Returns:
        A tree like params.

    Raises:
        ValueError: if there is no `entropy_mcmc` in the state, or for `params` of another tree.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> tx = to.entropy_mcmc(to.sgld(0.1, temperature=1.0, key=0), scope=1.0)
        >>> params = jnp.ones(2)
        >>> print(to.guiding_params(tx.init(params), params))  # it begins at the weights
        [1. 1.]

    References:
        Li and Zhang, 2024, Algorithm 1.
    """
    states = states_of(state, EntropyMCMCState, "entropy_mcmc")
    guides = merged(params, [node.guide for node in states], lambda param: param)
    return cast_like(guides, params)
