"""Pictures: how the heat of CTLD's bath moves."""

import pathlib
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np

from benchmarks.engine import figures
from benchmarks.engine.comparison import Tuned
from benchmarks.engine.problem import Problem
from benchmarks.tempering.methods import CTLD, CTLD_COLD

READABLE = 2_000  # steps in one line; more would fill the panel


def noise_magnitude(results: Sequence[Tuned], problem: Problem, path: pathlib.Path) -> bool:
    """1 / g(alpha) of CTLD over the steps, one line per seed; returns whether CTLD ran.

    A long run shows means over windows of steps.
    """
    results = [result for result in figures.distinct(results) if result.name in (CTLD, CTLD_COLD)]
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
        window = 1 if len(noise) <= READABLE else -(-len(noise) // (READABLE // 4))
        ends = np.arange(window, len(noise) + 1, window)
        means = noise[: ends[-1]].reshape(len(ends), window, -1).mean(axis=1)
        for seed, line in enumerate(means.T):
            axes.plot(ends, line, linewidth=1, label=f"seed {seed}")
        figures.mark_switches(axes, result)
        shown = f"; means of {window:,} steps" if window > 1 else ""
        axes.set_title(
            f"{result.label}, learning rate {result.learning_rate:g}{shown}", fontsize=10
        )
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
