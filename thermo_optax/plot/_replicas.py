"""Exchange of replicas: which rungs they were on, and where the ladder has its rungs."""

from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from . import _canvas as canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ArrayLike = jax.typing.ArrayLike


def replica_paths(
    rungs: ArrayLike,
    *,
    values: ArrayLike | None = None,
    steps: ArrayLike | None = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draws on which rung of the ladder each replica was, over time.

    The replicas that began at either end are drawn boldly. Where exchange works, each of them comes
    to the other end and back; where lines stay in a band, the ladder has a bottleneck there.

    Args:
        rungs: the rung of each replica at each time, from 0; int[num_times, num_replicas].
        values: of the hyperparameter on each rung, to label them with; [num_rungs].
        steps: when the rungs were recorded; [num_times]. None counts the records.
        ax: matplotlib axes to draw on; None makes a figure.

    Returns:
        The axes.

    Raises:
        ModuleNotFoundError: without matplotlib.
        ValueError: for shapes that do not fit.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> ax = to.plot.replica_paths(jnp.array([[0, 1, 2], [1, 0, 2], [1, 2, 0]]))
        >>> ax.get_ylabel()
        'rung'

    References:
        Katzgraber, Trebst, Huse and Troyer, `Feedback-optimized parallel tempering Monte Carlo
        <https://arxiv.org/abs/cond-mat/0602085>`_, 2006, for bottlenecks in the flow of replicas.
    """
    rungs = np.asarray(rungs)
    if rungs.ndim != 2 or not rungs.size:
        raise ValueError(
            f"`rungs` must have the shape [num_times, num_replicas], got {rungs.shape}. Return the "
            "rungs from the body of `lax.scan`."
        )
    num_times = len(rungs)
    times = np.arange(num_times) if steps is None else np.asarray(steps, float)
    if times.shape != (num_times,):
        raise ValueError(
            f"`steps` must have one number for each of {num_times} times, got the shape "
            f"{times.shape}. Leave it out to count the records."
        )
    last = int(rungs.max())
    if values is not None and len(np.ravel(values)) <= last:
        raise ValueError(
            f"`values` must have one number for each rung, got {len(np.ravel(values))} for rungs "
            f"up to {last}."
        )
    ax = canvas.axes(ax)
    ends = {int(np.argmin(rungs[0])): canvas.BLUE, int(np.argmax(rungs[0])): canvas.VERMILION}
    names = {canvas.BLUE: "began on the first rung", canvas.VERMILION: "began on the last rung"}
    for replica in sorted(range(rungs.shape[1]), key=lambda k: k in ends):
        color = ends.get(replica)
        (line,) = ax.step(times, rungs[:, replica], where="post", color=color or canvas.GREY)
        line.set(linewidth=1.8 if color else 0.7, alpha=None if color else 0.6)
        if color:
            line.set(zorder=3, label=names[color])
    canvas.count_steps(ax, times[-1] or 1)
    ax.set_xlim(times[0], times[-1] if num_times > 1 else times[0] + 1)
    ax.set_xlabel("record" if steps is None else "step")
    ticks = range(0, last + 1, -(-(last + 1) // 12))
    names = [str(k) if values is None else f"{np.ravel(values)[k]:.3g}" for k in ticks]
    ax.set_yticks(list(ticks), names)
    ax.set_ylabel("rung" if values is None else "value on the rung")
    ax.set_ylim(-0.3, last * 1.22 + 0.3)
    ax.legend(loc="upper right", ncols=2, framealpha=0.9)
    return ax


def acceptance(
    rates: ArrayLike, standard_errors: ArrayLike | None = None, *, ax: "Axes | None" = None
) -> "Axes":
    """Draws how often each pair of neighbouring rungs accepted a swap.

    The dashed line is the mean of all pairs. On the best ladder for a given number of rungs all
    pairs are there.

    Args:
        rates: a, between rung k and k + 1; [num_rungs - 1]. NaN for a pair that was never tried.
        standard_errors: of the rates, for error bars; [num_rungs - 1].
        ax: matplotlib axes to draw on; None makes a figure.

    Returns:
        The axes.

    Raises:
        ModuleNotFoundError: without matplotlib.
        ValueError: for shapes that do not fit, or rates outside [0, 1].

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> ax = to.plot.acceptance(jnp.array([0.4, 0.6, 0.5]))
        >>> len(ax.patches)
        3

    References:
        Syed, Bouchard-Cote, Deligiannidis and Doucet, `Non-Reversible Parallel Tempering: a
        Scalable Highly Parallel MCMC Scheme <https://arxiv.org/abs/1905.02939>`_, 2021, on why the
        rates should be equal.
    """
    rates = np.asarray(rates, float)
    if rates.ndim != 1 or not rates.size:
        raise ValueError(
            f"`rates` must have the shape [num_rungs - 1], got {rates.shape}. Average over seeds "
            "first, and pass the standard errors."
        )
    if np.any((rates < 0) | (rates > 1)):
        raise ValueError(f"`rates` must be in [0, 1], got {rates}. Divide swaps by attempts.")
    errors = None if standard_errors is None else np.asarray(standard_errors, float)
    if errors is not None and errors.shape != rates.shape:
        raise ValueError(
            f"`standard_errors` must be shaped like `rates`, got {errors.shape} for {rates.shape}. "
            "Pass one for each pair."
        )
    ax = canvas.axes(ax)
    pairs = np.arange(len(rates)) + 0.5
    ax.bar(
        pairs,
        rates,
        width=0.8,
        yerr=errors,
        error_kw={"linewidth": 1, "capsize": 2},
        color=canvas.BLUE,
        alpha=0.6,
        edgecolor="white",
        linewidth=0.5,
    )
    if np.any(np.isfinite(rates)):
        mean = float(np.nanmean(rates))
        ax.axhline(
            mean, color=canvas.VERMILION, linestyle="--", linewidth=1, label=f"mean {mean:.2f}"
        )
        ax.legend(loc="upper right", framealpha=0.9)
    for pair in pairs[~np.isfinite(rates)]:
        ax.text(pair, 0.03, "not tried", rotation=90, ha="center", va="bottom", color=canvas.GREY)
    ax.set_xlabel("between the rungs")
    ax.locator_params(axis="x", integer=True)
    ax.set_ylabel("accepted swaps")
    ax.set_xlim(-0.1, len(rates) + 0.1)
    ax.set_ylim(0, 1.18)
    ax.set_yticks(np.linspace(0, 1, 6))
    return ax


def ladder(
    barrier: Any,
    adapted: ArrayLike | None = None,
    *,
    label: str = "inverse temperature",
    ax: "Axes | None" = None,
) -> "Axes":
    """Draws the communication barrier along a ladder, and where its rungs should be.

    Rungs of the best ladder divide the height, not the width, into equal parts.

    Args:
        barrier: what `communication_barrier` returns for one ladder.
        adapted: the rungs of `adapted_ladder`; they are marked on the curve.
        label: name of the coordinate of the rungs.
        ax: matplotlib axes to draw on; None makes a figure.

    Returns:
        The axes.

    Raises:
        ModuleNotFoundError: without matplotlib.
        ValueError: for the barriers of several ladders at once.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> betas, rejected = jnp.array([1.0, 0.5, 0.25]), jnp.array([0.6, 0.2])
        >>> barrier = to.communication_barrier(betas, rejected)
        >>> ax = to.plot.ladder(barrier, to.adapted_ladder(betas, rejected))
        >>> ax.get_ylabel()
        'communication barrier Λ'

    References:
        Syed, Bouchard-Cote, Deligiannidis and Doucet, `Non-Reversible Parallel Tempering: a
        Scalable Highly Parallel MCMC Scheme <https://arxiv.org/abs/1905.02939>`_, 2021.
    """
    rungs, cumulative = np.asarray(barrier.rungs, float), np.asarray(barrier.cumulative, float)
    if rungs.ndim != 1:
        raise ValueError(
            f"`barrier` must be that of one ladder, got rungs of shape {rungs.shape}. Take one "
            "first: `jax.tree.map(lambda leaf: leaf[0], barrier)`."
        )
    ax = canvas.axes(ax)
    new = rungs[:0] if adapted is None else np.asarray(adapted, float)
    heights = np.linspace(cumulative[0], cumulative[-1], len(new))  # what makes them adapted
    curve = np.column_stack([np.append(rungs, new), np.append(cumulative, heights)])
    ax.plot(*curve[np.argsort(curve[:, 0])].T, color=canvas.BLUE, linewidth=1.2)
    ax.plot(rungs, cumulative, "o", color=canvas.BLUE, label="measured")
    if len(new):
        ax.vlines(new, 0, heights, color=canvas.VERMILION, linestyle="--", linewidth=0.8)
        ax.plot(new, heights, "s", color=canvas.VERMILION, markersize=5, label="adapted")
    if np.all(rungs > 0) and rungs.max() > 5 * rungs.min():
        ax.set_xscale("log")
        canvas.label_less_than_a_decade(ax.xaxis)
    ax.set_xlabel(label)
    ax.set_ylabel("communication barrier Λ")
    ax.set_ylim(0, 1.25 * max(cumulative[-1], 1e-3))
    ax.legend(loc="upper right", ncols=2, framealpha=0.9)
    return ax
