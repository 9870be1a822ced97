"""Learning coefficients: what the chains saw, along a training, and over the settings."""

from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from . import _canvas as canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLORS = (canvas.BLUE, canvas.VERMILION, canvas.GREEN, canvas.ORANGE, canvas.PINK, canvas.SKY)
_POINTS = 400  # of a trace: means of equally many steps
ArrayLike = jax.typing.ArrayLike


def loss_trace(found: Any, *, ax: "Axes | None" = None) -> "Axes":
    r"""Draws how far the loss of each chain is above that at the centre, and the estimate.

    .. math::
        t \mapsto \frac{L(w_t) - L(w^*)}{T}

    Its mean is the learning coefficient. The line in each colour is a chain, averaged over some
    steps; black is the mean of all chains, with a band of two standard errors. Chains that are
    still climbing, or that lie apart, show here before any number says so.

    Args:
        found: a :class:`~thermo_optax.LearningCoefficient`.
        ax: matplotlib axes to draw on; None makes a figure.

    Returns:
        The axes.

    Raises:
        ModuleNotFoundError: without matplotlib.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> loss = lambda w: jnp.sum(w**2) / 2
        >>> found = to.learning_coefficient(
        ...     loss, jnp.zeros(10), num_examples=1_000, key=0, num_steps=500
        ... )
        >>> ax = to.plot.loss_trace(found)
        >>> ax.get_xlabel()
        'step'

    References:
        Lau et al., `The Local Learning Coefficient <https://arxiv.org/abs/2308.12108>`_, 2023.
    """
    ax = canvas.axes(ax)
    units = np.asarray(found.losses, float) / found.settings["temperature"]
    steps = units.shape[1]
    stride = max(1, steps // _POINTS)
    used = steps // stride * stride
    means = units[:, :used].reshape(len(units), -1, stride).mean(axis=2)
    times = stride * (np.arange(means.shape[1]) + 0.5)
    for number, (chain, value) in enumerate(zip(means, found.chains, strict=True)):
        if np.isfinite(value):
            color = _COLORS[number % len(_COLORS)]
            ax.plot(times, chain, color=color, linewidth=0.7, alpha=0.7)
    value, error = found.value, found.standard_error
    if np.isfinite(value):
        ax.axhspan(value - 2 * error, value + 2 * error, color="black", alpha=0.2, linewidth=0)
        label = found.in_words if found.is_minimum else "not a minimum"
        ax.axhline(value, color="black", linewidth=1.4, label=label)
        ax.legend(frameon=False)
    canvas.count_steps(ax, steps)
    ax.set_ylabel("(loss - loss at the centre) / T")
    return ax


def coefficients(found: Any, *, steps: ArrayLike | None = None, ax: "Axes | None" = None) -> "Axes":
    """Draws the learning coefficient along a training, with the loss beside it.

    Bars are two standard errors. Checkpoints that are no minimum, or whose chains all left, have no
    coefficient: a mark at the bottom says which.

    Args:
        found: :class:`~thermo_optax.LearningCoefficients`.
        steps: of training at each checkpoint, float[num_checkpoints]; None counts checkpoints.
        ax: matplotlib axes to draw on; None makes a figure.

    Returns:
        The axes; those of the loss share their horizontal one.

    Raises:
        ModuleNotFoundError: without matplotlib.
        ValueError: if there are not as many `steps` as checkpoints.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> loss = lambda w: jnp.sum(w**2) / 2
        >>> found = to.learning_coefficients(
        ...     loss, jnp.zeros((3, 5)), num_examples=1_000, key=0, num_steps=500
        ... )
        >>> ax = to.plot.coefficients(found, steps=[0, 100, 200])
        >>> ax.get_ylabel()
        'learning coefficient'

    References:
        Hoogland et al., `The Developmental Landscape of In-Context Learning
        <https://arxiv.org/abs/2402.02364>`_, 2024, whose figures are such.
    """
    times = np.arange(len(found)) if steps is None else np.asarray(steps, float)
    if times.shape != (len(found),):
        raise ValueError(
            f"`steps` must be one number for each of {len(found)} checkpoints, got the shape "
            f"{times.shape}."
        )
    ax = canvas.axes(ax)
    values, errors = found.values, found.standard_errors
    ax.errorbar(
        times, values, 2 * errors, color=canvas.BLUE, marker="o", markersize=4, capsize=2, zorder=3
    )
    downhill = np.array([not one.is_minimum for one in found])
    reasons = {"not a minimum": downhill, "all chains left": np.isnan(values) & ~downhill}
    for (label, places), marker in zip(reasons.items(), "x+", strict=True):
        if places.any():
            ax.plot(
                times[places],
                np.full(places.sum(), 0.03),
                marker,
                color=canvas.VERMILION,
                transform=ax.get_xaxis_transform(),
                label=label,
                linestyle="none",
            )
            ax.legend(frameon=False)
    ax.set_xlabel("checkpoint" if steps is None else "step of training")
    ax.set_ylabel("learning coefficient", color=canvas.BLUE)
    beside = ax.twinx()
    beside.plot(times, found.losses, color=canvas.GREY, linestyle="--", linewidth=1.2)
    beside.set_ylabel("loss (dashed)", color="#666666")
    return ax


def calibration(found: Any, *, exact: float | None = None, ax: "Axes | None" = None) -> "Axes":
    """Draws the learning coefficient over step sizes, a line for each precision.

    Bars are two standard errors, hollow points are hot (their measured temperature is above the set
    one), and the grey band is the plateau. Trust a value where its line is flat.

    Args:
        found: a :class:`~thermo_optax.LearningCoefficientSweep`.
        exact: a value to compare with, where it is known.
        ax: matplotlib axes to draw on; None makes a figure.

    Returns:
        The axes, with a logarithmic scale of steps.

    Raises:
        ModuleNotFoundError: without matplotlib.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> loss = lambda w: jnp.sum(w**2) / 2
        >>> found = to.sweep_learning_coefficient(
        ...     loss, jnp.zeros(5), num_examples=1_000, key=0, precisions=[1.0], num_steps=500
        ... )
        >>> ax = to.plot.calibration(found, exact=2.5)
        >>> ax.get_ylabel()
        'learning coefficient'

    References:
        Lau et al., `The Local Learning Coefficient <https://arxiv.org/abs/2308.12108>`_, 2023, on
        how values depend on these settings.
    """
    ax = canvas.axes(ax)
    values, errors, hot = found.values, found.standard_errors, found.is_hot
    for number, precision in enumerate(found.precisions):
        color = _COLORS[number % len(_COLORS)]
        column = values[:, number]
        ax.errorbar(
            found.steps,
            column,
            2 * errors[:, number],
            color=color,
            capsize=2,
            label=f"precision {precision:.4g}",
        )
        for warm, face in ((False, color), (True, "white")):
            chosen = hot[:, number] == warm
            ax.plot(
                found.steps[chosen],
                column[chosen],
                "o",
                color=color,
                markerfacecolor=face,
                markersize=5,
            )
    plateau = found.plateau
    if plateau is not None:
        low, high = plateau.value - plateau.spread, plateau.value + plateau.spread
        one_step = plateau.steps[0] == plateau.steps[1]  # an area without an edge would not show
        ax.fill_between(
            plateau.steps,
            low,
            high,
            color=canvas.GREY,
            alpha=0.4,
            linewidth=8 if one_step else 0,
            label="plateau",
        )
    if exact is not None:
        ax.axhline(exact, color="black", linestyle=":", linewidth=1, label="exact")
    ax.set_xscale("log")
    ax.set_xticks(found.steps, [f"{step:.3g}" for step in found.steps])
    ax.minorticks_off()
    shares = "step, in units of the one from the curvature"
    ax.set_xlabel(shares if found.steps_are_shares else "step size")
    ax.set_ylabel("learning coefficient")
    ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return ax
