"""The Hessian of a loss: its product with a vector, and, of a small network, all of it."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ._objective import Data, Loss, check_count, compiled, flatten_like, mean_over, objective

MOST_WEIGHTS = 12_000  # of `exact_spectrum`: its matrix takes 0.6 GB, and many minutes


def products(
    loss: Callable[[jax.Array, Any], jax.Array], point: jax.Array, data: Data
) -> Callable[[jax.Array], jax.Array]:
    """The product of the Hessian at a point with a vector.

    Forward over reverse, batch by batch: that needs about the memory of a gradient on one batch.
    """

    def product(vector):
        def on_batch(batch):
            gradient = jax.grad(loss)
            return jax.jvp(lambda x: gradient(x, batch), (point,), (vector,))[1]

        return mean_over(on_batch, data)

    return product


def hessian_vector_product(loss: Loss, params: Any, vector: Any, batches: Any = None) -> Any:
    r"""The Hessian of the loss times a vector, at the cost of about two gradients.

    .. math::
        H v = \frac{d}{d\epsilon} \nabla L(x + \epsilon v) \Big|_{\epsilon = 0}, \qquad
        L = \frac{1}{M} \sum_m L_m

    No matrix is made, and one batch at a time is worked on. It runs inside `jit` and `vmap`.

    Args:
        loss: ``loss(params, batch)``, or ``loss(params)`` if there are no batches: the mean loss of
            a batch, twice differentiable; any unit.
        params: the parameters where the Hessian is taken; any tree of floating-point arrays. Those
            narrower than float32 are widened for the computation.
        vector: tree like params.
        batches: the data. Either a tree (a tuple, a dict, an array) of arrays [num_batches, ...],
            or a list or other iterable of batches, such as a data loader. An iterable is read once
            and kept on the device; of a large one take a part, ``itertools.islice(loader, 100)``.
            Batches of different sizes count by the length of their first array.

    Returns:
        A tree like params, in at least float32.

    Raises:
        ValueError: for trees that differ, a loss that is not a single number, or no batches.
        TypeError: for a loss that is not a real floating-point number.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> def loss(x):
        ...     return x[0] ** 2 + 3 * x[0] * x[1]
        >>> at, along = jnp.array([1.0, 2.0]), jnp.array([1.0, 0.0])
        >>> print(to.diagnostics.hessian_vector_product(loss, at, along))
        [2. 3.]

    References:
        Pearlmutter, `Fast exact multiplication by the Hessian
        <https://doi.org/10.1162/neco.1994.6.1.147>`_, 1994.
    """
    loss, point, unflatten, data = objective(loss, params, batches)
    vector = flatten_like("vector", vector, params).astype(point.dtype)

    def multiply(point, vector, data):
        return products(loss, point, data)(vector)

    return unflatten(compiled(multiply, point, vector, data))


def exact_spectrum(
    loss: Loss, params: Any, batches: Any = None, *, block_size: int = 64
) -> np.ndarray:
    r"""All eigenvalues of the Hessian of a small network.

    .. math::
        \lambda_1 \le \dots \le \lambda_n, \qquad H = \nabla^2 L(x)

    The matrix is built from products with blocks of unit vectors. It takes 8 n^2 bytes with what
    the eigenvalues need, and they take time as n^3: on two cores a minute for 5,000 weights.

    Args:
        loss: ``loss(params, batch)``, or ``loss(params)`` without batches: the mean loss of a
            batch, a single number, twice differentiable; any unit.
        params: the parameters, at most 12,000 numbers.
        batches: the data: a tree of arrays [num_batches, ...], or an iterable of batches, which is
            read once and kept on the device. None if the loss takes no batch.
        block_size: number of columns that are computed at a time, at least 1.

    Returns:
        The eigenvalues in ascending order, in units of the loss per squared weight; float[n], on
        the host.

    Raises:
        ValueError: for more weights, a loss that is not a single number, or no batches.
        TypeError: for a loss that is not a real floating-point number, or inside `jit`, where there
            are no numbers yet.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> def loss(x):
        ...     return jnp.sum(jnp.array([1.0, -2.0, 3.0]) * x**2) / 2
        >>> print(to.diagnostics.exact_spectrum(loss, jnp.zeros(3)))
        [-2. 1. 3.]

    References:
        Chaudhari et al., `Entropy-SGD: Biasing Gradient Descent Into Wide Valleys
        <https://arxiv.org/abs/1611.01838>`_, 2017, section 5.1 and figures 1 and 3.
    """
    check_count("block_size", block_size, 1, "Pass 64.")
    loss, point, _, data = objective(loss, params, batches)
    if point.size > MOST_WEIGHTS:
        raise ValueError(
            f"`params` has {point.size:,} weights; `exact_spectrum` builds the whole matrix, and "
            f"takes at most {MOST_WEIGHTS:,}. Use `hessian_spectrum` for the density of the "
            "eigenvalues and `hessian_eigenvalues` for the outermost."
        )
    if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves((point, data))):
        raise TypeError("`exact_spectrum` works on the host: call it outside of `jit` and `vmap`.")
    size = point.size
    width = min(block_size, size)

    def columns(start, point, data):
        units = jax.nn.one_hot(start + jnp.arange(width), size, dtype=point.dtype)
        return jax.vmap(products(loss, point, data))(units)

    hessian = np.empty((size, size), point.dtype)
    with jax.default_matmul_precision("highest"):
        block = jax.jit(columns)
        for start in [*range(0, size - width, width), size - width]:  # the last two may overlap
            hessian[start : start + width] = block(start, point, data)
    return np.linalg.eigvalsh(hessian)
