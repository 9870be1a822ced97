"""The outermost eigenvalues against all of them, where they are close, equal, or too many."""

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest

import thermo_optax as to
from tests.diagnostics.networks import dense_hessian, in_batches, network, quadratic


def as_rows(trees):
    return np.asarray(jax.vmap(lambda tree: jax.flatten_util.ravel_pytree(tree)[0])(trees))


@pytest.mark.slow
def test_of_a_network():
    loss, params, data = network(8, 12, 4)
    hessian = dense_hessian(loss, params, data)
    exact = np.linalg.eigvalsh(hessian)
    found = to.diagnostics.hessian_eigenvalues(loss, params, in_batches(data, 3), k=3, bottom=2)
    np.testing.assert_allclose(found.top, exact[:-4:-1], atol=1e-4 * exact[-1])
    np.testing.assert_allclose(found.bottom, exact[:2], atol=1e-4 * exact[-1])
    vectors = np.concatenate([as_rows(found.top_vectors), as_rows(found.bottom_vectors)])
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(5), atol=1e-5)
    values = np.concatenate([found.top, found.bottom])
    residuals = np.concatenate([found.top_residuals, found.bottom_residuals])
    measured = np.linalg.norm(hessian @ vectors.T - vectors.T * values, axis=0)
    np.testing.assert_allclose(residuals, measured, atol=2e-6 * exact[-1])
    assert np.all(residuals <= 1.5e-4 * exact[-1])


SPECTRA = {
    "crowded": np.linspace(-1, 1, 60),
    "all equal": np.full(60, 2.0),
    "flat but for one": np.r_[np.zeros(59), 7.0],
    "only negative": -np.arange(1.0, 61),
    "zero": np.zeros(60),
}


@pytest.fixture(scope="module")
def search():
    """Compiled once, for any bowl of 60 coordinates."""

    @jax.jit
    def search(matrix):
        def loss(x):
            return jnp.vdot(x, matrix @ x) / 2

        options = {"k": 2, "bottom": 1, "tolerance": 1e-3}
        return to.diagnostics.hessian_eigenvalues(loss, jnp.ones(60), **options)

    return lambda eigenvalues: search(jnp.asarray(quadratic(eigenvalues)[2], jnp.float32))


@pytest.mark.parametrize("name", SPECTRA)
def test_of_bowls(name, search):
    exact = np.sort(SPECTRA[name])
    found = search(exact)
    scale = max(np.max(np.abs(exact)), 1e-30)
    np.testing.assert_allclose(found.top, exact[:-3:-1], atol=2e-3 * scale)
    np.testing.assert_allclose(found.bottom, exact[:1], atol=2e-3 * scale)
    assert np.all(np.asarray(found.top_residuals) <= 2e-3 * scale)
    basis = 2 * 3 + 8
    assert (found.num_products > basis + 3) == (name in ("crowded", "only negative"))


@pytest.mark.parametrize("sign", [1, -1])
def test_one_end_alone_is_as_easy_as_both(sign):
    """The tolerance is over the largest eigenvalue, also where only small ones are asked for."""
    exact = sign * np.concatenate(
        [np.zeros(200), np.linspace(0.001, 1, 195), 20.0 * np.arange(1, 6)]
    )
    loss, params, _ = quadratic(exact)
    ends = {"k": 0, "bottom": 1} if sign > 0 else {"k": 1, "bottom": 0}
    found = to.diagnostics.hessian_eigenvalues(loss, params, **ends)
    both = to.diagnostics.hessian_eigenvalues(loss, params, k=1, bottom=1)
    flat, residual = (
        (found.bottom, found.bottom_residuals) if sign > 0 else (found.top, found.top_residuals)
    )
    assert found.num_products <= 4 * both.num_products < 200
    assert residual[0] < 1e-2 and abs(flat[0]) < 0.1


def test_an_eigenvalue_that_occurs_twice(search):
    """The largest is found, and what is found is an eigenvalue; its copy may be passed over."""
    exact = np.repeat(np.linspace(-3, 5, 30), 2)
    found = search(exact)
    np.testing.assert_allclose([found.top[0], found.bottom[0]], [5, -3], atol=1e-3)
    assert np.min(np.abs(exact - float(found.top[1]))) <= found.top_residuals[1] < 0.01


def test_as_many_as_there_are():
    loss, params, _ = quadratic([3.0, -1.0, 2.0])
    found = to.diagnostics.hessian_eigenvalues(loss, params, k=2, bottom=1)
    np.testing.assert_allclose([*found.top, *found.bottom], [3, 2, -1], atol=1e-5)


def test_of_a_million_weights():
    """Sums over all of them must not round: the error allowed is thirty units of float32."""
    curvatures = np.where(np.arange(1_000_000) % 2, 20, -3)  # so the eigenvectors are spread out

    def loss(x, curvatures):
        return jnp.sum(curvatures * jnp.square(x)) / 2

    batches = [jnp.asarray(curvatures, jnp.float32)]
    found = to.diagnostics.hessian_eigenvalues(loss, jnp.zeros(1_000_000), batches, bottom=1)
    np.testing.assert_allclose([*found.top, *found.bottom], [20, -3], rtol=4e-6)
    assert np.all(np.asarray(found.top_residuals) < 20 * 1e-4)


def test_when_the_products_run_out_the_residual_says_so():
    exact = np.linspace(0, 1, 400) ** 0.5  # no gap at the top
    loss, params, _ = quadratic(exact)
    options = {"k": 1, "tolerance": 1e-5, "max_products": 10}
    found = to.diagnostics.hessian_eigenvalues(loss, params, **options)
    assert found.num_products == 10 + 1
    assert found.top_residuals[0] > 1e-3
    assert np.min(np.abs(exact - float(found.top[0]))) <= found.top_residuals[0]


def test_inside_jit_and_where_nothing_is_finite():
    def search(x):
        found = to.diagnostics.hessian_eigenvalues(lambda y: jnp.sum(y**3) / 6, x, bottom=1)
        return found.top, found.bottom, found.num_products

    search = jax.jit(search)
    top, bottom, _ = search(jnp.array([1.0, 4.0, -2.0]))
    np.testing.assert_allclose([*top, *bottom], [4, -2], rtol=1e-5)
    top, _, count = search(jnp.array([1.0, jnp.nan, -2.0]))
    assert np.isnan(top[0]) and count < 10


def test_messages():
    def loss(x):
        return jnp.sum(x**2)

    find = to.diagnostics.hessian_eigenvalues
    with pytest.raises(ValueError, match=r"`k` and `bottom`.*between 1 and.*3; got 3 and 1"):
        find(loss, jnp.ones(3), k=3, bottom=1)
    with pytest.raises(ValueError, match=r"`k` and `bottom`.*got 0 and 0"):
        find(loss, jnp.ones(3), k=0)
    with pytest.raises(ValueError, match="`k` must be an integer.*got 1.5"):
        find(loss, jnp.ones(3), k=1.5)
    with pytest.raises(ValueError, match="`tolerance`.*got 0"):
        find(loss, jnp.ones(3), tolerance=0)
    with pytest.raises(ValueError, match="`max_products`.*got 0"):
        find(loss, jnp.ones(3), max_products=0)
