"""Products with the Hessian against jax's own, over data in all its forms."""

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest

import thermo_optax as to
from tests.diagnostics.networks import EXAMPLES, dense_hessian, in_batches, network

LOSS, PARAMS, DATA = network(4, 6, 3)


@pytest.fixture(scope="module")
def hessian():
    return dense_hessian(LOSS, PARAMS, DATA)


@pytest.fixture(scope="module")
def vector():
    x, unflatten = jax.flatten_util.ravel_pytree(PARAMS)
    return unflatten(jax.random.normal(jax.random.key(0), x.shape))


def parts(*sizes):
    """The data as a list of batches of these sizes."""
    ends = np.cumsum(sizes)
    assert ends[-1] == EXAMPLES
    return [
        jax.tree.map(lambda array: np.asarray(array[end - size : end]), DATA)  # noqa: B023
        for end, size in zip(ends, sizes, strict=True)
    ]


class Loader:
    """Not a tree that jax knows, and not a list: what data loaders are."""

    def __iter__(self):
        return iter(parts(8, 8, 8))


FORMS = {
    "stacked": lambda: in_batches(DATA, 3),
    "stacked, of NumPy": lambda: jax.tree.map(np.asarray, in_batches(DATA, 4)),
    "one batch": lambda: [DATA],
    "list": lambda: parts(6, 6, 6, 6),
    "lists in a list": lambda: [list(batch) for batch in parts(12, 12)],
    "loader": Loader,
    "generator": lambda: (batch for batch in parts(8, 8, 8)),
    "of different sizes": lambda: parts(8, 1, 8, 7),
}


@pytest.mark.parametrize("form", FORMS)
def test_product_is_that_of_the_whole_matrix(form, hessian, vector):
    product = to.diagnostics.hessian_vector_product(LOSS, PARAMS, vector, FORMS[form]())
    assert jax.tree.map(jnp.shape, product) == jax.tree.map(jnp.shape, PARAMS)
    flat, given = (jax.flatten_util.ravel_pytree(tree)[0] for tree in (product, vector))
    expected = hessian @ np.asarray(given, np.float64)
    np.testing.assert_allclose(flat, expected, atol=1e-5 * np.linalg.norm(expected))


def test_without_batches():
    at, along = jnp.array([1.0, 2.0]), jnp.array([0.5, -1.0])
    product = to.diagnostics.hessian_vector_product(lambda x: x[0] ** 2 * x[1], at, along)
    np.testing.assert_allclose(product, [2 * 2 * 0.5 - 2 * 1, 2 * 1 * 0.5], rtol=1e-6)


def test_narrow_weights_are_widened(vector):
    coarse, along = (
        jax.tree.map(lambda x: x.astype(jnp.bfloat16), tree) for tree in (PARAMS, vector)
    )
    same, along_too = (
        jax.tree.map(lambda x: x.astype(jnp.float32), tree) for tree in (coarse, along)
    )
    product = to.diagnostics.hessian_vector_product(LOSS, coarse, along, [DATA])
    expected = to.diagnostics.hessian_vector_product(LOSS, same, along_too, [DATA])
    jax.tree.map(np.testing.assert_array_equal, product, expected)
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(product))


@pytest.mark.parametrize("block_size", [7, 1_000])
def test_exact_spectrum(block_size, hessian):
    found = to.diagnostics.exact_spectrum(LOSS, PARAMS, in_batches(DATA, 2), block_size=block_size)
    assert found.shape == (len(hessian),)
    expected = np.linalg.eigvalsh(hessian)
    np.testing.assert_allclose(found, expected, atol=2e-6 * expected[-1])


def test_messages(vector):
    product, exact = to.diagnostics.hessian_vector_product, to.diagnostics.exact_spectrum
    with pytest.raises(ValueError, match=r"`vector` must have the structure and shapes"):
        product(LOSS, PARAMS, vector["layer_0"], [DATA])
    with pytest.raises(ValueError, match=r"`loss` must return a single.*array of shape \(4,\)"):
        product(lambda x: x**2, jnp.ones(4), jnp.ones(4))
    with pytest.raises(ValueError, match=r"`loss` must return a single.*got a tuple"):
        product(lambda x: (jnp.sum(x), x), jnp.ones(4), jnp.ones(4))
    with pytest.raises(TypeError, match=r"`loss` must return a real.*got int32"):
        product(lambda x: jnp.sum(x > 0), jnp.ones(4), jnp.ones(4))
    with pytest.raises(ValueError, match=r"`batches` holds no batch.*only once"):
        product(LOSS, PARAMS, vector, iter([]))
    with pytest.raises(ValueError, match=r"`batches` must be a tree.*\(24, 4\), \(5,\)"):
        product(LOSS, PARAMS, vector, (DATA[0], DATA[1][:5]))
    with pytest.raises(ValueError, match=r"`batches` must be a tree.*`\[batch\]`"):
        product(LOSS, PARAMS, vector, jnp.float32(1))
    with pytest.raises(TypeError, match=r"`params.*int32"):
        product(lambda x: jnp.sum(x), jnp.arange(3), jnp.ones(3))
    with pytest.raises(ValueError, match=r"20,000 weights.*`hessian_spectrum`"):
        exact(lambda x: jnp.sum(x**2), jnp.ones(20_000))
    with pytest.raises(ValueError, match=r"`block_size`.*got 0"):
        exact(lambda x: jnp.sum(x**2), jnp.ones(2), block_size=0)
    with pytest.raises(TypeError, match=r"outside of `jit`"):
        jax.jit(lambda x: exact(lambda y: jnp.sum(y**2), x))(jnp.ones(2))
