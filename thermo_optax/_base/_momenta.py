"""Momenta: how they are drawn, and what a non-finite gradient may do to them."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from thermo_optax._noise import fold, map_with_noise

from ._checks import check_choice
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


def wide_zeros(param: Any) -> jax.Array:
    """Zeros like a parameter, in the dtype in which it is updated."""
    return jnp.zeros_like(param, compute_dtype(param.dtype))


def wide_copy(param: Any) -> jax.Array:
    """The array in memory of its own, in half precision as float32; zeros for a mere shape."""
    rest = wide_zeros(param)
    return rest if isinstance(param, jax.ShapeDtypeStruct) else rest + param.astype(rest.dtype)


def initial_momenta(
    params: Any,
    key: jax.Array,
    variance,
    kind: str,
    dtype: Any,
    generator: str,
    masses: Any = None,
):
    """Momenta of the Maxwell-Boltzmann law N(0, variance), or zero.

    `masses` are factors on the variance, one for each array or coordinate.
    """
    trees = (params,) if masses is None else (params, masses)

    def leaf(noise, param, mass=None):
        # Like the parameter, since noise alone does not know on which devices that lives.
        rest = jnp.zeros_like(param, compute_dtype(param.dtype) if dtype is None else dtype)
        if kind == "zero":
            return rest
        noise = jnp.sqrt(like(variance, noise.dtype)) * noise
        if mass is not None:
            noise = jnp.sqrt(mass).astype(noise.dtype) * noise
        return rest + noise.astype(rest.dtype)

    draw = fold(key, _DRAW_OF_MOMENTA)
    return map_with_noise(leaf, draw, (0,), *trees, generator=generator)


def is_sound(gradient: jax.Array) -> jax.Array:
    """Whether a state may feel a gradient, coordinate by coordinate.

    A gradient that is not finite would destroy a momentum, and one whose square overflows would
    destroy what is made of squares: kinetic energies, second moments, estimates of noise.
    """
    wide = gradient.astype(compute_dtype(gradient.dtype))
    largest = math.sqrt(jnp.finfo(wide.dtype).max) / 4  # room for differences and sums
    return jnp.abs(wide) <= largest  # False for a NaN


def finite_or_zero(gradient: jax.Array) -> jax.Array:
    """The gradient that a state may feel: a coordinate that is not sound gives no kick.

    The update of such a coordinate shows the fault, as with any optax optimizer; but the state
    survives it, and a run can go on from the last good parameters.
    """
    return jnp.where(is_sound(gradient), gradient, 0)


def stored(array: jax.Array, dtype: Any) -> jax.Array:
    """The array in the dtype of a state, where a number too large for it is the largest there.

    A momentum of 1e5 is infinite in float16, and would stay so.
    """
    most = float(jnp.finfo(dtype).max)
    if most < float(jnp.finfo(array.dtype).max):
        array = jnp.clip(array, -most, most)
    return array.astype(dtype)


def samplers(state: Any) -> list[tuple[tuple, Any]]:
    """The states of all samplers with momenta inside a state, with their paths."""
    found = jax.tree_util.tree_leaves_with_path(state, is_leaf=_is_sampler)
    return [(path, node) for path, node in found if _is_sampler(node)]


def map_samplers(fn: Callable[[Any, Any], Any], state: Any, arguments: Sequence[Any]) -> Any:
    """The state with fn(sampler, argument) for each sampler, in the order of `samplers`."""
    each = iter(arguments)

    def changed(node):
        return fn(node, next(each)) if _is_sampler(node) else node

    return jax.tree.map(changed, state, is_leaf=_is_sampler)


def momenta(state: Any) -> list[jax.Array]:
    """All momenta in the state of a sampler, chain or partition."""
    return [p for _, node in samplers(state) for p in jax.tree.leaves(node.momentum)]


def _is_sampler(node: Any) -> bool:
    """Whether a node is the state of a sampler with momenta.

    Copies of the parameters are in states too, and a user's parameters may have a field `momentum`.
    """
    return {"momentum", "momentum_scale", "rng_key", "count"} <= set(getattr(node, "_fields", ()))
