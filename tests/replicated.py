"""Replicas for suites that know of no replica axis.

All replicas start alike and are given the same gradients; what a suite sees is the first of them.
"""

from typing import Any

import jax
import jax.numpy as jnp
import optax

import thermo_optax as to

SIZE = 2


def first_of(tx: optax.GradientTransformationExtraArgs) -> optax.GradientTransformationExtraArgs:
    def init(params):
        return tx.init(jax.eval_shape(stack, params) if are_shapes(params) else stack(params))

    def update(updates, state, params=None, **extra_args):
        value = extra_args.pop("value", jnp.arange(SIZE, dtype=jnp.float32))
        extra_args["value"] = jnp.broadcast_to(value, (SIZE,))
        given = stack(updates), state, None if params is None else stack(params)
        updates, state = tx.update(*given, **extra_args)
        return jax.tree.map(lambda leaf: leaf[0], updates), state

    return optax.GradientTransformationExtraArgs(init, update)


def stack(tree: Any) -> Any:
    def leaf(array):
        return jnp.stack([array] * SIZE) if hasattr(array, "dtype") else array

    return jax.tree.map(leaf, tree)


def are_shapes(params: Any) -> bool:
    return any(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves(params))


def replicated(step_size, temperature, *, friction, key):
    sampler = to.langevin(step_size, temperature, friction=friction, key=key)
    return first_of(to.replicate(sampler, SIZE))


def exchanged(step_size, temperature, *, friction, key):
    """All swaps are accepted: the ratio would have to know the temperature that a test sets."""
    sampler = to.langevin(step_size, temperature, friction=friction, key=key)
    tx = to.replica_exchange(
        sampler,
        {"temperature": [1.0, 1.5]},  # times that of the sampler
        reference_temperature=1.0,
        normalization=0.0,
        swap_period=2,
        path_length=3,
        key=key,
    )
    return first_of(tx)
