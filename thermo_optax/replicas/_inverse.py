"""The inverse temperature that belongs to a hyperparameter: large where the dynamics are cold."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp


class Inverse(NamedTuple):
    """From the values of a hyperparameter to inverse temperatures."""

    beta: Callable[[jax.Array], jax.Array]
    value: Callable[[jax.Array], jax.Array] | None  # back again, where that is known


def _reciprocal(value: jax.Array) -> jax.Array:
    return 1 / value


# The variance of inverted dropout is rate / (1 - rate), in units of the squared activation.
_DROPOUT = Inverse(lambda rate: (1 - rate) / rate, lambda beta: 1 / (1 + beta))
_KEPT = Inverse(lambda keep: keep / (1 - keep), lambda beta: beta / (1 + beta))
_OTHERS = Inverse(_reciprocal, _reciprocal)
_KNOWN = {
    "dropout": _DROPOUT,
    "dropout_rate": _DROPOUT,
    "keep": _KEPT,
    "keep_rate": _KEPT,
    "keep_probability": _KEPT,
}


def inverse_of(name: str, own: Callable[[jax.Array], jax.Array] | None) -> Inverse:
    """What the authors of the method define for a name, or what the user does."""
    return _KNOWN.get(name, _OTHERS) if own is None else Inverse(own, None)


def moved(inverse: Inverse, values: jax.Array, old: jax.Array, new: jax.Array) -> jax.Array:
    """The values of a ladder whose rungs move from `old` to `new` on any monotone scale."""
    falling = old[0] > old[-1]
    order = jnp.where(falling, jnp.arange(len(old))[::-1], jnp.arange(len(old)))
    if inverse.value is None:
        between = jnp.interp(new, old[order], values[order])
    else:
        between = inverse.value(jnp.interp(new, old[order], inverse.beta(values)[order]))
    ends = jnp.arange(len(old)) % (len(old) - 1) == 0
    return jnp.where(ends, values, between)  # the ends stay where they are, to the bit
