"""Hyperparameters that may be numbers, traced values or schedules."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

ScalarOrSchedule = jax.typing.ArrayLike | optax.Schedule


def at(value: ScalarOrSchedule, count: jax.typing.ArrayLike) -> jax.Array:
    """The value of a scalar, or of a schedule after `count` steps, as a strong-typed float."""
    value = value(count) if callable(value) else value
    # float32, or float64 under `jax_enable_x64`; a bfloat16 hyperparameter (which
    # `optax.inject_hyperparams` makes for a bfloat16 network) is widened before it is used.
    return jnp.asarray(value, jnp.result_type(float))


def rate_at(value: ScalarOrSchedule, count: jax.typing.ArrayLike) -> jax.Array:
    """A rate, friction or temperature at a step: what a schedule has below 0 counts as 0.

    Compiled, `optax.linear_schedule(0.3, 0.0, 777)` ends at -3e-9, and heat is the root of these.
    """
    return jnp.maximum(at(value, count), 0)


def first_value(value: ScalarOrSchedule) -> jax.typing.ArrayLike:
    """A number, or that of a schedule at step 0; it is concrete under jit too, where it can be."""
    if not callable(value):
        return value
    with jax.ensure_compile_time_eval():
        return value(np.int32(0))


def like(scalar: jax.typing.ArrayLike, dtype: Any) -> jax.Array:
    """The scalar in the dtype of the leaf it multiplies, so that no leaf changes its dtype."""
    return jnp.asarray(scalar, dtype)


def in_dtype_of(array: jax.Array, reference: Any) -> jax.Array:
    """The array in the dtype of a parameter or gradient, which may be NumPy's, as JAX holds it."""
    return array.astype(jax.dtypes.canonicalize_dtype(reference.dtype))


def size_of(array: jax.Array, axis: int | None = None) -> jax.Array:
    """A power of two about as large as the largest number of an array; 1 if that is 0.

    A second derivative or a loss may be 1e-20 or 1e20, in units as they are, and its square no
    float32. Dividing by a power of two changes no digit.
    """
    exponent = jnp.frexp(jnp.max(jnp.abs(array), axis=axis, initial=0))[1]
    return jnp.ldexp(jnp.ones([], array.dtype), jnp.clip(exponent, -100, 100))


def root(number: jax.typing.ArrayLike) -> jax.Array:
    """The square root; at 0 its derivative is 0, where that of `jnp.sqrt` is infinite.

    So a derivative goes through a step without heat: infinity times 0 would be no number.
    """
    none = number == 0
    return jnp.where(none, 0, jnp.sqrt(jnp.where(none, 1, number)))


def next_count(count: jax.Array) -> jax.Array:
    """The step count after this step; it saturates instead of overflowing."""
    return jnp.asarray(optax.safe_increment(count))


def added(total: jax.Array, increment: jax.Array, number: jax.Array) -> jax.Array:
    """A total after one more increment, the `number`-th: in sums of many nothing gets lost.

    What is below the last digit of the total would always be rounded away: a mean that is large
    beside its fluctuations would stand still from some number of samples on, wherever it is then.
    Here the numbers between two floats are rounded up as often as they are closer to the upper one,
    in the order of a sequence that is spread evenly (the golden ratio's). What a float holds
    exactly, it stays.
    """
    word = (number.astype(jnp.uint32) * np.uint32(0x9E3779B9)) >> np.uint32(8)
    offset = like(word, total.dtype) / 2**24 + (2.0**-25 - 0.5)  # between -1/2 and 1/2
    near = total + increment
    still = jax.lax.stop_gradient(near)  # the digit that rounding decides has no derivative
    neighbour = jnp.nextafter(still, like(jnp.where(offset > 0, jnp.inf, -jnp.inf), near.dtype))
    moved = total + (increment + jnp.abs(offset) * (neighbour - still))
    return jnp.where(jnp.isfinite(moved), moved, near)


_HALF = 2**30


def next_in_turn(count: jax.Array) -> jax.Array:
    """The count after this step, where its remainder matters: a late one goes on from 2^30."""
    last = count == jnp.iinfo(count.dtype).max
    return jnp.where(last, jnp.asarray(_HALF, count.dtype), next_count(count))


def bath_temperature(
    temperature: ScalarOrSchedule, count: jax.typing.ArrayLike, scale: jax.typing.ArrayLike
) -> jax.Array:
    """The temperature of the bath at this step: the sampler's own, times what the caller sends."""
    own = rate_at(temperature, count)
    return own * jnp.maximum(like(scale, own.dtype), 0)


_NOT_KNOWN = -1.0  # no temperature is negative


def is_schedule(built: Any) -> Any:
    """Whether a `built_temperature` is that of a schedule."""
    return built == _NOT_KNOWN


def built_temperature(temperature: ScalarOrSchedule) -> jax.Array:
    """float32[], the temperature that a sampler was built with; -1 for a schedule."""
    # A copy: the state may be donated, but the user's array is the user's.
    return jnp.array(_NOT_KNOWN if callable(temperature) else temperature, jnp.float32)
