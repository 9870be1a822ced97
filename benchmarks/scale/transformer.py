"""A decoder whose layers are stacked for a scan, with its parameters split over all devices.

As in every fully sharded training, a layer's weights are gathered where they are used, and let go.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec as P

SHARDS, REPLICAS = "shards", "replicas"  # the axes of the mesh
HEAD = 64  # width of a head of attention
SEQUENCE = 512  # words


class Size(NamedTuple):
    """A model, and the devices that it is split over."""

    width: int
    layers: int
    words: int
    devices: int


SIZES = {
    "tiny": Size(64, 2, 512, 8),
    "10M": Size(256, 10, 8_192, 8),
    "100M": Size(768, 12, 32_768, 16),
    "1B": Size(2_048, 18, 32_768, 32),
    "7B": Size(4_096, 32, 131_072, 64),
}


def shapes(size: Size) -> dict[str, Any]:
    """The shape of each parameter; those of all layers are stacked along the first axis."""
    width, layers = size.width, size.layers
    return {
        "embedding": {"words": (size.words, width)},
        "layers": {
            "norm_of_attention": (layers, width),
            "queries_keys_values": (layers, width, 3 * width),
            "attended": (layers, width, width),
            "norm_of_dense": (layers, width),
            "up": (layers, width, 4 * width),
            "down": (layers, 4 * width, width),
        },
        "output": {"norm": (width,)},
    }


def split(shape: tuple[int, ...]) -> P:
    """Every parameter is split along its last axis; layers, in front, stay together."""
    return P(*[None] * (len(shape) - 1), SHARDS)


def loss(params: dict[str, Any], tokens: jax.Array) -> jax.Array:
    """The mean cross-entropy of the next word; tokens are int32[batch, words]."""
    words = _gathered(params["embedding"]["words"])
    x = _split_by_batch(words[tokens[:, :-1]])

    @jax.checkpoint
    def layer(x, weights):
        weights = jax.tree.map(_gathered, weights)
        x = x + _attention(_normalized(x, weights["norm_of_attention"]), weights)
        hidden = _normalized(x, weights["norm_of_dense"]) @ weights["up"]
        return _split_by_batch(x + jax.nn.gelu(hidden) @ weights["down"]), None

    x, _ = jax.lax.scan(layer, x, params["layers"])
    scores = _normalized(x, _gathered(params["output"]["norm"])) @ words.T
    chosen = jnp.take_along_axis(scores, tokens[:, 1:, None], axis=-1)[..., 0]
    return jnp.mean(jax.nn.logsumexp(scores, axis=-1) - chosen)


def _attention(x, weights):
    batch, length, width = x.shape
    heads = (batch, length, 3, width // HEAD, HEAD)
    query, key, value = jnp.moveaxis((x @ weights["queries_keys_values"]).reshape(heads), 2, 0)
    mixed = jax.nn.dot_product_attention(query, key, value, is_causal=True)
    return mixed.reshape(x.shape) @ weights["attended"]


def _normalized(x, scale):
    return x * jax.lax.rsqrt(jnp.mean(jnp.square(x), axis=-1, keepdims=True) + 1e-6) * scale


def _gathered(weight):
    return jax.lax.with_sharding_constraint(weight, P())


def _split_by_batch(x):
    return jax.lax.with_sharding_constraint(x, P(SHARDS))
