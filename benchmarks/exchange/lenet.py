"""LeNet-5 with dropout, for many replicas on a CPU.

Convolutions of replicas with weights of their own are grouped convolutions, for which XLA's CPU
compiler has slow loops only. Here they are products of matrices, the images along the last axis, so
that `vmap` over replicas makes them batches of products, which is several times as fast. All
replicas see the same images, whose patches are cut out once, by `prepared`.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.engine.losses import dropout

KERNEL = 5
SIZE = 32  # of the images; smaller ones are padded
MAPS = (28, 10)  # what each of the two convolutions leaves of it; half of that after pooling
FILTERS = (6, 16)
UNITS = (120, 84)


def init(key: jax.Array, *, channels: int, classes: int) -> dict[str, Any]:
    """Weights [inputs, outputs] and biases, all from U(+-1/sqrt(inputs))."""
    sizes = {
        "C1": (KERNEL**2 * channels, FILTERS[0]),
        "C3": (KERNEL**2 * FILTERS[0], FILTERS[1]),
        "C5": ((MAPS[1] // 2) ** 2 * FILTERS[1], UNITS[0]),
        "F6": UNITS,
        "output": (UNITS[1], classes),
    }
    params = {}
    for (name, (fan_in, fan_out)), layer_key in zip(
        sizes.items(), jax.random.split(key, len(sizes)), strict=True
    ):
        shape, bound = (fan_in + 1, fan_out), fan_in**-0.5
        drawn = jax.random.uniform(layer_key, shape, minval=-bound, maxval=bound)
        params[name] = {"weights": drawn[:-1], "bias": drawn[-1]}
    return params


def prepared(images: jax.Array) -> jax.Array:
    """What the first layer sees of [batch, height, width, channels]: patches, as its columns."""
    margin = (SIZE - images.shape[1]) // 2
    x = jnp.pad(images, [(0, 0), (margin, margin), (margin, margin), (0, 0)])
    return _patches(jnp.transpose(x, (3, 1, 2, 0)), images)


def logits(
    params: dict[str, Any],
    patches: jax.Array,
    rate: Any = 0.0,
    key: jax.Array | None = None,
    *,
    smooth: bool,
) -> jax.Array:
    """float32[batch, classes] from `prepared` images; dropout with a key only.

    `smooth`: tanh and the mean of 2 x 2 units, as in LeCun's network and for EMNIST in the paper;
    else ReLU and the largest of them, as there for CIFAR-10.
    """
    drop = (lambda number, x: x) if key is None else functools.partial(_drop, key, rate)
    activate = jnp.tanh if smooth else jax.nn.relu
    # ReLU of the largest is the largest ReLU, to the bit, of a quarter of the units.
    pooled = (lambda x: _mean(activate(x))) if smooth else (lambda x: activate(_largest(x)))
    batch = patches.shape[1] // MAPS[0] ** 2
    x = _product(params["C1"], patches).reshape(-1, MAPS[0], MAPS[0], batch)
    x = _patches(drop(0, pooled(x)), patches)
    x = _product(params["C3"], x).reshape(-1, MAPS[1], MAPS[1], batch)
    x = _stored(drop(1, pooled(x)), patches).reshape(-1, batch)
    for number, name in enumerate(("C5", "F6")):
        x = drop(2 + number, activate(_product(params[name], x)))
    return _product(params["output"], x).T


def _product(layer: dict[str, jax.Array], x: jax.Array) -> jax.Array:
    return layer["weights"].T @ x + layer["bias"][:, None]


def _patches(x: jax.Array, seen: jax.Array) -> jax.Array:
    """Of [channels, height, width, batch], without padding: [25 channels, places * batch]."""
    x, size = _stored(x, seen), x.shape[1] - KERNEL + 1
    shifts = [(i, j) for i in range(KERNEL) for j in range(KERNEL)]
    cuts = [x[:, i : i + size, j : j + size].reshape(len(x), -1) for i, j in shifts]
    return jnp.concatenate(cuts)


def _stored(x: jax.Array, seen: jax.Array) -> jax.Array:
    """As it is, but computed once: XLA's CPU compiler would do it again in each of the slices.

    A branch is the only fence that it keeps, and `vmap` keeps a branch that all replicas take: by
    what all of them see. Both ways the values are the same.
    """
    return jax.lax.cond(seen.ravel()[0] == 0, lambda x: x, lambda x: x * 1, x)


# By slices: the gradient of a mean, or maximum, over an axis of length 2 takes three times as long.
def _largest(x: jax.Array) -> jax.Array:
    rows = jnp.maximum(x[:, ::2], x[:, 1::2])
    return jnp.maximum(rows[:, :, ::2], rows[:, :, 1::2])


def _mean(x: jax.Array) -> jax.Array:
    rows = x[:, ::2] + x[:, 1::2]
    return (rows[:, :, ::2] + rows[:, :, 1::2]) / 4


def _drop(key: jax.Array, rate: Any, number: int, x: jax.Array) -> jax.Array:
    return dropout(jax.random.fold_in(key, number), x, rate)
