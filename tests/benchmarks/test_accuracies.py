"""What the project promises of its methods on the planar problems, at full length."""

import jax
import numpy as np
import pytest

from benchmarks.layers import settings
from benchmarks.layers.training import train

SEEDS = range(20)


def final_accuracies(problem, names):
    """Mean test accuracy of each method's best setting, and AdLaLa's temperature ratio."""
    problem = settings.PROBLEMS[problem]
    task, accuracies, temperatures = problem.task(SEEDS), {}, []
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        for name in names:
            method = problem.methods[name]
            for chunk in train(task, method, seeds=SEEDS, steps=problem.steps, chunks=4):
                accuracies[name] = 100 * np.max(np.mean(chunk.test_accuracy, axis=1))
                if name == "adlala":
                    temperatures.append(
                        chunk.temperature / method.settings[0]["hidden_temperature"]
                    )
    return accuracies, np.mean(temperatures[1:], axis=0)


@pytest.mark.slow
def test_adlala_and_lol_beat_adam_on_the_spiral():
    accuracies, temperatures = final_accuracies("spiral", ["adam", "lol", "adlala"])
    assert min(accuracies["adlala"], accuracies["lol"]) > 88
    assert min(accuracies["adlala"], accuracies["lol"]) > accuracies["adam"] + 10
    np.testing.assert_allclose(temperatures, 1, atol=0.02)


@pytest.mark.slow
def test_adlala_beats_adam_on_the_trigonometric_problem():
    accuracies, temperatures = final_accuracies("trig", ["adam", "adlala"])
    assert accuracies["adlala"] > accuracies["adam"] + 6
    np.testing.assert_allclose(temperatures, 1, atol=0.02)
