"""Pictures of a comparison: its learning curves."""

import pathlib
from collections.abc import Collection, Mapping, Sequence

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, LogLocator

from benchmarks.engine.comparison import CURVE_SPLITS, Result
from benchmarks.engine.problem import Problem

mpl.use("Agg")

# Okabe and Ito's palette: told apart with any kind of colour vision, and the same for a method in
# every picture. Methods with a temperature also differ by their line style, for print in grey.
COLOURS = {
    "SGD": "#999999",
    "RMSprop": "#56B4E9",
    "Adam": "#0072B2",
    "Adam, default betas": "#0072B2",
    "Adam, tuned betas": "#000000",
    "SGLD": "#009E73",
    "Langevin": "#E69F00",
    "LOL": "#D55E00",
    "AdLaLa": "#CC79A7",
}


def learning_curves(
    results: Sequence[Result],
    problem: Problem,
    path: pathlib.Path,
    colours: Mapping[str, str],
    plain: Collection[str] = (),
) -> None:
    """The score on training and test data against steps: mean over seeds, band of the extremes.

    `colours` go by label; what is in `plain`, trained without heat, has dashed lines.
    """
    figure, panels = plt.subplots(
        1, 2, figsize=(12, 4.6), layout="constrained", sharex=True, sharey=True
    )
    for split, axes in zip(CURVE_SPLITS, panels, strict=True):
        for result in distinct(results):
            dashed = result.label in plain
            steps = [chunk.step for chunk in result.chunks]
            curve = result.curve(split, problem.score)
            colour = colours[result.label]
            axes.plot(
                steps,
                curve.mean(axis=1),
                color=colour,
                linestyle="--" if dashed else "-",
                linewidth=1.8,
                zorder=3 if dashed else 2,  # a dashed line leaves one below it to be seen
                label=result.label if split == CURVE_SPLITS[0] else None,
            )
            axes.fill_between(
                steps, curve.min(axis=1), curve.max(axis=1), color=colour, alpha=0.15, linewidth=0
            )
        for switch in switches(results[0]):
            axes.axvline(switch, color="0.6", linewidth=0.8, linestyle=":")
        axes.set_title(f"{'training' if split == 'train' else split} data")
        axes.set_xlabel("gradient evaluations per network")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.set_yscale("log")
        for side in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
            side(FuncFormatter(lambda value, _: f"{value:.3g}"))
        low, high = axes.get_ylim()
        if high > 50 * low:  # labels at every digit would overlap
            axes.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
        axes.set_xlim(left=0)
        axes.grid(alpha=0.3, which="both")
    panels[0].set_ylabel(f"{problem.unit}, mean and range over seeds")
    figure.suptitle(problem.title)
    figure.legend(loc="outside right center", frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def distinct(results: Sequence[Result]) -> list[Result]:
    """Without those that share the runs of one before: two labels may have one learning rate."""
    return [
        result
        for number, result in enumerate(results)
        if not any(result.chunks is other.chunks for other in results[:number])
    ]


def switches(result: Result) -> list[int]:
    """The steps after which the next stage began."""
    pairs = zip(result.chunks, result.chunks[1:], strict=False)
    return [before.step for before, after in pairs if after.stage > before.stage]
