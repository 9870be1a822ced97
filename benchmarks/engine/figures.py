"""Pictures: learning curves, and what all pictures share: colours, bands, axes of steps."""

import pathlib
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator

from benchmarks.engine.comparison import CURVE_SPLITS, Tuned
from benchmarks.engine.problem import Problem
from thermo_optax import plot

mpl.use("Agg")

VARIANTS = ("-", ":", "-.", (0, (1, 3)))  # the lines of a method and of its variants
DEEPEST = 1_000  # the largest score over the least that is shown: an error may fall to 0


def colour_of(label: str) -> str:
    """The colour of a method, the same in every picture; variants share that of their method."""
    return plot.colour_of("nesterov" if "nesterov" in label.lower() else label.split(" with ")[0])


def styles(labels: Iterable[str], plain: Collection[str]) -> dict[str, dict[str, Any]]:
    """Colour and line of each: dashed for what is in `plain`, trained without heat.

    Every further variant of a method has a line of its own.
    """
    found: dict[str, dict[str, Any]] = {}
    for label in labels:
        lines = ("--", *VARIANTS[1:]) if label in plain else VARIANTS
        looks = [{"color": colour_of(label), "linestyle": line} for line in lines]
        found[label] = next((look for look in looks if look not in found.values()), looks[-1])
    return found


def learning_curves(
    results: Sequence[Tuned],
    problem: Problem,
    path: pathlib.Path,
    plain: Collection[str] = (),
) -> None:
    """The score on training and test data against steps: mean over seeds, band of the extremes.

    What is in `plain`, trained without heat, has dashed lines.
    """
    figure, panels = plt.subplots(1, 2, figsize=(12, 4.6), layout="constrained", sharex=True)
    shown = distinct(results)
    lines = styles([result.label for result in shown], plain)
    for split, axes in zip(CURVE_SPLITS, panels, strict=True):
        for result in shown:
            band(
                axes,
                result.series("step"),
                result.curve(split, problem.score),
                linewidth=1.8,
                # A dashed line leaves one below it to be seen.
                zorder=3 if result.label in plain else 2,
                label=result.label if split == CURVE_SPLITS[0] else None,
                **lines[result.label],
            )
        mark_switches(axes, results[0])
        axes.set_title(f"{'training' if split == 'train' else split} data")
        over_steps(axes)
        log_scores(axes)
        low, high = axes.get_ylim()
        low = axes.set_ylim(bottom=max(low, high / DEEPEST))[0]
        if high > 50 * low:  # labels at every digit would overlap
            axes.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
    panels[0].set_ylabel(f"{problem.unit}, mean and range over seeds")
    figure.suptitle(problem.title)
    figure.legend(loc="outside right center", frameon=False)
    save(figure, path)


def band(
    axes: Any, x: Any, curves: np.ndarray, *, deviation: bool = False, alpha: float = 0.15, **line
) -> None:
    """The mean of curves [x, seeds] as a line, and a band of their range or +- one deviation."""
    mean, spread = curves.mean(axis=1), curves.std(axis=1)
    low, high = (
        (mean - spread, mean + spread) if deviation else (curves.min(axis=1), curves.max(axis=1))
    )
    axes.plot(x, mean, **line)
    axes.fill_between(x, low, high, color=line["color"], alpha=alpha, linewidth=0)


def log_scores(axes: Any) -> None:
    """A logarithmic axis upwards, with plain numbers."""
    axes.set_yscale("log")
    for side in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
        side(FuncFormatter(lambda value, _: f"{value:.3g}"))


def over_steps(axes: Any, note: str = "") -> None:
    """Gradient evaluations to the right, from 0 on, and a grid."""
    axes.set_xlabel(f"gradient evaluations per network{note}")
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=(1, 2, 4, 5, 10)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_xlim(left=0)
    axes.grid(alpha=0.3, which="both")


def save(figure: Any, path: pathlib.Path, *, dpi: int = 110) -> None:
    """Writes the figure, and forgets it."""
    figure.savefig(path, dpi=dpi)
    plt.close(figure)


def distinct(results: Sequence[Tuned]) -> list[Tuned]:
    """Without those that share the runs of one before: two labels may have one learning rate."""
    return [
        result
        for number, result in enumerate(results)
        if not any(result.chunks is other.chunks for other in results[:number])
    ]


def mark_switches(axes: Any, result: Tuned) -> None:
    """A line after the steps at which the next stage began."""
    pairs = zip(result.chunks, result.chunks[1:], strict=False)
    for before in (before for before, after in pairs if after.stage > before.stage):
        axes.axvline(before.step, color="0.6", linewidth=0.8, linestyle=":")
