"""The oracle itself, against the closed forms that the docstrings of the samplers quote."""

import numpy as np
import pytest

from tests.physics import oracle

SETTINGS = [(0.3, 1.0, 1.0, 1.0), (0.8, 2.0, 0.5, 0.2), (1.1, 0.7, 3.0, 4.0)]
each_setting = pytest.mark.parametrize("h, k, m, gamma", SETTINGS)


@pytest.mark.parametrize("word", ["BAOAB", "OABAO", "BAOA", "AOAB"])
@each_setting
def test_baoab_has_the_exact_law(word, h, k, m, gamma):
    law = oracle.covariance(word, h, k, gamma, m, temperature=0.6)
    # The stored momentum waits for a whole kick, of which it has felt one half too few.
    np.testing.assert_allclose(law, [[0.6 / k, 0.3 * h], [0.3 * h, 0.6 * m]], atol=1e-12)


@pytest.mark.parametrize("word", ["OBABO", "ABOBA"])
@each_setting
def test_obabo_has_a_bias_of_second_order(word, h, k, m, gamma):
    law = oracle.covariance(word, h, k, gamma, m, temperature=0.6)
    np.testing.assert_allclose(law[0, 0], 0.6 / k / (1 - h**2 * k / (4 * m)), rtol=1e-12)


@pytest.mark.parametrize("mu", [0.0, 0.5, 0.95])
@pytest.mark.parametrize("lr, k", [(0.1, 1.0), (0.5, 2.0)])
def test_sghmc_has_a_bias_of_first_order(lr, k, mu):
    law = oracle.stationary(*oracle.sghmc_propagator(lr, mu, k, temperature=0.6))
    np.testing.assert_allclose(law[0, 0], 0.6 / k / (1 - lr * k / (2 * (1 + mu))), rtol=1e-12)


@pytest.mark.parametrize("lr, k", [(0.1, 1.0), (0.5, 2.0)])
def test_sghmc_without_momentum_is_sgld(lr, k):
    law = oracle.stationary(*oracle.sghmc_propagator(lr, 0.0, k, temperature=0.6))
    np.testing.assert_allclose(law[0, 0], 0.6 / k / (1 - lr * k / 2), rtol=1e-12)


def test_endless_friction_is_leimkuhler_matthews():
    lr, k = 0.4, 1.5
    law = oracle.covariance("BAOAB", np.sqrt(2 * lr), k, np.inf, temperature=0.6)
    np.testing.assert_allclose(np.diag(law), [0.6 / k, 0.6], atol=1e-12)


def test_one_drift_instead_of_two_is_not_baoab():
    """The shortcut "B O A" is hotter by 41 % at this step, where BAOAB is exact."""
    biased = oracle.covariance("BOA", 0.5, friction=1.0)[0, 0]
    assert biased > 1.2
