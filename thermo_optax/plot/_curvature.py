"""The spectrum of a Hessian, and how flat solutions are next to each other."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from thermo_optax._base import check_positive
from thermo_optax.diagnostics import Flatness, HessianSpectrum, NoiseRise

from . import _canvas as canvas
from ._colours import colours_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARKERS = ("o", "s", "^", "D", "v", "P")


def spectrum(
    spectrum: HessianSpectrum | jax.typing.ArrayLike,
    *,
    width: float | None = None,
    num_points: int = 1_000,
    label: str | None = None,
    color: str = canvas.BLUE,
    ax: "Axes | None" = None,
) -> "Axes":
    r"""Draws the density of the eigenvalues of a Hessian, on a logarithmic scale.

    .. math::
        \lambda \mapsto \frac{1}{n} \sum_i \frac{1}{\sqrt{2 \pi}\, \sigma}
        e^{-(\lambda - \lambda_i)^2 / 2 \sigma^2}

    The scale ends at a tenth of what a single eigenvalue adds where it stands, so outliers show.
    The shade is the standard error over the probes.

    Args:
        spectrum: what `hessian_spectrum` returns; or all eigenvalues, from `exact_spectrum`.
        width: sigma > 0, of the Gaussian into which each eigenvalue is smeared; None for 1 % of the
            range.
        num_points: number of points where the density is computed.
        label: name for the legend.
        color: of the line.
        ax: matplotlib axes to draw on; None makes a figure.

    Returns:
        The axes; ``ax.figure.savefig("spectrum.png")`` writes the picture.

    Raises:
        ModuleNotFoundError: without matplotlib.
        ValueError: for a width that is not positive, or anything that is not finite.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> ax = to.plot.spectrum(jnp.linspace(-1.0, 5.0, 100))
        >>> ax.get_yscale()
        'log'

    References:
        Ghorbani, Krishnan and Xiao, `An investigation into neural net optimization via Hessian
        eigenvalue density <https://arxiv.org/abs/1901.10159>`_, 2019.
    """
    found = _as_spectrum(spectrum)
    nodes, weights = np.asarray(found.nodes, float), np.asarray(found.weights, float)
    if not np.all(np.isfinite(nodes)):
        raise ValueError("`spectrum` is not finite: neither was the Hessian where it was taken.")
    present = nodes[weights > 0]
    low, high = present.min(), present.max()
    if width is None:  # of a Hessian with one eigenvalue only, the range is nothing
        width = float(0.01 * (high - low) or 0.01 * abs(high) or 0.01)
    check_positive(width=width)
    grid = np.linspace(low - 4 * width, high + 4 * width, num_points)
    curves = np.asarray(found.density(grid, width, each=True), float)
    mean = curves.mean(axis=0)
    floor = 0.1 / (float(found.num_weights) * width * np.sqrt(2 * np.pi))
    ax = canvas.axes(ax)
    if len(curves) > 1:
        error = curves.std(axis=0, ddof=1) / np.sqrt(len(curves))
        shade = (np.maximum(mean - error, floor / 10), np.maximum(mean + error, floor / 10))
        ax.fill_between(grid, *shade, color=color, alpha=0.25, linewidth=0)
    ax.plot(grid, np.maximum(mean, floor / 10), color=color, linewidth=1.2, label=label)
    ax.set_yscale("log")
    others = ax.get_lines()[:-1]  # a spectrum drawn earlier must keep its place
    low, high = ax.get_ylim() if others else (floor, 0)
    ax.set_ylim(min(low, floor), max(high, 2 * mean.max()))
    ax.set_xlabel("eigenvalue of the Hessian (loss / weight²)")
    ax.set_ylabel("density of eigenvalues")
    if label is not None:
        ax.legend(loc="upper right", framealpha=0.9)
    return ax


def flatness(solutions: Mapping[str, Flatness], *, ax: "Axes | None" = None) -> "Axes":
    """Draws the largest eigenvalue of solutions over their training loss.

    The dashed line of each name has the ratio of eigenvalue and loss that is the median of its
    solutions. What lies below another's line is flatter than that one at its loss.

    Args:
        solutions: what `diagnostics.flatness` returns, by the name for the legend; each of one
            solution, or of several (seeds, say) in arrays.
        ax: matplotlib axes to draw on; None makes a figure.

    Returns:
        The axes.

    Raises:
        ModuleNotFoundError: without matplotlib.
        ValueError: without solutions, or if a loss or an eigenvalue is not positive.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> def loss(x):
        ...     return 0.01 + jnp.sum(x**2)
        >>> flat = to.diagnostics.flatness(loss, jnp.zeros(3), key=0)
        >>> ax = to.plot.flatness({"SGD": flat})
        >>> ax.get_xlabel()
        'training loss'

    References:
        Jastrzebski et al., `Three factors influencing minima in SGD
        <https://arxiv.org/abs/1711.04623>`_, 2017, for eigenvalues as a measure of width.
    """
    if not solutions:
        raise ValueError("`solutions` is empty: pass `{'SGD': flatness(...)}`, say.")
    points = {
        name: np.broadcast_arrays(
            *(np.ravel(np.asarray(x, float)) for x in (one.loss, one.top_eigenvalue))
        )
        for name, one in solutions.items()
    }
    for name, pair in points.items():
        if not all(np.all(np.isfinite(values) & (values > 0)) for values in pair):
            raise ValueError(
                f"`solutions[{name!r}]` must have positive losses and eigenvalues, since the "
                f"scales are logarithmic; got {pair[0]} and {pair[1]}."
            )
    losses, tops = (np.concatenate(column) for column in zip(*points.values(), strict=True))
    ends = np.array([losses.min() / 2, losses.max() * 2])
    ax = canvas.axes(ax, 5.6, 4.2)
    colors = colours_of(list(points))
    for index, (name, (loss, top)) in enumerate(points.items()):
        color, marker = colors[index], _MARKERS[index % len(_MARKERS)]
        ratio = np.median(top / loss)
        ax.plot(ends, ratio * ends, "--", color=color, linewidth=0.8)
        text = f"{name}: {ratio:.3g} per unit loss"
        ax.plot(loss, top, marker, color=color, markersize=6, alpha=0.8, label=text)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlim(*ends)
    ax.set_ylim(tops.min() / 3, tops.max() * 3)
    for axis, values in ((ax.xaxis, losses), (ax.yaxis, tops)):
        if values.max() < 30 * values.min():  # else matplotlib's own are enough
            canvas.label_less_than_a_decade(axis)
    ax.set_xlabel("training loss")
    ax.set_ylabel("largest eigenvalue of the Hessian")
    ax.legend(loc="upper left", framealpha=0.9, fontsize="small")
    return ax


def loss_under_noise(solutions: Mapping[str, NoiseRise], *, ax: "Axes | None" = None) -> "Axes":
    r"""Draws the rise of the loss over the scale of noise on the weights.

    .. math::
        s \mapsto \mathbb{E}\, L(x + s D \xi) - L(x)

    Args:
        solutions: what `diagnostics.loss_under_noise` returns, by the name for the legend. Scales
            of 0 and rises that are not positive do not show on the logarithmic scales.
        ax: matplotlib axes to draw on; None makes a figure.

    Returns:
        The axes; bars are standard errors.

    Raises:
        ModuleNotFoundError: without matplotlib.
        ValueError: without solutions.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> def loss(x):
        ...     return jnp.sum(x**2) / 2
        >>> rise = to.diagnostics.loss_under_noise(loss, jnp.zeros(9), scales=[0.1, 0.2], key=0)
        >>> ax = to.plot.loss_under_noise({"a bowl": rise})
        >>> ax.get_ylabel()
        'rise of the loss'

    References:
        Neyshabur et al., `Exploring generalization in deep learning
        <https://arxiv.org/abs/1706.08947>`_, 2017, section 2.4.
    """
    if not solutions:
        raise ValueError("`solutions` is empty: pass `{'SGD': loss_under_noise(...)}`, say.")
    ax = canvas.axes(ax)
    colors = colours_of(list(solutions))
    for index, (name, found) in enumerate(solutions.items()):
        ax.errorbar(
            np.asarray(found.scales, float),
            np.asarray(found.rise.value, float),
            yerr=np.asarray(found.rise.error, float),
            color=colors[index],
            marker=_MARKERS[index % len(_MARKERS)],
            markersize=4,
            linewidth=1,
            capsize=2,
            label=name,
        )
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel("standard deviation of the noise on the weights")
    ax.set_ylabel("rise of the loss")
    ax.legend(loc="upper left", framealpha=0.9)
    return ax


def _as_spectrum(spectrum: HessianSpectrum | jax.typing.ArrayLike) -> HessianSpectrum:
    """All eigenvalues, as a rule that weighs them alike."""
    if isinstance(spectrum, HessianSpectrum):
        return spectrum
    eigenvalues = jnp.asarray(spectrum)
    if eigenvalues.ndim != 1 or not eigenvalues.size:
        raise ValueError(
            "`spectrum` must be what `hessian_spectrum` returns, or an array of eigenvalues [n], "
            f"got an array of shape {eigenvalues.shape}."
        )
    nodes = jnp.sort(eigenvalues.astype(jnp.result_type(float)))[None]
    return HessianSpectrum(nodes, jnp.full_like(nodes, 1 / nodes.size), jnp.int32(nodes.size))
