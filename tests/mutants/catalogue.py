"""All known defects."""

from tests.mutants import curvature, linear, randomness, santa, tempering, thermostats

MUTANTS = [
    *curvature.MUTANTS,
    *linear.MUTANTS,
    *thermostats.MUTANTS,
    *randomness.MUTANTS,
    *santa.MUTANTS,
    *tempering.MUTANTS,
]
