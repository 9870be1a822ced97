"""Training: learning curves with bands, what a classifier says, where the weights are, how hot."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from thermo_optax._base import check_positive

from . import _canvas as canvas
from ._colours import colours_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLORS = (canvas.BLUE, canvas.VERMILION, canvas.GREEN, canvas.SKY, canvas.YELLOW, canvas.GREY)
_STYLES = ("-", "--", ":", "-.")
_ROUNDING = 1e-3  # of probabilities, which may be in half precision
ArrayLike = jax.typing.ArrayLike


def learning_curves(
    curves: Mapping[str, ArrayLike],
    *,
    steps: ArrayLike | None = None,
    ylabel: str = "test error in %",
    ax: "Axes | None" = None,
) -> "Axes":
    """Draws the mean over seeds of each method, with a band of one standard deviation.

    Args:
        curves: name of a method -> values, float[seeds, times], or float[times] for one seed.
        steps: the steps of the times, float[times]; None counts them.
        ylabel: what the values are, with its unit.
        ax: matplotlib axes to draw on; None makes a figure.

    Returns:
        The axes.

    Raises:
        ModuleNotFoundError: without matplotlib.
        ValueError: for no curves, values that are not [times] or [seeds, times], or `steps` of
            another number.

    Examples:
        >>> import numpy as np
        >>> import thermo_optax as to
        >>> errors = np.random.default_rng(0).normal(10.0, 1.0, (5, 40))
        >>> ax = to.plot.learning_curves({"SGD": errors, "AdLaLa": errors - 2})
        >>> ax.get_legend_handles_labels()[1]
        ['SGD', 'AdLaLa']

    References:
        Leimkuhler, Matthews and Vlaar, `Partitioned integrators for thermodynamic parameterization
        of neural networks <https://arxiv.org/abs/1908.11843>`_, 2019: its curves are such.
    """
    if not curves:
        raise ValueError("`curves` is empty: pass name -> values, [seeds, times].")
    ax = canvas.axes(ax)
    times = np.arange(1)
    colors = colours_of(list(curves))
    for number, (name, given) in enumerate(curves.items()):
        values = np.atleast_2d(np.asarray(given, float))
        if values.ndim != 2 or not values.size:
            raise ValueError(
                f"`curves[{name!r}]` must be [times] or [seeds, times], got {np.shape(given)}."
            )
        times = np.arange(1, values.shape[1] + 1) if steps is None else np.asarray(steps)
        if times.shape != values.shape[1:]:
            raise ValueError(
                f"`steps` must be one number for each time, got the shape {times.shape} for "
                f"`curves[{name!r}]` of shape {np.shape(given)}. Draw curves that were recorded at "
                "other steps in a call of their own, on the same `ax`."
            )
        color = colors[number]
        style = _STYLES[colors[:number].count(color) % len(_STYLES)]  # who shares a colour differs
        mean = values.mean(axis=0)
        ax.plot(times, mean, color=color, linestyle=style, label=name)
        if len(values) > 1:
            spread = values.std(axis=0, ddof=1)
            ax.fill_between(
                times, mean - spread, mean + spread, color=color, alpha=0.2, linewidth=0
            )
    canvas.count_steps(ax, int(times[-1]))
    ax.set_ylabel(ylabel)
    ax.legend(frameon=False)
    return ax


def level_sets(
    predict: Callable[[jax.Array], jax.Array],
    inputs: ArrayLike,
    labels: ArrayLike,
    *,
    resolution: int = 200,
    margin: float = 0.1,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draws what a classifier of the plane says everywhere, and the points that it was taught.

    Args:
        predict: inputs, float[points, 2] -> probability of class 1, float[points].
        inputs: the data, float[examples, 2].
        labels: their classes, 0 or 1, [examples].
        resolution: points along each axis.
        margin: of the picture around the data, as a share of its width.
        ax: matplotlib axes to draw on; None makes a figure.

    Returns:
        The axes.

    Raises:
        ModuleNotFoundError: without matplotlib.
        ValueError: if inputs are not [examples, 2], labels are not 0 or 1, one for each, or
            `predict` returns something else than a probability for each point.

    Examples:
        >>> import jax, jax.numpy as jnp
        >>> import thermo_optax as to
        >>> x = jax.random.normal(jax.random.key(0), (50, 2))
        >>> predict = lambda x: jax.nn.sigmoid(4 * x[:, 0])
        >>> ax = to.plot.level_sets(predict, x, x[:, 0] > 0)
        >>> ax.get_xlabel()
        '$x_1$'

    References:
        Leimkuhler, Matthews and Vlaar, 2019, whose figures show the planes of spiral data.
    """
    inputs, labels = np.asarray(inputs, float), np.asarray(labels)
    if inputs.ndim != 2 or inputs.shape[1] != 2:
        raise ValueError(f"`inputs` must be [examples, 2], got the shape {inputs.shape}.")
    if labels.shape != inputs.shape[:1] or not np.all(np.isin(labels, (0, 1))):
        raise ValueError(
            f"`labels` must be 0 or 1 for each of {len(inputs)} examples, got {np.unique(labels)} "
            f"of shape {labels.shape}: no point of another class would be drawn."
        )
    ax = canvas.axes(ax, 5.2, 4.2)
    low, high = inputs.min(axis=0), inputs.max(axis=0)
    away = margin * (high - low)
    sides = [np.linspace(*ends, resolution) for ends in zip(low - away, high + away, strict=True)]
    plane = np.stack(np.meshgrid(*sides), axis=-1)
    points = jnp.asarray(plane.reshape(-1, 2), jnp.float32)
    chance = np.asarray(predict(points), float)
    outside = chance[(chance < -_ROUNDING) | (chance > 1 + _ROUNDING)]
    if chance.size != len(points) or outside.size:
        found = f"also {outside[0]:.3g}" if outside.size else f"the shape {chance.shape}"
        raise ValueError(
            f"`predict` must return the probability of class 1 at each of {len(points)} points, "
            f"got {found}. Of logits take `jax.nn.sigmoid`, and of the probabilities of two "
            "classes `[:, 1]`."
        )
    chance = chance.reshape(plane.shape[:2])
    picture = ax.contourf(*sides, chance, np.linspace(0, 1, 11), cmap="cividis")
    ax.contour(*sides, chance, [0.5], colors="white", linewidths=1)
    ax.figure.colorbar(picture, ax=ax, label="probability of class 1")
    for label, marker, color in ((0, "o", canvas.SKY), (1, "^", canvas.VERMILION)):
        chosen = inputs[labels == label]
        ax.scatter(
            *chosen.T, s=14, c=color, marker=marker, edgecolors="black", linewidths=0.4, zorder=3
        )
    ax.set_xlabel("$x_1$")
    ax.set_ylabel("$x_2$")
    return ax


def weight_histogram(
    params: Any, *, bins: int = 101, limit: float | None = None, ax: "Axes | None" = None
) -> "Axes":
    """Draws how the weights of each layer are distributed.

    Args:
        params: the tree of parameters; a layer is what stands under one top-level name.
        bins: of the histogram, between -limit and limit.
        limit: of the axis, in units of the weights; None takes the largest weight.
        ax: matplotlib axes to draw on; None makes a figure.

    Returns:
        The axes; the density is logarithmic, so that tails show.

    Raises:
        ModuleNotFoundError: without matplotlib.
        ValueError: for a tree without arrays, weights that are not finite, or a limit that is not
            positive.

    Examples:
        >>> import jax
        >>> import thermo_optax as to
        >>> params = {"hidden": jax.random.normal(jax.random.key(0), (20, 50))}
        >>> ax = to.plot.weight_histogram(params)
        >>> ax.get_legend_handles_labels()[1]
        ['hidden (1,000)']

    References:
        Leimkuhler, Matthews and Vlaar, 2019, on the distribution of the parameters they find.
    """
    layers: dict[str, list[np.ndarray]] = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        name = jax.tree_util.keystr(path[:1], simple=True) if path else "params"
        layers.setdefault(name, []).append(np.ravel(np.asarray(leaf, float)))
    if not layers:
        raise ValueError("`params` has no arrays in it: pass the tree of the model's parameters.")
    ax = canvas.axes(ax)
    weights = {name: np.concatenate(leaves) for name, leaves in layers.items()}
    for name, values in weights.items():
        if not np.all(np.isfinite(values)):
            raise ValueError(
                f"`params` has weights that are not finite in {name!r}, of which there is no "
                "histogram. Go back to parameters saved before."
            )
    if limit is not None:
        check_positive(limit=limit)
    widest = max(np.max(np.abs(values), initial=0) for values in weights.values())
    end = float(widest) or 1.0 if limit is None else limit
    edges = np.linspace(-end, end, bins + 1)
    for number, (name, values) in enumerate(weights.items()):
        density = np.histogram(values, edges)[0] / (max(len(values), 1) * np.diff(edges))
        style = {"color": _COLORS[number % len(_COLORS)], "linewidth": 1.2}
        style["linestyle"] = _STYLES[number // len(_COLORS) % len(_STYLES)]
        ax.stairs(
            np.where(density > 0, density, np.nan),
            edges,
            **style,
            label=f"{name} ({len(values):,})",
        )
    ax.set_yscale("log")
    ax.set_xlabel("weight")
    ax.set_ylabel("density, 1 / weight")
    ax.legend(frameon=False)
    return ax


def thermometer(
    readings: Mapping[str, Any],
    temperatures: Mapping[str, float],
    *,
    stride: int = 1,
    ax: "Axes | None" = None,
) -> "Axes":
    r"""Draws measured temperatures of groups over the steps, next to the ones that were set.

    .. math::
        t \mapsto \frac{p_t \cdot p_t}{N m}

    Args:
        readings: group -> temperature at each recorded step, in units of the loss, float[steps];
            or what `diagnostics.kinetic_temperature` gave in a scan, whose band is drawn too.
        temperatures: group -> the set temperature, dashed; a group may be missing.
        stride: number of steps between two records.
        ax: matplotlib axes to draw on; None makes a figure.

    Returns:
        The axes, with a logarithmic scale of temperature.

    Raises:
        ModuleNotFoundError: without matplotlib.
        ValueError: for no readings, or readings that are not [steps].

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> ax = to.plot.thermometer({"hidden": jnp.linspace(0.5, 1.5, 20)}, {"hidden": 1.0})
        >>> ax.get_ylabel()
        'temperature, in units of the loss'

    References:
        Leimkuhler, Matthews and Vlaar, 2019, on the temperature of a layer.
    """
    if not readings:
        raise ValueError("`readings` is empty: pass group -> temperatures, [steps].")
    ax = canvas.axes(ax)
    steps = np.arange(1)
    for number, (name, reading) in enumerate(readings.items()):
        values = np.asarray(getattr(reading, "value", reading), float)
        if values.ndim != 1 or not values.size:
            raise ValueError(
                f"`readings[{name!r}]` must be [steps], got the shape {values.shape}. Draw each "
                "chain under a name of its own, or their mean."
            )
        steps = stride * np.arange(1, len(values) + 1)
        color = _COLORS[number % len(_COLORS)]
        style = (_STYLES[0], *_STYLES[2:])[number // len(_COLORS) % (len(_STYLES) - 1)]
        ax.plot(steps, values, color=color, linestyle=style, linewidth=0.9, label=name)
        if hasattr(reading, "low"):
            low, high = np.asarray(reading.low, float), np.asarray(reading.high, float)
            ax.fill_between(steps, low, high, color=color, alpha=0.2, linewidth=0)
        if name in temperatures:
            ax.axhline(temperatures[name], color=color, linestyle="--", linewidth=1)
    ax.set_yscale("log")
    canvas.count_steps(ax, int(steps[-1]))
    ax.set_ylabel("temperature, in units of the loss")
    ax.legend(frameon=False, title="dashed: as set", loc="best")
    return ax
