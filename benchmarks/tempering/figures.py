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
        for result in _distinct(results):
            plain = result.label in PLAIN
            steps = [chunk.step for chunk in result.chunks]
            curve = result.curve(split, problem.score)
            colour = TEMPERING_COLOURS[result.label]
            axes.plot(
                steps,
                curve.mean(axis=1),
                color=colour,
                linestyle="--" if plain else "-",
                linewidth=1.8,
                zorder=3 if plain else 2,  # a dashed line leaves one below it to be seen
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
    panels[0].set_ylabel(f"{problem.unit}, mean and range over seeds")
    figure.suptitle(problem.title)
    figure.legend(loc="outside right center", frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def noise_magnitude(results: Sequence[Result], problem: Problem, path: pathlib.Path) -> bool:
    """1 / g(alpha) of CTLD after every step, one line per seed; returns whether CTLD ran."""
    results = [result for result in _distinct(results) if result.name == CTLD]
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
        for switch in _switches(result):
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


def _distinct(results: Sequence[Result]) -> list[Result]:
    """Without those that share the runs of one before: CTLD may choose SGD's learning rate."""
    return [
        result
        for number, result in enumerate(results)
        if not any(result.chunks is other.chunks for other in results[:number])
    ]


def _switches(result: Result) -> list[int]:
    """The steps after which the next stage began."""
    pairs = zip(result.chunks, result.chunks[1:], strict=False)
    return [before.step for before, after in pairs if after.stage > before.stage]
