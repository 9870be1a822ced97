"""Defects of the predicted bias: its maps, its noise, its sums."""

from tests.mutants.mutant import Mutant

PREDICTION = "diagnostics/_prediction.py"
HARMONIC = "diagnostics/_harmonic.py"
TESTS = "diagnostics/test_prediction.py"
WORDS = (f"{TESTS}::test_words",)

MUTANTS = [
    Mutant(
        "prediction: the noise of momentum and position independent",
        HARMONIC,
        "jnp.outer(shared, shared) +",
        "jnp.diag(shared**2) +",
        WORDS,
    ),
    Mutant(
        "prediction: the second bath has no noise",
        HARMONIC,
        " + jnp.outer(alone, alone)",
        "",
        WORDS,
    ),
    Mutant(
        "prediction: the old momentum does not move the parameters",
        HARMONIC,
        "a.from_new * a.retain + from_old",
        "a.from_new * a.retain",
        WORDS,
    ),
    Mutant(
        "prediction: the heat of SGHMC for an exact bath",
        HARMONIC,
        "jnp.sqrt(2 * (1 - momentum) * mass)",
        "jnp.sqrt((1 - momentum**2) * mass)",
        (f"{TESTS}::test_sghmc",),
    ),
    Mutant(
        "prediction: SGHMC without its mass",
        HARMONIC,
        "AffineStep(momentum, h, noise, h / mass, jnp.zeros_like(h))",
        "AffineStep(momentum, h, noise, h, jnp.zeros_like(h))",
        (f"{TESTS}::test_sghmc",),
    ),
    Mutant(
        "prediction: a mass that the method does not have is ignored",
        PREDICTION,
        "_check_unused(method, splitting, mass)\n",
        "",
        (f"{TESTS}::test_bad_input",),
    ),
    Mutant(
        "prediction: the present counted twice",
        HARMONIC,
        "2 * sum_of_x / (k * x) - 1",
        "2 * sum_of_x / (k * x) + 1",
        (f"{TESTS}::test_overdamped",),
    ),
    Mutant(
        "prediction: a frictionless chain has a law",
        HARMONIC,
        " & (stays > 8 * jnp.finfo(det.dtype).eps)",
        "",
        (f"{TESTS}::test_what_has_no_law",),
    ),
    Mutant(
        "prediction: a nearly flat direction is unstable",
        HARMONIC,
        "(pulled > 0)",
        "(1 - trace + det > 0)",
        (f"{TESTS}::test_nearly_flat_directions",),
    ),
    Mutant(
        "prediction: a spectrum counts each probe as the whole",
        PREDICTION,
        "curvature.weights / len(curvature.nodes)",
        "curvature.weights",
        (f"{TESTS}::test_spectrum",),
    ),
]
