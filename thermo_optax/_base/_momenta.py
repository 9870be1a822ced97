"""Momenta: how they are drawn, and what a non-finite gradient may do to them."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import GetAttrKey

from ._checks import check_choice
from ._noise import fold, map_with_noise
from ._scalars import like

INITIAL_MOMENTA = ("thermal", "zero")
_DRAW_OF_MOMENTA = 0x6D6F6D65  # a stream of its own, apart from the noise of the steps


def check_momentum_options(initial_momentum: str, momentum_dtype: Any) -> None:
    """Raises for an unknown way to start, or for momenta that are not floating point."""
    check_choice("initial_momentum", initial_momentum, INITIAL_MOMENTA)
    if momentum_dtype is not None and not jnp.issubdtype(momentum_dtype, jnp.floating):
        raise TypeError(
            f"`momentum_dtype` must be a floating-point dtype or None, got {momentum_dtype!r}."
        )


def compute_dtype(*dtypes: Any) -> Any:
    """The dtype in which a leaf is updated: the widest of its arrays', but at least float32.

    In bfloat16 a friction exp(-x) with x below 2**-9 rounds to 1, and noise loses against friction
    or the other way round: the momentum would have a temperature of its own.
    """
    # NumPy's rule: `jnp.promote_types` obeys `jax_numpy_dtype_promotion`, and raises if "strict".
    widest = functools.reduce(np.promote_types, dtypes, np.dtype(np.float32))
    # NumPy's arrays may be wider than JAX computes: asked for float64, it warns where x64 is off.
    return jax.dtypes.canonicalize_dtype(widest)


def initial_momenta(params: Any, key: jax.Array, variance, kind: str, dtype: Any, generator: str):
    """Momenta of the Maxwell-Boltzmann law N(0, m T), or zero."""

    def leaf(noise, param):
        # Like the parameter, since noise alone does not know on which devices that lives.
        rest = jnp.zeros_like(param, compute_dtype(param.dtype) if dtype is None else dtype)
        if kind == "zero":
            return rest
        return rest + (jnp.sqrt(like(variance, noise.dtype)) * noise).astype(rest.dtype)

    draw = fold(key, _DRAW_OF_MOMENTA)
    return map_with_noise(leaf, draw, (0,), params, generator=generator)


def finite_or_zero(gradient: jax.Array) -> jax.Array:
    """The gradient that a momentum may feel: a coordinate that is not finite gives it no kick.

    The update of such a coordinate stays non-finite, so the fault shows, as with any optax
    optimizer; but the state survives it, and a run can go on from the last good parameters.
    """
    return jnp.where(jnp.isfinite(gradient), gradient, 0)


def momenta(state: Any) -> list[tuple[tuple, jax.Array]]:
    """All momenta in the state of a sampler, chain or partition: paths and arrays."""
    return [leaf for leaf in jax.tree_util.tree_leaves_with_path(state) if _is_momentum(leaf[0])]


def map_momenta(fn: Callable[[list[jax.Array]], Any], state: Any) -> Any:
    """The state with the arrays that `fn` makes of all its momenta, in the order of `momenta`."""
    leaves, structure = jax.tree_util.tree_flatten_with_path(state)
    arrays = [array for _, array in leaves]
    places = [place for place, (path, _) in enumerate(leaves) if _is_momentum(path)]
    if places:
        new = fn([arrays[place] for place in places])
        for place, momentum in zip(places, new, strict=True):
            arrays[place] = momentum
    return jax.tree.unflatten(structure, arrays)


def _is_momentum(path: tuple) -> bool:
    return GetAttrKey("momentum") in path
