"""All known defects."""

from tests.mutants import (
    curvature,
    entropy,
    ladder,
    layers,
    linear,
    masses,
    randomness,
    readings,
    replicas,
    sampler,
    samples,
    santa,
    tempering,
    tethers,
    thermostats,
    validation,
)

MUTANTS = [
    *curvature.MUTANTS,
    *entropy.MUTANTS,
    *ladder.MUTANTS,
    *layers.MUTANTS,
    *linear.MUTANTS,
    *masses.MUTANTS,
    *thermostats.MUTANTS,
    *randomness.MUTANTS,
    *readings.MUTANTS,
    *replicas.MUTANTS,
    *sampler.MUTANTS,
    *samples.MUTANTS,
    *santa.MUTANTS,
    *tempering.MUTANTS,
    *tethers.MUTANTS,
    *validation.MUTANTS,
]
