"""Pictures of learning coefficients: they show the values, and mark what is none."""

import io

import numpy as np
import pytest

import thermo_optax as to
from thermo_optax.thermodynamics._report import summary

pytest.importorskip("matplotlib")


def made(value, heat=1.0, chains=4):
    """A result whose loss wanders around a value, at the temperature 0.1."""
    random = np.random.default_rng(int(min(abs(value), 1e3)))
    rises = 0.1 * (value + random.normal(size=(chains, 1_000)))
    settings = {"num_weights": 100, "temperature": 0.1, "paired_batches": True}
    settings |= {"gradient_norm": 0.0, "curvature": 1.0, "loss": 3.0, "precision": 1.0}
    return summary(rises, np.full_like(rises, heat), np.ones_like(rises), 0.1, settings)


def draw(ax):
    """As a file: layout and fonts are wrong only then."""
    file = io.BytesIO()
    ax.figure.savefig(file)
    assert file.getvalue().startswith(b"\x89PNG")


def test_loss_trace_shows_chains_and_the_mean():
    found = made(5.0)
    ax = to.plot.loss_trace(found)
    *chains, mean = ax.get_lines()
    assert len(chains) == 4
    assert mean.get_ydata()[0] == found.value
    assert np.mean(chains[0].get_ydata()) == pytest.approx(found.chains[0])
    assert ax.get_legend_handles_labels()[1] == [found.in_words]
    draw(ax)
    draw(to.plot.loss_trace(made(-5.0)))


def test_coefficients_mark_what_is_no_minimum():
    found = to.LearningCoefficients((made(-300.0), made(5.0), made(6.0)))
    ax = to.plot.coefficients(found, steps=[0, 10, 20])
    shown = ax.containers[0].lines[0].get_ydata()
    np.testing.assert_array_equal(shown, found.values)
    (cross,) = (line for line in ax.get_lines() if line.get_label() == "not a minimum")
    assert list(cross.get_xdata()) == [0]
    beside = ax.figure.axes[1]
    np.testing.assert_allclose(beside.get_lines()[0].get_ydata(), 3.0)
    assert ax.get_xlabel() == "step of training"
    draw(ax)
    draw(to.plot.coefficients(found))
    with pytest.raises(ValueError, match=r"`steps` must be one number for each of 3"):
        to.plot.coefficients(found, steps=[1, 2])


def test_coefficients_of_chains_that_left_are_said_to_have_left():
    """They may be minima."""
    found = to.LearningCoefficients((made(-300.0), made(5.0), made(np.inf)))
    ax = to.plot.coefficients(found)
    marks = {line.get_label(): list(line.get_xdata()) for line in ax.get_lines()}
    assert marks["not a minimum"] == [0] and marks["all chains left"] == [2]
    draw(ax)


def test_a_plateau_of_one_step_shows():
    rows = ((made(5.0), made(5.01)), (made(8.0), made(12.0)))
    found = to.LearningCoefficientSweep(np.array([0.5, 1.0]), np.array([1, 10]), rows, True)
    assert found.plateau is not None and found.plateau.steps == (0.5, 0.5)
    ax = to.plot.calibration(found)
    (band,) = (area for area in ax.collections if area.get_label() == "plateau")
    assert band.get_linewidth()[0] > 0  # its area is 0
    draw(ax)


def test_calibration_shows_lines_hot_points_and_the_plateau():
    rows = (
        (made(5.0), made(6.0)),
        (made(5.01), made(7.0)),
        (made(5.02), made(8.0, heat=1.5)),
    )
    found = to.LearningCoefficientSweep(np.array([0.5, 1.0, 1.5]), np.array([1, 10]), rows, True)
    ax = to.plot.calibration(found, exact=5.0)
    labels = set(ax.get_legend_handles_labels()[1])
    assert labels == {"plateau", "exact", "precision 1", "precision 10"}
    hollow = [line for line in ax.get_lines() if line.get_markerfacecolor() == "white"]
    assert [tuple(line.get_xdata()) for line in hollow] == [(), (1.5,)]
    assert "from the curvature" in ax.get_xlabel()
    draw(ax)
