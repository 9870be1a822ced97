"""All known defects."""

from tests.mutants import linear, randomness, thermostats

MUTANTS = [*linear.MUTANTS, *thermostats.MUTANTS, *randomness.MUTANTS]
