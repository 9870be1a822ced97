"""Replicas on springs: elastic averaging, and Parle, which is local entropy with it."""

from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import optax

from thermo_optax._base import (
    ScalarOrSchedule,
    at,
    check_array,
    check_fraction,
    check_nonnegative,
    check_number,
    check_rate,
    check_structure,
    compute_dtype,
    in_dtype_of,
    like,
    next_count,
)

from ._local_entropy import local_entropy, on_sound_gradients


class ElasticState(NamedTuple):
    """State of `elastic_coupling`."""

    count: jax.Array  # int32[], updates: argument of the schedule


def elastic_coupling(strength: ScalarOrSchedule) -> optax.GradientTransformationExtraArgs:
    r"""Adds the force of springs between replicas and their mean to the gradients.

    .. math::
        g_a \leftarrow g_a + \rho \Big( x_a - \frac{1}{M} \sum_b x_b \Big)

    Parameters have a leading axis of replicas, as `init_replicas` makes them. Elastic averaging SGD
    is ``optax.chain(elastic_coupling(rho), optax.sgd(0.1))`` over such parameters, with the centre
    at the replicas' mean. Do not wrap it in `replicate`, which would hide replicas from each other.

    Args:
        strength: rho >= 0, in units of gradient / parameter, or a schedule.

    Returns:
        A transformation with state :class:`ElasticState`.

    Raises:
        ValueError: for a negative strength, missing `params`, gradients of other shapes, or
            parameters without a first axis.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> x = jnp.array([[1.0], [2.0], [6.0]])  # three replicas, of mean 3
        >>> tx = to.elastic_coupling(0.5)
        >>> updates, _ = tx.update(jnp.zeros_like(x), tx.init(x), x)
        >>> print(updates.ravel())
        [-1.  -0.5  1.5]

    References:
        Zhang, Choromanska and LeCun, `Deep learning with Elastic Averaging SGD
        <https://arxiv.org/abs/1412.6651>`_, 2015, eq. (2).
    """
    check_nonnegative(strength=strength)

    def init(params):
        _check_replicas(params)
        return ElasticState(jnp.zeros([], jnp.int32))

    def update(updates, state, params=None, **extra_args):
        del extra_args
        if params is None:
            raise ValueError("`params` is required: springs pull by where the replicas are.")
        check_structure(updates, params, "`params`")
        rho = at(strength, state.count)

        def pulled(gradient, x):
            wide = x.astype(compute_dtype(x.dtype))  # a rounded mean would be pulled along
            # A replica that is lost shows in its own update, and pulls at no other.
            sound = jnp.isfinite(wide)
            away = wide - jnp.mean(wide, axis=0, keepdims=True, where=sound)
            return gradient + in_dtype_of(like(rho, away.dtype) * away, gradient)

        return jax.tree.map(pulled, updates, params), ElasticState(next_count(state.count))

    return optax.GradientTransformationExtraArgs(init, update)


def parle(
    learning_rate: jax.typing.ArrayLike = 0.1,
    *,
    num_inner_steps: int = 25,
    inner_learning_rate: jax.typing.ArrayLike = 0.1,
    momentum: jax.typing.ArrayLike = 0.9,
    scope: ScalarOrSchedule | None = None,
    coupling: ScalarOrSchedule | None = None,
    opaque: bool = False,
) -> optax.GradientTransformationExtraArgs:
    r"""Parle: Entropy-SGD in several replicas, whose outer points are pulled to their mean.

    .. math::
        \begin{aligned}
        x'_a &\leftarrow x'_a - \eta'\, \text{Nesterov}\big( \nabla f(x'_a)
            + \gamma (x'_a - x_a) \big) && \text{L times} \\
        x_a &\leftarrow x_a - \eta\, \text{Nesterov}\big( x_a - x'_a + \rho (x_a - \bar x) \big)
        \end{aligned}

    It is `local_entropy` with an outer optimizer that has springs. Parameters have a leading axis
    of replicas (`init_replicas`), and only the outer step, one in L, lets them see each other.

    Args:
        learning_rate: eta > 0, of the outer step, without unit.
        num_inner_steps: L >= 1.
        inner_learning_rate: eta' > 0, in units of parameter^2 / loss.
        momentum: in [0, 1), of both loops. The inner velocity goes on after an outer step.
        scope: gamma >= 0 or a schedule of outer steps; None is the authors',
            min(0.01 * 1.5^t, 1).
        coupling: rho >= 0 or a schedule of outer steps; None is the authors', min(1.5^t, 10).
        opaque: False: each ``update`` is one inner step, and the L-th takes the outer step as well.
            True: an ``update`` with ``grad_fn=`` runs all L inner steps and the outer one.

    Returns:
        `local_entropy` around `optax.sgd`; evaluate at `local_entropy_params`, or at their mean
        over the replicas.

    Raises:
        ValueError: for a number out of its range, or parameters without a first axis.
        TypeError: for a schedule of the momentum.

    Examples:
        >>> import jax, jax.numpy as jnp, optax
        >>> import thermo_optax as to
        >>> loss = lambda x: jnp.sum((x - 1.0) ** 2)
        >>> tx = to.parle(num_inner_steps=5)
        >>> def step(carry, _):
        ...     x, state = carry
        ...     updates, state = tx.update(jax.vmap(jax.grad(loss))(x), state, x)
        ...     return (optax.apply_updates(x, updates), state), None
        >>> x = to.init_replicas(lambda key: jax.random.normal(key, (2,)), 0, num_replicas=3)
        >>> (x, state), _ = jax.lax.scan(step, (x, tx.init(x)), length=1_000)
        >>> print(jnp.round(to.local_entropy_params(state, x), 2))
        [[1. 1.]
         [1. 1.]
         [1. 1.]]

    References:
        Chaudhari et al., `Parle: parallelizing stochastic gradient descent
        <https://arxiv.org/abs/1707.00424>`_, 2017; the defaults are those of the authors' code.
    """
    check_rate(learning_rate=learning_rate, inner_learning_rate=inner_learning_rate)
    check_number(momentum=momentum)
    check_fraction(momentum=momentum)
    if coupling is not None:
        check_nonnegative(coupling=coupling)
    scope = _growing(0.01, 1.0) if scope is None else scope
    springs = elastic_coupling(_growing(1.0, 10.0) if coupling is None else coupling)
    velocity = cast(Any, momentum)
    return local_entropy(
        on_sound_gradients(optax.sgd(cast(Any, inner_learning_rate), velocity, nesterov=True)),
        optax.chain(springs, optax.sgd(cast(Any, learning_rate), velocity, nesterov=True)),
        num_inner_steps=num_inner_steps,
        scope=scope,
        new_sample_weight=1.0,
        opaque=opaque,
    )


def _growing(start: float, end: float) -> optax.Schedule:
    def schedule(count):
        steps = jnp.asarray(count, jnp.result_type(float))
        return jnp.minimum(start * 1.5**steps, end)

    return schedule


def _check_replicas(params: Any) -> None:
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        place = "params" + jax.tree_util.keystr(path)
        check_array(place, leaf)
        if not jnp.shape(leaf):
            raise ValueError(
                f"`{place}` must have a first axis of replicas, but is a scalar. `init_replicas` "
                "makes such parameters."
            )
