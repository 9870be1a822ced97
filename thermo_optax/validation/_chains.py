"""Chains from exact draws: both laws and all chains in one compiled program."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import optax

from thermo_optax._base import heating, like, plain_paths

from ._laws import DoubleWell, Gaussian

Law = Gaussian | DoubleWell


class Settings(NamedTuple):
    """What the chains of a run have in common."""

    temperature: float
    length: float  # unit of length of the laws, sqrt(T / curvature)
    num_steps: int
    burn_in: int
    gradient_noise: float
    update_kwargs: dict[str, Any]


def run_chains(
    make_transformation: Callable[[jax.Array], optax.GradientTransformation],
    laws: tuple[Law, ...],
    params: Any,
    settings: Settings,
    key: jax.Array,
    num_chains: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Where chains started and ended, [law, chain, coordinate], in the laws' unit of length."""
    unflatten = _unflatten(params)
    temperature, length, num_steps, burn_in, gradient_noise, update_kwargs = settings

    def loss(x, which):
        # Under `vmap` both are computed: cheap, and it saves the compilation of a second program.
        potentials = [law.potential(x / like(length, x.dtype)) for law in laws]
        return like(temperature, x.dtype) * jax.lax.select_n(which, *potentials)

    def chain(which, key, first, start):
        noise_key, key = jax.random.split(key)
        tx = _checked(make_transformation(key))

        def step(carry, count):
            x, state = carry
            if burn_in:
                x = jnp.where(count == burn_in, start, x)
            value, gradient = jax.value_and_grad(loss)(x, which)
            if gradient_noise:
                noise = jax.random.normal(jax.random.fold_in(noise_key, count), x.shape, x.dtype)
                gradient += like(gradient_noise, x.dtype) * noise
            params, extra = unflatten(x), {"value": value} | update_kwargs
            updates, state = tx.update(unflatten(gradient), state, params, **extra)
            x, _ = jax.flatten_util.ravel_pytree(optax.apply_updates(params, updates))
            return (x, state), None

        carry = (first, tx.init(unflatten(first)))
        (end, _), _ = jax.lax.scan(step, carry, jnp.arange(burn_in + num_steps))
        return end

    random = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    begin = np.stack([law.draw(random, num_chains) for law in laws])
    settling = np.stack([law.draw(random, num_chains) for law in laws]) if burn_in else begin
    keys = jax.random.split(key, (len(laws), num_chains))
    starts = (jnp.asarray(x * length, jnp.result_type(float)) for x in (settling, begin))
    over_chains = jax.jit(jax.vmap(jax.vmap(chain, (None, 0, 0, 0))))
    end = over_chains(jnp.arange(len(laws)), keys, *starts)
    return begin, np.asarray(end, np.float64) / length


def leaf_slices(params: Any) -> dict[str, slice]:
    """Which coordinates of the vector belong to which leaf."""
    slices, start = {}, 0
    for path, leaf in zip(plain_paths(params), jax.tree.leaves(params), strict=True):
        stop = start + int(np.prod(jnp.shape(leaf), dtype=int))
        if stop > start:
            slices["/".join(path) or "params"] = slice(start, stop)
        start = stop
    return slices


def _unflatten(params: Any) -> Callable[[jax.Array], Any]:
    """From a vector of coordinates to a tree like params."""
    dtype = jnp.result_type(float)
    blank = jax.tree.map(lambda p: jnp.zeros(jnp.shape(p), dtype), params)
    return jax.flatten_util.ravel_pytree(blank)[1]


def _checked(tx: Any) -> optax.GradientTransformationExtraArgs:
    if not (hasattr(tx, "init") and hasattr(tx, "update")):
        raise TypeError(
            "`make_transformation` must return an optax transformation, with `init` and `update`, "
            f"got {tx!r}: pass a function of a key such as `lambda key: sgld(0.1, 1.0, key=key)`."
        )
    return heating(tx, needs_bath=False)
