"""Samplers whose update is linear in momentum, gradient and noise: one pass over the parameters.

`langevin`, `sghmc` and `leimkuhler_matthews` differ in the coefficients of an `AffineStep` only.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from thermo_optax._base import Masses, ScalarOrSchedule, check_momentum_options
from thermo_optax._noise import KeyLike

from ._sampler import sampler, swap_of
from ._words import AffineStep, at_rest, rescaled_first, weighted


class UnderdampedState(NamedTuple):
    """State of `langevin`, `sghmc` and `leimkuhler_matthews`."""

    count: jax.Array  # int32[], steps taken: argument of the schedules, counter of the noise
    rng_key: jax.Array  # uint32[2], raw key, constant over the run
    momentum: optax.Params  # like params (float32 for half precision), just before the next kick
    mass: Any  # float32[], or the tree that was given: the masses of the last step
    reading: jax.Array  # float32[2], (r, k) of the last step: the mean of p (r p - k g) / m is T
    momentum_scale: jax.Array  # float32[], by which the next step first rescales the momentum
    to_rest: jax.Array  # bool[], whether the next step stays where it is, for a swap of rungs
    rested: jax.Array  # bool[], whether the last step did, and left no half kick to the next
    bath_temperature: jax.Array  # float32[], of the last step; at first as built, -1 for a schedule


class Options(NamedTuple):
    name: str  # salt of the noise
    masses: Masses
    draws: int  # normal numbers per coordinate and step
    initial_momentum: str


def affine_sampler(
    numbers: Callable[[jax.Array, jax.Array], tuple[AffineStep, jax.Array, jax.Array]],
    temperature: ScalarOrSchedule,
    options: Options,
    momentum_dtype: Any,
    generator: str,
    key: KeyLike,
) -> optax.GradientTransformationExtraArgs:
    """A sampler whose step is `numbers(count, temperature of the bath)`.

    The numbers are the coefficients of the step, the reading of its thermometer, and the time h
    of its kick.
    """
    check_momentum_options(options.initial_momentum, momentum_dtype)
    masses = options.masses

    def start(start, params):
        momentum = start.momenta(params, options.initial_momentum, momentum_dtype, masses)
        count = jnp.zeros([], jnp.int32)
        reading = numbers(count, start.temperature)[1].astype(jnp.float32)
        return {
            "momentum": momentum,
            "mass": masses.recorded(params, count),
            "reading": reading,
        }

    def move(step, gradients, state, **_):
        count = step.count
        affine, reading, time = numbers(count, step.temperature)
        affine = rescaled_first(at_rest(affine, step.resting), swap_of(state), time)
        ticks = (count,) if options.draws == 1 else (2 * count, 2 * count + 1)
        trees, rereads = (gradients, state.momentum), affine.from_old is not None
        own = masses.own(gradients)
        if own is None:
            moved, momentum = step.move(_leaf, affine, *trees, ticks=ticks, rereads=rereads)
        else:
            trees += (own,)
            moved, momentum, _ = step.move(_heavy, affine, *trees, ticks=ticks, rereads=rereads)
        return moved, {
            "momentum": momentum,
            "mass": masses.recorded(gradients, count, state.mass),
            "reading": reading.astype(jnp.float32),
        }

    def typical_step(temperature):
        time = numbers(jnp.zeros([], jnp.int32), temperature)[2]
        return time * jnp.sqrt(temperature / masses.common(0))

    own = {"start": start, "copy": "momentum", "typical_step": typical_step, "masses": masses}
    own |= {"generator": generator, "key": key}
    return sampler(options.name, UnderdampedState, temperature, move, **own)


def _leaf(affine: AffineStep, *arrays):
    """One leaf of the affine update: (displacement, new momentum)."""
    *noises, g, p = arrays
    new = affine.retain * p - affine.kick * g + affine.noise * noises[0]
    moved = affine.from_new * new - affine.from_gradient * g
    if affine.from_old is not None:
        moved += affine.from_old * p
    if affine.own_noise is not None:
        moved += affine.own_noise * noises[1]
    return moved, new


def _heavy(affine: AffineStep, *arrays):
    """`_leaf` for an array with a mass of its own, which comes last and stays as it is."""
    *others, mass = arrays
    return *_leaf(weighted(affine, mass), *others), mass
