"""Curvature of weights that are spread over explicit axes of a mesh."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding

import thermo_optax as to

SPREAD = {"hidden": jax.P("x", None), "top": jax.P("x")}


def loss(params, batch):
    hidden = jnp.tanh(batch @ params["hidden"].T)
    return jnp.mean(jnp.square(jnp.sum(hidden * params["top"][None], axis=1) - 1))


MEASURES = {
    "product": lambda *of: to.diagnostics.hessian_vector_product(loss, of[0], *of),
    "exact spectrum": lambda *of: to.diagnostics.exact_spectrum(loss, *of),
    "spectrum": lambda *of: to.diagnostics.hessian_spectrum(loss, *of, num_probes=2, key=0),
    "eigenvalues": lambda *of: to.diagnostics.hessian_eigenvalues(loss, *of, key=0),
    "flatness": lambda *of: to.diagnostics.flatness(loss, *of, num_probes=2, key=0),
    "noise": lambda *of: to.diagnostics.loss_under_noise(
        loss, *of, scales=[0.1], num_draws=2, relative=True, key=0
    ),
    "line": lambda *of: to.diagnostics.loss_line(
        loss, of[0], jax.tree.map(jnp.zeros_like, of[0]), of[1]
    ),
    "surface": lambda *of: to.diagnostics.loss_surface(loss, *of, num_points=3, key=0),
}


@pytest.mark.quick("product", "noise", "line")
@pytest.mark.parametrize("name", MEASURES)
def test_as_on_one_device(name):
    draw = np.random.default_rng(0)
    params = {"hidden": draw.normal(size=(8, 3)), "top": draw.normal(size=8)}
    params = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), params)
    batches = jnp.asarray(draw.normal(size=(2, 5, 3)), jnp.float32)
    expected = MEASURES[name](params, batches)
    mesh = jax.make_mesh((8,), ("x",), axis_types=(AxisType.Explicit,))
    with jax.set_mesh(mesh):
        spread = {
            name: jax.device_put(x, NamedSharding(mesh, SPREAD[name])) for name, x in params.items()
        }
        found = MEASURES[name](spread, batches)

    if name == "product":  # which is like the parameters
        assert jax.tree.map(jax.typeof, found) == jax.tree.map(jax.typeof, spread)

    def compare(x, y):
        if x.size:  # of an empty one with a sharding JAX makes no NumPy array
            np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-5)

    jax.tree.map(compare, found, expected)
