"""Underdamped Langevin dynamics by any splitting word, and its limit of high friction.

    dx = p / m dt        dp = -grad L dt - gamma p dt + sqrt(2 gamma m T) dW

In `leimkuhler_matthews`, the limit, every step forgets its momentum but for the noise that two
neighbouring steps share.
"""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from thermo_optax._base import (
    Masses,
    ScalarOrSchedule,
    at,
    check_fraction,
    check_nonnegative,
    check_rate,
    rate_at,
    root,
)
from thermo_optax._noise import KeyLike

from ._affine import Options, affine_sampler
from ._sampler import UNIT_MASS
from ._words import AffineStep, Settings, compose, cycle, num_draws, thermometer

_FORGETFUL = 1e30  # a friction without bound, yet finite: times a step size of 0 it gives 0


def langevin(
    step_size: ScalarOrSchedule,
    temperature: ScalarOrSchedule,
    *,
    friction: ScalarOrSchedule,
    splitting: str = "BAOAB",
    mass: jax.typing.ArrayLike | optax.Params = 1.0,
    initial_momentum: str = "thermal",
    momentum_dtype: Any = None,
    generator: str = "threefry",
    key: KeyLike,
) -> optax.GradientTransformationExtraArgs:
    r"""Underdamped Langevin dynamics by a splitting word: samples exp(-L / temperature).

    The default word BAOAB, in the cyclic form that needs one gradient per update:

    .. math::
        \begin{aligned}
        p &\leftarrow p - h \nabla L(x) && \text{B} \\
        x &\leftarrow x + \tfrac{h}{2} p / m && \text{A} \\
        p &\leftarrow e^{-\gamma h} p + \sqrt{m T (1 - e^{-2 \gamma h})}\, z && \text{O} \\
        x &\leftarrow x + \tfrac{h}{2} p / m && \text{A}
        \end{aligned}

    In a harmonic well of curvature k it has no bias at any stable step size: the parameters have
    variance T / k where the gradient is taken, and the momentum in the state has variance m T. At
    temperature 0, with zero initial momentum, it is
    ``optax.sgd(h**2 / m * (1 + c) / 2, momentum=c)``, ``c = exp(-friction * h)``.

    The sampled density does not depend on the masses, but the speed does. A posterior whose
    curvatures k differ by orders of magnitude has stiff coordinates, which limit h, and soft ones,
    which then move slowly. Give each parameter a mass in proportion to its curvature: at m = k all
    coordinates have the frequency 1, mix alike, and are stable below h = 2.

    The returned updates are displacements: place it last in an ``optax.chain``, with no learning
    rate behind it. A gradient that is not finite gives an update that is not finite in that
    coordinate, and no kick to its momentum, which stays finite; ``optax.apply_if_finite`` around
    the sampler skips such steps altogether.

    Args:
        step_size: h > 0, in units of time; stable below 2 sqrt(m / k) at the largest k / m.
            A number, a traced scalar or a schedule, as all numbers here.
        temperature: T >= 0, in units of the loss; 1 / N samples the Bayesian posterior of a loss
            averaged over N examples. ``update(..., temperature_scale=s)`` multiplies it.
        friction: gamma >= 0, in units of 1 / time.
        splitting: any word over A (drift), B (kick), O (bath) and U (drift and bath at once, solved
            exactly) that needs one gradient per step, such as "BAOAB" or "UBU". The parameters are
            observed where the gradient is taken, the stored momentum just before the next kick.
            "OBABO" and "ABOBA" are the same cycle under this observation, and so are "BAOAB" and
            "OABAO".
        mass: m > 0, a number; or a tree that is like the parameters or a prefix of them, of numbers
            (for all arrays below a place) and arrays (of the parameter's shape). The unit is any;
            it sets the time scale.
        initial_momentum: "thermal" draws N(0, m T), "zero" starts at rest.
        momentum_dtype: dtype of the stored momentum; None means that of the parameters, but at
            least float32, because friction and noise are lost in half precision. Under
            `optax.inject_hyperparams` write ``jnp.dtype("float32")``: it calls what can be called.
        generator: of the noise: "threefry" (default), "threefry13", "inverse_cdf", "ternary" or
            "jax"; see :func:`thermo_optax.noise_generators`.
        key: an int, a typed key or a raw uint32 key; read by ``init`` only. Required.

    Returns:
        A transformation with state :class:`UnderdampedState` (one copy of the parameters).

    Raises:
        ValueError: for a negative or non-finite number, or a word that is not supported; in
            ``init``, for a tree of masses that does not fit the parameters.
        TypeError: for a missing key, or parameters that are not real floating-point arrays.

    Examples:
        >>> import jax, jax.numpy as jnp, optax
        >>> import thermo_optax as to
        >>> tx = to.langevin(step_size=0.5, temperature=2.0, friction=1.0, key=0)
        >>> grad = jax.grad(lambda x: 0.5 * jnp.sum(x**2))
        >>> def step(carry, _):
        ...     x, state = carry
        ...     updates, state = tx.update(grad(x), state, x)
        ...     return (optax.apply_updates(x, updates), state), None
        >>> x = jnp.zeros(20_000)  # as many independent particles
        >>> (x, _), _ = jax.lax.scan(step, (x, tx.init(x)), length=50)
        >>> print(f"{jnp.mean(x**2):.1f}")  # equipartition: <x^2> = T
        2.0

    References:
        Leimkuhler and Matthews, `Rational Construction of Stochastic Numerical Methods for
        Molecular Sampling <https://arxiv.org/abs/1203.5428>`_, 2013, eq. (8) and (9).
    """
    check_rate(step_size=step_size)
    check_nonnegative(friction=friction)
    legs, masses = cycle(splitting), Masses(mass)

    def step(count, heat):
        h, gamma = rate_at(step_size, count), rate_at(friction, count)
        m = masses.common(count)
        return compose(legs, Settings(h, gamma, m * heat, m)), thermometer(legs, h), h

    options = Options(f"langevin {splitting}", masses, num_draws(legs), initial_momentum)
    return affine_sampler(step, temperature, options, momentum_dtype, generator, key)


def leimkuhler_matthews(
    learning_rate: ScalarOrSchedule,
    temperature: ScalarOrSchedule,
    *,
    momentum_dtype: Any = None,
    generator: str = "threefry",
    key: KeyLike,
) -> optax.GradientTransformationExtraArgs:
    r"""Overdamped Langevin dynamics with averaged noise: no bias in a harmonic well.

    .. math::
        x_{n+1} = x_n - \delta \nabla L(x_n) + \sqrt{2 \delta T}\; \frac{z_n + z_{n-1}}{2}

    It is BAOAB at step size h = sqrt(2 delta) in the limit of infinite friction, and as cheap as
    SGLD, whose variance in a well of curvature k is T / k / (1 - delta k / 2) where this one's is
    T / k. At temperature 0 it is ``optax.sgd(learning_rate)``. The half of the noise that the
    next step needs again is kept as a momentum sqrt(T) z.

    Args:
        learning_rate: delta > 0, in units of parameter^2 / loss; stable below 2 / k.
        temperature: T >= 0, in units of the loss; scaled by ``update(..., temperature_scale=s)``.
        momentum_dtype: dtype of the stored noise, such as ``jnp.dtype("float32")``; None means that
            of the parameters, but at least float32.
        generator: of the noise: "threefry" (default), "threefry13", "inverse_cdf", "ternary" or
            "jax"; see :func:`thermo_optax.noise_generators`.
        key: an int, a typed key or a raw uint32 key; read by ``init`` only. Required.

    Returns:
        A transformation with state :class:`UnderdampedState` (one copy of the parameters).

    Raises:
        ValueError: for a negative or non-finite number.
        TypeError: for a missing key, or parameters that are not real floating-point arrays.

    Examples:
        >>> import jax, jax.numpy as jnp, optax
        >>> import thermo_optax as to
        >>> tx = to.leimkuhler_matthews(learning_rate=1.0, temperature=0.5, key=0)
        >>> x = jnp.zeros(20_000)
        >>> state = tx.init(x)
        >>> for _ in range(20):  # at this step SGLD would be off by a factor of 2
        ...     updates, state = tx.update(x, state, x)  # the gradient of x^2 / 2 is x
        ...     x = optax.apply_updates(x, updates)
        >>> print(f"{jnp.var(x):.2f}")
        0.50

    References:
        Leimkuhler and Matthews, `Rational Construction of Stochastic Numerical Methods for
        Molecular Sampling <https://arxiv.org/abs/1203.5428>`_, 2013, eq. (13).
    """
    check_rate(learning_rate=learning_rate)
    legs = cycle("BAOAB")

    def step(count, heat):
        h = root(2 * rate_at(learning_rate, count))
        return compose(legs, Settings(h, _FORGETFUL, heat, 1.0)), thermometer(legs, h), h

    options = Options("leimkuhler_matthews", UNIT_MASS, 1, "thermal")
    return affine_sampler(step, temperature, options, momentum_dtype, generator, key)


def sghmc(
    learning_rate: ScalarOrSchedule,
    temperature: ScalarOrSchedule,
    *,
    momentum: ScalarOrSchedule,
    gradient_noise: ScalarOrSchedule = 0.0,
    mass: jax.typing.ArrayLike | optax.Params = 1.0,
    initial_momentum: str = "thermal",
    momentum_dtype: Any = None,
    generator: str = "threefry",
    key: KeyLike,
) -> optax.GradientTransformationExtraArgs:
    r"""Stochastic-gradient Hamiltonian Monte Carlo: SGD with momentum, plus its heat.

    .. math::
        p \leftarrow \mu p - h \nabla L(x) + \sqrt{2 (1 - \mu) m T - h^2 s^2}\, z, \qquad
        x \leftarrow x + h p / m, \qquad h = \sqrt{\text{learning rate}}

    This is symplectic Euler with lr = h^2 and momentum mu = 1 - h gamma. At unit mass and
    temperature 0 it is ``optax.sgd(learning_rate, momentum)``. In a harmonic well of curvature k
    the parameters have variance T / k / (1 - lr k / (2 (1 + mu) m)): the bias is first order in lr.
    The stored p is a physical momentum, not an update, so a changing learning rate does not reheat
    it.

    But for that bias the sampled density does not depend on the masses. Masses in proportion to the
    curvatures of a badly scaled posterior make all coordinates mix alike; a mass divides the
    learning rate of its parameters.

    Place it last in an ``optax.chain``. A gradient that is not finite gives an update that is not
    finite in that coordinate, and no kick to its momentum, which stays finite.

    Args:
        learning_rate: lr > 0, in units of mass parameter^2 / loss; stable below 2 (1 + mu) m / k,
            or, by h = sqrt(lr), below h = sqrt(2 (1 + mu) m / k).
        temperature: T >= 0, in units of the loss; scaled by ``update(..., temperature_scale=s)``.
        momentum: mu in [0, 1).
        gradient_noise: s^2 >= 0, the variance per coordinate of the mini-batch gradient, whose heat
            is subtracted from the noise (down to none). 0, the default, trusts the gradient.
        mass: m > 0, a number; or a tree that is like the parameters or a prefix of them, of numbers
            (for all arrays below a place) and arrays (of the parameter's shape). The unit is any;
            it sets the time scale.
        initial_momentum: "thermal" draws N(0, m T), "zero" starts at rest as `optax.sgd` does.
        momentum_dtype: dtype of the stored momentum, such as ``jnp.dtype("float32")``; None means
            that of the parameters, but at least float32.
        generator: of the noise: "threefry" (default), "threefry13", "inverse_cdf", "ternary" or
            "jax"; see :func:`thermo_optax.noise_generators`.
        key: an int, a typed key or a raw uint32 key; read by ``init`` only. Required.

    Returns:
        A transformation with state :class:`UnderdampedState` (one copy of the parameters).

    Raises:
        ValueError: for a negative or non-finite number, or a momentum outside [0, 1); in ``init``,
            for a tree of masses that does not fit the parameters.
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
    masses = Masses(mass)

    def step(count, heat):
        lr, mu, m = rate_at(learning_rate, count), at(momentum, count), masses.common(count)
        h = root(lr)
        needed, brought = 2 * (1 - mu) * heat * m, lr * at(gradient_noise, count)
        spread = root(jnp.maximum(needed - brought, 0))
        step = AffineStep(mu, h, spread, from_new=h / m, from_gradient=jnp.zeros_like(h))
        if not masses.is_number:
            step = step._replace(noise=root(jnp.maximum(needed, 0)), brought=brought)
        return step, jnp.stack([(1 + mu) / 2, h / 2]), h

    options = Options("sghmc", masses, 1, initial_momentum)
    return affine_sampler(step, temperature, options, momentum_dtype, generator, key)
