"""Pictures: learning curves, and how the heat of CTLD's bath moves."""

import pathlib
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import FuncFormatter

from benchmarks.figures import COLOURS
from benchmarks.tempering.comparison import CURVE_SPLITS, Result
from benchmarks.tempering.methods import CTLD, CTLD_LIKE_SGD
from benchmarks.tempering.problem import Problem

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


def learning_curves(results: Sequence[Result], problem: Problem, path: pathlib.Path) -> None:
    """The score on training and test data against steps: mean over seeds, band of the extremes."""
    figure, panels = plt.subplots(
        1, 2, figsize=(12, 4.6), layout="constrained", sharex=True, sharey=True
    )
    for split, axes in zip(CURVE_SPLITS, panels, strict=True):
        for result in results:
            steps = [chunk.step for chunk in result.chunks]
            curve = result.curve(split, problem.score)
            colour = TEMPERING_COLOURS[result.label]
            axes.plot(
                steps,
                curve.mean(axis=1),
                color=colour,
                linestyle="--" if result.label in PLAIN else "-",
                linewidth=1.8,
                label=result.label if split == CURVE_SPLITS[0] else None,
            )
            axes.fill_between(
                steps, curve.min(axis=1), curve.max(axis=1), color=colour, alpha=0.15, linewidth=0
            )
        for switch in _switches(results[0]):
            axes.axvline(switch, color="0.6", linewidth=0.8, linestyle=":")
        axes.set_title(f"{'training' if split == 'train' else split} data")
        axes.set_xlabel("gradient evaluations per network")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.set_yscale("log")
        for side in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
            side(FuncFormatter(lambda value, _: f"{value:.3g}"))
        axes.set_xlim(left=0)
        axes.grid(alpha=0.3, which="both")
    panels[0].set_ylabel(f"{problem.unit}, mean and range of seeds")
    figure.suptitle(problem.title)
    figure.legend(loc="outside right center", frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def noise_magnitude(results: Sequence[Result], problem: Problem, path: pathlib.Path) -> bool:
    """1 / g(alpha) of CTLD after every step, one line per seed; returns whether CTLD ran."""
    results = [result for result in results if result.name == CTLD]
    if not results:
        return False
    figure, panels = plt.subplots(
        len(results),
        1,
        figsize=(10, 2.6 * len(results) + 0.6),
        layout="constrained",
        squeeze=False,
        sharex=True,
        sharey=True,
    )
    for axes, result in zip(panels[:, 0], results, strict=True):
        magnitude = result.per_step("temperature")
        for seed, line in enumerate(magnitude.T):
            axes.plot(
                np.arange(1, len(line) + 1), line, linewidth=0.9, alpha=0.8, label=f"seed {seed}"
            )
        for switch in _switches(result):
            axes.axvline(switch, color="0.6", linewidth=0.8, linestyle=":")
        axes.set_title(f"{result.label} ({result.learning_rate:g})", fontsize=10)
        axes.set_ylabel("noise 1 / g(α)")
        axes.grid(alpha=0.3)
    panels[-1, 0].set_xlabel("gradient evaluations per network")
    panels[-1, 0].xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    panels[-1, 0].set_xlim(left=0)
    panels[0, 0].legend(loc="upper right", fontsize=8)
    figure.suptitle(f"{problem.title}: heat of CTLD's bath")
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return True


def _switches(result: Result) -> list[int]:
    """The steps after which the next stage began."""
    pairs = zip(result.chunks, result.chunks[1:], strict=False)
    return [before.step for before, after in pairs if after.stage > before.stage]
