"""Pictures: accuracy against steps, and what the planar classifiers have learnt."""

import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, LinearSegmentedColormap

from benchmarks.data import PlanarData
from benchmarks.engine import figures
from benchmarks.layers.comparison import Best

# Blue and vermilion of that palette for the two classes: pale for the areas, dark for the points.
AREAS, POINTS = ("#5FAAD6", "#F0A26B"), ("#00456B", "#8A3B00")
GRID_POINTS = 240


def learning_curves(
    results: Sequence[Best], path: pathlib.Path, title: str, *, errors: bool = False
) -> None:
    """Test accuracy, or error, against steps: mean over seeds, and a band of +- one std."""
    figure, axes = plt.subplots(figsize=(8.5, 4.6), layout="constrained")
    best_last = sorted(results, key=lambda result: result.accuracy.mean())
    plain = [r.label for r in results if "temperature" not in " ".join(r.method.settings[0])]
    lines = figures.styles([result.label for result in results], plain)
    for order, result in enumerate(best_last):
        curve = result.accuracy_curve
        scores = 100 * (1 - curve if errors else curve)
        figures.band(
            axes,
            result.series("step"),
            scores,
            deviation=True,
            linewidth=2,
            zorder=3 + order,
            label=f"{result.label}, {scores[-1].mean():.{2 if errors else 1}f} %",
            **lines[result.label],
        )
    axes.set_title(title)
    axes.set_ylabel(f"test {'error' if errors else 'accuracy'} (%), mean ± std over seeds")
    if errors:
        figures.log_scores(axes)
    figures.over_steps(axes)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside right center", frameon=False)
    figures.save(figure, path, dpi=120)


def level_sets(
    results: Sequence[Best],
    networks: Mapping[str, Any],
    apply: Callable,
    data: PlanarData,
    path: pathlib.Path,
    title: str,
) -> None:
    """One panel per method: the network of its median seed, and the points it was trained on.

    `networks` have leaves [settings, seeds, ...]; `apply(params, points)` gives their logits.
    """
    columns = min(4, len(results))
    rows = -(-len(results) // columns)
    figure, panels = plt.subplots(
        rows,
        columns,
        figsize=(2.9 * columns + 0.8, 2.9 * rows + 0.5),
        layout="constrained",
        squeeze=False,
        sharex=True,
        sharey=True,
    )
    points, labels = data[:2]
    low, high = points.min(axis=(0, 1)), points.max(axis=(0, 1))
    margin = 0.08 * (high - low)
    x, y = (
        np.linspace(a, b, GRID_POINTS) for a, b in zip(low - margin, high + margin, strict=True)
    )
    grid = np.stack(np.meshgrid(x, y), axis=-1).astype(np.float32)
    probability = jax.jit(lambda params: jax.nn.sigmoid(apply(params, grid)[..., 0]))
    levels = np.linspace(0, 1, 11)
    shades = LinearSegmentedColormap.from_list("classes", [AREAS[0], "white", AREAS[1]])
    for panel, result in zip(panels.flat, results, strict=False):
        seed = int(np.argsort(result.accuracy)[len(result.accuracy) // 2])
        params = jax.tree.map(lambda leaf: leaf[result.best, seed], networks[result.label])  # noqa: B023
        panel.contourf(x, y, probability(params), levels, cmap=shades)
        for label, colour in enumerate(POINTS):
            chosen = points[seed][labels[seed] == label]
            panel.plot(*chosen.T, ".", color=colour, markersize=2)
        panel.set_title(f"{result.label}: {100 * result.accuracy[seed]:.1f} %", fontsize=10)
    for panel in panels.flat[len(results) :]:
        panel.axis("off")
    figure.supxlabel("x", fontsize=10)
    figure.supylabel("y", fontsize=10)
    figure.suptitle(f"{title}: probability of class 1 and the training points, median seed")
    scale = ScalarMappable(BoundaryNorm(levels, shades.N), shades)
    figure.colorbar(scale, ax=panels, label="probability of class 1", shrink=0.8)
    figures.save(figure, path)
