"""Pictures of the sampling benchmarks."""

import pathlib
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

import thermo_optax as to
from benchmarks.sampling import crossing, exploration, mixture
from benchmarks.sampling.hopping import Result


def tempering(result: Result, path: pathlib.Path) -> None:
    """Alpha, bath, histogram and free energy of one chain."""
    figure = Figure(figsize=(10, 6.8), layout="constrained")
    figure.suptitle(f"25 Gaussians, one chain: {result.sampler.label}")
    to.plot.tempering(
        result.example.alphas,
        result.state,
        mixture.T,
        plateau=mixture.PLATEAU,
        edge=mixture.EDGE,
        depth=mixture.DEPTH,
        figure=figure,
    )
    figure.savefig(path, dpi=110)


def samples(results: Sequence[Result], path: pathlib.Path) -> None:
    """What one chain of each sampler says about the law at T: its points at T."""
    figure = Figure(figsize=(4.1 * len(results), 4.9), layout="compressed")
    panels = figure.subplots(1, len(results), sharex=True, sharey=True, squeeze=False)[0]
    ticks = np.unique(mixture.MEANS)
    angle = np.linspace(0, 2 * np.pi, 60)
    circle = mixture.CORE * np.stack([np.cos(angle), np.sin(angle)])
    for panel, result in zip(panels, results, strict=True):
        points, alphas = result.example
        at_t = points[np.abs(alphas) < mixture.PLATEAU]
        for center in mixture.MEANS:
            panel.plot(*(center[:, None] + circle), color="#999999", linewidth=0.7)
        panel.plot(*at_t.T, ".", color="#0072B2", markersize=1.5, alpha=0.4)
        seen = mixture.distinct(mixture.modes(at_t[None]))[0]
        panel.set_title(
            f"{result.sampler.label}\n{len(at_t):,} samples at T, {seen} of 25 modes", fontsize=9
        )
        panel.set(aspect="equal", xticks=ticks, yticks=ticks, xlabel="x")
    panels[0].set_ylabel("y")
    figure.suptitle("One chain each; circles of two standard deviations", fontsize=10)
    figure.savefig(path, dpi=110)


def crossings(results: Sequence[crossing.Result], path: pathlib.Path) -> None:
    """Steps per crossing against the dimension, and the largest exponent that was promised."""
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.add_subplot()
    dimensions = np.array([result.size.dimension for result in results], float)
    steps = np.array([result.crossing.value for result in results])
    errors = np.array([result.crossing.error for result in results])
    axes.errorbar(dimensions, steps, errors, fmt="o", color="#0072B2", label="measured", zorder=3)
    if len(results) > 1:
        fitted = crossing.exponent(results).value
        scale = np.exp(np.mean(np.log(steps) - fitted * np.log(dimensions)))
        label = f"fit, d^{fitted:.2f}"
        axes.plot(dimensions, scale * dimensions**fitted, color="#0072B2", label=label)
    promised = steps[0] * (dimensions / dimensions[0]) ** crossing.LARGEST_EXPONENT
    label = f"d^{crossing.LARGEST_EXPONENT:g}, the most that is accepted"
    axes.plot(dimensions, promised, "--", color="#D55E00", label=label)
    axes.set(xscale="log", yscale="log", xlabel="dimension d", ylabel="steps per crossing")
    axes.set_title('Mode "exact" on a Gaussian: same settings at every d')
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=110)


def explorations(results: Sequence[exploration.Result], path: pathlib.Path) -> None:
    """Alpha in the first seed's run of each kind."""
    shown = [result for result in results if result.seed == results[0].seed]
    figure = Figure(figsize=(9, 2.4 * len(shown)), layout="constrained")
    panels = figure.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
    for panel, result in zip(panels, shown, strict=True):
        to.plot.alpha_trace(
            result.alphas, plateau=exploration.PLATEAU, edge=exploration.EDGE, ax=panel
        )
        panel.set_title(
            f"{result.parameters:,} parameters, start: {result.start}", fontsize=10, loc="left"
        )
        panel.label_outer()
    figure.savefig(path, dpi=110)
