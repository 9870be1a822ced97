"""Local entropy: the loss, smoothed over a neighbourhood that an inner chain explores.

A chain of inner steps x' samples exp(-(f(x') + gamma/2 |x' - x|^2) / T) around the outer point x.
The gradient of the local entropy at x is gamma (x - <x'>), and any optimizer can descend along it.
"""

import functools
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import optax

from thermo_optax._base import (
    ScalarOrSchedule,
    at,
    cast_like,
    check_integer,
    check_leaves,
    check_no_clock,
    check_nonnegative,
    check_structure,
    check_weight,
    finite_or_zero,
    heating,
    in_dtype_of,
    is_sound,
    like,
    merged,
    states_of,
    wide_copy,
)
from thermo_optax._noise import num_streams, with_own_stream
from thermo_optax._xla import explicit_sharding, laid_out, once

from ._loop import check_no_functions, check_params, inner_loop


class LocalEntropyState(NamedTuple):
    """State of `local_entropy`."""

    inner_step: jax.Array  # int32[], inner steps taken since the last outer one: 0 to L - 1
    outer_step: jax.Array  # int32[], outer steps taken: argument of a schedule of the scope
    outer_params: optax.Params  # like params (at least float32): x
    mean: optax.Params  # like params (at least float32): running mean of x', mu
    mixing_state: Any  # of `mixing`; with `restart_mixing` not read at inner step 0
    inner_state: Any
    outer_state: Any


def local_entropy(
    inner: optax.GradientTransformation,
    outer: optax.GradientTransformation,
    *,
    num_inner_steps: int = 20,
    scope: ScalarOrSchedule = 1e-4,
    new_sample_weight: ScalarOrSchedule = 0.25,
    mixing: optax.GradientTransformation | None = None,
    restart_mixing: bool = True,
    divide_by_scope: bool = True,
    opaque: bool = False,
) -> optax.GradientTransformationExtraArgs:
    r"""Descends the local entropy: an inner chain explores, an outer optimizer moves its centre.

    .. math::
        \begin{aligned}
        x' &\leftarrow x' + \text{inner}\big( \nabla f(x') + \gamma (x' - x) \big), \qquad
        \mu \leftarrow (1 - \alpha) \mu + \alpha x' && \text{L times, from } x' = \mu = x \\
        x &\leftarrow x + \text{outer}(x - \mu)
        \end{aligned}

    With an inner sampler at temperature T, x' samples exp(-(f(x') + gamma/2 \|x' - x\|^2) / T), and
    gamma (x - mu) is the gradient of F(x) = -T ln of that density's integral, the loss smoothed
    over the width sqrt(T / gamma).

    Two modes from one code. *Successive*, the default: each ``update`` is one inner step, with
    gradients at the present parameters x' and a batch of its own; the L-th takes the outer step as
    well and brings x' back to x. *Opaque*: an ``update`` with ``grad_fn=`` runs all L inner steps
    and the outer one; the parameters are then always x. The gradients given to it serve the first
    inner step, ``grad_fn(params, i)`` the steps i = 1 to L - 1, as in `optax.contrib.sam`. A
    `value`, too, is that of the first; an inner chain that needs one in each step takes
    ``value_fn=``, a function of the same two. Such extra arguments reach `mixing`, `inner` and
    `outer`, which is given those of the L-th inner step.

    Evaluate at x, never at an inner iterate: ``local_entropy_params(state, params)``. Statistics of
    batch normalisation belong to the parameters they were collected at: run the training data
    through the network at x before an evaluation.

    Args:
        inner: the inner step: a sampler (`sgld`, `langevin`...), or any optax optimizer.
        outer: the outer step, any optax optimizer; it is given x - mu as the gradient.
        num_inner_steps: L >= 1.
        scope: gamma >= 0, in units of loss / parameter^2, or a schedule of the number of outer
            steps, such as `scoping`.
        new_sample_weight: alpha in (0, 1], the weight of a new x' in mu. The authors' code has
            0.25, their text 0.75, which it calls alpha too; with L = 5 the first leaves 24 % of mu
            at x, the second 0.1 %. A schedule counts the inner steps of a loop: 1 / (1 + count) is
            the plain mean.
        mixing: a transformation of the gradients *before* the pull to x is added, such as
            ``optax.trace(0.9, nesterov=True)``: in the authors' code neither the pull nor the noise
            enters the velocity.
        restart_mixing: whether the velocity begins anew after each outer step.
        divide_by_scope: whether `outer` is given x - mu, so that a changing scope does not change
            the size of the steps (as the authors run it), or gamma (x - mu), the gradient itself.
        opaque: the mode. The inner chain's momenta and random stream go on from loop to loop.

    Returns:
        A transformation with state :class:`LocalEntropyState`: two copies of the parameters, and
        the states of `mixing`, `inner` and `outer`. An update that is not finite shows, but does
        not enter x or mu. Derivatives pass through an update forwards (`jax.jvp`, `jax.jacfwd`),
        not backwards (`jax.grad`): the outer step is a loop of at most one turn.

    Raises:
        ValueError: for L below 1, a negative scope, a weight outside (0, 1], missing `params`, a
            `mixing` that draws noise but begins anew, or, in opaque mode, for a `grad_fn` that
            returns another tree.
        TypeError: in opaque mode, for a missing `grad_fn`; in successive mode, for a `grad_fn` or
            `value_fn`, which it would not call.

    Examples:
        >>> import jax, jax.numpy as jnp, optax
        >>> import thermo_optax as to
        >>> loss = lambda x: jnp.sum((x - 1.0) ** 2)
        >>> inner = to.sgld(0.05, temperature=1e-4, key=0)
        >>> tx = to.local_entropy(inner, optax.sgd(1.0), num_inner_steps=5, scope=0.1)
        >>> def step(carry, _):
        ...     x, state = carry
        ...     updates, state = tx.update(jax.grad(loss)(x), state, x)
        ...     return (optax.apply_updates(x, updates), state), None
        >>> x = jnp.zeros(3)
        >>> (x, state), _ = jax.lax.scan(step, (x, tx.init(x)), length=203)
        >>> print(jnp.round(to.local_entropy_params(state, x), 1))  # not x, an inner iterate
        [1. 1. 1.]

    References:
        Chaudhari et al., `Entropy-SGD: Biasing Gradient Descent Into Wide Valleys
        <https://arxiv.org/abs/1611.01838>`_, 2017, eq. (8) and Algorithm 1.
    """
    often = "With 1 the outer optimizer acts after every gradient."
    check_integer(1, often, num_inner_steps=num_inner_steps)
    check_nonnegative(scope=scope)
    check_weight(new_sample_weight=new_sample_weight)
    mix = on_sound_gradients(optax.identity() if mixing is None else mixing)
    mix, inner, outer = (heating(part, needs_bath=False) for part in (mix, inner, outer))

    def init(params):
        check_leaves("params", params)
        count, outer_count = jnp.zeros([], jnp.int32), jnp.zeros([], jnp.int32)
        x = jax.tree.map(wide_copy, params)
        mean = jax.tree.map(wide_copy, params)
        inner_state = inner.init(params)
        check_no_clock("local_entropy", inner_state, "Give it the sampler itself.")
        mixing_state = with_own_stream(mix.init, params, inner_state)
        if restart_mixing and num_streams(mixing_state):
            raise ValueError(
                "`mixing` draws noise, which would be the same in each loop because its state "
                "begins anew there. Give the sampler as `inner`, or pass `restart_mixing=False`."
            )
        inside = mixing_state, inner_state
        states = *inside, with_own_stream(outer.init, x, inside)
        return LocalEntropyState(count, outer_count, x, mean, *states)

    def inner_move(updates, state, x, params, extra_args):
        mixing_state = _begun(mix, state, params) if restart_mixing else state.mixing_state
        mixed, mixing_state = mix.update(updates, mixing_state, params, **extra_args)
        pull = functools.partial(_pulled, at(scope, state.outer_step))
        pulled = jax.tree.map(pull, mixed, params, x)
        moved, inner_state = inner.update(pulled, state.inner_state, params, **extra_args)
        return moved, state._replace(mixing_state=mixing_state, inner_state=inner_state)

    def averaged(moved, state, params):
        average = functools.partial(_averaged, at(new_sample_weight, state.inner_step))
        return jax.tree.map(average, state.mean, params, moved)

    def step(updates, state, params, **extra_args):
        """One inner step; if it is the L-th, the outer one as well, and back to x.

        The outer step is computed first, under `once`, from its own copy of the L-th inner step.
        XLA can then write the inner update of ordinary steps in place. `mean` temporarily holds
        the new x; `x` keeps the old one until the pull towards it has been used.
        """
        taken = state.inner_step + 1
        due = taken >= num_inner_steps
        x = state.outer_params

        def outer_update(outer_step, mean, outer_state):
            now = state._replace(mean=mean)
            moved, _ = inner_move(updates, now, x, params, extra_args)
            mean = averaged(moved, now, params)
            gamma = at(scope, outer_step)
            weight = jnp.ones_like(gamma) if divide_by_scope else gamma
            gradient = jax.tree.map(lambda x, mu: like(weight, x.dtype) * (x - mu), x, mean)
            jump, outer_state = outer.update(gradient, outer_state, x, **extra_args)
            new = jax.tree.map(lambda x, v: x + v.astype(x.dtype), x, jump)
            return optax.safe_increment(outer_step), new, outer_state

        parts = state.outer_step, state.mean, state.outer_state
        parts, (updates, mixing_state) = once(
            due, outer_update, parts, (updates, state.mixing_state)
        )
        outer_step, mean_or_new, outer_state = parts
        now = state._replace(mean=mean_or_new, mixing_state=mixing_state)
        moved, now = inner_move(updates, now, x, params, extra_args)
        moved = jax.tree.map(functools.partial(_back, due), moved, mean_or_new, params)
        mean = averaged(moved, now, params)
        mean = jax.tree.map(functools.partial(jnp.where, due), mean_or_new, mean)
        (x,), _ = once(due, lambda _: (mean,), (x,))
        return moved, now._replace(
            inner_step=jnp.where(due, 0, taken),
            outer_step=jnp.asarray(outer_step),
            outer_params=x,
            mean=mean,
            outer_state=outer_state,
        )

    def update(updates, state, params=None, *, grad_fn=None, value_fn=None, **extra_args):
        check_params(params)
        check_leaves("updates", updates)
        check_structure(updates, state.outer_params, "the parameters given to `init`")
        check_structure(updates, params, "`params`")
        if not opaque:
            check_no_functions(grad_fn=grad_fn, value_fn=value_fn)
            return step(updates, state, params, **extra_args)
        fns = grad_fn, value_fn
        # A state may come from successive updates, in the middle of a loop: a whole one follows.
        state = state._replace(inner_step=jnp.zeros_like(state.inner_step))
        return inner_loop(step, num_inner_steps, updates, state, params, *fns, **extra_args)

    return optax.GradientTransformationExtraArgs(init, update)


def _begun(mix, state, params):
    """The state of `mixing`, anew in the first step of a loop."""
    begins = state.inner_step == 0

    def begun(new, old):
        # Without jit the parameters are concrete arrays, also within the loop of `once`. What
        # `init` makes of them there forgets the mesh.
        return jnp.where(begins, laid_out(new, explicit_sharding(old)), old)

    return jax.tree.map(begun, mix.init(params), state.mixing_state)


def on_sound_gradients(
    tx: optax.GradientTransformation,
) -> optax.GradientTransformationExtraArgs:
    """A transformation that never sees what is not sound: such entries pass through as they are."""
    tx = optax.with_extra_args_support(tx)

    def update(updates, state, params=None, **extra_args):
        sound = jax.tree.map(finite_or_zero, updates)
        moved, state = tx.update(sound, state, params, **extra_args)
        return jax.tree.map(lambda g, m: jnp.where(is_sound(g), m, g), updates, moved), state

    return optax.GradientTransformationExtraArgs(tx.init, update)


def _pulled(scope, gradient, param, x):
    """The gradient of the loss and of the tie to the outer point."""
    tie = like(scope, x.dtype) * (param.astype(x.dtype) - x)
    return gradient + in_dtype_of(tie, gradient)


def _averaged(weight, mean, param, moved):
    """The running mean of x'; a move that is not finite leaves it as it is."""
    new = param.astype(mean.dtype) + moved.astype(mean.dtype)
    # In this form a coordinate that rests has its own value as mean, to the bit.
    return jnp.where(jnp.isfinite(new), mean + like(weight, mean.dtype) * (new - mean), mean)


def _back(due, moved, x, param):
    """The inner move, or if due the way to x; where that move was not finite it shows instead."""
    home = (x - param.astype(x.dtype)).astype(moved.dtype)
    return jnp.where(due & jnp.isfinite(moved), home, moved)


Params = TypeVar("Params")  # any tree of arrays


def local_entropy_params(state: Any, params: Params) -> Params:
    """The outer point x of `local_entropy`: the parameters to evaluate, and to keep.

    In successive mode the parameters at hand are an inner iterate x', except right after an outer
    step. Parameters that `local_entropy` does not move (in another group of a partition, or masked)
    are returned as they are.

    Args:
        state: the state of any transformation with `local_entropy` in it.
        params: the present parameters, which give structure and dtypes.

    Returns:
        A tree like params.

    Raises:
        ValueError: if there is no `local_entropy` in the state, or for `params` of another tree. Of
            one within another the outer one is read.

    Examples:
        >>> import jax.numpy as jnp, optax
        >>> import thermo_optax as to
        >>> params, grads = jnp.ones(2), jnp.ones(2)
        >>> tx = to.entropy_sgd(key=0)
        >>> updates, state = tx.update(grads, tx.init(params), params)
        >>> at_hand = optax.apply_updates(params, updates)
        >>> x = to.local_entropy_params(state, at_hand)
        >>> print(x)
        [1. 1.]

        Batch normalisation is evaluated with statistics that are taken anew at x, from training
        data; those that training has averaged belong to the inner iterates:

        >>> images = jnp.array([[1.0, 2.0], [3.0, 6.0]])
        >>> def statistics(weights):
        ...     activations = images * weights
        ...     return activations.mean(axis=0), activations.var(axis=0)
        >>> mean, variance = statistics(x)
        >>> print((images * x - mean) / jnp.sqrt(variance))
        [[-1. -1.]
         [ 1.  1.]]

    References:
        Chaudhari et al., 2017, Algorithm 1, which returns x and not x'.
    """
    states = states_of(state, LocalEntropyState, "local_entropy")
    points = merged(params, [node.outer_params for node in states], lambda param: param)
    return cast_like(points, params)
