"""Means of correlated chains, with their standard errors."""

import math
from typing import NamedTuple

import numpy as np

WINDOW, SHORTEST = 6, 10  # correlation times, and steps, over which correlations are summed
BATCHES = 20


class Mean(NamedTuple):
    """The mean of several chains of one quantity."""

    value: float
    standard_error: float
    effective_sample_size: float
    rhat: float  # of chains that are split in halves


def mean_of(series: np.ndarray, *, shared: bool = False) -> Mean:
    """From an array [chain, step].

    The variance contains that between chains, so that chains that disagree have a large error. The
    sum of correlations ends at six times the correlation time that it gives, as Sokal proposes. A
    sum that ends where correlations vanish would not do, because those of a chain with inertia
    swing. The spread of the means of twenty batches of each chain sees what is slower than the
    window; the larger error counts.

    With `shared` the chains may have something in common in each step, as the batch of that step,
    and several know no more of it than one. The error is then at least that of their mean, taken as
    one chain.
    """
    series = np.asarray(series, np.float64)
    chains, steps = series.shape
    centred = series - series.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(centred, 2 * steps, axis=1)
    covariance = np.fft.irfft(np.abs(spectrum) ** 2, axis=1)[:, :steps].mean(axis=0) / steps
    within = covariance[0] * steps / (steps - 1)
    pooled = covariance[0] + (float(np.var(series.mean(axis=1), ddof=1)) if chains > 1 else 0.0)
    if not pooled > 0:
        return Mean(float(series.mean()), 0.0, float(series.size), 1.0)
    correlation = 1 - (within - covariance) / pooled
    times = 2 * np.cumsum(correlation) - correlation[0]
    enough = np.arange(steps) >= np.maximum(WINDOW * times, SHORTEST)
    time = float(times[int(np.argmax(enough)) if np.any(enough) else -1])
    time = max(time, 1 / math.log10(series.size))
    size = series.size / time
    batches = series[:, : steps // BATCHES * BATCHES].reshape(chains * BATCHES, -1).mean(axis=1)
    size = min(size, pooled / float(np.var(batches, ddof=1)) * len(batches))
    if shared and chains > 1:
        common = mean_of(series.mean(axis=0, keepdims=True)).standard_error
        size = min(size, pooled / common**2) if common else size
    return Mean(float(series.mean()), math.sqrt(pooled / size), size, _rhat(series))


def _rhat(series: np.ndarray) -> float:
    half = series.shape[1] // 2
    halves = np.concatenate([series[:, :half], series[:, -half:]])
    within = float(np.var(halves, axis=1, ddof=1).mean())
    between = float(np.var(halves.mean(axis=1), ddof=1))
    if not within > 0:  # chains that stand still agree where all stand at one place
        return 1.0 if between == 0 else math.inf
    return math.sqrt((half - 1) / half + between / within)
