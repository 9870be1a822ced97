"""What the order of minibatches costs on a real posterior, at the same settings."""

import numpy as np
import pytest

from benchmarks.posteriors import chains
from benchmarks.posteriors.problem import problems_of
from benchmarks.posteriors.samplers import OURS
from benchmarks.posteriors.targets import named

CHAINS = 64


def deviations(target, order, step, friction):
    """Standard deviations of the observables over those of the truth; all chains together."""
    run = chains.program(OURS["langevin"], target, problems_of(target, order), target.budget)
    settings = chains.settings_of(np.repeat([[step, friction]], CHAINS, 0))
    sums = run(settings, chains.keys_of(7, CHAINS))
    late = slice(sums.weight.shape[1] // 5, None)
    weight = sums.weight[:, late].sum((0, 1))
    mean, square = (np.sum(x[:, late], (0, 1)) / weight for x in (sums.first, sums.second))
    return np.sqrt(square - mean**2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "longest", "friction"), [("logistic", 1.3, 0.3), ("network", 0.012, 2.0)]
)
def test_without_replacement_the_error_is_less_than_half(name, longest, friction):
    """The same noise and starts as with full batches, so that chance is in none of the errors.

    With replacement the error falls like the step; forward and back it falls like its square.
    """
    target, errors, steps = named(name), {}, (longest, longest / 2)
    for step in steps:
        exact = deviations(target, "full", step, friction)
        for order in ("replacement", "reshuffled", "symmetric"):
            error = deviations(target, order, step, friction) - exact
            errors[order, step] = np.sqrt(np.mean(error**2))
    for step in steps:
        for order in ("reshuffled", "symmetric"):
            assert errors[order, step] < errors["replacement", step] / 2
    falls = {order: errors[order, longest] / errors[order, longest / 2] for order, _ in errors}
    assert falls["replacement"] < 3 < falls["symmetric"]
