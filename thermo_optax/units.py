"""Converters between the conventions of papers, optimizers and this library.

Here gradients are those of a loss L, every sampler leaves exp(-L / temperature) invariant, and time
is the time of Langevin dynamics. All functions take numbers or arrays, which may be traced,
and return arrays.
"""

import jax
import jax.numpy as jnp

ArrayLike = jax.typing.ArrayLike


def posterior_temperature(num_examples: ArrayLike, cold: ArrayLike = 1.0) -> jax.Array:
    r"""The temperature at which a mean loss over N examples samples the posterior.

    .. math::
        e^{-L / T} = e^{-\sum_i \ell_i} \quad \text{for } L = \tfrac{1}{N} \sum_i \ell_i,\; T = 1/N

    Args:
        num_examples: N, the number of training examples; 1 for a loss that is summed over them.
        cold: factor on the temperature; below 1 for a "cold posterior".

    Returns:
        T = cold / N, in units of the mean loss.

    Examples:
        >>> import thermo_optax as to
        >>> print(to.units.posterior_temperature(50_000))
        2e-05

    References:
        Wenzel et al., `How Good is the Bayes Posterior in Deep Neural Networks Really?
        <https://arxiv.org/abs/2002.02405>`_, 2020, section 2.
    """
    return jnp.asarray(cold, jnp.result_type(float)) / num_examples


def sgd_from_langevin(
    step_size: ArrayLike, friction: ArrayLike, mass: ArrayLike = 1.0
) -> tuple[jax.Array, jax.Array]:
    r"""The learning rate and momentum of SGD that `langevin` ("BAOAB") is at temperature 0.

    .. math::
        \mu = e^{-\gamma h}, \qquad \text{lr} = \frac{h^2}{m} \frac{1 + \mu}{2}

    Args:
        step_size: h, in units of time.
        friction: gamma, in units of 1 / time.
        mass: m.

    Returns:
        The pair (learning_rate, momentum).

    Examples:
        >>> import thermo_optax as to
        >>> lr, momentum = to.units.sgd_from_langevin(step_size=0.1, friction=1.0)
        >>> print(f"{lr:.4f} {momentum:.3f}")
        0.0095 0.905

    References:
        Derived from the update of `langevin` with zero noise.
    """
    momentum = jnp.exp(-jnp.asarray(friction, jnp.result_type(float)) * step_size)
    return jnp.square(step_size) / mass * (1 + momentum) / 2, momentum


def langevin_from_sgd(
    learning_rate: ArrayLike, momentum: ArrayLike, mass: ArrayLike = 1.0
) -> tuple[jax.Array, jax.Array]:
    r"""The step size and friction at which `langevin` ("BAOAB") is a given SGD, plus heat.

    .. math::
        h = \sqrt{\frac{2\, m\, \text{lr}}{1 + \mu}}, \qquad \gamma = -\frac{\ln \mu}{h}

    Args:
        learning_rate: lr of SGD.
        momentum: mu in (0, 1).
        mass: m.

    Returns:
        The pair (step_size, friction).

    Examples:
        >>> import thermo_optax as to
        >>> h, gamma = to.units.langevin_from_sgd(learning_rate=0.1, momentum=0.9)
        >>> lr, momentum = to.units.sgd_from_langevin(h, gamma)
        >>> print(f"{lr:.2f} {momentum:.2f}")
        0.10 0.90

    References:
        The inverse of `sgd_from_langevin`.
    """
    momentum = jnp.asarray(momentum, jnp.result_type(float))
    step_size = jnp.sqrt(2 * mass * jnp.asarray(learning_rate, momentum.dtype) / (1 + momentum))
    return step_size, -jnp.log(momentum) / step_size


def friction_from_momentum(learning_rate: ArrayLike, momentum: ArrayLike) -> jax.Array:
    r"""The friction that `sghmc` has at a learning rate and momentum (symplectic Euler).

    .. math::
        \gamma = (1 - \mu) / h, \qquad h = \sqrt{\text{lr}}

    Args:
        learning_rate: lr = h^2.
        momentum: mu = 1 - h gamma.

    Returns:
        gamma, in units of 1 / time.

    Examples:
        >>> import thermo_optax as to
        >>> print(f"{to.units.friction_from_momentum(0.01, 0.9):.2f}")
        1.00

    References:
        Chen, Fox and Guestrin, `Stochastic Gradient Hamiltonian Monte Carlo
        <https://arxiv.org/abs/1402.4102>`_, 2014, eq. (15).
    """
    rate = jnp.asarray(learning_rate, jnp.result_type(float))
    return (1 - jnp.asarray(momentum, rate.dtype)) / jnp.sqrt(rate)


def equilibrium_friction(
    noise_amplitude: ArrayLike,
    temperature: ArrayLike,
    step_size: ArrayLike = 0.0,
    gradient_noise: ArrayLike = 0.0,
) -> jax.Array:
    r"""The friction at which the thermostat of `adaptive_langevin` settles.

    .. math::
        \langle \xi \rangle = \frac{\sigma_A^2 + h s^2}{2 T}

    Args:
        noise_amplitude: sigma_A.
        temperature: T > 0.
        step_size: h, in units of time.
        gradient_noise: s^2, the variance per coordinate of the mini-batch gradient.

    Returns:
        The mean of xi, in units of 1 / time.

    Examples:
        >>> import thermo_optax as to
        >>> print(f"{to.units.equilibrium_friction(0.01, temperature=1e-4):.2f}")
        0.50

    References:
        The stationary law of the equations of `adaptive_langevin`.
    """
    heat = jnp.square(jnp.asarray(noise_amplitude, jnp.result_type(float)))
    return (heat + step_size * jnp.asarray(gradient_noise, heat.dtype)) / (2 * temperature)


def coupling_from_printed(epsilon: ArrayLike) -> jax.Array:
    r"""The coupling of `adaptive_langevin` for the epsilon that the AdLaLa notebooks print.

    .. math::
        d\xi' = \varepsilon' (p \cdot p - N T)\,dt,\; dp = -\varepsilon' \xi' p\,dt
        \quad\Longleftrightarrow\quad \varepsilon = \varepsilon'^2,\; \xi = \varepsilon' \xi'

    Args:
        epsilon: eps' of the equations in which the friction is eps' xi'.

    Returns:
        eps of the authors' code and of this library, where the friction is xi.

    Examples:
        >>> import thermo_optax as to
        >>> print(f"{to.units.coupling_from_printed(0.2236):.3f}")
        0.050

    References:
        The equations printed in the authors' AdLaLa notebook, against its code.
    """
    return jnp.square(jnp.asarray(epsilon, jnp.result_type(float)))


def temperature_from_entropy_noise(epsilon: ArrayLike, *, printed: bool = False) -> jax.Array:
    r"""The temperature of Entropy-SGD's inner steps for the epsilon of its code or of its text.

    .. math::
        \epsilon \sqrt{2 \eta'} = \sqrt{2 \eta' T} \Rightarrow T = \epsilon^2 \text{ (code)}, \qquad
        \epsilon \sqrt{\eta'} = \sqrt{2 \eta' T} \Rightarrow T = \epsilon^2 / 2 \text{ (text)}

    Args:
        epsilon: the factor on the noise, 1e-4 to 1e-3.
        printed: whether epsilon is that of the printed algorithm.

    Returns:
        T, in units of the loss.

    Examples:
        >>> import thermo_optax as to
        >>> print(to.units.temperature_from_entropy_noise(1e-3))
        1e-06

    References:
        Chaudhari et al., `Entropy-SGD: Biasing Gradient Descent Into Wide Valleys
        <https://arxiv.org/abs/1611.01838>`_, 2017, Algorithm 1, against the authors' code.
    """
    squared = jnp.square(jnp.asarray(epsilon, jnp.result_type(float)))
    return squared / 2 if printed else squared
