"""The geometry of the planar problems, in the readings that the published accuracies need."""

import numpy as np
import pytest

from benchmarks.data import spiral, trigonometric


def arms(points, labels):
    """All spiral points turned onto the arm of class 0: radius and angle."""
    x, y = np.where(labels[:, None] == 1, -points, points).T
    return np.hypot(x, y), np.arctan2(y, x)


@pytest.mark.parametrize("exponent", [0.5, 1.0])
def test_the_spiral_winds_four_times_and_class_1_is_its_reflection(exponent):
    data = spiral(0, exponent=exponent, noise=0.0)
    radius, angle = arms(data.train_points, data.train_labels)
    assert data.train_points.shape == (500, 2)
    assert data.test_points.shape == (1000, 2)
    # r = 2 s and angle = 2 pi 4 s with the same s: the angle is 4 pi r, up to whole turns.
    turns = (4 * np.pi * radius - angle) / (2 * np.pi)
    np.testing.assert_allclose(turns, np.round(turns), atol=1e-4)
    assert radius.max() < 2
    assert np.mean(data.train_labels) == 0.5


def test_the_exponent_says_how_the_points_are_spread():
    even, central = (
        arms(*spiral(1, exponent=exponent, train=20_000, noise=0.0)[:2])[0]
        for exponent in (0.5, 1.0)
    )
    # Uniform over the disc: a quarter of the points within half the radius; else a half.
    assert np.mean(even < 1) == pytest.approx(0.25, abs=0.02)
    assert np.mean(central < 1) == pytest.approx(0.5, abs=0.02)


def test_the_trigonometric_classes_have_five_periods():
    data = trigonometric(0, noise=0.0)
    x, y = data.train_points.T
    assert data.train_points.shape == data.test_points.shape == (1000, 2)
    assert 0 <= x.min() < 0.1 and 9.9 < x.max() < 10
    expected = np.where(data.train_labels == 1, np.sin(np.pi * x), np.cos(np.pi * x))
    np.testing.assert_allclose(y, expected, atol=1e-5)
    ordered = y[data.train_labels == 0][np.argsort(x[data.train_labels == 0])]
    assert np.count_nonzero(np.diff(np.sign(ordered))) == 10


def test_the_literal_reading_of_the_text_is_half_a_period():
    data = trigonometric(0, argument="t", noise=0.0)
    x, y = data.train_points[data.train_labels == 0].T
    assert np.count_nonzero(np.diff(np.sign(y[np.argsort(x)]))) == 1


@pytest.mark.parametrize("draw", [spiral, trigonometric])
def test_seeds_differ_and_repeat_and_noise_is_small(draw):
    once, again, other = draw(3), draw(3), draw(4)
    for first, second in zip(once, again, strict=True):
        np.testing.assert_array_equal(first, second)
        assert first.dtype == np.float32
    assert not np.allclose(once.train_points, other.train_points)
    assert not np.allclose(once.train_points[:500], once.test_points[:500])


def test_noise_has_its_standard_deviation():
    x, y = trigonometric(5, train=20_000).train_points.T
    labels = trigonometric(5, train=20_000).train_labels
    clean = np.where(labels == 1, np.sin(np.pi * x), np.cos(np.pi * x))
    assert np.std(y - clean) == pytest.approx(0.02, rel=0.03)
