"""The thermostats that adaptive samplers share: their options, their state and one step of it."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from thermo_optax._base import (
    ScalarOrSchedule,
    at,
    bath_temperature,
    check_choice,
    check_finite,
    check_key,
    check_leaves,
    check_momentum_options,
    check_nonnegative,
    check_positive,
    check_structure,
    declare_bath,
    initial_momenta,
    like,
    map_with_noise,
    next_count,
    resolve_generator,
    stream_key,
    sum_of_squares,
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


def check_thermostat(options: Thermostat, step_size, temperature, key) -> Thermostat:
    """The options, ready for use; raises for arguments that no adaptive sampler can use."""
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
    check_key(key)
    return options._replace(generator=resolve_generator(options.generator, key))


def start(options: Thermostat, temperature, key, params) -> AdaptiveLangevinState:
    """The first state: momenta from the bath, friction as the user set it."""
    check_leaves("params", params)
    leaves = jax.tree.leaves(params)
    if leaves and not all(_sizes(options, leaves)):
        raise ValueError(
            "`params` has a thermostat without coordinates (a zero-size array). Leave that array "
            "out with `optax.masked`, or choose `thermostat='group'`."
        )
    declare_bath(temperature)
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

    def heat(fn, *trees, rereads=False):
        ticks, generator = (count,), options.generator
        return map_with_noise(
            fn, state.rng_key, ticks, *trees, generator=generator, rereads=rereads
        )

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
    squares = [sum_of_squares(leaf.astype(dtype)) for leaf in jax.tree.leaves(tree)]
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
