"""The thermostats that adaptive samplers share: their options, their state and one step of it."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from thermo_optax._base import (
    KeyLike,
    ScalarOrSchedule,
    at,
    check_choice,
    check_finite,
    check_momentum_options,
    check_nonnegative,
    check_rate,
    like,
    size,
    sum_of_squares,
)

from . import _flows
from ._adaptive_steps import SPLITTINGS, Thermostats
from ._sampler import sampler, served


class AdaptiveLangevinState(NamedTuple):
    """State of `adaptive_langevin`."""

    count: jax.Array  # int32[], steps taken: argument of the schedules, counter of the noise
    rng_key: jax.Array  # uint32[2], raw key, constant over the run
    momentum: optax.Params  # like params (float32 for half precision), just before the next kick
    friction: jax.Array  # float32[] for the group, or float32[leaves] per tensor: xi
    kinetic_temperature: jax.Array  # shape of friction: p.p / N as the last thermostat step saw it
    momentum_scale: jax.Array  # float32[], by which the next step first rescales the momentum
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
    by_tensor = thermostat == "tensor"

    def start(start, params):
        sizes = _sizes(params, by_tensor)
        if jax.tree.leaves(params) and not all(sizes):
            raise ValueError(
                "`params` has a thermostat without coordinates (a zero-size array). Leave that "
                "array out with `optax.masked`, or choose `thermostat='group'`."
            )
        momentum = start.momenta(params, initial_momentum, momentum_dtype)
        degrees = _degrees(params, by_tensor)
        # The barrier keeps XLA from drawing within the sum of squares: with jax 0.12 in 64 bits it
        # compiled leaves of (16, 4), (8,) and (3,) for more than four minutes, and now for seconds.
        drawn = jax.tree.map(jax.lax.optimization_barrier, momentum)
        kinetic = (_energy(drawn, by_tensor) / degrees).astype(jnp.float32)
        return {
            "momentum": momentum,
            "friction": jnp.full(degrees.shape, initial_friction, jnp.float32),
            "kinetic_temperature": kinetic,
            "momentum_scale": jnp.ones([], jnp.float32),
        }

    def move(step, gradients, state, *, own_friction=None, **_):
        target, h, eps = step.temperature, step.at(step_size), step.at(coupling)
        hot = target > 0  # a bath at zero temperature neither heats nor regulates
        amplitude = jnp.where(hot, step.at(noise_amplitude) * jnp.sqrt(step.scale), 0)
        degrees = _degrees(gradients, by_tensor)

        def regulate(friction, energy, time):
            excess = energy - degrees * target
            if thermostat_energy == "mean":
                excess = excess / degrees
            regulated = _flows.thermostat(friction, excess, eps, time)
            # At this friction a momentum is gone in a step; more would only take long to come back.
            most = 1 / jnp.where(h > 0, h, 1)
            regulated = jnp.clip(regulated, friction - most, friction + most)
            return jnp.where(hot, regulated, friction)

        def rates(friction):
            rate = friction * eps if scaled_friction else friction
            tree = _per_leaf(rate, gradients)
            if own_friction is None:
                return tree
            return jax.tree.map(
                lambda shared, own: like(shared, own.dtype) + own, tree, own_friction
            )

        def energy(tree):
            return _energy(tree, by_tensor)

        swap = state.momentum_scale
        bath = Thermostats(step, h, amplitude, swap, energy, degrees, regulate, rates)
        friction = state.friction.astype(h.dtype)
        done = SPLITTINGS[splitting](bath, friction, gradients, state.momentum)
        return _cast(done.displacement, gradients), {
            "momentum": _cast(done.momentum, state.momentum),
            "friction": done.friction.astype(jnp.float32),
            "kinetic_temperature": (done.energy / degrees).astype(jnp.float32),
            "momentum_scale": served(swap),
        }

    def typical_step(temperature):
        return at(step_size, 0) * jnp.sqrt(temperature)

    options = {"start": start, "copy": "momentum", "typical_step": typical_step}
    options |= {"generator": generator, "key": key}
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


def _energy(tree: Any, by_tensor: bool) -> jax.Array:
    """Sums of squares over the leaves of each thermostat."""
    dtype = jnp.result_type(float)
    squares = [sum_of_squares(leaf.astype(dtype)) for leaf in jax.tree.leaves(tree)]
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
