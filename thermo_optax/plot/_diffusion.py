"""How far replicas went from their start, in the order of a hyperparameter or not."""

from typing import TYPE_CHECKING

import numpy as np

from thermo_optax.diagnostics import DiffusionReading

from . import _canvas as canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize

COLORS = "viridis"  # dark to bright in print, and for any kind of colour vision


def diffusion(
    reading: DiffusionReading, *, label: str = "hyperparameter", ax: "Axes | None" = None
) -> "Axes":
    r"""Draws the distance of replicas from their start over the steps, one colour for each value.

    .. math::
        t \mapsto d_k(t) = \lVert W_k(t) - W_k(0) \rVert_2

    Both scales are logarithmic, so free diffusion is parallel to the dotted line. Of several seeds
    the mean is drawn, and its standard error as a shade.

    Args:
        reading: what `diagnostics.diffusion` returns.
        label: name of the hyperparameter, for the colour bar.
        ax: matplotlib axes to draw on; None makes a figure.

    Returns:
        The axes; ``ax.figure.savefig("diffusion.png")`` writes the picture.

    Raises:
        ModuleNotFoundError: without matplotlib.
        ValueError: if no step or no distance is positive.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> steps = jnp.arange(1.0, 100.0)
        >>> rates = jnp.linspace(0.1, 0.8, 8)
        >>> reading = to.diagnostics.diffusion(rates * jnp.sqrt(steps)[:, None], rates, steps)
        >>> ax = to.plot.diffusion(reading, label="learning rate")
        >>> ax.get_ylabel()
        'distance from the start'

    References:
        Pushkarov, Efroni, Maksymenko and Koch-Janusz, `Training Deep Neural Networks by optimizing
        over nonlocal paths in hyperparameter space <https://arxiv.org/abs/1909.04013>`_, 2019,
        figure 1.
    """
    steps, values = np.asarray(reading.steps, float), np.asarray(reading.values, float)
    distances = np.asarray(reading.distances, float)
    later = steps > 0
    steps, distances = steps[later], np.where(distances > 0, distances, np.nan)[later]
    if not np.any(np.isfinite(distances)):
        raise ValueError(
            "`reading` has no positive distance at a positive step, and the scales are "
            "logarithmic. Record the distances after some steps of training."
        )
    ax = canvas.axes(ax, 6.4, 4.0)
    from matplotlib import colormaps  # after the axes, which tell who has no matplotlib
    from matplotlib.cm import ScalarMappable

    norm = _norm(values)
    mean = distances.mean(axis=1)
    num_seeds = distances.shape[1]
    error = distances.std(axis=1, ddof=1) / num_seeds**0.5 if num_seeds > 1 else None
    for k in np.argsort(values):
        color = colormaps[COLORS](norm(values[k]))
        if error is not None:
            shade = (np.maximum(mean - error, mean / 10)[:, k], (mean + error)[:, k])
            ax.fill_between(steps, *shade, color=color, alpha=0.25, linewidth=0)
        ax.plot(steps, mean[:, k], color=color, linewidth=1.3)
    ax.set_xscale("log")
    ax.set_yscale("log")
    _guide(ax, steps, mean)
    ax.set_xlabel("step")
    ax.set_ylabel("distance from the start")
    verdict = "in order" if bool(reading.eligible) else "not in order"
    ax.set_title(f"{verdict}: rank correlation {float(reading.correlation[-1]):.2f}", fontsize=10)
    bar = ax.figure.colorbar(ScalarMappable(norm, COLORS), ax=ax, label=label)
    ticks = np.unique(values)
    bar.set_ticks(list(ticks[:: -(-len(ticks) // 10)]))
    bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:.3g}")
    bar.minorticks_off()
    return ax


def _norm(values: np.ndarray) -> "Normalize":
    """Colours in proportion to the values, or to their logarithms where they span much."""
    from matplotlib.colors import LogNorm, Normalize

    low, high = float(values.min()), float(values.max())
    return LogNorm(low, high) if 0 < 5 * low < high else Normalize(low, high)


def _guide(ax: "Axes", steps: np.ndarray, mean: np.ndarray) -> None:
    """A line of free diffusion, below the curves."""
    with np.errstate(invalid="ignore"):
        scale = 0.8 * np.nanmin(mean / np.sqrt(steps)[:, None])
    ax.plot(steps, scale * np.sqrt(steps), ":", color=canvas.GREY, label="∝ √step")
    ax.legend(loc="upper left", framealpha=0.9)
