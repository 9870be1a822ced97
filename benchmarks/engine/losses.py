"""Losses, accuracies and dropout, as functions of arrays."""

import jax
import jax.numpy as jnp
import optax


def dropout(key: jax.Array, inputs: jax.Array, rate: float) -> jax.Array:
    """A share of the entries is zero, the others grow so that the mean stays."""
    kept = jax.random.bernoulli(key, 1 - rate, inputs.shape)
    return jnp.where(kept, inputs / (1 - rate), 0)


def binary_loss(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """Mean binary cross-entropy; `logits` has one column."""
    return jnp.mean(optax.losses.sigmoid_binary_cross_entropy(logits[..., 0], labels))


def binary_accuracy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """Share of the points on the right side of the decision boundary."""
    return jnp.mean((logits[..., 0] > 0) == (labels > 0))


def class_loss(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """Mean cross-entropy over integer classes."""
    return jnp.mean(optax.losses.softmax_cross_entropy_with_integer_labels(logits, labels))


def class_accuracy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """Share of the examples whose largest logit is that of their class."""
    return jnp.mean(jnp.argmax(logits, axis=-1) == labels)
