"""The error of a mean of correlated chains, where it is known."""

import numpy as np

from thermo_optax.thermodynamics._statistics import mean_of


def walks(decay, chains=4, steps=4_000, seed=0):
    """x' = decay x + sqrt(1 - decay^2) z, of variance 1."""
    random = np.random.default_rng(seed)
    series = np.empty((chains, steps))
    x = random.normal(size=chains)
    for step in range(steps):
        x = decay * x + np.sqrt(1 - decay**2) * random.normal(size=chains)
        series[:, step] = x
    return series


def test_error_of_correlated_chains():
    """The variance of the mean is (1 + a) / (1 - a) / n."""
    for decay in (0.0, 0.9, -0.5):
        series = walks(decay)
        found = mean_of(series + 3)
        size = series.size * (1 - decay) / (1 + decay)
        assert abs(found.effective_sample_size / size - 1) < 0.35
        assert abs(found.standard_error * np.sqrt(size) - 1) < 0.2
        assert abs(found.value - 3) < 4 * found.standard_error
        assert found.rhat < 1.05


def test_chains_that_disagree():
    series = walks(0.0) + np.array([[0.0], [0.0], [0.0], [4.0]])
    found = mean_of(series)
    assert found.rhat > 1.5
    assert found.standard_error > 0.5
    assert mean_of(np.ones((2, 100))).standard_error == 0


def test_chains_that_stand_still():
    """At one place they agree, and at two they do not, though nothing varies within a chain."""
    assert mean_of(np.ones((2, 100))).rhat == 1
    apart = mean_of(np.ones((4, 100)) * np.arange(4)[:, None])
    assert apart.rhat == np.inf
    assert apart.standard_error > 0.5
