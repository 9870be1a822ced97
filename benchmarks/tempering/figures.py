"""Pictures: how the heat of CTLD's bath moves."""

import pathlib
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np

from benchmarks.engine import figures
from benchmarks.engine.comparison import Tuned
from benchmarks.engine.problem import Problem
from benchmarks.tempering.methods import CTLD


def noise_magnitude(results: Sequence[Tuned], problem: Problem, path: pathlib.Path) -> bool:
    """1 / g(alpha) of CTLD after every step, one line per seed; returns whether CTLD ran."""
    results = [result for result in figures.distinct(results) if result.name == CTLD]
    if not results:
        return False
    figure, panels = plt.subplots(
        len(results),
        1,
        figsize=(11, 2.4 * len(results) + 1),
        layout="constrained",
        squeeze=False,
        sharex=True,
        sharey=True,
    )
    for axes, result in zip(panels[:, 0], results, strict=True):
        noise = while_sampling(result)
        for seed, line in enumerate(noise.T):
            axes.plot(np.arange(1, len(line) + 1), line, linewidth=1, label=f"seed {seed}")
        figures.mark_switches(axes, result)
        axes.set_title(f"{result.label}, learning rate {result.learning_rate:g}", fontsize=10)
        axes.set_ylabel("1 / g(α)")
        figures.over_steps(axes, "; no line where there is no noise")
        axes.set_xlim(right=len(noise))
        axes.label_outer()
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", frameon=False)
    figure.suptitle(f"{problem.title}: heat of CTLD's bath, in units of the temperature")
    figures.save(figure, path)
    return True


def while_sampling(result: Tuned) -> np.ndarray:
    """What CTLD's thermometer read, [steps, seeds]; NaN once a stage samples no more."""
    noise = result.per_step("temperature").astype(float)
    sampled = max(1, int(result.stage_steps * result.row["sampling_share"]))
    noise[np.arange(len(noise)) % result.stage_steps >= sampled] = np.nan
    return noise
