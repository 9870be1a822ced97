"""Adaptive Langevin dynamics: a friction that finds the heat of the mini-batches by itself."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from thermo_optax._base import (
    KeyLike,
    ScalarOrSchedule,
    at,
    bath_temperature,
    check_choice,
    check_finite,
    check_generator,
    check_key,
    check_leaves,
    check_momentum_options,
    check_nonnegative,
    check_positive,
    check_structure,
    initial_momenta,
    like,
    map_with_noise,
    next_count,
    stream_key,
)

from . import _flows
from ._adaptive_steps import SPLITTINGS, Bath


class AdaptiveLangevinState(NamedTuple):
    """State of `adaptive_langevin`."""

    count: jax.Array  # int32[], steps taken: argument of the schedules, counter of the noise
    rng_key: jax.Array  # uint32[2], raw key, constant over the run
    momentum: optax.Params  # like params (float32 for half precision), just before the next kick
    friction: jax.Array  # float32[] for the group, or float32[leaves] per tensor: xi
    kinetic_temperature: jax.Array  # shape of friction: p.p / N as the last thermostat step saw it


class Thermostat(NamedTuple):
    """The options that all adaptive samplers share."""

    name: str  # salt of the noise
    noise_amplitude: ScalarOrSchedule
    coupling: ScalarOrSchedule
    initial_friction: jax.typing.ArrayLike
    splitting: str
    per: str  # "group" or "tensor"
    energy: str  # "total" or "mean"
    scaled_friction: bool
    initial_momentum: str
    momentum_dtype: Any
    generator: str


def adaptive_langevin(
    step_size: ScalarOrSchedule,
    temperature: ScalarOrSchedule,
    *,
    noise_amplitude: ScalarOrSchedule = 0.01,
    coupling: ScalarOrSchedule = 0.05,
    initial_friction: jax.typing.ArrayLike = 0.1,
    splitting: str = "ACDEDCAB",
    thermostat: str = "group",
    thermostat_energy: str = "total",
    scaled_friction: bool = False,
    initial_momentum: str = "thermal",
    momentum_dtype: Any = None,
    generator: str = "threefry",
    key: KeyLike | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Adaptive Langevin dynamics (Ad-Langevin, SGNHT): absorbs unknown gradient noise.

    .. math::
        dx = p\,dt, \qquad dp = -\nabla L\,dt - \xi p\,dt + \sigma_A\,dW, \qquad
        d\xi = \varepsilon (p \cdot p - N T)\,dt

    The friction xi settles where the momenta have temperature T: on average at
    (sigma_A^2 + h s^2) / (2 T) for mini-batch noise of variance s^2 per coordinate, with
    standard deviation sqrt(T eps). It may become negative, and then heats; this is intended.

    The splittings, in the cyclic form that needs one gradient per update, are "ACDEDCAB" (the
    authors' code: drift, friction, diffusion, thermostat and back), "BADODAB" (thermostat around an
    exact Ornstein-Uhlenbeck bath) and "SGNHT" (first order, the cheapest). At temperature 0 there
    is nothing to regulate: noise is off, xi stays, and the step is SGD with momentum exp(-h xi).

    Place it last in an ``optax.chain``. A gradient that is not finite gives an update that is not
    finite in that coordinate, and no kick to its momentum.

    Args:
        step_size: h > 0, in units of time.
        temperature: T >= 0, in units of the loss. ``update(..., temperature_scale=s)`` multiplies
            T and sigma_A^2, so that the mean friction stays.
        noise_amplitude: sigma_A >= 0, in units of momentum / sqrt(time). Gradient noise alone can
            be enough heat: then 0.
        coupling: eps >= 0, how fast xi reacts; 0 keeps it fixed. For an energy of many coordinates
            keep h sqrt(2 eps N T) well below 1, or choose `thermostat_energy` "mean".
        initial_friction: xi at the start, of either sign, in units of 1 / time.
        splitting: "ACDEDCAB", "BADODAB" or "SGNHT".
        thermostat: "group", one xi for all leaves, or "tensor", one for each leaf (as the authors'
            code has it).
        thermostat_energy: "total" drives xi by p.p - N T (the authors' equation), "mean" by
            p.p / N - T, whose time scale does not depend on the size of the layer.
        scaled_friction: if True the friction is eps xi instead of xi, as in the authors' notebooks.
        initial_momentum: "thermal" draws N(0, T), "zero" starts at rest, as the authors' code does.
        momentum_dtype: as in `langevin`.
        generator: as in `langevin`.
        key: an int, a typed key or a raw uint32 key; read by ``init`` only. Required.

    Returns:
        A transformation with state :class:`AdaptiveLangevinState` (one copy of the parameters). Its
        `kinetic_temperature` is read at the thermostat: its average over a run is T at any step
        size, up to (xi_end - xi_start) / (eps h N steps).

    Raises:
        ValueError: for a negative or non-finite number, an unknown option, or a thermostat without
            any coordinate.
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
    options = Thermostat(
        f"adaptive_langevin {splitting}",
        noise_amplitude,
        coupling,
        initial_friction,
        splitting,
        thermostat,
        thermostat_energy,
        scaled_friction,
        initial_momentum,
        momentum_dtype,
        generator,
    )
    check_thermostat(options, step_size, temperature, key)

    def init(params):
        return start(options, temperature, key, params)

    def update(updates, state, params=None, *, temperature_scale=1.0, **extra_args):
        del params, extra_args
        return advance(options, step_size, temperature, temperature_scale, updates, state)

    return optax.GradientTransformationExtraArgs(init, update)


def check_thermostat(options: Thermostat, step_size, temperature, key) -> None:
    """Raises for arguments that no adaptive sampler can use."""
    check_positive(step_size=step_size)
    check_nonnegative(
        temperature=temperature,
        noise_amplitude=options.noise_amplitude,
        coupling=options.coupling,
    )
    check_finite(initial_friction=options.initial_friction)
    check_choice("splitting", options.splitting, SPLITTINGS)
    check_choice("thermostat", options.per, ("group", "tensor"))
    check_choice("thermostat_energy", options.energy, ("total", "mean"))
    check_momentum_options(options.initial_momentum, options.momentum_dtype)
    check_generator(options.generator)
    check_key(key)


def start(options: Thermostat, temperature, key, params) -> AdaptiveLangevinState:
    """The first state: momenta from the bath, friction as the user set it."""
    check_leaves("params", params)
    leaves = jax.tree.leaves(params)
    if leaves and not all(_sizes(options, leaves)):
        raise ValueError(
            "`params` has a thermostat without coordinates (a zero-size array). Leave that array "
            "out with `optax.masked`, or choose `thermostat='group'`."
        )
    rng_key = stream_key(key, options.name, params)
    law = (at(temperature, 0), options.initial_momentum, options.momentum_dtype, options.generator)
    momentum = initial_momenta(params, rng_key, *law)
    friction = jnp.full(_shape(options, leaves), options.initial_friction, jnp.float32)
    kinetic = _energy(options, momentum) / _degrees(options, leaves)
    return AdaptiveLangevinState(
        jnp.zeros([], jnp.int32), rng_key, momentum, friction, kinetic.astype(jnp.float32)
    )


def advance(options: Thermostat, step_size, temperature, scale, updates, state, extra=None):
    """One step: (displacement, new state). `extra` is a friction of each coordinate's own."""
    check_leaves("updates", updates)
    check_structure(updates, state.momentum, "the parameters given to `init`")
    check_nonnegative(temperature_scale=scale)
    count = state.count
    target = bath_temperature(temperature, count, scale)
    hot = target > 0  # a bath at zero temperature neither heats nor regulates
    h, coupling = at(step_size, count), at(options.coupling, count)
    amplitude = at(options.noise_amplitude, count) * jnp.sqrt(at(scale, count))
    degrees = _degrees(options, jax.tree.leaves(updates))

    def heat(fn, *trees):
        return map_with_noise(fn, state.rng_key, (count,), *trees, generator=options.generator)

    def regulate(friction, energy, time):
        excess = energy - degrees * target
        if options.energy == "mean":
            excess = excess / degrees
        return jnp.where(hot, _flows.thermostat(friction, excess, coupling, time), friction)

    def rates(friction):
        rate = friction * coupling if options.scaled_friction else friction
        tree = _per_leaf(rate, updates)
        if extra is None:
            return tree
        return jax.tree.map(lambda shared, own: like(shared, own.dtype) + own, tree, extra)

    bath = Bath(
        step_size=h,
        amplitude=jnp.where(hot, amplitude, 0),
        heat=heat,
        energy=lambda tree: _energy(options, tree),
        degrees=lambda tree: degrees,
        regulate=regulate,
        rates=rates,
    )
    friction = state.friction.astype(h.dtype)
    step = SPLITTINGS[options.splitting](bath, friction, updates, state.momentum)
    return _cast(step.displacement, updates), AdaptiveLangevinState(
        next_count(count),
        state.rng_key,
        _cast(step.momentum, state.momentum),
        step.friction.astype(jnp.float32),
        (step.energy / degrees).astype(jnp.float32),
    )


def _shape(options: Thermostat, leaves: list) -> tuple[int, ...]:
    return () if options.per == "group" else (len(leaves),)


def _sizes(options: Thermostat, leaves: list) -> list[int]:
    sizes = [math.prod(jnp.shape(leaf)) for leaf in leaves]
    return sizes if options.per == "tensor" else [sum(sizes)]


def _degrees(options: Thermostat, leaves: list) -> jax.Array:
    # At least 1: in a partition a group may have no leaves, and then nothing to divide.
    sizes = [max(size, 1) for size in _sizes(options, leaves)]
    return jnp.asarray(sizes, jnp.result_type(float)).reshape(_shape(options, leaves))


def _energy(options: Thermostat, tree) -> jax.Array:
    """Sums of squares over the leaves of each thermostat."""
    dtype = jnp.result_type(float)
    squares = [jnp.sum(jnp.square(leaf.astype(dtype))) for leaf in jax.tree.leaves(tree)]
    if options.per == "group":
        return sum(squares, jnp.zeros([], dtype))
    return jnp.stack(squares) if squares else jnp.zeros((0,), dtype)


def _per_leaf(values: jax.Array, tree):
    """One scalar for every leaf: the group's own, or that of the leaf."""
    leaves, treedef = jax.tree.flatten(tree)
    scalars = list(values) if values.ndim else [values] * len(leaves)
    return jax.tree.unflatten(treedef, scalars)


def _cast(tree, like_tree):
    return jax.tree.map(lambda x, y: x.astype(y.dtype), tree, like_tree)
