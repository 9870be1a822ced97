"""Compiled programs that the contract's tests share, because compiling takes most of their time.

Gradients are those of the harmonic well x^2 / 2, that is, the parameters themselves.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from tests.compiling import quick_jit
from tests.registry import METHODS, TEMPERATURE

STEPS = 5


def params(dtype: Any = jnp.float32) -> dict:
    """New arrays on each call, for some tests give theirs away."""
    return {
        "hidden": {"bias": jnp.ones(8, dtype), "kernel": jnp.full((3, 8), -2.0, dtype)},
        "output": {"kernel": jnp.full((2, 8), 0.5, dtype)},
    }


def numbers(name: str) -> dict[str, jax.Array]:
    """The numerical settings of a method, as arrays."""
    return {key: jnp.float32(value) for key, value in METHODS[name].numbers.items()}


@functools.cache
def _init(name):
    def init(tree, key, temperature, settings):
        return METHODS[name](temperature, key, **settings).init(tree)

    return quick_jit(init)


@functools.cache
def _update(name):
    def update(grads, state, tree, scale, temperature, settings):
        tx = METHODS[name](temperature, key=0, **settings)
        return tx.update(grads, state, tree, temperature_scale=scale)

    return quick_jit(update)


def init(name: str, tree: Any = None, key: Any = 0, temperature=TEMPERATURE, **changes) -> Any:
    """The first state, with the key and the numbers as traced values."""
    tree = params() if tree is None else tree
    key = jax.random.key(key) if isinstance(key, int) else key
    return _init(name)(tree, key, jnp.float32(temperature), _changed(name, changes))


def update(
    name: str, grads: Any, state: Any, tree: Any, scale=1.0, temperature=TEMPERATURE, **changes
) -> tuple:
    """One step, with the scale of the temperature and the numbers as traced values."""
    heat = jnp.float32(scale), jnp.float32(temperature)
    return _update(name)(grads, state, tree, *heat, _changed(name, changes))


def _changed(name, changes):
    return {**numbers(name), **{key: jnp.float32(value) for key, value in changes.items()}}


def trajectory(name, key, temperature, settings, tree) -> tuple:
    """Parameters and state after `STEPS` steps in one scan, for any of the registry's methods."""
    tx = METHODS[name](temperature, key, **settings)

    def step(carry, _):
        tree, state = carry
        updates, state = tx.update(tree, state, tree)
        return (optax.apply_updates(tree, updates), state), None

    return jax.lax.scan(step, (tree, tx.init(tree)), length=STEPS)[0]


def types(tree: Any) -> Any:
    """Shape, dtype, weak type and explicit sharding of each leaf, as `lax.scan` compares them."""
    return jax.tree.map(lambda leaf: str(jax.typeof(leaf)), tree)


def assert_equal(actual: Any, expected: Any) -> None:
    """The same structure, and the same numbers to the last bit."""
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    jax.tree.map(np.testing.assert_array_equal, actual, expected)


def assert_close(actual: Any, expected: Any, rtol: float = 1e-5, atol: float = 1e-6) -> None:
    """The same structure, and the same numbers to the rounding of two different programs."""
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    compare = functools.partial(np.testing.assert_allclose, rtol=rtol, atol=atol)
    jax.tree.map(compare, actual, expected)


def differ(first: Any, second: Any) -> bool:
    """Whether every floating-point array of the one differs from that of the other."""
    pairs = zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True)
    return all(not np.array_equal(a, b) for a, b in pairs)
