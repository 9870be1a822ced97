"""Defects of the diagnostics of curvature."""

from tests.mutants.mutant import Mutant

OBJECTIVE = "diagnostics/_objective.py"
EIGENVALUES = "diagnostics/_eigenvalues.py"
SPECTRUM = "diagnostics/_spectrum.py"
FLATNESS = "diagnostics/_flatness.py"
SURFACES = "diagnostics/_surfaces.py"

MUTANTS = [
    Mutant(
        "curvature: squares of very small or large Hessians are lost",
        "_base/_scalars.py",
        "jnp.clip(exponent, -100, 100)",
        "0 * exponent",
        ("diagnostics/test_spectrum.py::test_hessians_in_any_unit",),
    ),
    Mutant(
        "curvature: weights do not come back to their devices",
        OBJECTIVE,
        "return structure.unflatten(map(xla.laid_out, leaves, places))",
        "return structure.unflatten(leaves)",
        ("diagnostics/test_explicit_axes.py::test_as_on_one_device[product]",),
    ),
    Mutant(
        "curvature: losses of half precision averaged in half precision",
        OBJECTIVE,
        "lambda s, one: s + share * _wide(one), sums",
        "lambda s, one: (s.astype(one.dtype) + share * one).astype(s.dtype), sums",
        ("diagnostics/test_surfaces.py::test_losses_of_half_precision_are_averaged_in_full",),
    ),
    Mutant(
        "curvature: batches of different sizes count alike",
        OBJECTIVE,
        "    return shape[1] if len(shape) > 1 else 1",
        "    return 1",
        ("diagnostics/test_hessian.py::test_product_is_that_of_the_whole_matrix",),
    ),
    Mutant(
        "curvature: Lanczos goes on where there is nothing left",
        SPECTRUM,
        "    goes_on = rest > 10 * jnp.finfo(rest.dtype).eps * images",
        "    goes_on = rest == rest",
        ("diagnostics/test_spectrum.py::test_few_different_eigenvalues",),
    ),
    Mutant(
        "curvature: standard errors of single probes",
        SPECTRUM,
        "ddof=1) / len(samples) ** 0.5",
        "ddof=1)",
        ("diagnostics/test_spectrum.py::test_trace_has_the_error_that_it_states",),
    ),
    Mutant(
        "curvature: weights of the quadrature are not squared",
        SPECTRUM,
        "weights = jnp.square(vectors[0])",
        "weights = jnp.abs(vectors[0])",
        ("diagnostics/test_spectrum.py::test_spectrum_of_a_network",),
    ),
    Mutant(
        "curvature: the lowest eigenvalues are not kept",
        EIGENVALUES,
        "from_low = np.arange(bottom + spare_low)",
        "from_low = 1 + np.arange(bottom + spare_low)",
        ("diagnostics/test_eigenvalues.py::test_of_bowls",),
    ),
    Mutant(
        "curvature: a search that is never dead",
        EIGENVALUES,
        "exhausted = coupling <= 10 * eps * norm_of(image)",
        "exhausted = coupling < 0",
        ("diagnostics/test_eigenvalues.py::test_of_bowls",),
    ),
    Mutant(
        "curvature: a million terms in a row",
        EIGENVALUES,
        "value = inner_product(vector, image)",
        "value = jnp.vdot(vector, image)",
        ("diagnostics/test_eigenvalues.py::test_of_a_million_weights",),
    ),
    Mutant(
        "curvature: noise with one sign only",
        FLATNESS,
        "point - scale * noise, data)",
        "point + scale * noise, data)",
        ("diagnostics/test_flatness.py::test_relative_noise_is_in_units_of_each_tensor",),
    ),
    Mutant(
        "curvature: filters by their inputs",
        SURFACES,
        "if a != output_axis % array.ndim",
        "if a == output_axis % array.ndim",
        ("diagnostics/test_surfaces.py::test_filters_have_the_norms_of_the_networks",),
    ),
]
