"""Samplers whose update is linear in momentum, gradient and noise: one pass over the parameters.

`langevin`, `sghmc` and `leimkuhler_matthews` differ in the coefficients of an `AffineStep` only.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from thermo_optax._base import (
    KeyLike,
    ScalarOrSchedule,
    at,
    bath_temperature,
    check_key,
    check_leaves,
    check_momentum_options,
    check_nonnegative,
    check_structure,
    compute_dtype,
    declare_bath,
    finite_or_zero,
    initial_momenta,
    like,
    map_with_noise,
    next_count,
    resolve_generator,
    stream_key,
)

from ._words import AffineStep


class UnderdampedState(NamedTuple):
    """State of `langevin`, `sghmc` and `leimkuhler_matthews`."""

    count: jax.Array  # int32[], steps taken: argument of the schedules, counter of the noise
    rng_key: jax.Array  # uint32[2], raw key, constant over the run
    momentum: optax.Params  # like params (float32 for half precision), just before the next kick
    reading: jax.Array  # float32[2], (r, k) of the last step: p.(r p - k g) / N measures T


class Options(NamedTuple):
    name: str  # salt of the noise
    mass: jax.typing.ArrayLike
    draws: int  # normal numbers per coordinate and step
    initial_momentum: str


def affine_sampler(
    step: Callable[[jax.Array, jax.Array], tuple[AffineStep, jax.Array]],
    temperature: ScalarOrSchedule,
    options: Options,
    momentum_dtype: Any,
    generator: str,
    key: KeyLike | None,
) -> optax.GradientTransformationExtraArgs:
    """A sampler whose update is `step(count, temperature of the bath)`."""
    check_nonnegative(temperature=temperature)
    check_momentum_options(options.initial_momentum, momentum_dtype)
    check_key(key)
    generator = resolve_generator(generator, key)

    def init(params):
        check_leaves("params", params)
        declare_bath(temperature)
        rng_key = stream_key(key, options.name, params)
        variance = at(options.mass, 0) * at(temperature, 0)
        start = (variance, options.initial_momentum, momentum_dtype, generator)
        count = jnp.zeros([], jnp.int32)
        momentum = initial_momenta(params, rng_key, *start)
        reading = step(count, variance)[1].astype(jnp.float32)
        return UnderdampedState(count, rng_key, momentum, reading)

    def update(updates, state, params=None, *, temperature_scale=1.0, **extra_args):
        del params, extra_args
        check_leaves("updates", updates)
        check_structure(updates, state.momentum, "the parameters given to `init`")
        check_nonnegative(temperature_scale=temperature_scale)
        count = state.count
        affine, reading = step(count, bath_temperature(temperature, count, temperature_scale))
        ticks = (count,) if options.draws == 1 else (2 * count, 2 * count + 1)

        def leaf(*arrays):
            *noises, gradient, momentum = arrays
            return _move(affine, noises, gradient, momentum)

        displacement, momentum = map_with_noise(
            leaf,
            state.rng_key,
            ticks,
            updates,
            state.momentum,
            generator=generator,
            rereads=affine.from_old is not None,
        )
        state = UnderdampedState(
            next_count(count), state.rng_key, momentum, reading.astype(jnp.float32)
        )
        return displacement, state

    return optax.GradientTransformationExtraArgs(init, update)


def _move(affine: AffineStep, noises, gradient, momentum):
    """One leaf of the affine update: (displacement, new momentum)."""
    dtype = compute_dtype(gradient.dtype, momentum.dtype)
    step = jax.tree.map(lambda scalar: like(scalar, dtype), affine)
    g, p, z = gradient.astype(dtype), momentum.astype(dtype), noises[0].astype(dtype)

    new = step.retain * p - step.kick * finite_or_zero(g) + step.noise * z
    moved = step.from_new * new - step.from_gradient * g  # also with 0: a NaN in g must show
    if step.from_old is not None:
        moved += step.from_old * p
    if step.own_noise is not None:
        moved += step.own_noise * noises[1].astype(dtype)
    return moved.astype(gradient.dtype), new.astype(momentum.dtype)
