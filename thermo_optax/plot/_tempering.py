"""A run of continuous tempering at a glance."""

from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from thermo_optax import diagnostics
from thermo_optax._base import check_positive
from thermo_optax.temperature import (
    TemperingProfile,
    temperature_scaling,
    tempering_profile,
    tempering_state,
)

from . import _canvas as canvas

if TYPE_CHECKING:
    from matplotlib.figure import FigureBase


def tempering(
    alphas: jax.typing.ArrayLike,
    state: Any,
    temperature: float,
    *,
    plateau: float = 0.4,
    edge: float = 1.5,
    depth: float = 0.85,
    stride: int = 1,
    figure: "FigureBase | None" = None,
) -> "FigureBase":
    r"""Draws a run of continuous tempering: alpha, the bath, alpha's law and its free energy.

    Args:
        alphas: the tempering variable of one chain at each step, without unit; [steps].
        state: the state of the same chain at the end, of anything that holds one
            `continuous_tempering`; without a bias the fourth panel says so.
        temperature: T > 0, in units of the loss.
        plateau: delta >= 0, without unit; the bath is at T where \|alpha\| is below it.
        edge: delta' > delta, without unit; the bath is hottest where \|alpha\| is above it.
        depth: S in [0, 1); the hottest bath is at T / (1 - S).
        stride: number of steps between two records.
        figure: a matplotlib figure or subfigure to draw in; None makes one.

    Returns:
        The figure; ``figure.savefig("tempering.png")`` writes it.

    Raises:
        ModuleNotFoundError: without matplotlib.
        ValueError: if alphas is not a trace, for a temperature that is not positive, or for a state
            without exactly one `continuous_tempering`.

    Examples:
        >>> import jax, jax.numpy as jnp, optax
        >>> import thermo_optax as to
        >>> sampler = to.langevin(0.1, temperature=1.0, friction=1.0, key=0)
        >>> tx = to.continuous_tempering(sampler, temperature=1.0, key=1)
        >>> def step(carry, _):
        ...     x, state = carry
        ...     updates, state = tx.update(x, state, x, value=jnp.sum(x**2) / 2)
        ...     return (optax.apply_updates(x, updates), state), state.alpha
        >>> x = jnp.ones(3)
        >>> (_, state), alphas = jax.lax.scan(step, (x, tx.init(x)), length=5_000)
        >>> figure = to.plot.tempering(alphas, state, temperature=1.0)
        >>> len(figure.axes)
        4

    References:
        Ye, Zhu and Mantiuk, `Langevin Dynamics with Continuous Tempering for Training Deep Neural
        Networks <https://arxiv.org/abs/1703.04379>`_, 2017.
    """
    figure = canvas.new_figure(10.0, 6.4) if figure is None else figure
    (above, below), (left, right) = figure.subplots(2, 2)
    ramp = {"plateau": plateau, "edge": edge}
    alpha_trace(alphas, **ramp, stride=stride, ax=above)
    temperature_trace(alphas, temperature, **ramp, depth=depth, stride=stride, ax=below)
    alpha_histogram(alphas, edge=edge, ax=left)
    if tempering_state(state).bias:
        free_energy(tempering_profile(state), plateau=plateau, ax=right)
    else:
        right.text(0.5, 0.5, "no bias", ha="center", va="center", transform=right.transAxes)
        right.set_axis_off()
    return figure


if TYPE_CHECKING:
    from matplotlib.axes import Axes


def alpha_trace(
    alphas: jax.typing.ArrayLike,
    *,
    plateau: float = 0.4,
    edge: float = 1.5,
    stride: int = 1,
    ax: "Axes | None" = None,
) -> "Axes":
    r"""Draws the tempering variable over the steps, with the plateau and the edges marked.

    Args:
        alphas: the tempering variable at each step, without unit: [steps], or [chains, steps] for
            one line each.
        plateau: delta >= 0, without unit; the band \|alpha\| < delta, where the bath is at T, is
            shaded.
        edge: delta' > delta, without unit; the lines at -delta' and delta', where the wall begins,
            are dashed.
        stride: number of steps between two records.
        ax: matplotlib axes to draw on; None makes a figure.

    Returns:
        The axes; ``ax.figure.savefig("alpha.png")`` writes the picture.

    Raises:
        ModuleNotFoundError: without matplotlib.
        ValueError: if alphas is neither [steps] nor [chains, steps].

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> ax = to.plot.alpha_trace(1.6 * jnp.sin(jnp.arange(1000) / 50))
        >>> ax.get_ylabel()
        'tempering variable α'

    References:
        Ye, Zhu and Mantiuk, `Langevin Dynamics with Continuous Tempering for Training Deep Neural
        Networks <https://arxiv.org/abs/1703.04379>`_, 2017, figure 1.
    """
    alphas = _chains(alphas)
    ax = canvas.axes(ax)
    ax.axhspan(-plateau, plateau, color=canvas.GREEN, alpha=0.2, linewidth=0, label="bath at T")
    for sign in (-1, 1):
        ax.axhline(
            sign * edge,
            color=canvas.VERMILION,
            linestyle="--",
            linewidth=1,
            zorder=3,  # a trace may cover all the rest
            label="edges" if sign > 0 else None,
        )
    steps = stride * np.arange(1, alphas.shape[1] + 1)
    ax.plot(steps, alphas.T, color=canvas.BLUE, linewidth=0.7, alpha=len(alphas) ** -0.5)
    canvas.count_steps(ax, steps[-1])
    ax.set_ylabel("tempering variable α")
    limit = np.max(np.abs(alphas), initial=edge, where=np.isfinite(alphas))
    ax.set_ylim(-1.1 * limit, 1.6 * limit)
    ax.legend(loc="upper right", ncols=2, framealpha=0.9)
    return ax


def temperature_trace(
    alphas: jax.typing.ArrayLike,
    temperature: float,
    *,
    plateau: float = 0.4,
    edge: float = 1.5,
    depth: float = 0.85,
    stride: int = 1,
    ax: "Axes | None" = None,
) -> "Axes":
    r"""Draws the temperature of the bath over the steps, on a logarithmic scale.

    .. math::
        t \mapsto T / g(\alpha_t)

    Args:
        alphas: the tempering variable at each step, without unit: [steps], or [chains, steps] for
            one line each.
        temperature: T > 0, in units of the loss.
        plateau: delta >= 0, without unit; the bath is at T where \|alpha\| is below it.
        edge: delta' > delta, without unit; the bath is hottest where \|alpha\| is above it.
        depth: S in [0, 1); the hottest bath is at T / (1 - S).
        stride: number of steps between two records.
        ax: matplotlib axes to draw on; None makes a figure.

    Returns:
        The axes.

    Raises:
        ModuleNotFoundError: without matplotlib.
        ValueError: for a temperature that is not positive, or if alphas is neither [steps] nor
            [chains, steps].

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> ax = to.plot.temperature_trace(1.6 * jnp.sin(jnp.arange(1000) / 50), temperature=0.01)
        >>> ax.get_yscale()
        'log'

    References:
        Ye, Zhu and Mantiuk, 2017, eq. (7).
    """
    check_positive(temperature=temperature)
    alphas = _chains(alphas)
    ax = canvas.axes(ax)
    scaling = temperature_scaling(alphas, plateau=plateau, edge=edge, depth=depth)
    hottest = temperature / (1 - depth)
    for level, color, label in [
        (temperature, canvas.GREEN, "T"),
        (hottest, canvas.VERMILION, "T / (1 − S)"),
    ]:
        ax.axhline(level, color=color, linestyle="--", linewidth=1, zorder=3, label=label)
    steps = stride * np.arange(1, alphas.shape[1] + 1)
    heat = temperature / np.asarray(scaling)
    ax.plot(steps, heat.T, color=canvas.BLUE, linewidth=0.7, alpha=len(alphas) ** -0.5)
    ax.set_yscale("log")
    canvas.label_less_than_a_decade(ax.yaxis)  # the bath rarely spans one
    canvas.count_steps(ax, steps[-1])
    ax.set_ylabel("bath temperature\n(units of the loss)")
    margin = max(hottest / temperature, 1.4) ** 0.15  # without a depth they are the same
    ax.set_ylim(temperature / margin, hottest * margin**2)
    ax.legend(loc="upper right", ncols=2, framealpha=0.9)
    return ax


def alpha_histogram(
    alphas: jax.typing.ArrayLike,
    *,
    edge: float = 1.5,
    num_bins: int = 30,
    ax: "Axes | None" = None,
) -> "Axes":
    r"""Draws how often the tempering variable was where, against the uniform law.

    .. math::
        \rho_k = \frac{n_k}{\sum_j n_j / K}

    Args:
        alphas: the tempering variable at each step, without unit: [steps], or [chains, steps] for
            their mean, with its standard error.
        edge: delta' > 0, without unit; the histogram goes from -delta' to delta'.
        num_bins: K >= 1, the number of bins from edge to edge.
        ax: matplotlib axes to draw on; None makes a figure.

    Returns:
        The axes.

    Raises:
        ModuleNotFoundError: without matplotlib.
        ValueError: if alphas is neither [steps] nor [chains, steps]; for an edge that is not
            positive or fewer than one bin.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> ax = to.plot.alpha_histogram(jnp.linspace(-1.6, 1.6, 1000), num_bins=10)
        >>> len(ax.patches)
        10

    References:
        Ye, Zhu and Mantiuk, 2017, section 4.2.
    """
    alphas = _chains(alphas)
    centers, ratio, inside = map(
        np.asarray, diagnostics.alpha_histogram(alphas, edge=edge, num_bins=num_bins)
    )
    ax = canvas.axes(ax)
    chains = len(alphas)
    mean = ratio.mean(axis=0)
    error = ratio.std(axis=0, ddof=1) / np.sqrt(chains) if chains > 1 else None
    ax.bar(
        centers,
        mean,
        width=2 * edge / num_bins,
        yerr=error,
        error_kw={"linewidth": 1},
        color=canvas.BLUE,
        alpha=0.6,
        edgecolor="white",
        linewidth=0.5,
        label=f"{inside.mean():.1%} of the steps are between the edges",
    )
    ax.axhline(1, color=canvas.VERMILION, linestyle="--", linewidth=1, label="uniform law")
    ax.set_xlabel("tempering variable α")
    ax.set_ylabel("density / uniform density")
    ax.set_xlim(-edge, edge)
    ax.set_ylim(0, 1.5 * max(1, np.max(mean if error is None else mean + error)))
    ax.legend(loc="upper right", framealpha=0.9)
    return ax


def free_energy(
    profile: TemperingProfile, *, plateau: float = 0.4, ax: "Axes | None" = None
) -> "Axes":
    r"""Draws the bias along the tempering variable, and the free energy that it estimates.

    .. math::
        A(\alpha) = -\ln \int e^{-g(\alpha) E}\, dx\, dr, \qquad V(\alpha) \to -A(\alpha)

    Each is drawn with 0 as its least value. Where alpha's law has become flat they are mirror
    images of each other; a well-tempered bias is flatter than the free energy.

    Args:
        profile: what `tempering_profile` returns for one chain.
        plateau: delta >= 0, without unit; the band \|alpha\| < delta, where the bath is at T, is
            shaded.
        ax: matplotlib axes to draw on; None makes a figure.

    Returns:
        The axes.

    Raises:
        ModuleNotFoundError: without matplotlib.
        ValueError: for the profiles of several chains at once.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> tx = to.continuous_tempering(
        ...     to.sgld(0.1, temperature=1.0, key=0), temperature=1.0, key=1
        ... )
        >>> ax = to.plot.free_energy(to.tempering_profile(tx.init(jnp.ones(3))))
        >>> ax.get_ylabel()
        'energy / T'

    References:
        Laio and Parrinello, `Escaping free-energy minima
        <https://arxiv.org/abs/cond-mat/0208352>`_, 2002.
    """
    nodes, potential, energy = (np.asarray(values) for values in profile)
    if nodes.ndim != 1:
        raise ValueError(
            f"`profile` must be that of one chain, got nodes of shape {nodes.shape}. Take one "
            "chain's state first: `jax.tree.map(lambda leaf: leaf[0], states)`."
        )
    ax = canvas.axes(ax)
    ax.axvspan(-plateau, plateau, color=canvas.GREEN, alpha=0.2, linewidth=0, label="bath at T")
    ax.plot(nodes, potential - potential.min(), color=canvas.BLUE, label="bias V")
    ax.plot(nodes, energy - energy.min(), "--", color=canvas.VERMILION, label="free energy A")
    ax.set_xlabel("tempering variable α")
    ax.set_ylabel("energy / T")
    ax.set_xlim(nodes[0], nodes[-1])
    top = max(np.ptp(potential), np.ptp(energy), 1e-3)
    ax.set_ylim(-0.05 * top, 1.3 * top)
    ax.legend(loc="upper right", ncols=3, framealpha=0.9)
    return ax


def _chains(alphas: jax.typing.ArrayLike) -> np.ndarray:
    """The traces as [chains, steps]."""
    array = np.asarray(alphas, float)
    if array.ndim not in (1, 2) or not array.size:
        raise ValueError(
            "`alphas` must be a trace [steps] or [chains, steps] with at least one step, got the "
            f"shape {array.shape}. Reshape it: `alphas.reshape(-1, alphas.shape[-1])`."
        )
    return np.atleast_2d(array)
