"""All known defects."""

from tests.mutants import (
    batches,
    curvature,
    entropy,
    ladder,
    layers,
    linear,
    prediction,
    randomness,
    readings,
    replicas,
    sampler,
    samples,
    santa,
    tempering,
    thermostats,
    validation,
)

MUTANTS = [
    *batches.MUTANTS,
    *curvature.MUTANTS,
    *entropy.MUTANTS,
    *ladder.MUTANTS,
    *layers.MUTANTS,
    *linear.MUTANTS,
    *thermostats.MUTANTS,
    *randomness.MUTANTS,
    *prediction.MUTANTS,
    *readings.MUTANTS,
    *replicas.MUTANTS,
    *sampler.MUTANTS,
    *samples.MUTANTS,
    *santa.MUTANTS,
    *tempering.MUTANTS,
    *validation.MUTANTS,
]
