"""The loss along a line, and on a plane."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from thermo_optax.diagnostics import LossLine, LossSurface

from . import _canvas as canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def loss_line(
    line: LossLine,
    *,
    names: tuple[str, str] = ("first", "second"),
    ax: "Axes | None" = None,
) -> "Axes":
    r"""Draws the loss on the line through two solutions, with the barrier between them.

    .. math::
        t \mapsto L\big((1 - t)\, x_1 + t\, x_2\big)

    Args:
        line: what `diagnostics.loss_line` returns.
        names: of the two solutions.
        ax: matplotlib axes to draw on; None makes a figure.

    Returns:
        The axes; ``ax.figure.savefig("line.png")`` writes the picture.

    Raises:
        ModuleNotFoundError: without matplotlib.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> def loss(x):
        ...     return jnp.sum((x**2 - 1) ** 2)
        >>> line = to.diagnostics.loss_line(loss, jnp.array([-1.0]), jnp.array([1.0]))
        >>> ax = to.plot.loss_line(line)
        >>> ax.get_ylabel()
        'loss'

    References:
        Goodfellow, Vinyals and Saxe, `Qualitatively characterizing neural network optimization
        problems <https://arxiv.org/abs/1412.6544>`_, 2015, figure 1.
    """
    positions, losses = np.asarray(line.positions, float), np.asarray(line.losses, float)
    ends = np.asarray(line.ends, float)
    ax = canvas.axes(ax)
    ax.plot(positions, losses, color=canvas.BLUE, label=f"distance {float(line.distance):.3g}")
    barrier = f"barrier {float(line.barrier):.3g}"
    ax.plot([0, 1], ends, "--", color=canvas.GREY, linewidth=1, label=barrier)
    for place, marker, name in zip((0, 1), "os", names, strict=True):
        ax.plot(place, ends[place], marker, color=canvas.VERMILION, label=name, zorder=3)
    ax.set_xlabel("position t on the line")
    ax.set_ylabel("loss")
    ax.set_xlim(positions[0], positions[-1])
    ax.legend(framealpha=0.9, fontsize="small")
    return ax


def loss_surface(
    surface: LossSurface,
    *,
    marks: Mapping[str, tuple[float, float]] | None = None,
    num_levels: int = 25,
    log: bool = True,
    ax: "Axes | None" = None,
) -> "Axes":
    r"""Draws the loss on a plane as a map, with lines of equal loss.

    .. math::
        (a, b) \mapsto L(x + a\, d_1 + b\, d_2)

    Args:
        surface: what `diagnostics.loss_surface` returns.
        marks: places (a, b) to mark, by their name; None marks x, at (0, 0).
        num_levels: number of levels of equal loss, at least 2.
        log: whether the levels have equal ratios, which needs positive losses, or equal distances.
        ax: matplotlib axes to draw on; None makes a figure.

    Returns:
        The axes.

    Raises:
        ModuleNotFoundError: without matplotlib.
        ValueError: if a loss is not positive on a logarithmic scale, or none is finite.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> def loss(w):
        ...     return 0.1 + jnp.sum((w - 1) ** 2)
        >>> surface = to.diagnostics.loss_surface(loss, jnp.ones((3, 2)), num_points=9, key=0)
        >>> ax = to.plot.loss_surface(surface)
        >>> ax.get_xlabel()
        'along the first direction'

    References:
        Li, Xu, Taylor, Studer and Goldstein, `Visualizing the loss landscape of neural nets
        <https://arxiv.org/abs/1712.09913>`_, 2018.
    """
    first, second, losses = (np.asarray(values, float) for values in surface)
    finite = losses[np.isfinite(losses)]
    if not finite.size:
        raise ValueError("`surface` has no finite loss: look closer to the solution.")
    if log and finite.min() <= 0:
        raise ValueError(
            f"`surface` has the least finite loss {finite.min()}: a logarithmic scale needs "
            "positive losses. Pass `log=False`."
        )
    # A map of one colour still needs two levels.
    low = finite.min()
    high = max(finite.max(), low + 1e-6 * abs(low)) or 1e-12
    levels = (np.geomspace if log else np.linspace)(low, high, num_levels)
    ax = canvas.axes(ax, 5.4, 4.4)
    figure = ax.figure
    shown = np.ma.masked_invalid(losses.T)  # rows of a picture are the vertical axis
    filled = ax.contourf(first, second, shown, levels, cmap="viridis", norm=_norm(log, low, high))
    ax.contour(first, second, shown, levels[::2], colors="white", linewidths=0.4)
    bar = figure.colorbar(filled, ax=ax, label="loss")
    _label(bar.ax, log, low, high)
    for index, (name, (a, b)) in enumerate(({"x": (0.0, 0.0)} if marks is None else marks).items()):
        color = (canvas.VERMILION, canvas.SKY, canvas.YELLOW)[index % 3]
        marker = "os^"[index % 3]
        ax.plot(a, b, marker, color=color, markeredgecolor="black", label=name, zorder=3)
    if marks:
        ax.legend(framealpha=0.9, fontsize="small")
    ax.set_xlabel("along the first direction")
    ax.set_ylabel("along the second direction")
    return ax


def _norm(log: bool, low: float, high: float):
    from matplotlib.colors import LogNorm, Normalize

    return (LogNorm if log else Normalize)(low, high)


def _label(bar: "Axes", log: bool, low: float, high: float) -> None:
    """Ticks within the range of the bar: at round losses if it spans decades."""
    ticks = (np.geomspace if log else np.linspace)(low, high, 6)
    bar.set_yticks(ticks, [f"{tick:.3g}" for tick in ticks])
    bar.set_yticks([], minor=True)
