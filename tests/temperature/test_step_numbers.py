"""Numbers of steps of any kind and size: whole, and never wrapped around."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thermo_optax as to
from tests.compiling import quick_jit
from thermo_optax._base import as_steps

MOST = 2**31 - 1
LARGE = [np.float64(1e12), 1e12, 10**12, np.int64(10**12), np.float32(1e12), MOST, float(2**31)]
X = jnp.ones(2)


@pytest.mark.parametrize("number", LARGE, ids=repr)
def test_large_numbers_saturate(number):
    assert as_steps(number) == MOST and as_steps(number).dtype == jnp.int32
    if isinstance(number, (float, np.float32)):
        assert quick_jit(as_steps)(number) >= MOST - 128  # of a traced float32
    tx = to.explore_then_refine(to.sgld(0.1, 1.0, key=0), number)
    state = tx.init(X)._replace(count=jnp.int32(10**9))
    assert not np.array_equal(tx.update(0 * X, state, X)[0], 0 * X), "still exploring"
    for bias in (
        to.metadynamics(freeze_after=number),
        to.adaptive_biasing_force(freeze_after=number),
    ):
        hot = to.continuous_tempering(to.sgld(0.1, 1.0, key=0), 1.0, bias=bias, key=1)
        state = hot.init(X)._replace(count=jnp.int32(10**9))
        learnt = hot.update(X, state, X, value=1.0)[1].bias[0]
        assert any(np.any(a != b) for a, b in zip(learnt, state.bias[0], strict=True))


def test_small_numbers_are_themselves():
    for number in (0, 7, 7.0, np.int8(7), np.float64(7), jnp.float32(7), jnp.bfloat16(7)):
        assert as_steps(number) == int(number)
        assert quick_jit(as_steps)(number) == int(number)


@pytest.mark.parametrize("number", [2.5, np.float32(0.5)])
def test_half_a_step(number):
    for make in (
        lambda: to.explore_then_refine(to.sgld(0.1, 1.0, key=0), number),
        lambda: to.ctld(0.1, 1.0, sampling_steps=number, key=0),
        lambda: to.metadynamics(freeze_after=number),
        lambda: to.adaptive_biasing_force(freeze_after=number),
    ):
        with pytest.raises(ValueError, match="must be a whole number of steps of at least 0, got"):
            make()


def test_cycles_of_any_length():
    cycles = to.cyclical_cooling(0.1, 1.0, num_steps=10**12, num_cycles=1)
    assert not jax.jit(cycles.sampling)(10**6)
    assert cycles.sampling(2**31 - 2)
