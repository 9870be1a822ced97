"""Axes to draw on. matplotlib is imported here, when a picture is drawn, and nowhere earlier.

Figures are made without `pyplot`, which would keep every one of them alive and open windows.
"""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

# Okabe and Ito's palette: told apart with any kind of colour vision.
BLUE, VERMILION, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#999999"
SKY, YELLOW, ORANGE, PINK = "#56B4E9", "#F0E442", "#E69F00", "#CC79A7"


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure; the sizes are in inches."""
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "thermo_optax.plot draws with matplotlib, which is not installed: "
            "pip install 'thermo_optax[plot]'",
            name="matplotlib",
        ) from error
    return Figure(figsize=(width, height), layout="constrained")


def axes(ax: "Axes | None", width: float = 6.4, height: float = 3.6) -> "Axes":
    """The axes that were passed, or those of a new figure."""
    return new_figure(width, height).add_subplot() if ax is None else ax


def count_steps(ax: "Axes", last: int) -> None:
    """Makes the horizontal axis one of steps, up to the last one or the end of a longer line."""
    ax.set_xlabel("step")
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.locator_params(axis="x", nbins=6)
    ends = [np.max(line.get_xdata(), initial=0) for line in ax.get_lines()]
    ax.set_xlim(0, max([last, *ends]))


def label_less_than_a_decade(axis: "Axis") -> None:
    """Ticks of a logarithmic axis at 1, 2 and 5: where it is short, one tick would not do."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}"))
    axis.set_minor_locator(NullLocator())
