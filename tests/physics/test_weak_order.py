"""The bias of each scheme as a power of its step size, measured by regression."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thermo_optax as to
from tests.simulation import over_grid, simulate
from tests.statistics import Z
from tests.targets import QUARTIC

PARTICLES = 2**18
K, TEMPERATURE, FRICTION = 1.0, 1.0, 1.5


def langevin(word):
    def make(h, key):
        return to.langevin(h, TEMPERATURE, friction=FRICTION, splitting=word, key=key)

    return make


# Sampler, its sizes of step, and by how much the variance T / k is too large: 1 - T / (k var).
CLOSED_FORMS = {
    "sgld": (
        lambda eta, key: to.sgld(eta, TEMPERATURE, key=key),
        [0.1, 0.2, 0.4, 0.8],
        lambda eta: eta * K / 2,
        1,
    ),
    "sghmc": (
        lambda lr, key: to.sghmc(lr, TEMPERATURE, momentum=0.6, key=key),
        [0.2, 0.4, 0.8, 1.6],
        lambda lr: lr * K / (2 * 1.6),
        1,
    ),
    "OBABO": (langevin("OBABO"), [0.4, 0.7, 1.0, 1.4], lambda h: h**2 * K / 4, 2),
}


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_bias_in_a_harmonic_well(name):
    make, steps, closed_form, order = CLOSED_FORMS[name]
    start = jnp.sqrt(TEMPERATURE / K) * jax.random.normal(jax.random.key(0), (PARTICLES,))

    def run(key, h):
        return jnp.var(simulate(make(h, key), lambda x: K * x, start, 100)[0])

    variances = over_grid(run, jax.random.key(1), steps)
    biases = 1 - TEMPERATURE / (K * np.asarray(variances))
    np.testing.assert_allclose(
        biases, [closed_form(h) for h in steps], atol=Z * np.sqrt(2 / PARTICLES)
    )
    measured = np.polyfit(np.log(steps), np.log(biases), 1)[0]
    assert order - 0.2 < measured < order + 0.25, measured


@pytest.mark.slow
def test_baoab_in_a_quartic_well():
    """Second order, where the force is not linear; the exact <x^2> is by quadrature.

    At steps large enough to see the bias, its h^4 term adds 0.3 to the measured power.
    """
    steps = [0.2, 0.25, 0.3, 0.36]
    burn_in, blocks, block = 100, 120, 40

    def run(key, h):
        tx = to.langevin(h, TEMPERATURE, friction=FRICTION, key=key)
        start = QUARTIC.sample(PARTICLES, TEMPERATURE)
        total = burn_in + blocks * block

        def observe(x, _):
            return jnp.mean(x**2)

        return simulate(tx, QUARTIC.gradient, start, total, observe=observe)[2][burn_in:]

    means = np.asarray(over_grid(run, jax.random.key(1), steps)).reshape(len(steps), blocks, block)
    exact = QUARTIC.expect(np.square, TEMPERATURE)
    biases = 1 - means.mean(axis=(1, 2)) / exact
    errors = means.mean(axis=2).std(axis=1, ddof=1) / np.sqrt(blocks) / exact
    assert (biases > Z * errors).all(), (biases, errors)
    measured, _ = np.polyfit(np.log(steps), np.log(biases), 1, w=biases / errors)
    assert 1.8 < measured < 2.5, (measured, biases, errors)
