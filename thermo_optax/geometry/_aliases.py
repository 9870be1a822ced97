"""Local entropy around SGLD by the names of the paper, and scoping, its shrinking neighbourhood."""

from typing import Any, cast

import jax
import jax.numpy as jnp
import optax

from thermo_optax._base import (
    ScalarOrSchedule,
    at,
    check_fraction,
    check_nonnegative,
    check_number,
    check_rate,
)
from thermo_optax._noise import KeyLike
from thermo_optax.integrators import sgld

from ._local_entropy import local_entropy


def scoping(initial: jax.typing.ArrayLike, growth: jax.typing.ArrayLike) -> optax.Schedule:
    r"""A scope that grows by a constant factor at each outer step.

    .. math::
        \gamma(t) = \gamma_0 (1 + \gamma_1)^t

    A small scope sees the landscape from afar, a large one as it is at the outer point.

    Args:
        initial: gamma_0 >= 0, in units of loss / parameter^2.
        growth: gamma_1 >= 0.

    Returns:
        A schedule of the number of outer steps. The authors' code counts from 1, so it begins one
        step further on.

    Raises:
        ValueError: for a negative number.
        TypeError: for a schedule.

    Examples:
        >>> import thermo_optax as to
        >>> scope = to.scoping(1e-4, growth=1e-3)
        >>> print(f"{scope(0):.1e} {scope(2300):.1e}")
        1.0e-04 1.0e-03

    References:
        Chaudhari et al., `Entropy-SGD: Biasing Gradient Descent Into Wide Valleys
        <https://arxiv.org/abs/1611.01838>`_, 2017, section 4.3.
    """
    check_number(initial=initial, growth=growth)
    check_nonnegative(initial=initial, growth=growth)

    def schedule(count):
        steps = jnp.asarray(count, jnp.result_type(float))
        grown = (1 + at(growth, 0)) ** steps
        most = float(jnp.finfo(grown.dtype).max)  # an infinite one times a scope of 0 is no number
        return at(initial, 0) * jnp.minimum(grown, most)

    return schedule


def entropy_sgd(
    learning_rate: ScalarOrSchedule = 1.0,
    temperature: ScalarOrSchedule = 1e-8,
    *,
    num_inner_steps: int = 20,
    inner_learning_rate: ScalarOrSchedule = 0.1,
    scope: jax.typing.ArrayLike = 1e-4,
    scope_growth: jax.typing.ArrayLike = 1e-3,
    momentum: jax.typing.ArrayLike = 0.9,
    new_sample_weight: ScalarOrSchedule = 0.25,
    opaque: bool = False,
    generator: str = "threefry",
    key: KeyLike,
) -> optax.GradientTransformationExtraArgs:
    r"""Entropy-SGD: SGLD with Nesterov momentum inside, plain steps outside.

    .. math::
        x' \leftarrow x' - \eta' \big( \text{Nesterov}(\nabla f(x')) + \gamma (x' - x) \big)
            + \sqrt{2 \eta' T}\, z, \qquad
        x \leftarrow x - \eta\, (x - \mu), \qquad \gamma = \gamma_0 (1 + \gamma_1)^t

    The defaults are those of the authors' code for fully connected networks on MNIST. Compare it
    with other optimizers at equal numbers of gradients: an outer step takes L of them.

    Args:
        learning_rate: eta > 0, of the outer step, without unit; at 1 x moves to mu. A schedule
            counts outer steps.
        temperature: T >= 0, in units of the loss: epsilon^2 for the epsilon of the authors' code,
            epsilon^2 / 2 for that of the printed algorithm; see
            `units.temperature_from_entropy_noise`. A schedule counts inner steps.
        num_inner_steps: L >= 1; 5 to 20.
        inner_learning_rate: eta' > 0, in units of parameter^2 / loss; 0.1 to 1, never annealed.
        scope: gamma_0 >= 0, in units of loss / parameter^2.
        scope_growth: gamma_1 >= 0, by outer step. The inner steps are stable up to about
            eta' gamma = 2, which the defaults reach after 12,000 outer steps; for a longer run take
            less, or `local_entropy` with a schedule that ends.
        momentum: in [0, 1), of the inner steps; it begins anew after each outer step.
        new_sample_weight: alpha in (0, 1], the weight of a new x' in the mean mu; 1 keeps the new
            one only.
        opaque: False: each ``update`` is one inner step, and the L-th takes the outer step as well.
            True: an ``update`` with ``grad_fn=`` runs all L inner steps and the outer one.
        generator: of the noise: "threefry" (default), "threefry13", "inverse_cdf", "ternary" or
            "jax"; see :func:`thermo_optax.noise_generators`.
        key: an int, a typed key or a raw uint32 key; read by ``init`` only. Required.

    Returns:
        `local_entropy` around `sgld` and `optax.sgd`; evaluate at `local_entropy_params`.

    Raises:
        ValueError: for a number out of its range.
        TypeError: for a missing key, or a schedule where a number belongs.

    Examples:
        >>> import jax.numpy as jnp, optax
        >>> import thermo_optax as to
        >>> x = jnp.ones(2)
        >>> tx = to.entropy_sgd(num_inner_steps=5, key=0)
        >>> state = tx.init(x)
        >>> for _ in range(50):
        ...     updates, state = tx.update(x, state, x)  # the gradient of x^2 / 2 is x
        ...     x = optax.apply_updates(x, updates)
        >>> print(bool(jnp.all(jnp.abs(to.local_entropy_params(state, x)) < 0.2)))
        True

    References:
        Chaudhari et al., `Entropy-SGD: Biasing Gradient Descent Into Wide Valleys
        <https://arxiv.org/abs/1611.01838>`_, 2017, Algorithm 1; the momentum and the order of the
        terms are those of the authors' code.
    """
    check_rate(learning_rate=learning_rate, inner_learning_rate=inner_learning_rate)
    outer = optax.sgd(cast(Any, learning_rate))
    inner = sgld(inner_learning_rate, temperature, generator=generator, key=key)
    return _entropic(
        *(inner, outer, num_inner_steps, scope, scope_growth, momentum),
        new_sample_weight=new_sample_weight,
        opaque=opaque,
    )


def entropy_adam(
    learning_rate: ScalarOrSchedule = 0.01,
    temperature: ScalarOrSchedule = 1e-8,
    *,
    num_inner_steps: int = 5,
    inner_learning_rate: ScalarOrSchedule = 1.0,
    scope: jax.typing.ArrayLike = 0.01,
    scope_growth: jax.typing.ArrayLike = 0.0,
    momentum: jax.typing.ArrayLike = 0.9,
    b1: jax.typing.ArrayLike = 0.5,
    b2: jax.typing.ArrayLike = 0.999,
    new_sample_weight: ScalarOrSchedule = 0.25,
    opaque: bool = False,
    generator: str = "threefry",
    key: KeyLike,
) -> optax.GradientTransformationExtraArgs:
    r"""Entropy-Adam: SGLD with Nesterov momentum inside, Adam for the outer step.

    .. math::
        x \leftarrow x - \text{Adam}_\eta(x - \mu)

    The defaults are those of the authors' character model.

    Args:
        learning_rate: eta > 0, of Adam, in units of the parameters. A schedule counts outer steps.
        temperature: T >= 0, in units of the loss; epsilon^2 for the epsilon of the authors' code. A
            schedule counts inner steps.
        num_inner_steps: L >= 1; 5 to 20.
        inner_learning_rate: eta' > 0, in units of parameter^2 / loss; 0.1 to 1, never annealed.
        scope: gamma_0 >= 0, in units of loss / parameter^2.
        scope_growth: gamma_1 >= 0, by outer step: the scope is gamma_0 (1 + gamma_1)^t.
        momentum: in [0, 1), of the inner steps; the velocity goes on after an outer step.
        b1: in [0, 1), of Adam.
        b2: in [0, 1), of Adam.
        new_sample_weight: alpha in (0, 1], the weight of a new x' in the mean mu; 1 keeps the new
            one only.
        opaque: False: each ``update`` is one inner step, and the L-th takes the outer step as well.
            True: an ``update`` with ``grad_fn=`` runs all L inner steps and the outer one.
        generator: of the noise: "threefry" (default), "threefry13", "inverse_cdf", "ternary" or
            "jax"; see :func:`thermo_optax.noise_generators`.
        key: an int, a typed key or a raw uint32 key; read by ``init`` only. Required.

    Returns:
        `local_entropy` around `sgld` and `optax.adam`; evaluate at `local_entropy_params`.

    Raises:
        ValueError: for a number out of its range.
        TypeError: for a missing key, or a schedule where a number belongs.

    Examples:
        >>> import jax.numpy as jnp, optax
        >>> import thermo_optax as to
        >>> x = jnp.ones(2)
        >>> tx = to.entropy_adam(num_inner_steps=2, key=0)
        >>> state = tx.init(x)
        >>> for _ in range(2):
        ...     updates, state = tx.update(x, state, x)
        ...     x = optax.apply_updates(x, updates)
        >>> print(x)  # Adam's first step has the size of the learning rate
        [0.99 0.99]

    References:
        Chaudhari et al., `Entropy-SGD: Biasing Gradient Descent Into Wide Valleys
        <https://arxiv.org/abs/1611.01838>`_, 2017, section 5.3.
    """
    check_rate(learning_rate=learning_rate, inner_learning_rate=inner_learning_rate)
    check_number(b1=b1, b2=b2)
    check_fraction(b1=b1, b2=b2)
    outer = optax.adam(cast(Any, learning_rate), b1, b2)
    inner = sgld(inner_learning_rate, temperature, generator=generator, key=key)
    return _entropic(
        *(inner, outer, num_inner_steps, scope, scope_growth, momentum),
        new_sample_weight=new_sample_weight,
        restart_mixing=False,
        opaque=opaque,
    )


def _entropic(inner, outer, num_inner_steps, scope, scope_growth, momentum, **options):
    check_number(momentum=momentum)
    check_fraction(momentum=momentum)
    if callable(scope) or callable(scope_growth):
        raise TypeError(
            "`scope` and `scope_growth` must be numbers, since the scope grows by itself: pass a "
            "schedule of the scope to `local_entropy`, around `sgld`."
        )
    check_nonnegative(scope=scope, scope_growth=scope_growth)
    return local_entropy(
        inner,
        outer,
        num_inner_steps=num_inner_steps,
        scope=scoping(scope, scope_growth),
        mixing=optax.trace(momentum, nesterov=True),
        **options,
    )
