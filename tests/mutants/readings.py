"""Defects of what reads states: thermometers, names, and the refusal of several chains."""

from tests.mutants.mutant import Mutant

STATES = "_base/_trees.py"
THERMOMETERS = "diagnostics/_thermometers.py"
TESTS = "diagnostics/test_thermometers.py"
CONTAINERS = ("contract/test_readers.py::test_readings_do_not_depend_on_the_container",)

MUTANTS = [
    Mutant(
        "readings: masked samplers in a chain not told apart by their place",
        THERMOMETERS,
        "kinds = jax.tree_util.DictKey, jax.tree_util.SequenceKey",
        "kinds = (jax.tree_util.DictKey,)",
        (f"{TESTS}::test_masked_samplers_in_a_chain",),
    ),
    Mutant(
        "readings: the momenta of replicas pooled",
        THERMOMETERS,
        "check_one([node for _, node in found])",
        "check_one([])",
        (f"{TESTS}::test_replicas_are_read_one_by_one",),
    ),
    Mutant(
        "readings: gradients of other shapes broadcast",
        THERMOMETERS,
        "if place not in tree or jnp.shape(tree[place]) != jnp.shape(array):",
        "if place not in tree:",
        (f"{TESTS}::test_nothing_is_broadcast",),
    ),
    Mutant(
        "readings: the variables of the parameters are lost",
        STATES,
        "return jax.tree.map(lambda _: array, param) if is_variable(param) else array",
        "return array",
        CONTAINERS,
    ),
    Mutant(
        "plots: the longest line is cut off",
        "plot/_canvas.py",
        "max([last, *ends])",
        "last",
        ("plot/test_training.py::test_the_longest_line_shows_as_a_whole",),
    ),
    Mutant(
        "plots: points of another class than 0 and 1 are left out",
        "plot/_training.py",
        "not np.all(np.isin(labels, (0, 1)))",
        "False",
        ("plot/test_training.py::test_level_sets_show_the_plane_and_the_points",),
    ),
    Mutant(
        "plots: chains that left are no minima",
        "plot/_coefficients.py",
        "downhill = np.array([not one.is_minimum for one in found])",
        "downhill = np.isnan(values)",
        ("plot/test_coefficients.py::test_coefficients_of_chains_that_left_are_said_to_have_left",),
    ),
    Mutant(
        "plots: a plateau of one step has no area",
        "plot/_coefficients.py",
        "linewidth=8 if one_step else 0",
        "linewidth=0",
        ("plot/test_coefficients.py::test_a_plateau_of_one_step_shows",),
    ),
    Mutant(
        "plots: small losses of one colour",
        "plot/_surfaces.py",
        "high = max(finite.max(), low + 1e-6 * abs(low)) or 1e-12",
        "high = max(finite.max(), low + 1e-6 * abs(low) + 1e-12)",
        ("plot/test_curvature.py::test_small_losses_have_all_colours",),
    ),
    Mutant(
        "plots: logits taken for probabilities",
        "plot/_training.py",
        "if chance.size != len(points) or outside.size:",
        "if False:",
        ("plot/test_training.py::test_level_sets_show_the_plane_and_the_points",),
    ),
    Mutant(
        "plots: chains taken for steps",
        "plot/_training.py",
        "if values.ndim != 1 or not values.size:",
        "if not values.size:",
        ("plot/test_training.py::test_a_thermometer_shows_what_was_set",),
    ),
    Mutant(
        "eigenvalues: the tolerance is over what is asked for alone",
        "diagnostics/_eigenvalues.py",
        "scale=jnp.maximum(search.scale, jnp.max(jnp.abs(values))),",
        "scale=jnp.maximum(search.scale * 0, jnp.max(jnp.abs(values[kept]))),",
        ("diagnostics/test_eigenvalues.py::test_one_end_alone_is_as_easy_as_both",),
    ),
    Mutant(
        "readings: draws in a small unit have no range",
        "diagnostics/_arviz.py",
        "return np.ldexp(wide, -exponent)",
        "return wide",
        ("diagnostics/test_arviz.py::test_effective_number_in_any_unit",),
    ),
]
