"""What a state of replica exchange records, at fixed structure, and checks of the losses in it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from thermo_optax._base import (
    check_fraction,
    check_nonnegative,
    check_real,
    check_share,
    check_weight,
    is_sound,
    known,
)

from ._energies_by_rung import EnergiesByRung
from ._hyperparams import injected_names

_MOST = float(np.finfo(np.float32).max)
COLD, HOT = 1, 2  # has visited the first rung last, or since then the last one; 0: neither yet


class SwapRecord(NamedTuple):
    """Swaps since the start, and how often the pairs of rungs accept."""

    rounds: jax.Array  # int32[], rounds of swaps, each of one or several pairs
    attempts: jax.Array  # int32[num_rungs - 1], of rung k with k + 1, since the ladder moved last
    acceptances: jax.Array  # int32[num_rungs - 1], swaps made among them
    probability: jax.Array  # float32[num_rungs - 1], sum over them of min(1, exp(...))
    last_end: jax.Array  # int32[num_replicas], 1: from the first rung, 2: back; 0: neither
    round_trips: jax.Array  # int32[num_replicas], from the first rung to the last and back
    path: jax.Array  # int32[path_length, num_replicas], rungs after the latest rounds; -1: none


class EnergyRecord(NamedTuple):
    """The losses that the exchange has seen."""

    latest: jax.Array  # float32[num_replicas]; inf before the first
    latest_rest: jax.Array  # float32[num_replicas], what float32 cuts off `latest`; 0 if nothing
    excess: jax.Array  # float32[num_replicas], above the lowest of `latest`: what decides on swaps
    lowest: jax.Array  # float32[num_replicas], of each replica so far; inf before the first
    lowest_rest: jax.Array  # float32[num_replicas], what float32 cuts off `lowest`; 0 if nothing
    lowest_step: jax.Array  # int32[num_replicas], the update at which it was seen
    faults: jax.Array  # int32[num_replicas], losses that were not finite
    noise: jax.Array  # float32[num_replicas, num_replicas], covariance of the noise of `excess`
    noise_weight: jax.Array  # float32[], of what `noise` has averaged; 1 after long


class ReplicaExchangeState(NamedTuple):
    """State of `replica_exchange`."""

    count: jax.Array  # int32[], updates
    rng_key: jax.Array  # uint32[2], raw key of the swaps, constant over the run
    rung: jax.Array  # int32[num_replicas], the rung of each replica: always a permutation
    ladder: dict[str, jax.Array]  # name -> float32[num_rungs], the value at each rung
    given_ladder: dict[
        str, jax.Array
    ]  # the same as in the settings: adaptation moves `ladder` only
    reference_temperature: jax.Array  # float32[], that of `inner`; 1 where rungs do not scale it
    swaps: SwapRecord
    energies: EnergyRecord
    energies_by_rung: EnergiesByRung
    inner_state: optax.OptState  # of `replicate`: a leading axis of replicas everywhere


def no_swaps(num_replicas: int, path_length: int) -> SwapRecord:
    """The record before the first round."""
    # Each array in memory of its own, so that a state can be donated.
    return SwapRecord(
        rounds=jnp.zeros([], jnp.int32),
        attempts=jnp.zeros(num_replicas - 1, jnp.int32),
        acceptances=jnp.zeros(num_replicas - 1, jnp.int32),
        probability=jnp.zeros(num_replicas - 1, jnp.float32),
        last_end=ends_visited(
            jnp.arange(num_replicas, dtype=jnp.int32), jnp.zeros(num_replicas, jnp.int32)
        ),
        round_trips=jnp.zeros(num_replicas, jnp.int32),
        path=jnp.full((path_length, num_replicas), -1, jnp.int32),
    )


def forgotten(record: SwapRecord) -> SwapRecord:
    """The record without what is counted since the ladder moved last, as it has moved."""
    return record._replace(
        attempts=jnp.zeros_like(record.attempts),
        acceptances=jnp.zeros_like(record.acceptances),
        probability=jnp.zeros_like(record.probability),
    )


def no_energies(num_replicas: int) -> EnergyRecord:
    """The record before the first loss."""
    return EnergyRecord(
        latest=jnp.full(num_replicas, jnp.inf, jnp.float32),
        latest_rest=jnp.zeros(num_replicas, jnp.float32),
        excess=jnp.full(num_replicas, jnp.inf, jnp.float32),
        lowest=jnp.full(num_replicas, jnp.inf, jnp.float32),
        lowest_rest=jnp.zeros(num_replicas, jnp.float32),
        lowest_step=jnp.zeros(num_replicas, jnp.int32),
        faults=jnp.zeros(num_replicas, jnp.int32),
        noise=jnp.zeros((num_replicas, num_replicas), jnp.float32),
        noise_weight=jnp.zeros([], jnp.float32),
    )


def ends_visited(rung: jax.Array, last_end: jax.Array) -> jax.Array:
    """The end of the ladder that each replica has visited last, after it came to a rung."""
    warmed = (rung == len(rung) - 1) & (last_end == COLD)
    return jnp.where(rung == 0, COLD, jnp.where(warmed, HOT, last_end)).astype(jnp.int32)


def with_energies(
    record: EnergyRecord, losses: Any, count: jax.Array, noise_decay: Any = None
) -> EnergyRecord:
    """The record after new losses; one that is not finite is counted, and never the lowest.

    With a `noise_decay` the noise of the losses is estimated, too.
    """
    check_real("value", losses)
    losses, numbers = _wide(losses)
    finite = jnp.isfinite(losses)
    excess = _excess(losses, numbers)
    if noise_decay is not None:
        record = _with_noise(record, excess, noise_decay)
    latest, rest = _split(losses, numbers)
    lower = (latest < record.lowest) | ((latest == record.lowest) & (rest < record.lowest_rest))
    better = finite & lower
    return record._replace(
        latest=latest,
        latest_rest=rest,
        excess=excess,
        lowest=jnp.where(better, latest, record.lowest),
        lowest_rest=jnp.where(better, rest, record.lowest_rest),
        lowest_step=jnp.where(better, count, record.lowest_step),
        faults=record.faults + (~finite).astype(jnp.int32),
    )


def losses_of(value_fn: Callable[[Any], Any], params: Any, num_replicas: int) -> Any:
    """What a function of the parameters of one replica gives for all of them."""
    losses = jax.vmap(value_fn)(params)
    if not hasattr(losses, "shape") or losses.shape != (num_replicas,):
        one = losses.shape[1:] if hasattr(losses, "shape") else type(losses).__name__
        raise ValueError(
            f"`value_fn` must return one number for the parameters of one replica, but returned "
            f"{one}: average over examples, and leave out what else it returns."
        )
    return losses


def _wide(losses: Any) -> tuple[Any, Any]:
    """The losses in the precision they come in, at least float32, and the module that has it."""
    if not isinstance(losses, jax.Array):  # JAX without x64 would round them first
        return np.asarray(losses, np.float64), np
    known = losses.dtype in (jnp.float32, jnp.float64)
    return (losses if known else losses.astype(jnp.float32)), jnp


def _excess(losses: Any, numbers: Any) -> jax.Array:
    """float32, the losses above the lowest of them.

    What decides are differences of order T, and a loss summed over 1e8 examples has none left in
    float32: so they are subtracted before they are rounded.
    """
    finite = numbers.isfinite(losses)
    lowest = numbers.min(losses, initial=np.inf, where=finite)
    excess = losses - numbers.where(finite, lowest, 0)
    # A loss that is finite stays so where float32 ends.
    return jnp.asarray(numbers.where(finite, numbers.minimum(excess, _MOST), losses), jnp.float32)


def _split(losses: Any, numbers: Any) -> tuple[jax.Array, jax.Array]:
    """The losses in float32, and what that cuts off: together nearly all digits of a float64."""
    losses = numbers.where(numbers.isfinite(losses), numbers.clip(losses, -_MOST, _MOST), losses)
    if numbers is np:
        rounded = losses.astype(np.float32).astype(losses.dtype)
    else:  # a conversion there and back XLA may take for none
        rounded = jax.lax.reduce_precision(losses, exponent_bits=8, mantissa_bits=23)
    finite = numbers.isfinite(losses)
    rest = numbers.where(finite, losses - numbers.where(finite, rounded, 0), 0)
    return jnp.asarray(rounded, jnp.float32), jnp.asarray(rest, jnp.float32)


def _with_noise(record: EnergyRecord, excess: jax.Array, decay: Any) -> EnergyRecord:
    """The record after one more estimate of the covariance of the minibatch noise.

    Half the squared difference of a loss and the one before has the variance of the noise: what the
    weights do to the loss in one step is small beside it, and drops out. Losses are those above the
    lowest, which adds the same to all of them, and drops out of their differences.
    """
    step = excess - record.excess
    sound = is_sound(step)  # a square that overflows would never be forgotten
    both = sound[:, None] & sound[None, :]
    step = jnp.where(sound, step, 0)
    share = 1 - jnp.asarray(decay, jnp.float32)
    weight = jnp.where(both, share, 0)
    noise = (1 - weight) * record.noise + weight * step[:, None] * step[None, :] / 2
    total = (1 - share) * record.noise_weight + jnp.where(jnp.any(sound), share, 0)
    return record._replace(noise=noise, noise_weight=total)


def noise_of_pairs(record: EnergyRecord, order: jax.Array) -> jax.Array:
    """Var(L_i - L_j) of the replicas on neighbouring rungs."""
    noise = record.noise / jnp.maximum(record.noise_weight, jnp.finfo(jnp.float32).tiny)
    by_rung = noise[order][:, order]
    own, shared = jnp.diagonal(by_rung), jnp.diagonal(by_rung, 1)
    return own[:-1] + own[1:] - 2 * shared


def check_noise(correction: Any, decay: Any, energy: str, beta: Any) -> None:
    """Raises for a correction of noise that cannot be estimated."""
    check_share(noise_correction=correction)
    check_weight(noise_decay=decay)
    check_fraction(noise_decay=decay)  # 1 would never take up a new loss
    if known(correction) != 0 and energy == "value_fn":
        raise ValueError(
            f"`noise_correction`={correction} has no effect with `energy`='value_fn': the noise is "
            "estimated from the losses of successive steps, which only `energy`='value' has. Leave "
            "it at 0, and give a `value_fn` without noise, such as the loss on all validation data."
        )
    largest = known(jnp.max(jnp.abs(beta)))
    if known(correction) != 0 and largest is not None and not 1e-15 < largest < 1e15:
        raise ValueError(
            f"`noise_correction`={correction} needs the variance of losses, which is no float32 in "
            f"this unit: C beta of the `ladder` is {beta}. Multiply losses and temperatures by a "
            "number such that temperatures are near 1."
        )


def check_one_scale(scale: Any) -> None:
    """A factor of all temperatures: the ladder says how those of the replicas differ."""
    if jnp.ndim(scale):
        raise ValueError(
            f"`temperature_scale` must be one number for all replicas, got the shape "
            f"{jnp.shape(scale)}: give the rungs their temperatures by the `ladder`, or use "
            "`replicate`, which takes one for each replica."
        )
    check_nonnegative(temperature_scale=scale)


def check_energies(
    energy: str, value: Any, value_fn: Any, params: Any, num_replicas: int, swapping: bool
) -> None:
    """Raises for missing or misshapen losses."""
    wanted = f"one loss for each of the {num_replicas} replicas"
    if energy == "value" and value is None and swapping:
        raise ValueError(
            f"`value` is required to exchange replicas: pass {wanted}, of the parameters given to "
            "`update`, as in `tx.update(grads, state, params, value=losses)`."
        )
    if energy == "value_fn" and swapping and (value_fn is None or params is None):
        missing = "params" if params is None else "value_fn"
        raise TypeError(
            f'`{missing}` is required with `energy="value_fn"`: call `tx.update(grads, state, '
            "params, value_fn=fn)`, where fn(params of one replica) is the loss that decides."
        )
    if value_fn is not None and not callable(value_fn):
        raise TypeError(f"`value_fn` must be a function of the parameters, got {value_fn!r}.")
    if value is not None and np.shape(value) != (num_replicas,):
        raise ValueError(
            f"`value` must be {wanted}, of shape {(num_replicas,)}, but has shape "
            f"{np.shape(value)}: `jax.vmap` the loss over the replicas, and do not average it."
        )


def shape_of_ladder(state: Any) -> tuple[int, ...]:
    """That of the losses of one chain of several: of its replicas where they exchange, else ()."""
    ladders = optax.tree.get_all_with_path(state, ReplicaExchangeState.__name__)
    return ladders[0][1].rung.shape[1:] if ladders else ()


def check_not_for_the_loss(state: Any) -> None:
    """Raises for names on a ladder that no transformation reads, where the loss cannot either."""
    ladders = optax.tree.get_all_with_path(state, ReplicaExchangeState.__name__)
    unread = [
        name
        for _, exchange in ladders
        for name in exchange.ladder
        if name not in ("temperature", *injected_names(exchange.inner_state))
    ]
    if unread:
        raise ValueError(
            f"`tx` has a ladder of {unread}, which are for the loss (`model_hyperparams`), but the "
            "loss is given parameters only here, and would not see them. Write a loop of your own, "
            "with `replica_hyperparams(state)` in its loss."
        )
