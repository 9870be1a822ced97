"""Converters between the conventions of papers, optimizers and this library.

Here gradients are those of a loss L, every sampler leaves exp(-L / temperature) invariant, and time
is the time of Langevin dynamics. All functions take numbers or arrays, which may be traced,
and return arrays. Those with a mass also take trees, such as the masses of a sampler, and return
trees like them.
"""

import typing

import jax
import jax.numpy as jnp

ArrayLike = jax.typing.ArrayLike
Tree = typing.Any


def _float(number: ArrayLike) -> jax.Array:
    """As a float before anything is computed: squares leave the range of integers and halves."""
    return jnp.asarray(number, jnp.result_type(float))


def _mapped(formula: typing.Any, **arguments: typing.Any) -> typing.Any:
    """A formula of numbers, taken entry by entry where arguments are trees."""
    trees = {
        name: value for name, value in arguments.items() if not jax.tree_util.all_leaves([value])
    }
    if not trees:
        return formula(**{name: _float(value) for name, value in arguments.items()})
    structures = {name: jax.tree.structure(tree) for name, tree in trees.items()}
    structure, *others = set(structures.values())
    if others:
        raise ValueError(
            f"the trees among the arguments must be alike, got {structures}: write the same "
            "places in each, or one number for all of them."
        )
    columns = [
        jax.tree.leaves(value) if name in trees else [value] * structure.num_leaves
        for name, value in arguments.items()
    ]
    rows = (dict(zip(arguments, row, strict=True)) for row in zip(*columns, strict=True))
    return structure.unflatten(
        [formula(**{name: _float(value) for name, value in row.items()}) for row in rows]
    )


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
    return _float(cold) / _float(num_examples)


def sgd_from_langevin(
    step_size: ArrayLike | Tree, friction: ArrayLike | Tree, mass: ArrayLike | Tree = 1.0
) -> tuple[Tree, Tree]:
    r"""The learning rate and momentum of SGD that `langevin` ("BAOAB") is at temperature 0.

    .. math::
        \mu = e^{-\gamma h}, \qquad \text{lr} = \frac{h^2}{m} \frac{1 + \mu}{2}

    Args:
        step_size: h, in units of time; a number, or a tree such as `langevin_from_sgd` returns.
        friction: gamma, in units of 1 / time; a number or a tree.
        mass: m, a number or a tree of masses.

    Returns:
        The pair (learning_rate, momentum): of trees a tree of learning rates, and one of momenta
        unless step size and friction are numbers.

    Examples:
        >>> import thermo_optax as to
        >>> lr, momentum = to.units.sgd_from_langevin(step_size=0.1, friction=1.0)
        >>> print(f"{lr:.4f} {momentum:.3f}")
        0.0095 0.905
        >>> lr, _ = to.units.sgd_from_langevin(0.1, 1.0, mass={"hidden": 1.0, "output": 100.0})
        >>> print(f"{lr['hidden']:.4f} {lr['output']:.6f}")  # heavy parameters are slow
        0.0095 0.000095

    References:
        Derived from the update of `langevin` with zero noise.
    """

    def momentum(step_size, friction):
        return jnp.exp(-friction * step_size)

    def learning_rate(step_size, friction, mass):
        return jnp.square(step_size) / mass * (1 + momentum(step_size, friction)) / 2

    both = {"step_size": step_size, "friction": friction}
    return _mapped(learning_rate, **both, mass=mass), _mapped(momentum, **both)


def langevin_from_sgd(
    learning_rate: ArrayLike | Tree, momentum: ArrayLike | Tree, mass: ArrayLike | Tree = 1.0
) -> tuple[Tree, Tree]:
    r"""The step size and friction at which `langevin` ("BAOAB") is a given SGD, plus heat.

    .. math::
        h = \sqrt{\frac{2\, m\, \text{lr}}{1 + \mu}}, \qquad \gamma = -\frac{\ln \mu}{h}

    Args:
        learning_rate: lr of SGD, a number or a tree.
        momentum: mu in (0, 1), a number or a tree.
        mass: m, a number or a tree.

    Returns:
        The pair (step_size, friction), two trees if there is one among the arguments. Masses in
        proportion to 1 / lr have one step size and one friction for all.

    Examples:
        >>> import thermo_optax as to
        >>> h, gamma = to.units.langevin_from_sgd(learning_rate=0.1, momentum=0.9)
        >>> lr, momentum = to.units.sgd_from_langevin(h, gamma)
        >>> print(f"{lr:.2f} {momentum:.2f}")
        0.10 0.90

    References:
        The inverse of `sgd_from_langevin`.
    """

    def step_of(learning_rate, momentum, mass):
        return jnp.sqrt(2 * mass * learning_rate / (1 + momentum))

    def friction_of(step_size, momentum):
        return -jnp.log(momentum) / step_size

    step_size = _mapped(step_of, learning_rate=learning_rate, momentum=momentum, mass=mass)
    return step_size, _mapped(friction_of, step_size=step_size, momentum=momentum)


def friction_from_momentum(learning_rate: ArrayLike, momentum: ArrayLike) -> jax.Array:
    r"""The friction that `sghmc` has at a learning rate and momentum (symplectic Euler).

    .. math::
        \gamma = (1 - \mu) / h, \qquad h = \sqrt{\text{lr}}

    It is the same for every mass: the learning rate of `sghmc` is the square of its step size.

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
    return (1 - _float(momentum)) / jnp.sqrt(_float(learning_rate))


def equilibrium_friction(
    noise_amplitude: ArrayLike,
    temperature: ArrayLike,
    step_size: ArrayLike = 0.0,
    gradient_noise: ArrayLike | Tree = 0.0,
    mass: ArrayLike | Tree = 1.0,
) -> Tree:
    r"""The friction at which the thermostat of `adaptive_langevin` settles.

    .. math::
        \langle \xi \rangle = \frac{\sigma_A^2 + h s^2 / m}{2 T}

    Args:
        noise_amplitude: sigma_A.
        temperature: T > 0.
        step_size: h, in units of time.
        gradient_noise: s^2, the variance per coordinate of the mini-batch gradient; a number or a
            tree.
        mass: m, a number or a tree.

    Returns:
        The mean of xi, in units of 1 / time. For trees: the friction that each entry would have by
        itself; one thermostat for all settles at their mean, weighted by coordinates.

    Examples:
        >>> import thermo_optax as to
        >>> print(f"{to.units.equilibrium_friction(0.01, temperature=1e-4):.2f}")
        0.50

    References:
        The stationary law of the equations of `adaptive_langevin`.
    """
    heat, step_size = jnp.square(_float(noise_amplitude)), _float(step_size)

    def friction(gradient_noise, mass):
        return (heat + step_size * gradient_noise / mass) / (2 * _float(temperature))

    return _mapped(friction, gradient_noise=gradient_noise, mass=mass)


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
    return jnp.square(_float(epsilon))


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
    squared = jnp.square(_float(epsilon))
    return squared / 2 if printed else squared
