"""Flatness on bowls, whose curvature and rise under noise are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thermo_optax as to
from tests.diagnostics.networks import dense_hessian, in_batches, network, quadratic

Z = 5.0  # standard errors


@pytest.mark.slow
def test_flatness_of_a_network():
    loss, params, data = network(4, 6, 3)
    hessian = dense_hessian(loss, params, data)
    found = to.diagnostics.flatness(loss, params, (batch for batch in [data]), num_probes=64, key=0)
    value = float(loss(params, data))
    top = np.linalg.eigvalsh(hessian)[-1]
    np.testing.assert_allclose(found.loss, value, rtol=1e-6)
    np.testing.assert_allclose(found.top_eigenvalue, top, rtol=1e-4)
    assert found.top_residual < 2e-3 * top
    assert abs(found.trace.value - np.trace(hessian)) < Z * found.trace.error
    np.testing.assert_allclose(found.top_eigenvalue_per_loss, top / value, rtol=1e-4)
    ratio, trace = found.trace_per_loss, found.trace
    np.testing.assert_allclose([*ratio], [trace.value / value, trace.error / value], rtol=1e-5)


def rise_by_hand(curvatures, scale):
    """Mean and standard deviation, for one draw of independent coordinates."""
    mean = scale**2 * np.sum(curvatures) / 2
    return mean, scale**2 * np.sqrt(np.sum(np.square(curvatures)) / 2)


def test_rise_in_a_bowl():
    eigenvalues = np.linspace(0, 2, 80)
    loss, params, _ = quadratic(eigenvalues)
    scales, num_draws = [0.0, 0.1, 0.3], 500
    found = to.diagnostics.loss_under_noise(loss, params, scales=scales, num_draws=num_draws, key=0)
    np.testing.assert_allclose(found.scales, scales)
    assert found.rise.value[0] == 0
    for i in (1, 2):
        mean, deviation = rise_by_hand(eigenvalues, scales[i])
        error = deviation / np.sqrt(num_draws)
        assert abs(found.rise.value[i] - mean) < Z * error
        assert abs(found.rise.error[i] / error - 1) < Z / np.sqrt(2 * num_draws)


def test_relative_noise_is_in_units_of_each_tensor():
    params = {"large": 3 * jnp.ones((40, 5)), "small": -0.01 * jnp.ones(100), "none": jnp.zeros(7)}

    def loss(params):  # with a slope, which the two signs must cancel
        def term(x, curvature):
            return 30 * jnp.sum(x) + curvature * jnp.sum(jnp.square(x - jnp.mean(x))) / 2

        return term(params["large"], 1.0) + term(params["small"], 1e4) + term(params["none"], 1e8)

    scale, num_draws = 0.1, 400
    found = to.diagnostics.loss_under_noise(
        loss, params, scales=[scale], num_draws=num_draws, relative=True, key=0
    )
    # One coordinate of each tensor, its mean, costs nothing.
    curvatures = np.r_[np.full(199, 3.0**2), np.full(99, 1e4 * 0.01**2)]
    mean, deviation = rise_by_hand(curvatures, scale)
    slack = 1e-6 * 30 * 600  # the loss itself is rounded
    assert abs(found.rise.value[0] - mean) < Z * deviation / np.sqrt(num_draws) + slack


def test_rise_over_batches_is_that_over_all_data():
    loss, params, data = network(4, 6, 3)
    options = {"scales": [0.05], "num_draws": 4, "key": 3}
    whole = to.diagnostics.loss_under_noise(loss, params, [data], **options)
    parts = to.diagnostics.loss_under_noise(loss, params, in_batches(data, 4), **options)
    np.testing.assert_allclose(whole.rise.value, parts.rise.value, atol=1e-6)
    np.testing.assert_allclose(whole.loss, loss(params, data), rtol=1e-6)
    other = to.diagnostics.loss_under_noise(loss, params, [data], **(options | {"key": 4}))
    assert abs(whole.rise.value[0] - other.rise.value[0]) > 1e-5


def test_messages():
    def loss(x):
        return jnp.sum(x**2)

    rise = to.diagnostics.loss_under_noise
    with pytest.raises(ValueError, match=r"`scales`.*got 0.1.*`\[0.01\]`"):
        rise(loss, jnp.ones(3), scales=0.1, key=0)
    with pytest.raises(ValueError, match="`scales`.*at least 0"):
        rise(loss, jnp.ones(3), scales=[0.1, -0.1], key=0)
    with pytest.raises(ValueError, match="`num_draws`.*got 1"):
        rise(loss, jnp.ones(3), scales=[0.1], num_draws=1, key=0)
    with pytest.raises(ValueError, match="`num_probes`.*got 1"):
        to.diagnostics.flatness(loss, jnp.ones(3), num_probes=1, key=0)
    jax.jit(lambda s: rise(loss, jnp.ones(3), scales=s, num_draws=2, key=0))(jnp.ones(2))
