"""All known defects."""

from tests.mutants import curvature, entropy, linear, randomness, santa, tempering, thermostats

MUTANTS = [
    *curvature.MUTANTS,
    *entropy.MUTANTS,
    *linear.MUTANTS,
    *thermostats.MUTANTS,
    *randomness.MUTANTS,
    *santa.MUTANTS,
    *tempering.MUTANTS,
]
