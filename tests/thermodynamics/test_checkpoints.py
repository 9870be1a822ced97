"""Learning coefficients along a training, and over steps and precisions."""

import dataclasses
import functools
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import thermo_optax as to
from thermo_optax.thermodynamics._chains import run_chains
from thermo_optax.thermodynamics._report import _texts, summary
from thermo_optax.thermodynamics._sweep import LearningCoefficientSweep

SIZE, HEAT = 30, 1e-3
FEW: dict[str, Any] = {"num_examples": 1_000, "key": 0, "temperature": HEAT}


def wells(w):
    """Minima where all coordinates are +1 or -1, and a saddle at 0; `scale` is not measured."""
    return w["scale"] * jnp.sum(jnp.square(jnp.square(w["w"]) - 1))


WEIGHTS = jnp.stack([jnp.zeros(SIZE), jnp.ones(SIZE), -jnp.ones(SIZE)])
SCALES, PRECISION = [1.0, 1.0, 0.01], 10.0


@functools.cache
def measure(precision):
    return to.learning_coefficients(
        wells,
        {"w": WEIGHTS, "scale": jnp.array(SCALES)},
        free={"w": True, "scale": False},
        precision=precision,
        num_steps=4_000,
        **FEW,
    )


@pytest.fixture
def trajectory():
    return measure(PRECISION)


def test_each_checkpoint_has_its_coefficient(trajectory):
    """Wells of curvature 8 or 0.08, not quite harmonic, the second one held by the tether too."""
    k = 8 * np.array(SCALES[1:])
    value = SIZE / 2 * k / (k + PRECISION * HEAT)
    assert len(trajectory) == 3 and [one.is_minimum for one in trajectory] == [False, True, True]
    assert np.isnan(trajectory.values[0]) and np.isnan(trajectory.standard_errors[0])
    np.testing.assert_allclose(trajectory.values[1:], value, rtol=0.03)
    np.testing.assert_allclose(trajectory.losses, [SIZE, 0, 0], atol=1e-6)
    assert trajectory[1].settings["num_weights"] == SIZE


def test_checkpoints_and_precisions_are_one_program(trajectory):
    before = run_chains._cache_size()
    other = measure(1.0)
    assert run_chains._cache_size() == before
    assert other.values[2] > trajectory.values[2]


def test_a_saddle_is_said_in_words(trajectory):
    """Its number is -30,000 or so, and never stands alone."""
    assert trajectory[0].value < -20_000
    lines = str(trajectory).splitlines()
    assert "not a minimum (the loss falls by " in lines[1] and "000" not in lines[1]
    assert lines[2].split()[:2] == ["1", "0"] and "+-" in lines[2]
    first = str(trajectory[0]).splitlines()[0]
    assert first.startswith("no learning coefficient: not a minimum") and "nothing" in first


def test_bad_checkpoints():
    with pytest.raises(ValueError, match=r"`params` must be stacked checkpoints.*\[\(2,\), \(3,\)"):
        to.learning_coefficients(lambda w: 0.0, [jnp.zeros(2), jnp.zeros(3)], **FEW)
    with pytest.raises(ValueError, match="must be stacked checkpoints"):
        to.learning_coefficients(lambda w: 0.0, jnp.zeros([]), **FEW)
    with pytest.raises(ValueError, match="finite at `params`, got nan of checkpoint 1"):
        to.learning_coefficients(lambda w: jnp.sum(w), jnp.array([[0.0], [jnp.nan]]), **FEW)


def quadratic(w):
    return jnp.sum(jnp.logspace(-1, 0, SIZE) * jnp.square(w)) / 2


@pytest.mark.slow
def test_sweep_prints_the_plateau():
    """At a precision of 1 and of 10 the value is the model's; at 10,000 it is the tether's."""
    before = run_chains._cache_size()
    found = to.sweep_learning_coefficient(
        quadratic, jnp.zeros(SIZE), precisions=[1.0, 10.0, 1e4], num_steps=4_000, **FEW
    )
    assert run_chains._cache_size() == before + 1  # 12 settings, one program
    k = np.logspace(-1, 0, SIZE)
    exact = np.array([np.sum(k / (k + p * HEAT)) / 2 for p in found.precisions])
    assert np.all(np.abs(found.values[:3] - exact) < 5 * found.standard_errors[:3])
    plateau = found.plateau
    assert plateau.precisions == (1.0, 10.0) and plateau.steps[0] <= 0.5 and plateau.steps[1] >= 1
    assert abs(plateau.value / exact[0] - 1) < 0.03
    text = str(found)
    assert f"plateau: {plateau.value:.4g}" in text and "precision 1e+04" in text


def made(value, heat=1.0):
    """A result of chains whose loss wanders around a value."""
    random = np.random.default_rng(int(abs(value)))
    settings = {"num_weights": 1e9, "temperature": 1.0, "paired_batches": True}
    settings |= {"gradient_norm": 0.0, "curvature": 1.0, "loss": 0.0, "precision": 1.0}
    rises = value + random.normal(size=(4, 1_000))
    return summary(rises, np.full_like(rises, heat), np.ones_like(rises), 1.0, settings)


def swept(values, heats=None):
    values = np.array(values, float)
    heats = np.ones_like(values) if heats is None else np.array(heats)
    rows = [
        [made(*pair) for pair in zip(*row, strict=True)] for row in zip(values, heats, strict=True)
    ]
    steps, ties = (np.arange(1.0, n + 1) for n in values.shape)
    return LearningCoefficientSweep(steps, ties, tuple(map(tuple, rows)), True)


def test_the_plateau_is_the_largest_rectangle_that_agrees():
    found = swept([[10, 20, 20.2], [15, 20, 20.1], [40, 20.3, 20]])
    assert found.plateau.num_settings == 6
    assert (found.plateau.steps, found.plateau.precisions) == ((1, 3), (2, 3))
    assert "at steps from 1 to 3 and precisions from 2 to 3" in str(found)
    column = swept([[10, 20], [10, 25], [10, 30]])
    assert "The value depends on the precision" in str(column)
    row = swept([[10, 10, 10], [15, 15, 15]])
    assert "The value depends on the step" in str(row)


def test_hot_settings_and_saddles_are_on_no_plateau():
    found = swept([[10, 10], [10, 10]], [[1, 1.5], [1, 1.5]])
    assert found.is_hot.tolist() == [[False, True]] * 2
    assert found.plateau.precisions == (1, 1) and str(found).count("(hot)") == 2
    none = swept([[10, -1_000], [-1_000, 20]])
    assert none.plateau is None and "no plateau" in str(none)
    assert np.isnan(none.values[0, 1]) and "not a minimum" in str(none)


def test_a_value_that_is_negative_by_chance_is_none_of_a_saddle():
    found = made(0.0)
    below = dataclasses.replace(found, value=-found.standard_error)
    assert below.is_minimum and str(below).startswith("learning coefficient -")
    assert below != found  # of two that hold arrays


@pytest.mark.parametrize(("value", "spread", "words"), [(-1, 1, []), (-3, 1, ["negative"])])
def test_a_value_within_its_error_of_0_is_not_called_wrong(value, spread, words):
    """Nor is the ratio of two numbers that may be 0, as of a layer that hardly matters."""
    found = dataclasses.replace(
        made(0.0),
        value=0.01 * value,
        standard_error=0.01 * spread,
        from_variance=0.01,
        from_variance_error=0.01,
        settings={**made(0.0).settings, "paired_batches": False},
    )
    texts = [text for text in _texts(found, 0, 1e-7) if "negative" in text or "times the v" in text]
    assert len(texts) == len(words) and all(word in texts[0] for word in words)
    flat = dataclasses.replace(
        found, value=0.0, standard_error=0.0, from_variance=0.0, from_variance_error=0.0
    )
    assert not any("inf times" in text for text in _texts(flat, 0, 1e-7))
    apart = dataclasses.replace(found, value=0.01, from_variance=0.1)
    assert any("10.00 times the value" in text for text in _texts(apart, 0, 1e-7))


def test_bad_sweeps():
    x = jnp.zeros(3)
    with pytest.raises(ValueError, match="`precisions` must be a list of increasing numbers"):
        to.sweep_learning_coefficient(quadratic, x, precisions=[10.0, 1.0], **FEW)
    with pytest.raises(ValueError, match="`step_sizes` must be a list of increasing numbers"):
        to.sweep_learning_coefficient(quadratic, x, step_sizes=[], **FEW)
    with pytest.raises(ValueError, match="`precision` must be finite and not negative, got -1"):
        to.sweep_learning_coefficient(quadratic, x, precisions=[-1.0], **FEW)
    with pytest.raises(ValueError, match="`devices` is empty"):
        to.learning_coefficient(quadratic, x, devices=[], **FEW)
