"""What a state of replica exchange keeps of the losses at each rung, in blocks of updates."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from thermo_optax._base import next_count

NUM_BLOCKS = 32  # even: two blocks become one when all are full
_LARGEST = 1e18  # of a loss: float32 holds its square


class LossSums(NamedTuple):
    """Means of losses and of their exponentials, in blocks; all are [num_blocks, num_rungs].

    A loss is two numbers: float32, and what that cuts off. D is the step of C beta to the hotter
    neighbour in "up", and to the colder one in "down"; it is 0 where there is no neighbour.
    """

    count: jax.Array  # int32, finite losses
    mean: jax.Array  # float32
    mean_rest: jax.Array  # float32, what float32 cuts off `mean`
    squares: jax.Array  # float32, sum of the squared deviations from the mean
    highest: jax.Array  # float32, anchor of "up"
    highest_rest: jax.Array  # float32
    lowest: jax.Array  # float32, anchor of "down"
    lowest_rest: jax.Array  # float32
    up: jax.Array  # float32, mean of exp(D (L - highest))
    half_up: jax.Array  # float32, mean of exp(D (L - highest) / 2)
    down: jax.Array  # float32, mean of exp(D (lowest - L))
    half_down: jax.Array  # float32, mean of exp(D (lowest - L) / 2)


class EnergiesByRung(NamedTuple):
    """The losses at each rung since C beta changed last, in blocks of equally many updates."""

    beta: jax.Array  # float32[num_rungs], C beta: what the swaps multiply losses by
    updates: jax.Array  # int32[], whose losses are in the blocks
    block_size: jax.Array  # int32[], updates of a full block; it doubles when all blocks are full
    blocks: LossSums  # those that hold less than one update are left over from before


def no_energies_by_rung(beta: jax.Array) -> EnergiesByRung:
    """The record before the first loss."""
    fields = {
        name: jnp.zeros((NUM_BLOCKS, len(beta)), jnp.int32 if name == "count" else jnp.float32)
        for name in LossSums._fields
    }
    return EnergiesByRung(
        beta=beta + 0,  # memory of its own, so that a state can be donated
        updates=jnp.zeros([], jnp.int32),
        block_size=jnp.ones([], jnp.int32),
        blocks=LossSums(**fields),
    )


def with_losses(
    record: EnergiesByRung, loss: jax.Array, rest: jax.Array, beta: jax.Array, seen: Any
) -> EnergiesByRung:
    """The record after the losses at each rung, if they were `seen` now; finite ones enter.

    Another C beta is another ladder: then the record begins anew.
    """
    beta = jnp.where(jnp.isfinite(beta), beta, 0)  # a scale of 0 has no finite one
    other = jnp.any(beta != record.beta)
    updates = jnp.where(other, 0, record.updates)
    block_size = jnp.where(other, 1, record.block_size)
    full = updates == block_size * NUM_BLOCKS
    gaps = _gaps(beta)
    blocks = jax.lax.cond(full, _halved, lambda blocks, _: blocks, record.blocks, gaps)
    block_size = jnp.where(full, 2 * block_size, block_size)
    place = updates // block_size
    before = jax.tree.map(lambda field: field[place], blocks)
    begun = updates % block_size != 0
    before = before._replace(count=jnp.where(begun, before.count, 0))
    after = _joined(before, _one(loss, rest), gaps)
    blocks = jax.tree.map(
        lambda field, new: field.at[place].set(jnp.where(seen, new, field[place])), blocks, after
    )
    updates = jnp.where(seen, next_count(updates), updates)
    return EnergiesByRung(beta, updates, block_size, blocks)


def _gaps(beta: jax.Array) -> tuple[jax.Array, jax.Array]:
    """D of each rung to its hotter and to its colder neighbour."""
    gap, none = beta[:-1] - beta[1:], jnp.zeros(1, beta.dtype)
    return jnp.concatenate([gap, none]), jnp.concatenate([none, gap])


def _one(loss: jax.Array, rest: jax.Array) -> LossSums:
    """The sums over one update."""
    sound = jnp.abs(loss) < _LARGEST  # not so for NaN
    loss, rest = jnp.where(sound, loss, 0), jnp.where(sound, rest, 0)
    ones = jnp.ones_like(loss)
    return LossSums(
        sound.astype(jnp.int32),
        loss,
        rest,
        jnp.zeros_like(loss),
        loss,
        rest,
        loss,
        rest,
        ones,
        ones,
        ones,
        ones,
    )


def _halved(blocks: LossSums, gaps: tuple[jax.Array, jax.Array]) -> LossSums:
    """Pairs of blocks become one, and leave the other half to come."""
    first, second = (jax.tree.map(lambda field: field[i::2], blocks) for i in (0, 1))
    joined = _joined(first, second, gaps)
    return jax.tree.map(lambda field: jnp.concatenate([field, jnp.zeros_like(field)]), joined)


def _joined(a: LossSums, b: LossSums, gaps: tuple[jax.Array, jax.Array]) -> LossSums:
    """The sums over two disjoint sets of updates, each of which may be empty."""
    hotter, colder = gaps
    count = a.count + b.count
    share = b.count.astype(jnp.float32) / jnp.maximum(count, 1).astype(jnp.float32)
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
        return (1 - share) * old + share * new

    difference, rise, fall = beyond("mean"), beyond("highest"), -beyond("lowest")
    mean = taken("mean", False)
    # A sum of two numbers, and what rounding cuts off it.
    small = mean["mean_rest"] + share * difference
    total = mean["mean"] + small
    return LossSums(
        count=count,
        mean=total,
        mean_rest=small - (total - mean["mean"]),
        squares=a.squares + b.squares + difference**2 * share * a.count.astype(jnp.float32),
        **taken("highest", rise > 0),
        **taken("lowest", fall > 0),
        up=averaged("up", hotter * rise),
        half_up=averaged("half_up", hotter * rise / 2),
        down=averaged("down", colder * fall),
        half_down=averaged("half_down", colder * fall / 2),
    )
