"""One round of swaps: which pairs try, which succeed, and what is recorded of it."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from thermo_optax._base import added, size_of

from ._records import HOT, SwapRecord, ends_visited

SCHEMES = ("even-odd", "random pair")


class Round(NamedTuple):
    """A round of swaps, by pairs of neighbouring rungs."""

    tried: jax.Array  # bool[num_rungs - 1]
    probability: jax.Array  # float32[num_rungs - 1], of acceptance
    accepted: jax.Array  # bool[num_rungs - 1]


def round_keys(words: jax.Array, rounds: jax.Array) -> jax.Array:
    """Two keys for a round: of which pairs try, and of whether they succeed."""
    key = jax.random.wrap_key_data(words, impl="threefry2x32")
    return jax.random.split(jax.random.fold_in(key, rounds))


def pairs_to_try(scheme: str, rounds: jax.Array, key: jax.Array, num_pairs: int) -> jax.Array:
    """bool[num_pairs]: every second pair, in turn the even and the odd ones; or one at random."""
    pairs = jnp.arange(num_pairs, dtype=rounds.dtype)
    if scheme == "even-odd":
        return pairs % 2 == rounds % 2
    return pairs == jax.random.randint(key, (), 0, num_pairs, rounds.dtype)


def replica_at(rung: jax.Array) -> jax.Array:
    """int32[num_rungs], the replica on each rung: the inverse of the permutation `rung`."""
    replicas = jnp.arange(len(rung), dtype=rung.dtype)
    return jnp.zeros_like(rung).at[rung].set(replicas)


def log_acceptance(betas: jax.Array, energies: jax.Array, noise: jax.Array) -> jax.Array:
    r"""The logarithm of Metropolis' ratio of each pair of neighbouring rungs.

    (beta_k - beta_l) (E_k - E_l), minus half its variance where the energies are noisy: then the
    ratio itself, not its logarithm, is right on average. All by rung. NaN where one of the energies
    is not finite, also where the ratio would have a limit.
    """
    step = betas[:-1] - betas[1:]
    finite = jnp.isfinite(energies[:-1]) & jnp.isfinite(energies[1:])
    size = size_of(step[None], axis=0)  # of beta = 1e20 there is no square in float32
    correction = (step / size) ** 2 * (size * noise * size) / 2
    log_ratio = step * (energies[:-1] - energies[1:]) - correction
    return jnp.where(finite, log_ratio, jnp.nan)


def decide(tried: jax.Array, log_ratio: jax.Array, key: jax.Array) -> Round:
    """Accepts with probability min(1, ratio); what is not a number is not accepted."""
    probability = jnp.where(jnp.isnan(log_ratio), 0, jnp.exp(jnp.minimum(log_ratio, 0)))
    uniform = jax.random.uniform(key, log_ratio.shape, log_ratio.dtype)
    accepted = tried & (uniform < probability)
    return Round(tried, probability.astype(jnp.float32), accepted)


def swapped(rung: jax.Array, accepted: jax.Array) -> jax.Array:
    """The rungs of the replicas after the swaps of the accepted pairs, no two of which touch."""
    none = jnp.zeros(1, bool)
    up, down = jnp.concatenate([accepted, none]), jnp.concatenate([none, accepted])
    return rung + up[rung].astype(rung.dtype) - down[rung].astype(rung.dtype)


def recorded(record: SwapRecord, done: Round, rung: jax.Array) -> SwapRecord:
    """The record after a round that led to these rungs."""
    home = (rung == 0) & (record.last_end == HOT)
    chances = jnp.where(done.tried, done.probability, 0)
    return record._replace(
        rounds=record.rounds + 1,
        attempts=record.attempts + done.tried.astype(jnp.int32),
        acceptances=record.acceptances + done.accepted.astype(jnp.int32),
        probability=added(record.probability, chances, record.rounds),
        last_end=ends_visited(rung, record.last_end),
        round_trips=record.round_trips + home.astype(jnp.int32),
    )


def with_path(path: jax.Array, rung: jax.Array, rounds: jax.Array, due: jax.Array) -> jax.Array:
    """The rungs after the latest rounds, with one round more if due: a row written in place."""
    if not len(path):
        return path
    place = rounds % len(path)
    path = jnp.asarray(path)  # of a checkpoint it may be NumPy's
    return path.at[place].set(jnp.where(due, rung, path[place]))
