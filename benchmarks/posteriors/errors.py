"""How far a chain's moments are from the truth, and the gradients until they are near."""

from typing import NamedTuple

import numpy as np

from benchmarks.posteriors.chains import THROWN, Sums

NEAR = 0.1  # in standard deviations of the truth


class Errors(NamedTuple):
    """Of each chain at the end of each block, over the chain without its first fifth."""

    mean: np.ndarray  # [chains, blocks], root mean square over the observables
    deviation: np.ndarray
    largest: np.ndarray  # of any observable's mean or deviation


def errors(sums: Sums) -> Errors:
    """Estimates after n gradients use the blocks from n / 5 on; infinite without any sample."""
    chains, blocks = sums.weight.shape
    rows = np.arange(chains)[:, None]
    last = np.arange(1, blocks + 1)[None]
    first = np.stack([np.searchsorted(g, g / THROWN, side="right") for g in sums.gradients])

    def window(values):
        with np.errstate(invalid="ignore", over="ignore"):
            total = np.concatenate([np.zeros_like(values[:, :1]), np.cumsum(values, 1)], 1)
            return total[rows, last] - total[rows, first]

    weight = window(sums.weight)[..., None]
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        mean = window(sums.first) / weight
        square = window(sums.second) / weight
        deviation = np.sqrt(np.maximum(square - mean**2, 0)) - 1
        worst = np.maximum(np.abs(mean), np.abs(deviation))
        found = (
            np.sqrt(np.mean(mean**2, -1)),
            np.sqrt(np.mean(deviation**2, -1)),
            worst.max(-1),
        )
    return Errors(*(np.where(np.isfinite(one), one, np.inf) for one in found))


def gradients_until(error: np.ndarray, gradients: np.ndarray, near: float = NEAR) -> np.ndarray:
    """For each chain the gradients after which its error stays below `near`; infinite if never."""
    blocks = error.shape[1]
    far = error >= near
    settled = np.where(far.any(1), blocks - np.argmax(far[:, ::-1], 1), 0)
    chains = np.arange(len(error))
    reached = gradients[chains, np.minimum(settled, blocks - 1)].astype(float)
    return np.where(settled < blocks, reached, np.inf)


def both(found: Errors) -> np.ndarray:
    """The larger one of the two root mean square errors."""
    return np.maximum(found.mean, found.deviation)


def quartiles(values: np.ndarray) -> tuple[float, float, float]:
    """Of numbers that may be infinite, without averaging neighbours."""
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75), method="higher")
    return float(middle), float(low), float(high)


def ranking(found: Errors, gradients: np.ndarray, chains: int) -> np.ndarray:
    """The settings of rows [settings x chains], best first, as all chains of each together say.

    Their errors' root mean square comes below `near` first; if none does, it ends lowest.
    """
    shape = (-1, chains, found.mean.shape[1])
    with np.errstate(over="ignore"):
        joint = np.sqrt(np.mean(both(found).reshape(shape) ** 2, 1))
    reached = gradients_until(joint, gradients[: len(joint)])
    return np.lexsort((joint[:, -1], reached))
