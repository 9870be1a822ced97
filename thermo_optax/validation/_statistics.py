"""The checks of each law, from where independent chains began and where they ended.

Standard errors are those of the law that is claimed, for independent chains and coordinates.
"""

import itertools
import math
from collections.abc import Iterator, Mapping

import numpy as np

from ._laws import DoubleWell, Gaussian, StiffGaussian
from ._report import Check

MEMORY = 0.1  # correlation with the start that is forgiven: of an error, its square is left
LEVELS = np.arange(1, 32) / 32  # where distribution functions are compared


def _check(law, statistic, where, expected, samples, spread, tolerance) -> Check:
    """The mean of samples, of which one has the standard deviation `spread`."""
    error = spread / math.sqrt(np.size(samples))
    measured = float(np.mean(samples))
    return Check(law, statistic, where, float(expected), measured, error, tolerance)


def gaussian_checks(
    law: Gaussian, begin: np.ndarray, end: np.ndarray, tolerance: float
) -> Iterator[Check]:
    """Mean, variance and correlation of the modes, each in units of its standard deviation."""
    old, new = law.standardised(begin), law.standardised(end)  # [chain, mode]
    pairs = new[: len(new) // 2 * 2].reshape(-1, 2, law.size)

    def check(statistic, where, expected, samples, spread=1.0, allowed=tolerance):
        return _check("gaussian", statistic, where, expected, samples, spread, allowed)

    for i, mode in enumerate(new.T):
        yield check("mean", f"mode {i}", 0, mode)
        yield check("variance", f"mode {i}", 1, mode**2, math.sqrt(2))
        yield check("memory of the start", f"mode {i}", 0, old[:, i] * mode, allowed=MEMORY)
    yield check("energy", "all modes", 1, new**2, math.sqrt(2))
    for i, j in itertools.combinations(range(law.size), 2):
        yield check("correlation", f"modes {i} and {j}", 0, new[:, i] * new[:, j])
    yield check("between chains", "all modes", 0, pairs[:, 0] * pairs[:, 1])


def stiff_checks(
    law: StiffGaussian, begin: np.ndarray, end: np.ndarray, tolerance: float
) -> Iterator[Check]:
    """Mean and variance of the coordinates; memory of those that are as quick as `Gaussian`'s."""
    old, new = law.standardised(begin), law.standardised(end)
    for i, curvature in enumerate(law.curvatures):
        where = f"coordinate {i}, curvature {curvature:.2g}"

        def check(statistic, expected, samples, spread=1.0, allowed=tolerance, where=where):
            return _check("stiff gaussian", statistic, where, expected, samples, spread, allowed)

        yield check("mean", 0, new[:, i])
        yield check("variance", 1, new[:, i] ** 2, math.sqrt(2))
        if curvature >= 0.25:
            yield check("memory of the start", 0, old[:, i] * new[:, i], allowed=MEMORY)


def double_well_checks(
    law: DoubleWell,
    begin: np.ndarray,
    end: np.ndarray,
    tolerance: float,
    leaves: Mapping[str, slice],
) -> Iterator[Check]:
    """Mean, variance, distribution function and memory of the coordinates of each leaf."""
    mean, variance, fourth = law.central_moments()
    spread = math.sqrt(variance)

    for leaf, where in leaves.items():
        x, x0 = end[:, where], begin[:, where]

        def check(statistic, expected, samples, spread, allowed, where=leaf):
            return _check("double well", statistic, where, expected, samples, spread, allowed)

        yield check("mean", mean, x, spread, tolerance * spread)
        squares, error = (x - mean) ** 2, math.sqrt(fourth - variance**2)
        yield check("variance", variance, squares, error, tolerance * variance)
        for level, edge in zip(LEVELS, law.quantiles(LEVELS), strict=True):
            below = np.where(np.isfinite(x), x < edge, np.nan)
            error = math.sqrt(level * (1 - level))
            place = f"{leaf}, P(x < {edge:.2f})"
            yield check("distribution", level, below, error, tolerance, place)
        product = (x0 - mean) * (x - mean) / variance
        yield check("memory of the start", 0, product, 1.0, MEMORY)
