"""Sums over whole arrays."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from thermo_optax import _xla
from thermo_optax._noise import sum_of_squares
from thermo_optax._xla import inner_product


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("shape", [(0,), (7,), (4096,), (4097,), (33, 1000), (3, 1, 70_001)])
def test_sum_of_squares(alone, shape, monkeypatch):
    monkeypatch.setattr(_xla, "on_one_cpu", lambda: alone)
    array = np.random.default_rng(0).standard_normal(shape, np.float32)
    total = jax.jit(lambda x: sum_of_squares(x))(array)
    np.testing.assert_allclose(total, np.sum(array.astype(float) ** 2), rtol=1e-6)
    assert total.dtype == jnp.float32


def test_inner_product_of_a_million():
    """Added up one after the other the terms lose four of the seven digits of float32."""
    first, second = 1 + np.random.default_rng(0).random((2, 1_000_001), np.float32)
    total = jax.jit(inner_product)(first, second)
    np.testing.assert_allclose(total, np.vdot(first.astype(float), second), rtol=1e-6)


def test_the_squares_are_not_stored(monkeypatch):
    monkeypatch.setattr(_xla, "on_one_cpu", lambda: True)
    array = jax.ShapeDtypeStruct((1 << 16,), jnp.float32)
    memory = jax.jit(lambda x: sum_of_squares(x)).lower(array).compile().memory_analysis()
    assert memory is not None
    assert memory.temp_size_in_bytes < array.size * 4 / 4
