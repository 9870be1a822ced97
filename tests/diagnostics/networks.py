"""What curvature is tested on: a small network with data, and losses whose Hessian is known."""

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np

EXAMPLES = 24


def network(*sizes: int, examples: int = EXAMPLES):
    """A classifier with tanh, and data: loss(params, batch), params, (inputs, labels)."""
    random = np.random.default_rng(0)
    params = {
        f"layer_{i}": {
            "kernel": jnp.asarray(random.normal(size=(m, n)) / m**0.5, jnp.float32),
            "bias": jnp.asarray(random.normal(size=n) / 4, jnp.float32),
        }
        for i, (m, n) in enumerate(zip(sizes[:-1], sizes[1:], strict=True))
    }

    def loss(params, batch):
        x, labels = batch
        for i in range(len(sizes) - 1):
            layer = params[f"layer_{i}"]
            x = (x if i == 0 else jnp.tanh(x)) @ layer["kernel"] + layer["bias"][None]
        picked = jnp.take_along_axis(jax.nn.log_softmax(x), labels[:, None], axis=1)
        return -jnp.mean(picked)

    inputs = jnp.asarray(random.normal(size=(examples, sizes[0])), jnp.float32)
    return loss, params, (inputs, jnp.asarray(random.integers(sizes[-1], size=examples)))


def in_batches(data, num: int):
    """The data as a tree with a leading axis of batches."""
    return jax.tree.map(lambda array: array.reshape(num, -1, *array.shape[1:]), data)


def dense_hessian(loss, params, batch) -> np.ndarray:
    """All of the Hessian, by jax itself."""
    x, unflatten = jax.flatten_util.ravel_pytree(params)
    return np.asarray(jax.jit(jax.hessian(lambda y: loss(unflatten(y), batch)))(x), np.float64)


def quadratic(eigenvalues, seed: int = 0):
    """A bowl with these curvatures along random axes: loss(params), params, the Hessian."""
    eigenvalues = np.asarray(eigenvalues, np.float64)
    axes, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(eigenvalues.size,) * 2))
    hessian = (axes * eigenvalues) @ axes.T
    matrix = jnp.asarray(hessian, jnp.float32)

    def loss(params):
        x = jnp.concatenate([params["a"], params["b"].ravel()])
        return jnp.vdot(x, matrix @ x) / 2

    half = eigenvalues.size // 2
    params = {"a": jnp.zeros(half), "b": jnp.zeros((1, eigenvalues.size - half))}
    return loss, params, hessian
