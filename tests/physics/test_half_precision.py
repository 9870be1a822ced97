"""Parameters in half precision: momenta and noise are not, so that no heat is lost."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thermo_optax as to
from tests.simulation import simulate
from tests.statistics import assert_mean, assert_variance

PARTICLES = 2**17
each_dtype = pytest.mark.parametrize("dtype", ["bfloat16", "float16"])


@each_dtype
def test_weak_friction_and_its_heat_are_not_lost(dtype):
    """In bfloat16 exp(-gamma h) is 1 below gamma h = 1 / 512, and small noise is rounded away."""
    h, friction, temperature, steps = 1e-4, 5.0, 0.8, 400
    tx = to.langevin(h, temperature, friction=friction, initial_momentum="zero", key=0)

    @jax.jit
    def run():
        x = {"a": jnp.zeros(PARTICLES // 2, dtype), "b": jnp.zeros(PARTICLES // 2, dtype)}
        return simulate(tx, lambda x: jax.tree.map(jnp.zeros_like, x), x, steps)[1].momentum

    warmed: Any = run()
    expected = temperature * -np.expm1(-2 * friction * h * steps)
    for momentum in jax.tree.leaves(warmed):
        assert momentum.dtype == jnp.float32
        assert_mean(momentum, 0.0)
        assert_variance(momentum, expected)


@each_dtype
def test_harmonic_well(dtype):
    """At steps that half precision resolves, the law is the one of single precision."""
    temperature, curvature = 1.0, 1.0
    rounding = float(jnp.finfo(dtype).eps)
    for tx, expected in [
        (to.langevin(0.8, temperature, friction=1.0, key=0), temperature / curvature),
        (to.sgld(0.4, temperature, key=0), temperature / curvature / (1 - 0.2 * curvature)),
    ]:

        @jax.jit
        def run(tx=tx):
            x = jnp.ones(PARTICLES, dtype)
            return simulate(tx, lambda x: x * jnp.asarray(curvature, dtype), x, 60)[0]

        x = np.asarray(run(), np.float64)
        # Each step rounds its result, by less than eps / 2 of it.
        assert_mean(x, 0.0)
        assert_mean(x**2, expected, slack=2 * rounding * expected)


@each_dtype
def test_masters_remember_what_rounding_loses(dtype):
    """A walk whose steps are a twentieth of what half precision can show."""
    steps, length = 400, float(jnp.finfo(dtype).eps) / 20
    tx = to.float32_masters(to.sgld(0.5, length**2, key=0))

    @jax.jit
    def run():
        return simulate(tx, jnp.zeros_like, jnp.ones(PARTICLES, dtype), steps)[:2]

    x, state = run()
    masters: Any = state.masters
    assert_variance(np.asarray(masters, np.float64) - 1, steps * length**2)
    np.testing.assert_array_equal(x, masters.astype(dtype))


@pytest.mark.parametrize(
    "init",
    [
        lambda tx, x: to.replicate(tx, 2).init(x),
        lambda tx, x: to.replicate(to.replicate(tx, 2), 2).init(jnp.stack([x, x])),
        lambda tx, x: to.replica_exchange(tx, {"temperature": [1e-4, 2e-4]}, key=1).init(x),
        lambda tx, x: to.init_chains(tx, x, 2),
    ],
    ids=["replicate", "twice", "replica_exchange", "chains"],
)
def test_heat_that_rounds_to_nothing_in_replicas(init):
    """In a map over replicas a sampler cannot know how large the parameters are."""
    tx = to.sgld(0.01, 1e-4, key=0)
    with pytest.warns(UserWarning, match="rounds to nothing.*float32_masters"):
        init(tx, jnp.ones((2, 3), jnp.bfloat16))
    init(to.float32_masters(tx), jnp.ones((2, 3), jnp.bfloat16))
