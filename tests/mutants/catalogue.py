"""All known defects."""

from tests.mutants import linear, randomness, santa, tempering, thermostats

MUTANTS = [
    *linear.MUTANTS,
    *thermostats.MUTANTS,
    *randomness.MUTANTS,
    *santa.MUTANTS,
    *tempering.MUTANTS,
]
