"""All known defects."""

from tests.mutants import (
    curvature,
    entropy,
    ladder,
    layers,
    linear,
    randomness,
    replicas,
    samples,
    santa,
    tempering,
    thermostats,
)

MUTANTS = [
    *curvature.MUTANTS,
    *entropy.MUTANTS,
    *ladder.MUTANTS,
    *layers.MUTANTS,
    *linear.MUTANTS,
    *thermostats.MUTANTS,
    *randomness.MUTANTS,
    *replicas.MUTANTS,
    *samples.MUTANTS,
    *santa.MUTANTS,
    *tempering.MUTANTS,
]
