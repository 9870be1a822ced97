"""Noise knows nothing of devices: sharded or not, each coordinate gets the same number."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from tests.compiling import quick_jit
from thermo_optax._noise import GENERATORS, map_with_noise

KEY = np.array([3, 4], np.uint32)
SPECS = {
    "matrix": PartitionSpec("x", "y"),
    "columns": PartitionSpec(None, ("x", "y")),
    "replicated": PartitionSpec(),
    "scalar": PartitionSpec(),
}
SHAPES = {"matrix": (8, 6), "columns": (3, 16), "replicated": (5,), "scalar": ()}
PARAMS = {name: np.zeros(shape, np.float32) for name, shape in SHAPES.items()}


def step(generator, params, count):
    def leaf(early, late, param):
        return param + early, late

    return map_with_noise(leaf, KEY, (count, count + 1), params, generator=generator)


def mesh_of(kind):
    if jax.device_count() < 8:
        pytest.skip("needs 8 devices, which `conftest.py` simulates unless told otherwise")
    return jax.make_mesh((4, 2), ("x", "y"), axis_types=(kind, kind))


def assert_same_noise(sharded, generator):
    plain = quick_jit(functools.partial(step, generator))(PARAMS, jnp.int32(6))
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, rtol=0, atol=1e-6),
        jax.device_get(sharded),
        jax.device_get(plain),
    )


@pytest.mark.quick("threefry-False", "jax-True")
@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("generator", GENERATORS)
def test_explicit_sharding_is_the_leafs_own(generator, jit):
    mesh = mesh_of(AxisType.Explicit)
    with jax.set_mesh(mesh):
        place = functools.partial(
            jax.tree.map, lambda x, s: jax.device_put(x, NamedSharding(mesh, s))
        )
        params = place(PARAMS, SPECS)
        program = functools.partial(step, generator)
        results = (jax.jit(program) if jit else program)(params, jnp.int32(6))
        for result in results:
            assert jax.tree.map(jax.typeof, result) == jax.tree.map(jax.typeof, params)
    assert_same_noise(results, generator)


@pytest.mark.parametrize("generator", GENERATORS)
def test_automatic_sharding_needs_no_communication(generator):
    mesh = mesh_of(AxisType.Auto)
    params = jax.tree.map(lambda x, s: jax.device_put(x, NamedSharding(mesh, s)), PARAMS, SPECS)
    compiled = jax.jit(functools.partial(step, generator)).lower(params, jnp.int32(6)).compile()
    assert_same_noise(compiled(params, jnp.int32(6)), generator)
    text = str(compiled.as_text())
    assert "all-" not in text and "collective" not in text
