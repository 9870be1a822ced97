"""Adaptive Langevin dynamics: a friction that finds the heat of the mini-batches by itself."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from thermo_optax._base import (
    Masses,
    ScalarOrSchedule,
    added,
    at,
    check_choice,
    check_finite,
    check_momentum_options,
    check_nonnegative,
    check_rate,
    like,
    stored,
    sum_of_squares_over,
)
from thermo_optax._noise import KeyLike, size
from thermo_optax._xla import computed_first

from . import _flows
from ._adaptive_steps import SPLITTINGS, Thermostats
from ._sampler import sampler, swap_of


class AdaptiveLangevinState(NamedTuple):
    """State of `adaptive_langevin`."""

    count: jax.Array  # int32[], steps taken: argument of the schedules, counter of the noise
    rng_key: jax.Array  # uint32[2], raw key, constant over the run
    momentum: optax.Params  # like params (float32 for half precision), just before the next kick
    mass: Any  # float32[], or the tree that was given: the masses of the last step
    friction: jax.Array  # float32[] for the group, or float32[leaves] per tensor: xi
    kinetic_temperature: jax.Array  # shape of friction: p.p / (m N), last seen by the thermostat
    momentum_scale: jax.Array  # float32[], by which the next step first rescales the momentum
    to_rest: jax.Array  # bool[], whether the next step stays where it is, for a swap of rungs
    rested: jax.Array  # bool[], whether the last step did, and left no half kick to the next
    bath_temperature: jax.Array  # float32[], of the last step; at first as built, -1 for a schedule


def adaptive_sampler(
    method: str,
    step_size: ScalarOrSchedule,
    temperature: ScalarOrSchedule,
    *,
    noise_amplitude: ScalarOrSchedule,
    coupling: ScalarOrSchedule,
    initial_friction: jax.typing.ArrayLike,
    splitting: str,
    thermostat: str,
    thermostat_energy: str,
    scaled_friction: bool,
    mass: Any,
    initial_momentum: str,
    momentum_dtype: Any,
    generator: str,
    key: KeyLike,
) -> optax.GradientTransformationExtraArgs:
    """Adaptive Langevin dynamics; ``update(..., own_friction=tree)`` adds to each coordinate's."""
    check_rate(step_size=step_size)
    check_nonnegative(noise_amplitude=noise_amplitude, coupling=coupling)
    check_finite(initial_friction=initial_friction)
    check_choice("splitting", splitting, SPLITTINGS)
    check_choice("thermostat", thermostat, ("group", "tensor"))
    check_choice("thermostat_energy", thermostat_energy, ("total", "mean"))
    check_momentum_options(initial_momentum, momentum_dtype)
    by_tensor, masses = thermostat == "tensor", Masses(mass)

    def start(start, params):
        sizes = _sizes(params, by_tensor)
        if jax.tree.leaves(params) and not all(sizes):
            remedy = ", or choose `thermostat='group'`." if by_tensor else "."
            raise ValueError(
                "`params` has a thermostat without coordinates (a zero-size array). Leave that "
                f"array out with `optax.masked`{remedy}"
            )
        momentum = start.momenta(params, initial_momentum, momentum_dtype, masses)
        degrees = _degrees(params, by_tensor)
        drawn = jax.tree.map(computed_first, momentum)
        energy = _energy(drawn, masses.each(params, 0), by_tensor)
        kinetic = (energy / degrees).astype(jnp.float32)
        return {
            "momentum": momentum,
            "mass": masses.recorded(params, 0),
            # A copy, which `full` alone is not: the state may be donated.
            "friction": jnp.array(jnp.full(degrees.shape, initial_friction, jnp.float32)),
            "kinetic_temperature": kinetic,
        }

    def move(step, gradients, state, *, own_friction=None, **_):
        target, h, eps = step.temperature, step.rate(step_size), step.at(coupling)
        time = step.time(step_size)
        hot = target > 0  # a bath at zero temperature neither heats nor regulates
        amplitude = jnp.where(hot, step.at(noise_amplitude) * jnp.sqrt(step.scale), 0)
        degrees, each = _degrees(gradients, by_tensor), masses.each(gradients, step.count)
        if state.friction.shape != degrees.shape:
            raise ValueError(
                f"`thermostat` gives frictions of shape {degrees.shape}, but the state has "
                f"{state.friction.shape}: a run goes on with the thermostat that it began with. "
                "Pass that, or call `init` again."
            )

        def regulate(friction, energy, time):
            excess = energy - degrees * target
            if thermostat_energy == "mean":
                excess = excess / degrees
            # Of a slow thermostat each change may be below the last digit of the friction.
            change = _flows.thermostat(jnp.zeros_like(friction), excess, eps, time)
            regulated = added(friction, change, step.count)
            # At this friction a momentum is gone in a step; more would only take long to come back.
            most = 1 / jnp.where(h > 0, h, 1)
            regulated = jnp.clip(regulated, friction - most, friction + most)
            # In no time nothing is regulated, but an energy beyond all numbers times 0 is not one.
            return jnp.where(hot & (eps * time > 0), regulated, friction)

        def rates(friction):
            # Without heat there is nothing that a negative friction could balance.
            friction = jnp.where(hot, friction, jnp.abs(friction))
            rate = friction * eps if scaled_friction else friction
            tree = _per_leaf(rate, gradients)
            if own_friction is None:
                return tree
            return jax.tree.map(
                lambda shared, own: like(shared, own.dtype) + own, tree, own_friction
            )

        def energy(tree):
            return _energy(tree, each, by_tensor)

        numbers = (time, h, amplitude, swap_of(state))
        bath = Thermostats(step, *numbers, each, energy, degrees, regulate, rates)
        friction = state.friction.astype(h.dtype)
        done = SPLITTINGS[splitting](bath, friction, gradients, state.momentum)
        seen = (done.energy / degrees).astype(jnp.float32)
        return _cast(done.displacement, gradients), {
            "momentum": jax.tree.map(
                lambda p, old: stored(p, old.dtype), done.momentum, state.momentum
            ),
            "mass": masses.recorded(gradients, step.count, state.mass),
            "friction": done.friction.astype(jnp.float32),
            "kinetic_temperature": jnp.where(step.resting, state.kinetic_temperature, seen),
        }

    def typical_step(temperature):
        return at(step_size, 0) * jnp.sqrt(temperature / masses.common(0))

    options = {"start": start, "copy": "momentum", "typical_step": typical_step}
    options |= {"masses": masses, "generator": generator, "key": key}
    name = f"{method} {splitting}"
    return sampler(name, AdaptiveLangevinState, temperature, move, **options)


def _sizes(tree: Any, by_tensor: bool) -> list[int]:
    sizes = [size(leaf) for leaf in jax.tree.leaves(tree)]
    return sizes if by_tensor else [sum(sizes)]


def _degrees(tree: Any, by_tensor: bool) -> jax.Array:
    """The number of coordinates of each thermostat: float[] of the group, or float[leaves]."""
    # At least 1: in a partition a group may have no leaves, and then nothing to divide.
    sizes = [max(size, 1) for size in _sizes(tree, by_tensor)]
    return jnp.asarray(sizes if by_tensor else sizes[0], jnp.result_type(float))


def _energy(tree: Any, masses: Any, by_tensor: bool) -> jax.Array:
    """Sums of p^2 / m over the leaves of each thermostat."""
    dtype = jnp.result_type(float)
    pairs = zip(jax.tree.leaves(masses), jax.tree.leaves(tree), strict=True)
    squares = [sum_of_squares_over(mass, leaf.astype(dtype)) for mass, leaf in pairs]
    if not by_tensor:
        return sum(squares, jnp.zeros([], dtype))
    return jnp.stack(squares) if squares else jnp.zeros((0,), dtype)


def _per_leaf(values: jax.Array, tree: Any) -> Any:
    """One scalar for every leaf: the group's own, or that of the leaf."""
    leaves, treedef = jax.tree.flatten(tree)
    scalars = list(values) if values.ndim else [values] * len(leaves)
    return jax.tree.unflatten(treedef, scalars)


def _cast(tree: Any, like_tree: Any) -> Any:
    return jax.tree.map(lambda x, y: x.astype(y.dtype), tree, like_tree)


def adaptive_langevin(
    step_size: ScalarOrSchedule,
    temperature: ScalarOrSchedule,
    *,
    noise_amplitude: ScalarOrSchedule = 0.01,
    coupling: ScalarOrSchedule = 0.05,
    initial_friction: jax.typing.ArrayLike = 0.1,
    splitting: str = "BADODAB",
    thermostat: str = "group",
    thermostat_energy: str = "total",
    scaled_friction: bool = False,
    mass: jax.typing.ArrayLike | optax.Params = 1.0,
    initial_momentum: str = "thermal",
    momentum_dtype: Any = None,
    generator: str = "threefry",
    key: KeyLike,
) -> optax.GradientTransformationExtraArgs:
    r"""Adaptive Langevin dynamics (Ad-Langevin, SGNHT): absorbs unknown gradient noise.

    .. math::
        dx = p / m\,dt, \qquad dp = -\nabla L\,dt - \xi p\,dt + \sigma_A \sqrt{m}\,dW, \qquad
        d\xi = \varepsilon (p \cdot p / m - N T)\,dt

    The friction xi settles where the momenta have temperature T: on average at the mean of
    (sigma_A^2 + h s^2 / m) / (2 T) for mini-batch noise of variance s^2 per coordinate, with
    standard deviation sqrt(T eps), and sqrt(T eps / N) with `thermostat_energy` "mean". It may
    become negative, and then heats; this is intended.

    The splittings differ in where the thermostat E reads the momenta. In the cyclic form that needs
    one gradient per update they are:

    - "BADODAB", the default: E stands on both sides of an exact Ornstein-Uhlenbeck bath, and reads
      the momenta that move the parameters. In a harmonic well with exact gradients the parameters
      have temperature T at any stable step size.
    - "ACDEDCAB", of the authors' code: E stands in the middle of the diffusion, where the momenta
      are hotter than those that move the parameters. E reads T, and the parameters have the
      temperature T / cosh(h xi): 0.97, 0.87 and 0.71 of T at h = 0.25, 0.5 and 0.7 if
      sigma_A^2 = 2 T.
    - "SGNHT": first order, and the cheapest.

    At temperature 0 there is nothing to regulate: noise is off, xi stays, and the step is SGD with
    momentum exp(-h \|xi\|).

    With exact gradients the sampled density does not depend on the masses. Masses in proportion to
    the curvatures of a badly scaled posterior make all coordinates mix alike. One friction absorbs
    the noise of gradients in full where s^2 / m is alike in all coordinates, and else on average.

    Place it last in an ``optax.chain``. A gradient that is not finite, or whose square is not,
    shows in the update of its coordinate and gives no kick to its momentum. A step changes xi by
    at most 1 / h, so one enormous gradient cannot freeze the momenta for long.

    Args:
        step_size: h > 0, in units of time; stable below 2 sqrt(m / k) at the largest k / m.
        temperature: T >= 0, in units of the loss. ``update(..., temperature_scale=s)`` multiplies
            T and sigma_A^2, so that the mean friction stays.
        noise_amplitude: sigma_A >= 0, in units of sqrt(loss / time); times sqrt(m) it is that of
            the noise on a momentum. Gradient noise alone can be enough heat: then 0.
        coupling: eps >= 0, how fast xi reacts; 0 keeps it fixed. For an energy of many coordinates
            keep h sqrt(2 eps N T) well below 1, or choose `thermostat_energy` "mean".
        initial_friction: xi at the start, of either sign, in units of 1 / time.
        splitting: "BADODAB", "ACDEDCAB" or "SGNHT".
        thermostat: "group", one xi for all leaves, or "tensor", one for each leaf (as the authors'
            code has it).
        thermostat_energy: "total" drives xi by p.p / m - N T (the authors' equation), "mean" by
            p.p / (m N) - T, whose time scale does not depend on the size of the layer.
        scaled_friction: if True the friction is eps xi instead of xi, as in the authors' notebooks:
            then xi has that mean over eps, and the standard deviation sqrt(T), or sqrt(T / N).
        mass: m > 0, a number; or a tree that is like the parameters or a prefix of them, of numbers
            (for all arrays below a place) and arrays (of the parameter's shape). The unit is any;
            it sets the time scale.
        initial_momentum: "thermal" draws N(0, m T), "zero" starts at rest, as the authors' code
            does.
        momentum_dtype: dtype of the stored momentum, such as ``jnp.dtype("float32")``; None means
            that of the parameters, but at least float32.
        generator: of the noise: "threefry" (default), "threefry13", "inverse_cdf", "ternary" or
            "jax"; see :func:`thermo_optax.noise_generators`.
        key: an int, a typed key or a raw uint32 key; read by ``init`` only. Required.

    Returns:
        A transformation with state :class:`AdaptiveLangevinState` (one copy of the parameters). Its
        `kinetic_temperature` is read at the thermostat: its average over a run is T at any step
        size, up to (xi_end - xi_start) / (eps h N steps), without N for the energy "mean". With
        "ACDEDCAB" that is not the temperature of the parameters, which
        `configurational_temperature` reads.

    Raises:
        ValueError: for a negative or non-finite number, an unknown option, or a thermostat without
            any coordinate; in ``init``, for a tree of masses that does not fit the parameters.
        TypeError: for a missing key, or parameters that are not real floating-point arrays.

    Examples:
        >>> import jax, jax.numpy as jnp, optax
        >>> import thermo_optax as to
        >>> tx = to.adaptive_langevin(
        ...     0.1, 0.5, noise_amplitude=0.7, coupling=1e-3, initial_friction=0.5, key=0
        ... )
        >>> def step(carry, key):
        ...     x, state = carry
        ...     noisy = x + 3.0 * jax.random.normal(key, x.shape)  # a gradient with unknown noise
        ...     updates, state = tx.update(noisy, state, x)
        ...     x = optax.apply_updates(x, updates)
        ...     return (x, state), (jnp.mean(x**2), state.kinetic_temperature)
        >>> x = jnp.zeros(1_000)
        >>> keys = jax.random.split(jax.random.key(1), 1_500)
        >>> (x, state), (x2, kinetic) = jax.lax.scan(step, (x, tx.init(x)), keys)
        >>> print(f"{jnp.mean(x2[500:]):.1f} {jnp.mean(kinetic[500:]):.1f}")  # both are T
        0.5 0.5

    References:
        Jones and Leimkuhler, `Adaptive stochastic methods for sampling driven molecular systems`,
        J. Chem. Phys. 135, 2011; Leimkuhler, Matthews and Vlaar, `Partitioned integrators for
        thermodynamic parameterization of neural networks <https://arxiv.org/abs/1908.11843>`_,
        2019, eq. (15) and the authors' code; Leimkuhler and Shang, `Adaptive Thermostats for Noisy
        Gradient Systems <https://arxiv.org/abs/1505.06889>`_, 2016 (BADODAB); Ding et al.,
        `Bayesian Sampling Using Stochastic Gradient Thermostats`, 2014 (SGNHT).
    """
    return adaptive_sampler(
        "adaptive_langevin",
        step_size,
        temperature,
        noise_amplitude=noise_amplitude,
        coupling=coupling,
        initial_friction=initial_friction,
        splitting=splitting,
        thermostat=thermostat,
        thermostat_energy=thermostat_energy,
        scaled_friction=scaled_friction,
        mass=mass,
        initial_momentum=initial_momentum,
        momentum_dtype=momentum_dtype,
        generator=generator,
        key=key,
    )
