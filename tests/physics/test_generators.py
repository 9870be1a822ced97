"""Every generator of noise gives the law; the weak one, of five moments, gives its variance."""

import jax
import jax.numpy as jnp
import pytest

import thermo_optax as to
from tests.physics import oracle
from tests.simulation import simulate
from tests.statistics import assert_law, assert_mean, assert_variance
from tests.targets import harmonic

PARTICLES = 2**17
K, TEMPERATURE, H, FRICTION = 1.2, 0.6, 0.9, 1.1


@pytest.mark.parametrize("generator", [*to.noise_generators()])
def test_stationary_law_in_a_harmonic_well(generator):
    tx = to.langevin(H, TEMPERATURE, friction=FRICTION, generator=generator, key=11)

    @jax.jit
    def run():
        x = {"a": jnp.ones(PARTICLES // 2), "b": -jnp.ones((2, PARTICLES // 4))}
        x, state, _ = simulate(tx, lambda x: jax.tree.map(lambda y: K * y, x), x, 40)
        return x, state.momentum

    x, p = run()
    law = oracle.covariance("BAOAB", H, K, FRICTION, 1.0, TEMPERATURE)
    for leaf in ("a", "b"):
        assert_mean(x[leaf], 0.0)
        assert_variance(x[leaf], law[0, 0])
        assert_variance(p[leaf], law[1, 1])
        if generator != "ternary":  # whose sums over few steps are not yet normal
            assert_law(x[leaf], harmonic(K).cdf(TEMPERATURE))
