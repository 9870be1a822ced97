"""The losses that alpha is told of: relative to a baseline, and without spikes.

A constant added to the loss changes no law of the parameters, but alpha feels g(alpha) times it.
Losses are therefore counted from the lowest one so far.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

# Alpha follows an energy y = g E that differs from the expected one by up to 4 of the distances
# that kick it by one thermal momentum where g is steepest. Beyond that its step is too large to
# sample any law. In equilibrium, y varies by sqrt(d / 2): by a fraction of one such distance.
_LIMIT = 4.0
_TIMES = 10.0  # and by up to 10 times the distance that is usual, so that noisy losses still count
_RATE = 0.03  # of the running mean of that distance: a lone spike adds a third to it

_FIRST = 4  # losses, of which one may be a spike, that set the baseline and tell alpha nothing


class LossRecord(NamedTuple):
    """The losses that `continuous_tempering` has seen, as far as it needs them."""

    number: jax.Array  # int32[], finite losses so far, 4 for more: the first ones set the baseline
    last: jax.Array  # float32[2], whose sum is the last finite loss, with the digits of a float64
    baseline: jax.Array  # float32[2], likewise: the lowest loss that the next one confirmed
    spread: jax.Array  # float32[], how far g E usually is from what the biases expect


class Told(NamedTuple):
    """What alpha is told in a step: float32 scalars, in units of the temperature."""

    energy: jax.Array  # all that couples to g
    loss: jax.Array  # the part of the loss in it
    refuted: jax.Array  # how far the loss before was below the baseline: a spike downwards
    change: jax.Array  # of the baseline


def no_losses() -> LossRecord:
    """The record before the first step."""
    zeros = (jnp.zeros(shape, jnp.float32) for shape in (2, 2, ()))
    return LossRecord(jnp.zeros([], jnp.int32), *zeros)


def _split(loss: jax.Array) -> jax.Array:
    """A loss as two float32: a state has the same types whether or not there is float64."""
    first = loss.astype(jnp.float32)
    return jnp.stack([first, (loss - first.astype(loss.dtype)).astype(jnp.float32)])


def _joined(pair: jax.Array, dtype) -> jax.Array:
    return pair[0].astype(dtype) + pair[1].astype(dtype)


def followed(record: LossRecord, loss: jax.Array, sound: jax.Array) -> LossRecord:
    """The record after a loss, or as it was if that loss is not `sound`.

    One spike downwards is no baseline: the next loss has to confirm it. The first loss has nobody
    to confirm it, so the second one may still raise the baseline.
    """
    last, baseline = (_joined(pair, loss.dtype) for pair in (record.last, record.baseline))
    confirmed = jnp.where(record.number == 0, loss, jnp.maximum(loss, last))
    lowest = jnp.where(record.number < 2, confirmed, jnp.minimum(confirmed, baseline))
    return record._replace(
        number=jnp.where(sound, jnp.minimum(record.number + 1, _FIRST), record.number),
        last=jnp.where(sound, _split(loss), record.last),
        baseline=jnp.where(sound, _split(lowest), record.baseline),
    )


def differences(
    before: LossRecord, after: LossRecord, loss: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The loss above the baseline, the baseline above the last loss, and how the baseline moved.

    They are taken before any cast: with a large constant in the loss they are the last digits.
    """
    pairs = before.last, before.baseline, after.baseline
    last, old, new = (_joined(pair, loss.dtype) for pair in pairs)
    begun, known = after.number >= _FIRST, before.number >= _FIRST
    above = jnp.where(begun | ~jnp.isfinite(loss), loss - new, 0)
    return above, jnp.where(begun, new - last, 0), jnp.where(known, new - old, 0)


def room(spread: jax.Array, mass: jax.Array, time: jax.Array, slope: jax.Array) -> jax.Array:
    """How far g E may be from what is expected; `slope` is that of g where it is steepest."""
    return _LIMIT * jnp.sqrt(mass) / (time * slope) + _TIMES * spread


def spread_after(spread: jax.Array, distance: jax.Array) -> jax.Array:
    """The running mean of the distance, after one more."""
    return spread + _RATE * (distance - spread)
