"""Defects of the predicted bias: its maps, its noise, its sums."""

from tests.mutants.mutant import Mutant

PREDICTION = "diagnostics/_prediction.py"
TESTS = "diagnostics/test_prediction.py"
WORDS = (f"{TESTS}::test_words",)

MUTANTS = [
    Mutant(
        "prediction: the noise of momentum and position independent",
        PREDICTION,
        "jnp.outer(shared, shared) +",
        "jnp.diag(shared**2) +",
        WORDS,
    ),
    Mutant(
        "prediction: the second bath has no noise",
        PREDICTION,
        " + jnp.outer(alone, alone)",
        "",
        WORDS,
    ),
    Mutant(
        "prediction: the old momentum does not move the parameters",
        PREDICTION,
        "a.from_new * a.retain + from_old",
        "a.from_new * a.retain",
        WORDS,
    ),
    Mutant(
        "prediction: the heat of SGHMC for an exact bath",
        PREDICTION,
        "jnp.sqrt(2 * (1 - momentum))",
        "jnp.sqrt(1 - momentum**2)",
        (f"{TESTS}::test_sghmc",),
    ),
    Mutant(
        "prediction: the present counted twice",
        PREDICTION,
        "later = matrix @ jnp.linalg.solve(one - matrix, of_x)",
        "later = jnp.linalg.solve(one - matrix, of_x)",
        (f"{TESTS}::test_overdamped",),
    ),
    Mutant(
        "prediction: a frictionless chain has a law",
        PREDICTION,
        " & (1 - det > 8 * jnp.finfo(det.dtype).eps)",
        " & (det < 2)",
        (f"{TESTS}::test_what_has_no_law",),
    ),
    Mutant(
        "prediction: a spectrum counts each probe as the whole",
        PREDICTION,
        "curvature.weights / len(curvature.nodes)",
        "curvature.weights",
        (f"{TESTS}::test_spectrum",),
    ),
]
