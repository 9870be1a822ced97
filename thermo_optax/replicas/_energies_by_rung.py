"""What a state of replica exchange keeps of the losses at each rung, in blocks of updates."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from thermo_optax._base import added, next_count, size_of

NUM_BLOCKS = 32  # even: two blocks become one when all are full
_SAME = 1e-6  # relative, of settings: two programs may round the same one in two ways
_LARGEST = 1e18  # of a loss times the unit: float32 holds its square
_USUAL = 1e12  # C beta for which losses are squared as they are, or one over it


class LossSums(NamedTuple):
    """Means of losses and of their exponentials by rung; all are float32[..., num_rungs].

    A loss is two numbers: float32, and what that cuts off. D is the step of C beta to the hotter
    neighbour in "up", and to the colder one in "down"; it is 0 where there is no neighbour.
    """

    count: jax.Array  # finite losses, in whole numbers up to 2^24
    mean: jax.Array
    mean_rest: jax.Array  # what float32 cuts off `mean`
    squares: jax.Array  # sum of the squared deviations from the mean, times `unit_of(beta)`
    highest: jax.Array  # anchor of "up"
    highest_rest: jax.Array
    lowest: jax.Array  # anchor of "down"
    lowest_rest: jax.Array
    up: jax.Array  # mean of exp(D (L - highest))
    half_up: jax.Array  # mean of exp(D (L - highest) / 2)
    down: jax.Array  # mean of exp(D (lowest - L))
    half_down: jax.Array  # mean of exp(D (lowest - L) / 2)


class EnergiesByRung(NamedTuple):
    """The losses at each rung since C beta changed last, in blocks of equally many updates."""

    beta: jax.Array  # float32[num_rungs], C beta: what the swaps multiply losses by
    updates: jax.Array  # int32[], whose losses are in the blocks
    block_size: jax.Array  # int32[], updates of a full block; it doubles when all blocks are full
    blocks: jax.Array  # float32[num_blocks, 12, num_rungs], a row for each field of `LossSums`


def no_energies_by_rung(beta: jax.Array) -> EnergiesByRung:
    """The record before the first loss."""
    return EnergiesByRung(
        beta=beta + 0,  # memory of its own, so that a state can be donated
        updates=jnp.zeros([], jnp.int32),
        block_size=jnp.ones([], jnp.int32),
        # One array, not one for each field: XLA writes it in one operation.
        blocks=jnp.zeros((NUM_BLOCKS, len(LossSums._fields), len(beta)), jnp.float32),
    )


def with_losses(
    record: EnergiesByRung, loss: jax.Array, rest: jax.Array, beta: jax.Array, seen: Any
) -> EnergiesByRung:
    """The record after the losses at each rung, if they were `seen` now; finite ones enter.

    Another C beta is another ladder: then the record begins anew.
    """
    beta = jnp.where(jnp.isfinite(beta), beta, 0)  # a scale of 0 has no finite one
    other = differs(record.beta, beta)
    beta = jnp.where(other, beta, record.beta)
    updates = jnp.where(other, 0, record.updates)
    block_size = jnp.where(other, 1, record.block_size)
    full = updates == block_size * NUM_BLOCKS
    unit = unit_of(beta)
    gaps = (*_gaps(beta), unit)
    blocks = jnp.asarray(record.blocks)  # of a checkpoint they may be NumPy's
    blocks = jax.lax.cond(full, _halved, lambda blocks, _: blocks, blocks, gaps)
    block_size = jnp.where(full, 2 * block_size, block_size)
    place = updates // block_size
    begun = updates % block_size != 0  # otherwise the row may be left over from another ladder
    before = LossSums(*jnp.where(begun, blocks[place], 0))
    joined = _joined(before, _one(loss, rest, unit), gaps)
    blocks = blocks.at[place].set(jnp.where(seen, jnp.stack(joined), blocks[place]))
    updates = jnp.where(seen, next_count(updates), updates)
    return EnergiesByRung(beta, updates, block_size, blocks)


def differs(old: jax.Array, new: jax.Array) -> jax.Array:
    """Whether numbers are others than those of a state, which another program may have rounded."""
    return jnp.any(jnp.abs(new - old) > _SAME * jnp.abs(old))


def _gaps(beta: jax.Array) -> tuple[jax.Array, jax.Array]:
    """D of each rung to its hotter and to its colder neighbour."""
    gap, none = beta[:-1] - beta[1:], jnp.zeros(1, beta.dtype)
    return jnp.concatenate([gap, none]), jnp.concatenate([none, gap])


def unit_of(beta: jax.Array) -> jax.Array:
    """float32[...], what losses are multiplied by before they are squared, for C beta[..., rungs].

    A temperature of 1e-20 (kT in joules, say) has no square in float32. The unit is a power of two,
    and 1 unless temperatures are that far from 1.
    """
    size = size_of(jnp.asarray(beta), axis=-1)
    return jnp.where((size > 1 / _USUAL) & (size < _USUAL), 1, size)


def _one(loss: jax.Array, rest: jax.Array, unit: jax.Array) -> LossSums:
    """The sums over one update."""
    sound = jnp.abs(loss * unit) < _LARGEST  # not so for NaN
    loss, rest = jnp.where(sound, loss, 0), jnp.where(sound, rest, 0)
    one, none = jnp.ones_like(loss), jnp.zeros_like(loss)
    anchors = (loss, rest, loss, rest)
    return LossSums(sound.astype(loss.dtype), loss, rest, none, *anchors, one, one, one, one)


def _halved(blocks: jax.Array, gaps: tuple[jax.Array, jax.Array, jax.Array]) -> jax.Array:
    """Pairs of blocks become one, and leave the other half to come."""
    first, second = (LossSums(*jnp.moveaxis(blocks[i::2], 1, 0)) for i in (0, 1))
    joined = jnp.stack(jax.vmap(_joined, (0, 0, None))(first, second, gaps), axis=1)
    return jnp.concatenate([joined, jnp.zeros_like(joined)])


def _joined(a: LossSums, b: LossSums, gaps: tuple[jax.Array, jax.Array, jax.Array]) -> LossSums:
    """The sums over two disjoint sets of updates, each of which may be empty."""
    hotter, colder, unit = gaps
    count = a.count + b.count
    share = b.count / jnp.maximum(count, 1)
    both = (a.count > 0) & (b.count > 0)

    def beyond(name):
        """How far the loss of b is above that of a; 0 if one of them has none."""
        rest = f"{name}_rest"
        high, low = getattr(b, name) - getattr(a, name), getattr(b, rest) - getattr(a, rest)
        return jnp.where(both, high + low, 0)

    def taken(name, by_b):
        """One of two losses: that of b, or where it is the only one."""
        by_b = jnp.where(both, by_b, b.count > 0)
        names = (name, f"{name}_rest")
        return {name: jnp.where(by_b, getattr(b, name), getattr(a, name)) for name in names}

    def averaged(name, exponent):
        """The mean exponential, above the anchor of both."""
        old = getattr(a, name) * jnp.exp(jnp.minimum(-exponent, 0))
        new = getattr(b, name) * jnp.exp(jnp.minimum(exponent, 0))
        # With weights 1 - share and share, what rounding takes from one is always alike.
        return added(old, share * (new - old), count)

    difference, rise, fall = beyond("mean"), beyond("highest"), -beyond("lowest")
    mean = taken("mean", False)
    # A sum of two numbers, and what rounding cuts off it.
    small = mean["mean_rest"] + share * difference
    total = mean["mean"] + small
    return LossSums(
        count=count,
        mean=total,
        mean_rest=small - (total - mean["mean"]),
        squares=added(a.squares, b.squares + (difference * unit) ** 2 * share * a.count, count),
        **taken("highest", rise > 0),
        **taken("lowest", fall > 0),
        up=averaged("up", hotter * rise),
        half_up=averaged("half_up", hotter * rise / 2),
        down=averaged("down", colder * fall),
        half_down=averaged("half_down", colder * fall / 2),
    )
