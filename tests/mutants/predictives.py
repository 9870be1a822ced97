"""Defects of the metrics of predictives."""

from tests.mutants.mutant import Mutant

CALIBRATION = "diagnostics/_calibration.py"
TESTS = "diagnostics/test_calibration.py"

MUTANTS = [
    Mutant(
        "predictives: the search for a temperature ends where a softmax rounds to 1",
        CALIBRATION,
        "rising = sure | (slope(middle) > 0)",
        "rising = slope(middle) > 0",
        (f"{TESTS}::test_where_all_are_right_no_temperature_is_too_low",),
    ),
    Mutant(
        "predictives: bins open on the right",
        CALIBRATION,
        "jnp.ceil(confidence * num_bins).astype(jnp.int32) - 1",
        "jnp.floor(confidence * num_bins).astype(jnp.int32)",
        (f"{TESTS}::test_calibration_error_in_bins_counted_by_hand",),
    ),
    Mutant(
        "predictives: gaps that cancel between bins",
        CALIBRATION,
        "jnp.sum(jnp.abs(gaps))",
        "jnp.abs(jnp.sum(gaps))",
        (f"{TESTS}::test_calibration_error_in_bins_counted_by_hand",),
    ),
    Mutant(
        "predictives: each half judged at its own temperature",
        CALIBRATION,
        "total(halves[0], inverse[1]) + total(halves[1], inverse[0])",
        "total(halves[0], inverse[0]) + total(halves[1], inverse[1])",
        (f"{TESTS}::test_each_half_is_judged_at_the_temperature_of_the_other",),
    ),
    Mutant(
        "predictives: the inverse temperature returned",
        CALIBRATION,
        "1 / jnp.stack(inverse)",
        "jnp.stack(inverse)",
        (f"{TESTS}::test_calibrated_log_likelihood_undoes_a_wrong_temperature",),
    ),
    Mutant(
        "predictives: logits under jit have a metric",
        CALIBRATION,
        "return _where_meant(jnp.all(array >= 0, axis=-1) & (jnp.abs(sums - 1) < _OFF), array)",
        "return array",
        (f"{TESTS}::test_what_is_no_predictive_is_not_a_number_under_jit",),
    ),
    Mutant(
        "predictives: a label of no class under jit is the last one",
        CALIBRATION,
        "return _where_meant((classes >= 0) & (classes < array.shape[1]), array), classes",
        "return array, classes",
        (f"{TESTS}::test_what_is_no_predictive_is_not_a_number_under_jit",),
    ),
    Mutant(
        "predictives: twice the total variation",
        CALIBRATION,
        "jnp.sum(jnp.abs(first - second), axis=-1)) / 2",
        "jnp.sum(jnp.abs(first - second), axis=-1))",
        (f"{TESTS}::test_agreement_and_total_variation_by_hand",),
    ),
]
