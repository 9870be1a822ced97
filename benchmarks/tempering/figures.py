"""Pictures: how the heat of CTLD's bath moves."""

import pathlib
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import FuncFormatter

from benchmarks.engine.comparison import Result
from benchmarks.engine.figures import COLOURS, distinct, switches
from benchmarks.engine.problem import Problem
from benchmarks.tempering.methods import CTLD, CTLD_LIKE_SGD

# Of the same palette as every other picture; what is trained without heat has dashed lines.
TEMPERING_COLOURS = {
    "SGD with momentum": COLOURS["SGD"],
    "RMSprop": COLOURS["RMSprop"],
    "Adam": COLOURS["Adam"],
    "AnnealSGD": COLOURS["SGLD"],
    "Santa": COLOURS["Langevin"],
    "CTLD": COLOURS["LOL"],
    CTLD_LIKE_SGD: COLOURS["AdLaLa"],
}
PLAIN = ("SGD with momentum", "RMSprop", "Adam")


def noise_magnitude(results: Sequence[Result], problem: Problem, path: pathlib.Path) -> bool:
    """1 / g(alpha) of CTLD after every step, one line per seed; returns whether CTLD ran."""
    results = [result for result in distinct(results) if result.name == CTLD]
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
        for switch in switches(result):
            axes.axvline(switch, color="0.6", linewidth=0.8, linestyle=":")
        axes.set_title(f"{result.label}, learning rate {result.learning_rate:g}", fontsize=10)
        axes.set_ylabel("1 / g(α)")
        axes.set_xlim(0, len(noise))
        axes.grid(alpha=0.3)
    panels[-1, 0].set_xlabel("gradient evaluations per network; no line where there is no noise")
    panels[-1, 0].xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", frameon=False)
    figure.suptitle(f"{problem.title}: heat of CTLD's bath, in units of the temperature")
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return True


def while_sampling(result: Result) -> np.ndarray:
    """What CTLD's thermometer read, [steps, seeds]; NaN once a stage samples no more."""
    noise = result.per_step("temperature").astype(float)
    sampled = max(1, int(result.stage_steps * result.row["sampling_share"]))
    noise[np.arange(len(noise)) % result.stage_steps >= sampled] = np.nan
    return noise
