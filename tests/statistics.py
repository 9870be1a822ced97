"""Statistical assertions: the tolerance is always a number of standard errors.

Samples are arrays whose first axis counts independent ones. Where they are correlated in time,
average each independent chain over its time first (`time_average`): the spread between chains
then knows the correlations, and nobody has to estimate them.
"""

import math

import numpy as np

Z = 5.0  # false alarm once in two million


def time_average(series: np.ndarray) -> np.ndarray:
    """One number for each chain, from an array [time, chain]."""
    return np.mean(np.asarray(series, np.float64), axis=0)


def mean_and_error(samples) -> tuple[float, float]:
    """The mean of independent samples and its standard error."""
    samples = np.asarray(samples, np.float64).ravel()
    assert samples.size >= 32, f"{samples.size} samples do not tell their own spread"
    return float(np.mean(samples)), float(np.std(samples, ddof=1)) / math.sqrt(samples.size)


def assert_mean(samples, expected: float, z: float = Z, name: str = "mean", slack: float = 0.0):
    """The mean of independent samples lies within z standard errors of the expected one.

    `slack` is an absolute deviation that is allowed on top, for an expectation that is itself
    known only to that accuracy.
    """
    mean, error = mean_and_error(samples)
    off = abs(mean - expected) - slack
    assert off <= z * error, (
        f"{name}: expected {expected:.6g}, measured {mean:.6g} +- {error:.2g}, "
        f"{off / max(error, 1e-300):.1f} standard errors off"
    )


def assert_variance(samples, expected: float, z: float = Z, mean: float = 0.0, name="variance"):
    """The variance about a known mean; its standard error comes from the samples' own tails."""
    deviations = np.asarray(samples, np.float64).ravel() - mean
    assert_mean(deviations**2, expected, z, name)


def assert_covariance(first, second, expected: float, z: float = Z, name: str = "covariance"):
    """The mean product of two samples of mean zero."""
    first, second = (np.asarray(s, np.float64).ravel() for s in (first, second))
    assert_mean(first * second, expected, z, name)


def assert_uncorrelated(first, second, z: float = Z, name: str = "correlation"):
    """Independent standardised samples have a correlation of 0 +- 1 / sqrt(n)."""
    correlation = np.corrcoef(np.ravel(first), np.ravel(second))[0, 1]
    bound = z / math.sqrt(np.size(first))
    assert abs(correlation) <= bound, f"{name}: |{correlation:.4f}| > {bound:.4f}"


def assert_equal_means(first, second, z: float = Z, name: str = "means", slack: float = 0.0):
    """Two independent sets of independent samples have the same mean, up to `slack`."""
    (mean_1, error_1), (mean_2, error_2) = mean_and_error(first), mean_and_error(second)
    error = math.hypot(error_1, error_2)
    off = abs(mean_1 - mean_2) - slack
    assert off <= z * error, (
        f"{name}: {mean_1:.6g} and {mean_2:.6g} differ by "
        f"{off / error:.1f} standard errors of {error:.2g} too many"
    )


def kolmogorov_distance(samples, cdf) -> float:
    """The largest difference between the samples' distribution function and the law's."""
    values = np.sort(np.asarray(samples, np.float64).ravel())
    law = cdf(values)
    ranks = np.arange(values.size + 1) / values.size
    return float(max(np.max(ranks[1:] - law), np.max(law - ranks[:-1])))


def assert_law(samples, cdf, chance: float = 1e-6, name: str = "law"):
    """Kolmogorov-Smirnov: independent samples of this law fail with probability `chance`."""
    distance = kolmogorov_distance(samples, cdf)
    bound = math.sqrt(math.log(2 / chance) / (2 * np.size(samples)))
    assert distance <= bound, f"{name}: Kolmogorov distance {distance:.2g} > {bound:.2g}"
