"""Defects of the names of layers, and of what layers are given."""

from tests.mutants.mutant import Mutant

PATHS = "_base/_paths.py"
LABELS = "partitions/_labels.py"

MUTANTS = [
    Mutant(
        "layers: an array called value taken for a box of Flax",
        PATHS,
        "            paths.append(names)",
        '            paths.append(names[:-1] if names[-1:] == ("value",) else names)',
        ("partitions/test_labels.py::test_an_array_may_be_called_value",),
    ),
]
