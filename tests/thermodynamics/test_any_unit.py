"""Weights and losses in any unit: squares of gradients and curvatures may be no float32."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from thermo_optax.thermodynamics._around import Plan
from thermo_optax.thermodynamics._chains import center_of
from thermo_optax.thermodynamics._curvature import first_gauge, norm

UNITS = pytest.mark.parametrize("unit", [1e-25, 1e20])


@UNITS
def test_norms_and_the_largest_curvature(unit):
    stiff = jnp.arange(1.0, 31)  # of mean 15.5, which a power iteration without squares stays at

    def loss(params):
        return unit * jnp.sum(stiff * params["w"] ** 2) / 2

    params = {"w": jnp.zeros(30), "none": jnp.zeros(0)}
    gauge = jax.jit(first_gauge, static_argnums=0)(
        loss, params, jnp.float32(0.01), jax.random.key(0)
    )
    assert 28 < gauge.largest / unit < 30.01
    np.testing.assert_allclose(norm([unit * jnp.float32(3), unit * jnp.ones(16)]) / unit, 5)


@pytest.mark.parametrize(
    ("edge", "curvature"), [(0.5, 2e-9 * 0.4096**2), (1e-5, np.finfo(np.float32).tiny)]
)
def test_a_curvature_where_the_loss_has_an_end(edge, curvature):
    """Asked at 1e-4, doubled as often as the loss allows; else the tether alone sets the step."""

    def loss(params):
        return 1e-9 * jnp.sum(jnp.where(jnp.abs(params[0]) < edge, params[0] ** 4, jnp.nan))

    gauge = jax.jit(first_gauge, static_argnums=0)(
        loss, [jnp.zeros(1)], jnp.float32(0.01), jax.random.key(0)
    )
    np.testing.assert_allclose(gauge.largest, curvature, rtol=1e-5)


@pytest.mark.parametrize("unit", [1.0, 1e20])
def test_a_gradient_of_batches_is_not_taken_for_noise(unit):
    plan = Plan(
        loss=lambda params, frozen, batch: unit * jnp.sum(params[0]),
        batches=lambda step: step,
        sampler=lambda *numbers: None,
        num_steps=1,
        num_burn_in=1,
        num_center_batches=4,
    )
    center = center_of(plan, [jnp.ones(4)], [])
    np.testing.assert_allclose(center.gradient_norm / unit, 2, rtol=1e-6)
