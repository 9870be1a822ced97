"""Forces that are not linear: the whole law in a double well; and stiff beside soft directions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thermo_optax as to
from tests.compiling import users_jit
from tests.simulation import simulate
from tests.statistics import Z, assert_law, assert_mean
from tests.targets import DOUBLE_WELL, anisotropic

PARTICLES = 2**16
TEMPERATURE = 0.5

# Step sizes at which the bias is below what the test resolves, 0.7 % of probability.
SAMPLERS = {
    "sgld": to.sgld(0.003, TEMPERATURE, key=0),
    "leimkuhler_matthews": to.leimkuhler_matthews(0.01, TEMPERATURE, key=0),
    "BAOAB": to.langevin(0.15, TEMPERATURE, friction=1.0, key=0),
    "OBABO": to.langevin(0.05, TEMPERATURE, friction=1.0, splitting="OBABO", mass=0.5, key=0),
    "sghmc": to.sghmc(0.003, TEMPERATURE, momentum=0.9, key=0),
}
STEPS = {"sgld": 5_000, "leimkuhler_matthews": 2_000, "BAOAB": 400, "OBABO": 800, "sghmc": 1_000}


@pytest.mark.parametrize("name", SAMPLERS)
def test_both_wells_are_found_in_their_proportion(name):
    """From a start in the mirror image, in which the shallow well is full."""
    start = -DOUBLE_WELL.sample(PARTICLES, TEMPERATURE)
    args = (SAMPLERS[name], DOUBLE_WELL.gradient, start, STEPS[name])
    x = users_jit(lambda: simulate(*args)[0])()
    assert_law(x, DOUBLE_WELL.cdf(TEMPERATURE))
    assert_mean(x, DOUBLE_WELL.expect(lambda y: y, TEMPERATURE), slack=0.005)


def test_stiff_and_soft_directions_have_their_own_widths():
    """T / k for each curvature k, over two decades in one array, at one step size."""
    curvatures, copies = np.geomspace(0.03, 3.0, 8), 2**13
    tx = to.langevin(1.0, TEMPERATURE, friction=0.3, key=0)
    stiffness = jnp.repeat(jnp.asarray(curvatures, jnp.float32), copies)

    @jax.jit
    def run():
        x = jnp.zeros(stiffness.size)
        return simulate(tx, anisotropic(stiffness), x, 200)[0]

    variances = np.var(np.asarray(run()).reshape(len(curvatures), copies), axis=1)
    np.testing.assert_allclose(variances, TEMPERATURE / curvatures, rtol=Z * np.sqrt(2 / copies))
