"""Stochastic Lanczos quadrature against all eigenvalues, and against known ones."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

import thermo_optax as to
from tests.diagnostics.networks import in_batches, network, quadratic
from thermo_optax.diagnostics._spectrum import estimate

Z = 5.0  # standard errors


def within(estimate, expected, largest_share):
    """The estimate is within its standard errors, and those are small enough to mean something."""
    value, error = float(estimate.value), float(estimate.error)
    assert 0 < error < largest_share * abs(expected)
    assert abs(value - expected) < Z * error


@pytest.mark.parametrize(
    "sizes", [(10, 24, 16, 5), pytest.param((20, 60, 50, 10), marks=pytest.mark.slow)], ids=str
)
def test_spectrum_of_a_network(sizes):
    """With 749 weights; the slow one, with 4,820."""
    loss, params, data = network(*sizes, examples=64)
    batches = in_batches(data, 2)
    exact = to.diagnostics.exact_spectrum(loss, params, batches).astype(np.float64)
    found = to.diagnostics.hessian_spectrum(
        loss, params, batches, num_lanczos=48, num_probes=16, key=0
    )
    assert found.nodes.shape == found.weights.shape == (16, 48)
    assert found.num_weights == exact.size
    np.testing.assert_allclose(np.sum(found.weights, axis=1), 1, rtol=1e-6)
    assert np.all(np.asarray(found.weights) >= 0)
    within(found.trace, exact.sum(), 0.2)
    within(found.squared_frobenius_norm, np.sum(exact**2), 0.1)
    np.testing.assert_allclose(found.moments(2).value[1], np.mean(exact**2), rtol=0.1)
    assert abs(np.max(found.nodes) - exact[-1]) < 1e-3 * exact[-1]

    # The same smoothing for both: then what differs is the probes, and the end of Lanczos's steps.
    width = 0.02 * exact[-1]
    grid = np.linspace(exact[0] - 4 * width, exact[-1] + 4 * width, 300)
    expected = norm.cdf(grid[:, None], exact, width).mean(axis=1)
    each = np.asarray(found.distribution(grid, width, each=True), np.float64)
    assert each.shape == (16, 300)
    error = each.std(axis=0, ddof=1) / 4
    off = np.abs(np.asarray(found.distribution(grid, width)) - expected)
    assert np.max(error) < 0.01
    assert np.all(off <= Z * error + 2e-4)
    density = np.asarray(found.density(grid, width), np.float64)
    assert abs(np.trapezoid(density, grid) - 1) < 1e-3
    slope = np.gradient(np.asarray(found.distribution(grid, width), np.float64), grid)
    np.testing.assert_allclose(density[1:-1], slope[1:-1], atol=0.03 * density.max())


def test_trace_has_the_error_that_it_states():
    """The variance of Hutchinson's estimator is known: twice the squares off the diagonal."""
    loss, params, hessian = quadratic(np.linspace(-1, 3, 60))
    num_probes = 600
    found = to.diagnostics.hessian_trace(loss, params, num_probes=num_probes, key=1)
    variance = 2 * (np.sum(hessian**2) - np.sum(np.diag(hessian) ** 2))
    error = np.sqrt(variance / num_probes)
    assert abs(found.value - 60.0) < Z * error
    assert abs(found.error / error - 1) < Z / np.sqrt(2 * num_probes)


DEGENERATE = {
    "one eigenvalue": 2 * np.eye(40),  # exactly, without rounding
    "none": np.zeros((40, 40)),
    "three of forty": quadratic(np.r_[np.zeros(37), 1.0, -2.0, 5.0])[2],
}


@pytest.fixture(scope="module")
def of_matrix():
    """Compiled once, for any Hessian of 40 weights."""

    @jax.jit
    def of_matrix(matrix):
        def loss(x):
            return jnp.vdot(x, matrix @ x) / 2

        options = {"num_lanczos": 16, "num_probes": 8, "key": 0}
        return to.diagnostics.hessian_spectrum(loss, jnp.ones(40), **options)

    return lambda matrix: of_matrix(jnp.asarray(matrix, jnp.float32))


@pytest.mark.parametrize("name", DEGENERATE)
def test_few_different_eigenvalues(name, of_matrix):
    """Lanczos's method then ends early, by a division of 0 by 0."""
    found = of_matrix(DEGENERATE[name])
    exact = np.linalg.eigvalsh(DEGENERATE[name])
    np.testing.assert_allclose(np.sum(found.weights, axis=1), 1, rtol=1e-6)
    moments, scale = found.moments(3), max(1.0, np.max(np.abs(exact)))
    for power in (1, 2, 3):
        off = abs(moments.value[power - 1] - np.mean(exact**power))
        assert off <= Z * moments.error[power - 1] + 1e-5 * scale**power
    seen = np.asarray(found.nodes)[np.asarray(found.weights) > 1e-3]
    assert np.all(np.min(np.abs(seen[:, None] - exact), axis=1) < 1e-3 * scale)


def test_more_steps_than_weights():
    found = to.diagnostics.hessian_spectrum(lambda x: 1.5 * x**2, jnp.float32(0), key=0)
    np.testing.assert_allclose(found.nodes, np.full((8, 1), 3.0))
    assert found.trace == (3.0, 0.0)


@pytest.mark.parametrize("unit", [1e-25, 1e20])
def test_hessians_in_any_unit(unit):
    """Their squares are no float32: Lanczos's method would end after its first vector."""

    def loss(x):
        return unit * jnp.sum(jnp.arange(1.0, 31) * x**2) / 2

    x = jnp.ones(30)
    found = to.diagnostics.hessian_spectrum(loss, x, num_lanczos=30, num_probes=2, key=0)
    np.testing.assert_allclose(np.asarray(found.nodes[:, -1]) / unit, 30, rtol=1e-4)
    np.testing.assert_allclose(np.asarray(found.trace.value) / unit, 465, rtol=1e-4)
    found = to.diagnostics.hessian_eigenvalues(loss, x, k=2)
    np.testing.assert_allclose(np.asarray(found.top) / unit, [30, 29], rtol=1e-4)
    assert np.all(np.asarray(found.top_residuals) / unit < 1e-2)


def test_a_hessian_that_is_not_finite_is_not_called_flat():
    def loss(x):
        return jnp.sum(jnp.sqrt(x))

    found = to.diagnostics.hessian_spectrum(loss, jnp.zeros(3), key=0)
    assert not np.any(np.isfinite(found.trace.value))


def test_inside_jit_and_by_the_key():
    loss, params, _ = quadratic(np.linspace(0, 1, 30))
    options = {"num_lanczos": 5, "num_probes": 3}
    measure = jax.jit(lambda p, key: to.diagnostics.hessian_spectrum(loss, p, **options, key=key))
    first, again, other = (measure(params, jax.random.key(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.nodes, again.nodes)
    assert np.all(np.abs(np.asarray(first.nodes - other.nodes)) > 0)
    assert len(np.unique(first.nodes[:, 0])) == 3  # the probes differ
    eager = to.diagnostics.hessian_spectrum(loss, params, **options, key=0)
    np.testing.assert_allclose(eager.nodes, first.nodes, atol=1e-5)


def test_messages(monkeypatch):
    loss, params, _ = quadratic([1.0, 2.0])
    spectrum, trace = to.diagnostics.hessian_spectrum, to.diagnostics.hessian_trace
    with pytest.raises(ValueError, match="`num_lanczos`.*got 0"):
        spectrum(loss, params, num_lanczos=0, key=0)
    with pytest.raises(ValueError, match="`num_probes`.*at least 2, got 1.*standard error"):
        spectrum(loss, params, num_probes=1, key=0)
    with pytest.raises(ValueError, match="`num_probes`.*at least 2, got True"):
        trace(loss, params, num_probes=True, key=0)
    found = spectrum(loss, params, num_probes=2, key=0)
    for curve in (found.density, found.distribution):
        with pytest.raises(ValueError, match="`width` must be finite and positive, got 0.0"):
            curve(1.0, 0.0)
        with pytest.raises(ValueError, match="`width` must be finite and positive, got -1.0"):
            curve(1.0, np.array([1.0, -1.0]))
    with pytest.raises(TypeError, match="`key` is required"):
        trace(loss, params, key=None)
    for name in ("matfree", "matfree.decomp", "matfree.stochtrace"):
        monkeypatch.setitem(sys.modules, name, None)
    for measure in (spectrum, trace, to.diagnostics.flatness):
        with pytest.raises(ModuleNotFoundError, match=r"pip install 'thermo_optax\[curvature\]'"):
            measure(loss, params, key=0)


@pytest.mark.parametrize("unit", [1e-25, 1e25])
def test_errors_are_in_the_unit_of_the_samples(unit):
    samples = np.float32([1.0, 2.0, 4.0])
    error = np.std(samples, ddof=1) / 3**0.5
    np.testing.assert_allclose(estimate(jnp.asarray(samples * unit)).error, error * unit, rtol=1e-5)
    np.testing.assert_array_equal(estimate(jnp.zeros(3)).error, 0)
