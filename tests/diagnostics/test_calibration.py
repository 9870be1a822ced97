"""Metrics of predictives, each against a case computed by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thermo_optax as to

said = to.diagnostics
# Confidences 0.9, 0.6, 0.55 and 0.8; the second and the fourth are wrong.
PROBABILITIES = np.array([[0.9, 0.1], [0.4, 0.6], [0.55, 0.45], [0.2, 0.8]])
LABELS = np.array([0, 0, 0, 0])


def test_calibration_error_in_bins_counted_by_hand():
    # Two bins: all confidences lie above 1/2, so that accuracy 1/2 meets confidence 0.7125.
    assert said.calibration_error(PROBABILITIES, LABELS, num_bins=2) == pytest.approx(0.2125)
    # Ten: {0.9: right}, {0.6: wrong, 0.55: right}, {0.8: wrong}, each share times its gap.
    expected = (0.1 + abs(1 - 1.15) + 0.8) / 4
    assert said.calibration_error(PROBABILITIES, LABELS, num_bins=10) == pytest.approx(expected)


def test_a_calibrated_predictive_has_no_error_and_confidence_one_has_a_bin():
    probabilities = np.tile([0.75, 0.25], (8, 1))
    labels = np.array([0, 0, 0, 1] * 2)
    assert said.calibration_error(probabilities, labels) == pytest.approx(0, abs=1e-6)
    sure = np.eye(3)
    assert said.calibration_error(sure, np.arange(3)) == 0
    assert said.calibration_error(sure, np.array([1, 2, 0])) == 1


def test_brier_score_by_hand():
    expected = 2 * (0.1**2 + 0.6**2 + 0.45**2 + 0.8**2) / 4
    assert said.brier_score(PROBABILITIES, LABELS) == pytest.approx(expected)
    assert said.brier_score(np.eye(2)[::-1], np.array([0, 1])) == 2


def test_agreement_and_total_variation_by_hand():
    reference = np.array([[0.7, 0.3], [0.6, 0.4], [0.5, 0.5], [0.0, 1.0]])
    assert said.agreement(PROBABILITIES, reference) == 0.75
    expected = (0.2 + 0.2 + 0.05 + 0.2) / 4
    assert said.total_variation(PROBABILITIES, reference) == pytest.approx(expected)
    assert said.total_variation(np.eye(2), np.eye(2)[::-1]) == 1


def test_calibrated_log_likelihood_undoes_a_wrong_temperature():
    """Both halves hold 3 right ones of 4, so the best confidence is 3/4 whatever was said."""
    labels = np.repeat([0, 0, 0, 1], 2)
    expected = 0.75 * np.log(0.75) + 0.25 * np.log(0.25)
    for confidence in (0.55, 0.75, 0.999):
        probabilities = np.tile([confidence, 1 - confidence], (8, 1))
        found = said.calibrated_log_likelihood(probabilities, labels)
        assert found.log_likelihood == pytest.approx(expected, rel=1e-4)
        temperature = np.log(confidence / (1 - confidence)) / np.log(3)
        np.testing.assert_allclose(found.temperatures, temperature, rtol=1e-2)


def test_where_all_are_right_no_temperature_is_too_low():
    """Rounding would end the search where a softmax is 1 to its last digit, at 0.1 in float32."""
    probabilities, labels = np.tile([0.9, 0.1], (8, 1)), np.zeros(8, int)
    found = said.calibrated_log_likelihood(probabilities, labels)
    np.testing.assert_allclose(found.temperatures, np.exp(-10), rtol=1e-3)
    assert found.log_likelihood == pytest.approx(0, abs=1e-6)
    unsure = said.calibrated_log_likelihood(np.full((8, 2), 0.5), labels)
    assert unsure.log_likelihood == pytest.approx(-np.log(2), rel=1e-5)


def test_each_half_is_judged_at_the_temperature_of_the_other():
    """Even examples are right half of the time, odd ones 3 of 4 times."""
    probabilities = np.tile([0.9, 0.1], (8, 1))
    labels = np.array([0, 0, 0, 0, 1, 0, 1, 1])
    found = said.calibrated_log_likelihood(probabilities, labels)
    # Fitted to the odd ones the confidence is 3/4, and fitted to the even ones 1/2.
    even = 0.5 * np.log(0.75) + 0.5 * np.log(0.25)
    assert found.log_likelihood == pytest.approx((even + np.log(0.5)) / 2, rel=1e-3)


def test_all_run_under_jit_and_in_half_precision():
    probabilities, labels = jnp.asarray(PROBABILITIES, jnp.bfloat16), jnp.asarray(LABELS)

    @jax.jit
    def every(p, y):
        return (
            said.calibration_error(p, y),
            said.brier_score(p, y),
            said.agreement(p, p),
            said.total_variation(p, p),
            said.calibrated_log_likelihood(p, y).log_likelihood,
        )

    found = every(probabilities, labels)
    assert all(value.dtype == jnp.float32 and jnp.isfinite(value) for value in found)
    assert found[1] == pytest.approx(float(said.brier_score(PROBABILITIES, LABELS)), rel=0.02)


@pytest.mark.parametrize(
    ("probabilities", "labels", "error", "message"),
    [
        (PROBABILITIES[0], LABELS, ValueError, r"`probabilities` must be an array \[examples"),
        (3 * PROBABILITIES, LABELS, ValueError, "`probabilities` must hold a distribution"),
        (PROBABILITIES, LABELS[:3], ValueError, "`labels` must name a class for each of the 4"),
        (PROBABILITIES, LABELS + 2, ValueError, "`labels` must be from 0 to 1, got 2 to 2"),
        (PROBABILITIES, LABELS + 0.5, TypeError, "`labels` must be integers"),
    ],
)
def test_what_is_no_predictive_is_refused(probabilities, labels, error, message):
    for metric in (said.calibration_error, said.brier_score, said.calibrated_log_likelihood):
        with pytest.raises(error, match=message):
            metric(probabilities, labels)


@pytest.mark.parametrize("mistake", ["logits", "negative", "too many", "too few"])
def test_what_is_no_predictive_is_not_a_number_under_jit(mistake):
    """A metric of logits, or of labels that count from 1, looks like any other."""
    probabilities, labels = jnp.asarray(PROBABILITIES), jnp.asarray(LABELS)
    if mistake == "logits":
        probabilities = jnp.log(probabilities).at[0].set(2.0)
    elif mistake == "negative":
        probabilities = probabilities.at[0].set(jnp.array([1.5, -0.5]))
    else:
        labels = labels.at[0].set(2 if mistake == "too many" else -1)

    @jax.jit
    def every(p, y):
        of_labels = (
            said.calibration_error(p, y),
            said.brier_score(p, y),
            said.calibrated_log_likelihood(p, y).log_likelihood,
        )
        return jnp.stack(of_labels), jnp.stack([said.agreement(p, p), said.total_variation(p, p)])

    of_labels, of_two = every(probabilities, labels)
    assert np.all(np.isnan(of_labels))
    assert np.all(np.isnan(of_two) == (mistake in ("logits", "negative")))


def test_other_mistakes_are_named():
    with pytest.raises(ValueError, match="`reference` must have the shape"):
        said.agreement(PROBABILITIES, PROBABILITIES[:2])
    with pytest.raises(ValueError, match="`num_bins` must be"):
        said.calibration_error(PROBABILITIES, LABELS, num_bins=0)
    with pytest.raises(TypeError, match="`probabilities` must be real numbers, got complex64"):
        said.brier_score(jnp.asarray(PROBABILITIES, complex), LABELS)
    with pytest.raises(ValueError, match="at least 2 examples"):
        said.calibrated_log_likelihood(PROBABILITIES[:1], LABELS[:1])


def test_other_dtypes_mean_the_same():
    """Images come with labels in uint8, and references may be in float64 or in half precision."""
    bytes_ = LABELS.astype(np.uint8)
    for metric in (said.calibration_error, said.brier_score):
        assert metric(PROBABILITIES, bytes_) == metric(PROBABILITIES, LABELS)
    traced = jax.eval_shape(said.calibration_error, PROBABILITIES, bytes_)
    assert traced.dtype == jnp.float32
    half = jnp.array([[0.5, 0.5], [0.25, 0.75]], jnp.bfloat16)
    with jax.enable_x64(True):
        wide = np.array([[0.75, 0.25], [0.25, 0.75]])
        assert said.total_variation(half, wide) == said.total_variation(wide, half) == 0.125
        assert said.agreement(jnp.asarray(wide, jnp.float32), wide) == 1
