"""Error against gradients, a panel for each target."""

import pathlib

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.lines import Line2D

from benchmarks.engine.figures import save
from benchmarks.posteriors.errors import NEAR
from benchmarks.posteriors.measurement import Job, Result
from benchmarks.posteriors.targets import TARGETS, named
from thermo_optax import plot

mpl.use("Agg")
LINES = ("-", "--", ":", "-.")
COLOURS = {  # of those that have no colour in the package
    "warm_up": "#000000",
    "warm_up, no masses": "#000000",
    "blackjax.csgld": "#D55E00",
    "blackjax.mclmc": "#0072B2",
    "blackjax.nuts": "#777777",
}


def curves(results: dict[Job, Result], path: pathlib.Path, batches: str = "full") -> bool:
    """The larger one of the two errors, median over chains; False where nothing was measured."""
    shown = {job: result for job, result in results.items() if job.batches == batches}
    targets = [name for name in TARGETS if any(job.target == name for job in shown)]
    if not targets:
        return False
    styles = _styles(list(dict.fromkeys(job.method for job in shown)))
    across = min(3, len(targets))
    down = -(-len(targets) // across)
    figure, panels = plt.subplots(
        down,
        across,
        figsize=(max(9, 4.3 * across), 3.4 * down + 1.4),
        layout="constrained",
        squeeze=False,
    )
    for name, axes in zip(targets, panels.flat, strict=False):
        for job, result in shown.items():
            if job.target != name:
                continue
            error = np.maximum(result.curves["mean"], result.curves["deviation"])
            seen = np.isfinite(error)
            axes.plot(np.array(result.gradients)[seen], error[seen], **styles[job.method])
        axes.axhline(NEAR, color="0.5", linewidth=0.8)
        axes.set(xscale="log", yscale="log", ylim=(0.01, 3), title=named(name).title)
        axes.set_xlim(left=50)
        axes.title.set_fontsize(9)
        axes.grid(alpha=0.3)
    for axes in panels.flat[len(targets) :]:
        axes.set_axis_off()
    for axes in panels[:, 0]:
        axes.set_ylabel("error, in standard deviations")
    for axes in panels[-1]:
        axes.set_xlabel("gradients of a chain")
    handles = [Line2D([], [], label=name, **style) for name, style in styles.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    save(figure, path)
    return True


def _styles(names: list[str]) -> dict[str, dict]:
    """A method's colour; the second one of a colour is dashed, and so on."""
    found: dict[str, dict] = {}
    for name in names:
        colour = COLOURS.get(name) or plot.colour_of(name.removeprefix("blackjax."))
        used = sum(style["color"] == colour for style in found.values())
        found[name] = {
            "color": colour,
            "linestyle": LINES[used % len(LINES)],
            "linewidth": 1.0 if name.startswith("blackjax.") else 1.5,
        }
    return found
