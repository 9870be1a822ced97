"""What the project promises of its methods on the planar problems, at full length."""

import jax
import numpy as np
import pytest

from benchmarks.engine.training import Meter, Trainer
from benchmarks.layers import planar, settings

SEEDS = range(20)


def final_accuracies(problem, names):
    """Mean test accuracy of each method's best setting, and AdLaLa's temperature ratio."""
    plan = settings.PROBLEMS[problem]
    problem = planar.problem(plan, planar.draw(plan, SEEDS))
    accuracies, temperatures, meter = {}, [], Meter(problem)
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        for name in names:
            method = plan.methods[name]
            trainer = Trainer(problem, method, plan.steps // 4)
            runs = trainer.train(method.settings, SEEDS, chunks=4, examples=problem.examples)
            for chunk in runs:
                measured = meter(chunk.params, ("test",))["test"]
                accuracies[name] = 100 * np.max(np.mean(measured["accuracy"], axis=1))
                if name == "adlala":
                    temperatures.append(
                        np.mean(chunk.temperature, axis=0)
                        / method.settings[0]["hidden_temperature"]
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
