"""Scoping: how the neighbourhood that counts shrinks."""

import jax
import jax.numpy as jnp
import optax

from thermo_optax._base import at, check_nonnegative


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

    Examples:
        >>> import thermo_optax as to
        >>> scope = to.scoping(1e-4, growth=1e-3)
        >>> print(f"{scope(0):.1e} {scope(2300):.1e}")
        1.0e-04 1.0e-03

    References:
        Chaudhari et al., `Entropy-SGD: Biasing Gradient Descent Into Wide Valleys
        <https://arxiv.org/abs/1611.01838>`_, 2017, section 4.3.
    """
    check_nonnegative(initial=initial, growth=growth)

    def schedule(count):
        steps = jnp.asarray(count, jnp.result_type(float))
        return at(initial, 0) * (1 + at(growth, 0)) ** steps

    return schedule
