"""Defects of the names of layers, and of what layers are given."""

from tests.mutants.mutant import Mutant

PATHS = "_base/_trees.py"
LABELS = "partitions/_labels.py"
SELECTORS = "partitions/_selectors.py"

MUTANTS = [
    Mutant(
        "layers: an array called value taken for a box of Flax",
        PATHS,
        "            paths.append(names)",
        '            paths.append(names[:-1] if names[-1:] == ("value",) else names)',
        ("partitions/test_labels.py::test_an_array_may_be_called_value",),
    ),
    Mutant(
        "layers: a normalisation layer selected without a word",
        LABELS,
        "        warn_of_normalisation(groups, layers, arrays)",
        "        pass",
        ("partitions/test_labels.py::test_a_position_that_means_a_normalisation_layer_warns",),
    ),
    Mutant(
        "layers: Haiku's normalisation not known by its names",
        SELECTORS,
        '        {"scale", "offset"},\n',
        "",
        ("partitions/test_labels.py::test_normalisation_layers_of_every_library",),
    ),
    Mutant(
        "layers: names of a dict stay sorted by letters",
        SELECTORS,
        "by_letters = list(names) == sorted(names)",
        "by_letters = False",
        ("partitions/test_labels.py::test_the_order_of_layers",),
    ),
    Mutant(
        "layers: fields are sorted by their numbers",
        SELECTORS,
        "by_letters = list(names) == sorted(names)",
        "by_letters = True",
        ("partitions/test_labels.py::test_the_order_of_layers",),
    ),
]
