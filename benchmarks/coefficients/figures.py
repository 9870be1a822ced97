"""Errors against the exact values, and the sweep."""

import pathlib
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

from benchmarks.engine.figures import save
from thermo_optax import plot

mpl.use("Agg")


def errors(rows: list[Any], path: pathlib.Path) -> None:
    """Measured over exact, with bars of two standard errors."""
    figure, axes = plt.subplots(figsize=(8, 0.45 * len(rows) + 1.3), layout="constrained")
    places = np.arange(len(rows))[::-1]
    for row, place in zip(rows, places, strict=True):
        bar = 200 * row.found.standard_error / row.exact
        axes.errorbar(row.error, place, xerr=bar, fmt="o", color="#0072B2", capsize=3)
    axes.axvline(0, color="0.4", linewidth=0.8)
    axes.axvspan(-3, 3, color="0.9", zorder=0)
    axes.set_yticks(places, [row.model.title for row in rows])
    axes.set_xlabel("error in %, bars of two standard errors; grey: 3 %")
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, -6), max(high, 6))
    axes.grid(axis="x", alpha=0.3)
    save(figure, path)


def calibration(found: Any, exact: float | None, path: pathlib.Path) -> None:
    """Value over step, by precision."""
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    plot.calibration(found, exact=exact, ax=axes)
    save(figure, path)


def trace(found: Any, path: pathlib.Path) -> None:
    """The losses of the chains."""
    figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
    plot.loss_trace(found, ax=axes)
    save(figure, path)
