"""Chains from exact draws: all laws and all chains in one compiled program."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import optax

from thermo_optax._base import heating, like, plain_paths

from ._kinds import Kind, cold_replica, counts, on_rungs
from ._laws import DoubleWell, Gaussian

Law = Gaussian | DoubleWell
Unflatten = Callable[[jax.Array], Any]


class Settings(NamedTuple):
    """What the chains of a run have in common."""

    temperature: float
    length: float  # unit of length of the laws, sqrt(T / curvature)
    num_steps: int
    burn_in: int
    gradient_noise: float
    update_kwargs: dict[str, Any]
    collect_if: Callable[[Any], Any] | None


def run_chains(
    make_transformation: Callable[[jax.Array], optax.GradientTransformation],
    kind: Kind,
    laws: tuple[Law, ...],
    params: Any,
    settings: Settings,
    key: jax.Array,
    num_chains: int,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each law where the chains that count started and ended, in the laws' unit of length.

    Of a ladder, that is the first rung: a chain is all of its replicas, [rung, coordinate].
    """
    length, num_steps, burn_in = settings.length, settings.num_steps, settings.burn_in
    unflatten, flatten = _flat(params)
    evaluate = jax.value_and_grad(_loss(laws, settings))
    if kind.heats is not None:
        unflatten, flatten = jax.vmap(unflatten), jax.vmap(flatten)
        evaluate = jax.vmap(evaluate, (0, None))

    def chain(which, key, first, start):
        noise_key, key = jax.random.split(key)
        tx = checked(make_transformation(key))

        def step(carry, count):
            x, state = carry
            if burn_in and not kind.tempered:
                fresh = start if kind.heats is None else on_rungs(state, start)
                x = jnp.where(count == burn_in, fresh, x)
            value, gradient = evaluate(x, which)
            if settings.gradient_noise:
                noise = jax.random.normal(jax.random.fold_in(noise_key, count), x.shape, x.dtype)
                gradient += like(settings.gradient_noise, x.dtype) * noise
            params, extra = unflatten(x), {"value": value} | settings.update_kwargs
            updates, state = tx.update(unflatten(gradient), state, params, **extra)
            return (flatten(optax.apply_updates(params, updates)), state), None

        carry = (first, tx.init(unflatten(first)))
        (end, state), _ = jax.lax.scan(step, carry, jnp.arange(burn_in + num_steps))
        if kind.heats is not None:
            end = cold_replica(state, end)
        return end, counts(state, settings.collect_if)

    random = np.random.default_rng(np.asarray(jax.random.key_data(key)))

    def draws():
        return np.stack([_draws(law, random, num_chains, kind) for law in laws])

    begin = draws()
    # Of a tempering variable no draw is known, so that chains with one go on from where they are.
    first = draws() if burn_in and not kind.tempered else begin
    keys = jax.random.split(key, (len(laws), num_chains))
    starts = (jnp.asarray(x * length, jnp.result_type(float)) for x in (first, begin))
    over_chains = jax.jit(jax.vmap(jax.vmap(chain, (None, 0, 0, 0))))
    end, counted = over_chains(jnp.arange(len(laws)), keys, *starts)
    end, counted = np.asarray(end, np.float64) / length, np.asarray(counted)
    cold = begin if kind.heats is None else begin[:, :, 0]
    return [(x[where], y[where]) for x, y, where in zip(cold, end, counted, strict=True)]


def _draws(law: Law, random: np.random.Generator, count: int, kind: Kind) -> np.ndarray:
    """Starts of the chains; [chain, rung, coordinate] of a ladder."""
    if kind.heats is None:
        return law.draw(random, count)
    return np.stack([law.draw(random, count, float(heat)) for heat in kind.heats], axis=1)


def _loss(laws: tuple[Law, ...], settings: Settings) -> Callable[[jax.Array, jax.Array], jax.Array]:
    def loss(x, which):
        # Under `vmap` all are computed: cheap, and it saves the compilation of further programs.
        potentials = [law.potential(x / like(settings.length, x.dtype)) for law in laws]
        return like(settings.temperature, x.dtype) * jax.lax.select_n(which, *potentials)

    return loss


def leaf_slices(params: Any) -> dict[str, slice]:
    """Which coordinates of the vector belong to which leaf."""
    slices, start = {}, 0
    for path, leaf in zip(plain_paths(params), jax.tree.leaves(params), strict=True):
        stop = start + int(np.prod(jnp.shape(leaf), dtype=int))
        if stop > start:
            slices["/".join(path) or "params"] = slice(start, stop)
        start = stop
    return slices


def blank(params: Any) -> Any:
    """Zeros like params, in the precision of the chains."""
    return jax.tree.map(lambda p: jnp.zeros(jnp.shape(p), jnp.result_type(float)), params)


def _flat(params: Any) -> tuple[Unflatten, Callable[[Any], jax.Array]]:
    """From a vector of coordinates to a tree like params, and back."""
    unflatten = jax.flatten_util.ravel_pytree(blank(params))[1]
    return unflatten, lambda tree: jax.flatten_util.ravel_pytree(tree)[0]


def checked(tx: Any) -> optax.GradientTransformationExtraArgs:
    """Raises for what is no transformation."""
    if not (hasattr(tx, "init") and hasattr(tx, "update")):
        raise TypeError(
            "`make_transformation` must return an optax transformation, with `init` and `update`, "
            f"got {tx!r}: pass a function of a key such as `lambda key: sgld(0.1, 1.0, key=key)`."
        )
    return heating(tx, needs_bath=False)
