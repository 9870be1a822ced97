"""A run of continuous tempering at a glance."""

from typing import TYPE_CHECKING, Any

import jax

from thermo_optax.temperature import tempering_profile, tempering_state

from . import _canvas as canvas
from ._tempering import alpha_histogram, alpha_trace, free_energy, temperature_trace

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
