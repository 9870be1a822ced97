"""Covariance of the losses of single examples with observables, along a run."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from thermo_optax._base import (
    ScalarOrSchedule,
    added,
    check_finite,
    check_one,
    check_positive,
    check_real,
    compute_dtype,
    heating,
    is_sound,
    next_count,
    next_in_turn,
    states_of,
)

from ._rule import begun, collection_rule, inner_step, keep, may_enter
from ._rungs import as_array, replica_choice


class LossCovariancesState(NamedTuple):
    """State of `loss_covariances`, for n examples and m observables, at least float32."""

    count: jax.Array  # int32[], steps taken: argument of the schedule
    num_collected: jax.Array  # int32[], N, draws in the covariance: after 2^31 - 1 no more enter
    mean_losses: jax.Array  # float32[n]
    mean_observables: jax.Array  # float32[m]
    products: jax.Array  # float32[n, m]: sum of the products of deviations from the means
    inner_state: Any  # of the sampler


class BayesianInfluence(NamedTuple):
    """How the posterior means of m observables answer to n examples."""

    num_collected: jax.Array  # int32[], draws
    mean_losses: jax.Array  # float32[n], posterior means
    mean_observables: jax.Array  # float32[m]
    covariance: jax.Array  # float32[n, m], Cov(l_i, phi_j); NaN before the second draw
    influence: jax.Array  # float32[n, m], -Cov(l_i, phi_j) / T


def loss_covariances(
    inner: optax.GradientTransformation,
    per_example_loss: Callable[[Any], jax.Array],
    observables: Callable[[Any], jax.Array] | None = None,
    *,
    burn_in: jax.typing.ArrayLike = 0,
    thinning: jax.typing.ArrayLike = 1,
    collect: ScalarOrSchedule | None = None,
    collect_if: Callable[[Any], Any] | None = None,
    rung: int | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Keeps the covariance of per-example losses with observables in the state.

    .. math::
        N \leftarrow N + 1, \qquad
        P_{ij} \leftarrow P_{ij} + \frac{N - 1}{N}
        \big(l_i - \bar l_i\big) \big(\phi_j - \bar \phi_j\big), \qquad
        \operatorname{Cov}(l_i, \phi_j) = \frac{P_{ij}}{N - 1}

    for the parameters that the step leads to, with the running means of l and phi from before the
    draw. The memory is n x m numbers however long the run is. Draws with parameters, losses or
    observables that are not finite, or whose squares are not, do not enter.

    Args:
        inner: any optax transformation: a sampler, a chain or a partition.
        per_example_loss: function of the parameters (of one replica, where `rung` is given) that
            returns the losses l of n examples, float[n], in the units of the sampler's loss. It is
            called on each draw, so let it hold the examples that are of interest, not a whole data
            set, and thin.
        observables: function of the parameters that returns phi, float[m] or one number: losses on
            test examples, predictions, the parameters themselves. None takes the losses l.
        burn_in: B >= 0, the number of steps at the start that are not collected.
        thinning: K >= 1, steps from one draw to the next.
        collect: a schedule of the step count that returns a bool, or 0 or 1, and restricts
            collection further.
        collect_if: a function of the new state of `inner` that returns a bool and restricts
            collection further.
        rung: of a `replica_exchange` in `inner`: 0 for the law at the coldest rung. None takes the
            parameters as they are.

    Returns:
        A transformation with state :class:`LossCovariancesState`; read it with
        `bayesian_influence`.

    Raises:
        ValueError: for numbers out of range, missing `params`, losses that are not float[n], or a
            `rung` without a `replica_exchange` inside.
        TypeError: for functions that are none, or observables that are complex.

    Examples:
        >>> import jax, jax.numpy as jnp, optax
        >>> import thermo_optax as to
        >>> points = jnp.array([-1.0, 0.0, 2.0])
        >>> losses = lambda x: (x - points) ** 2 / 2  # of a mean, with a flat prior
        >>> sampler = to.langevin(0.5, temperature=1.0, friction=1.0, key=0)
        >>> tx = to.loss_covariances(sampler, losses, lambda x: x, burn_in=100)
        >>> def step(carry, _):
        ...     x, state = carry
        ...     grads = jax.grad(lambda x: losses(x).sum())(x)
        ...     updates, state = tx.update(grads, state, x)
        ...     return (optax.apply_updates(x, updates), state), None
        >>> x = jnp.zeros([])
        >>> (x, state), _ = jax.lax.scan(step, (x, tx.init(x)), length=50_000)
        >>> found = to.bayesian_influence(state, temperature=1.0)
        >>> exact = (points - points.mean()) / 3  # of more weight for a point on the mean
        >>> print(bool(jnp.all(jnp.abs(found.influence[:, 0] - exact) < 0.05)))
        True

    References:
        Kreer, Wu, Adam, Furman and Hoogland, `Bayesian Influence Functions for Hessian-Free Data
        Attribution <https://arxiv.org/abs/2509.26544>`_, 2025; Baker, Wang, Hoogland and Murfet,
        `Structural Inference: Interpreting Small Language Models with Susceptibilities
        <https://arxiv.org/abs/2504.18274>`_, 2025.
    """
    for name, fn in {"per_example_loss": per_example_loss, "observables": observables}.items():
        if not callable(fn) and (fn is not None or name == "per_example_loss"):
            raise TypeError(f"`{name}` must be a function of the parameters, got {fn!r}.")
    if rung == "all":
        raise ValueError("`rung` must be the number of one rung, got 'all': 0 is the coldest.")
    rule = collection_rule(burn_in, thinning, collect, collect_if)
    choose = replica_choice(rung)
    inner = heating(inner, needs_bath=False)

    def measured(params):
        if not jax.tree.leaves(params):  # of a group without parameters
            return jnp.zeros(0), jnp.zeros(0)
        losses = per_example_loss(params)
        check_real("per_example_loss", losses)
        losses = _wide(losses)
        if losses.ndim != 1:
            raise ValueError(
                f"`per_example_loss` must return one loss for each example, float[n], but returned "
                f"the shape {losses.shape}: do not average over the examples."
            )
        if observables is None:
            return losses, losses
        seen = jnp.asarray(observables(params))
        if jnp.iscomplexobj(seen):
            raise TypeError(
                f"`observables` must return real numbers, got {seen.dtype}. Of complex ones return "
                "the real and the imaginary parts, one after the other."
            )
        return losses, _wide(seen).ravel()

    def init(params):
        inner_state, kept = begun(inner, choose, params)
        shapes = jax.eval_shape(lambda: measured(jax.tree.map(as_array, kept)))
        losses, seen = (jnp.zeros(each.shape, each.dtype) for each in shapes)
        products = jnp.zeros((len(losses), len(seen)), jnp.result_type(losses, seen))
        zero = jnp.zeros([], jnp.int32)
        return LossCovariancesState(zero, zero + 0, losses, seen, products, inner_state)

    def update(updates, state, params=None, **extra_args):
        step = inner_step(inner, rule, choose, updates, state, params, **extra_args)
        moved, inner_state, new, due = step

        def store(due, kept):
            number, mean_losses, mean_observables, products = kept
            losses, seen = measured(new)
            _check_number("per_example_loss", losses, mean_losses)
            _check_number("observables", seen, mean_observables)
            due &= jnp.all(is_sound(losses)) & jnp.all(is_sound(seen)) & may_enter(number)
            number = jnp.where(due, next_count(number), number)
            share = 1 / jnp.maximum(number, 1).astype(products.dtype)
            # What is not due deviates by nothing, and so changes nothing.
            losses = jnp.where(due, losses - mean_losses, 0)
            seen = jnp.where(due, seen - mean_observables, 0)
            both = (1 - share) * jnp.outer(losses, seen).astype(products.dtype)
            products = added(products, both, number)
            mean_losses = added(mean_losses, losses * share.astype(losses.dtype), number)
            of_seen = seen * share.astype(seen.dtype)
            mean_observables = added(mean_observables, of_seen, number)
            return number, mean_losses, mean_observables, products

        start = (state.num_collected, state.mean_losses, state.mean_observables, state.products)
        number, losses, seen, products = keep(due, new, store, start)
        count = next_in_turn(state.count)
        return moved, LossCovariancesState(count, number, losses, seen, products, inner_state)

    return optax.GradientTransformationExtraArgs(init, update)


def _check_number(name: str, new: jax.Array, kept: jax.Array) -> None:
    if len(new) != len(kept):
        raise ValueError(
            f"`{name}` returns {len(new)} numbers, but the state keeps the means of {len(kept)}: "
            "a run goes on with those that it began with. Return the same, or call `init` anew."
        )


def _wide(values: Any) -> jax.Array:
    values = jnp.asarray(values)
    return values.astype(compute_dtype(values.dtype))


def bayesian_influence(state: Any, *, temperature: jax.typing.ArrayLike) -> BayesianInfluence:
    r"""How posterior means answer to more weight on an example, by `loss_covariances`.

    .. math::
        \frac{\partial}{\partial \epsilon_i}
        \langle \phi_j \rangle_{\exp[-(L + \epsilon_i l_i) / T]} \Big|_{\epsilon_i = 0}
        = -\frac{1}{T} \operatorname{Cov}(l_i, \phi_j)

    Args:
        state: the state of any transformation with `loss_covariances` in it; of one chain, or under
            `jax.vmap`.
        temperature: T > 0 of the sampler (of the rung, where one was collected).

    Returns:
        The :class:`BayesianInfluence`, with the covariance itself. An influence on a test loss that
        is negative is that of a helpful example.

    Raises:
        ValueError: if there is no `loss_covariances` in the state, or several; for the state of
            several chains outside of `jax.vmap`; for T <= 0.
        TypeError: for a temperature that is a schedule.

    Examples:
        >>> import jax.numpy as jnp, optax
        >>> import thermo_optax as to
        >>> tx = to.loss_covariances(optax.sgd(1.0), lambda x: jnp.array([x, -2 * x]))
        >>> x = jnp.zeros([])
        >>> state = tx.init(x)
        >>> for _ in range(3):  # x = 1, 2, 3
        ...     updates, state = tx.update(-jnp.ones([]), state, x)
        ...     x = optax.apply_updates(x, updates)
        >>> print(to.bayesian_influence(state, temperature=1.0).covariance.round(3))
        [[ 1. -2.]
         [-2.  4.]]

    References:
        Giordano, Broderick and Jordan, `Covariances, Robustness, and Variational Bayes
        <https://arxiv.org/abs/1709.02536>`_, 2018; Kreer et al., `Bayesian Influence Functions
        <https://arxiv.org/abs/2509.26544>`_, 2025.
    """
    check_finite(temperature=temperature)  # no schedule
    check_positive(temperature=temperature)
    states = states_of(state, LossCovariancesState, "loss_covariances")
    check_one(states)
    (found, *others) = states
    if others or jnp.ndim(found.num_collected):
        raise ValueError(
            "`state` must hold one `loss_covariances` of one chain: `jax.vmap` this reader over "
            "chains, and pass the part of the state with one of them."
        )
    freedom = found.num_collected.astype(found.products.dtype) - 1
    covariance = found.products / jnp.where(freedom > 0, freedom, jnp.nan)
    influence = -covariance / jnp.asarray(temperature, covariance.dtype)
    means = (found.mean_losses, found.mean_observables)
    return BayesianInfluence(found.num_collected, *means, covariance, influence)
