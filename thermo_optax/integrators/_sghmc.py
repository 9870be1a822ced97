"""Stochastic-gradient Hamiltonian Monte Carlo: Langevin dynamics with the knobs of SGD."""

from typing import Any

import jax.numpy as jnp
import optax

from thermo_optax._base import (
    KeyLike,
    ScalarOrSchedule,
    at,
    check_fraction,
    check_nonnegative,
    check_rate,
)

from ._affine import Options, affine_sampler
from ._words import AffineStep


def sghmc(
    learning_rate: ScalarOrSchedule,
    temperature: ScalarOrSchedule,
    *,
    momentum: ScalarOrSchedule,
    gradient_noise: ScalarOrSchedule = 0.0,
    initial_momentum: str = "thermal",
    momentum_dtype: Any = None,
    generator: str = "threefry",
    key: KeyLike,
) -> optax.GradientTransformationExtraArgs:
    r"""Stochastic-gradient Hamiltonian Monte Carlo: SGD with momentum, plus its heat.

    .. math::
        p \leftarrow \mu p - h \nabla L(x) + \sqrt{2 (1 - \mu) T - h^2 s^2}\, z, \qquad
        x \leftarrow x + h p, \qquad h = \sqrt{\text{learning rate}}

    This is symplectic Euler with lr = h^2 and momentum mu = 1 - h gamma (unit mass). At
    temperature 0 it is ``optax.sgd(learning_rate, momentum)``. In a harmonic well of curvature k
    the parameters have variance T / k / (1 - lr k / (2 (1 + mu))): the bias is first order in lr.
    The stored p is a physical momentum, not an update, so a changing learning rate does not reheat
    it.

    Place it last in an ``optax.chain``. A gradient that is not finite gives an update that is not
    finite in that coordinate, and no kick to its momentum, which stays finite.

    Args:
        learning_rate: lr > 0, in units of parameter^2 / loss; stable below 2 (1 + mu) / k.
        temperature: T >= 0, in units of the loss; scaled by ``update(..., temperature_scale=s)``.
        momentum: mu in [0, 1).
        gradient_noise: s^2 >= 0, the variance per coordinate of the mini-batch gradient, whose heat
            is subtracted from the noise (down to none). 0, the default, trusts the gradient.
        initial_momentum: "thermal" draws N(0, T), "zero" starts at rest as `optax.sgd` does.
        momentum_dtype: dtype of the stored momentum, such as ``jnp.dtype("float32")``; None means
            that of the parameters, but at least float32.
        generator: of the noise: "threefry" (default), "threefry13", "inverse_cdf", "ternary" or
            "jax"; see :func:`thermo_optax.noise_generators`.
        key: an int, a typed key or a raw uint32 key; read by ``init`` only. Required.

    Returns:
        A transformation with state :class:`UnderdampedState` (one copy of the parameters).

    Raises:
        ValueError: for a negative or non-finite number, or a momentum outside [0, 1).
        TypeError: for a missing key, or parameters that are not real floating-point arrays.

    Examples:
        >>> import jax.numpy as jnp, optax
        >>> import thermo_optax as to
        >>> params, grads = {"w": jnp.ones(3)}, {"w": jnp.full(3, 2.0)}
        >>> cold = to.sghmc(0.1, temperature=0.0, momentum=0.9, key=0)
        >>> updates, _ = cold.update(grads, cold.init(params), params)
        >>> print(updates["w"])  # optax.sgd(0.1, 0.9)
        [-0.2 -0.2 -0.2]

    References:
        Chen, Fox and Guestrin, `Stochastic Gradient Hamiltonian Monte Carlo
        <https://arxiv.org/abs/1402.4102>`_, 2014, eq. (15), with the temperature made explicit.
    """
    check_rate(learning_rate=learning_rate)
    check_fraction(momentum=momentum)
    check_nonnegative(gradient_noise=gradient_noise)

    def step(count, heat):
        lr, mu = at(learning_rate, count), at(momentum, count)
        h = jnp.sqrt(lr)
        spread = jnp.sqrt(jnp.maximum(2 * (1 - mu) * heat - lr * at(gradient_noise, count), 0))
        step = AffineStep(mu, h, spread, from_new=h, from_gradient=jnp.zeros_like(h))
        return step, jnp.stack([(1 + mu) / 2, h / 2]), h

    options = Options("sghmc", 1.0, 1, initial_momentum)
    return affine_sampler(step, temperature, options, momentum_dtype, generator, key)
