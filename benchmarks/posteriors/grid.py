"""One grid for all: steps in units of the fastest motion, frictions in those of the slowest."""

import itertools
import math

import numpy as np

from benchmarks.posteriors.problem import Method
from benchmarks.posteriors.targets import Target

STEPS = (0.1, 0.25, 0.5, 0.9, 1.3, 1.8)
FRICTIONS = (0.3, 1.0, 3.0, 10.0)
ALONE = tuple(np.geomspace(0.03, 1.8, len(STEPS) * len(FRICTIONS)))  # as many for one number


def units(method: Method, target: Target) -> tuple[float, float]:
    """(1 / the largest frequency, the smallest frequency) of a target, as the method moves.

    With gradients g the frequency of a parameter of curvature k is sqrt(k). RMSprop's metric,
    1 / sqrt(mean g^2), makes it (k / T)^(1/4).
    """
    assert target.truth is not None
    stiff = target.truth.curvature
    soft = target.temperature / target.truth.spread**2
    if method.units == "metric":
        fourth = target.temperature**0.25
        return fourth / stiff**0.25, soft**0.25 / fourth
    return 1 / math.sqrt(stiff), math.sqrt(soft)


def rows(method: Method, target: Target) -> np.ndarray:
    """The settings to search: [settings, (step, friction)]."""
    step, friction = units(method, target)
    multiples = {
        "both": itertools.product(STEPS, FRICTIONS),
        "step": ((multiple, 1.0) for multiple in ALONE),
        "nothing": ((1.0, 1.0),),
    }[method.searched]
    return np.array(list(multiples)) * (step, friction)
