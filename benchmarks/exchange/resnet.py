"""ResNet-20 for 32 x 32 images, for a GPU: its convolutions are those of XLA.

As in the code that the published numbers were made with: normalisation by the statistics of the
batch, also when measuring, and no weight decay.
"""

from typing import Any

import jax
import jax.numpy as jnp

WIDTHS = (16, 32, 64)
BLOCKS = 3  # of two convolutions, for each width


def init(key: jax.Array, *, channels: int, classes: int, blocks: int = BLOCKS) -> dict[str, Any]:
    """Kernels from N(0, 2 / inputs), as He et al.; every normalisation begins as the identity."""
    shapes = {"first": (3, 3, channels, WIDTHS[0])}
    before = WIDTHS[0]
    for stage, width in enumerate(WIDTHS):
        for block in range(blocks):
            shapes[f"{stage}.{block}.a"] = (3, 3, before, width)
            shapes[f"{stage}.{block}.b"] = (3, 3, width, width)
            before = width
    *convolution_keys, output_key = jax.random.split(key, len(shapes) + 1)
    params: dict[str, Any] = {
        name: {
            "kernel": jax.random.normal(one, shape) * (2 / (9 * shape[2])) ** 0.5,
            "scale": jnp.ones(shape[3]),
            "shift": jnp.zeros(shape[3]),
        }
        for (name, shape), one in zip(shapes.items(), convolution_keys, strict=True)
    }
    bound = before**-0.5
    drawn = jax.random.uniform(output_key, (before + 1, classes), minval=-bound, maxval=bound)
    return params | {"output": {"weights": drawn[:-1], "bias": drawn[-1]}}


def logits(
    params: dict[str, Any],
    images: jax.Array,
    rate: Any = 0.0,
    key: jax.Array | None = None,
) -> jax.Array:
    """float32[batch, classes]; there is no dropout in it."""
    del rate, key
    x = jax.nn.relu(_normalized(params["first"], images, 1))
    blocks = sum(name.endswith(".a") for name in params) // len(WIDTHS)
    for stage in range(len(WIDTHS)):
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            inner = jax.nn.relu(_normalized(params[f"{stage}.{block}.a"], x, stride))
            inner = _normalized(params[f"{stage}.{block}.b"], inner, 1)
            shortcut = x[:, ::stride, ::stride]
            missing = inner.shape[-1] - x.shape[-1]
            shortcut = jnp.pad(shortcut, [(0, 0), (0, 0), (0, 0), (missing // 2, missing // 2)])
            x = jax.nn.relu(inner + shortcut)
    output = params["output"]
    return jnp.mean(x, axis=(1, 2)) @ output["weights"] + output["bias"]


def _normalized(layer: dict[str, jax.Array], x: jax.Array, stride: int) -> jax.Array:
    """A convolution, then mean 0 and variance 1 over the batch, then the learnt scale and shift."""
    x = jax.lax.conv_general_dilated(
        x, layer["kernel"], (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    mean, variance = jnp.mean(x, axis=(0, 1, 2)), jnp.var(x, axis=(0, 1, 2))
    return (x - mean) * (layer["scale"] * jax.lax.rsqrt(variance + 1e-5)) + layer["shift"]


def augmented(key: jax.Array, images: jax.Array) -> jax.Array:
    """Each image mirrored or not, and shifted by up to 4 pixels either way."""
    flip_key, shift_key = jax.random.split(key)
    count, height, width, channels = images.shape
    flip = jax.random.bernoulli(flip_key, 0.5, (count, 1, 1, 1))
    images = jnp.where(flip, images[:, :, ::-1], images)
    padded = jnp.pad(images, [(0, 0), (4, 4), (4, 4), (0, 0)])
    corners = jax.random.randint(shift_key, (count, 2), 0, 9)

    def crop(image, corner):
        return jax.lax.dynamic_slice(image, (corner[0], corner[1], 0), (height, width, channels))

    return jax.vmap(crop)(padded, corners)
