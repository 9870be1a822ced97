"""Means over independent chains with their standard errors: chains do not know of one another."""

from typing import NamedTuple

import numpy as np


class Estimate(NamedTuple):
    """A number and its standard error; nan for one that a single chain cannot tell."""

    value: float
    error: float

    def text(self, digits: int) -> str:
        """With as many digits after the point."""
        if not np.isfinite(self.value):
            return "-"
        if not np.isfinite(self.error):
            return f"{self.value:,.{digits}f}"
        return f"{self.value:,.{digits}f} ± {self.error:.{digits}f}"

    def off(self, expected: float) -> float:
        """How many standard errors it is above what was expected; nan without an error."""
        return (self.value - expected) / self.error if self.error > 0 else np.nan

    def numbers(self) -> list[float | None]:
        """For JSON, which has no numbers that are not finite."""
        return [float(number) if np.isfinite(number) else None for number in self]

    def over(self, other: "Estimate") -> "Estimate":
        """The quotient of two independent estimates."""
        if not other.value:
            return Estimate(np.nan, np.nan)
        value = self.value / other.value
        relative = np.hypot(other.error / other.value, self.error / self.value if value else 0.0)
        return Estimate(value, abs(value) * relative)


def mean(samples) -> Estimate:
    """The mean of one number for each chain."""
    samples = np.asarray(samples, float)
    return ratio(samples, np.ones_like(samples))


def ratio(numerators, denominators) -> Estimate:
    """The sum of the first by that of the second, each with a number for every chain."""
    above, below = np.asarray(numerators, float), np.asarray(denominators, float)
    total, chains = below.sum(), len(below)
    if not total:
        return Estimate(np.nan, np.nan)
    value = above.sum() / total
    if chains < 2:
        return Estimate(value, np.nan)
    spread = np.sum((above - value * below) ** 2) * chains / (chains - 1)
    return Estimate(value, np.sqrt(spread) / abs(total))


def signed(standard_errors: float) -> str:
    """A deviation in standard errors."""
    return f"{standard_errors:+.1f}" if np.isfinite(standard_errors) else "-"


def extremes(samples) -> tuple[Estimate, Estimate]:
    """The least and the largest of several means, from an array [chains, means]."""
    columns = [mean(column) for column in np.asarray(samples, float).T]
    ordered = sorted(columns, key=lambda estimate: estimate.value)
    return ordered[0], ordered[-1]
