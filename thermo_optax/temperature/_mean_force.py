"""Adaptive biasing force: the mean force along the tempering variable, learnt and taken away."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from thermo_optax._base import (
    added,
    as_steps,
    check_nonnegative,
    check_number,
    check_positive,
    check_steps,
)

from ._grid import Bias, bin_ends, check_bins, grid, locate, on_grid

# How fast the weight of the past grows: 1 averages evenly, less forgets the start. The first visits
# find the parameters behind the bath, still too cold or too hot; evenly averaged, that stays.
_GROWTH = 0.3


class AdaptiveBiasingForceState(NamedTuple):
    """State of an `adaptive_biasing_force`."""

    nodes: jax.Array  # float32[num_bins + 1], the grid, from 0 to edge: all is even in alpha
    log_scaling: jax.Array  # float32[num_bins + 1], log g at the nodes
    energy: jax.Array  # float32[num_bins + 1], running mean of g times the energy at each node
    weight: jax.Array  # float32[num_bins + 1], the number of visits that the mean remembers

    def potential(self, alpha: jax.typing.ArrayLike) -> jax.Array:
        """The bias at any alpha, in units of the temperature: minus the free energy."""
        middle = (self.energy[1:] + self.energy[:-1]) / 2
        steps = middle * jnp.diff(self.log_scaling)
        integral = jnp.concatenate([jnp.zeros_like(steps[:1]), jnp.cumsum(steps)])
        return -jnp.interp(jnp.abs(jnp.asarray(alpha, integral.dtype)), self.nodes, integral)

    def free_energy(self, alpha: jax.typing.ArrayLike) -> jax.Array:
        """The free energy at any alpha, in units of the temperature, up to a constant."""
        return -self.potential(alpha)


def adaptive_biasing_force(
    *, num_bins: int = 75, memory: float | None = None, freeze_after: int | None = None
) -> Bias:
    r"""A bias that is the mean force on the tempering variable, with the opposite sign.

    .. math::
        F(\alpha) = -g'(\alpha)\,\big(E - \bar E(\alpha)\big), \qquad
        \bar E(\alpha) = \frac{1}{g(\alpha)}\, \langle g E \rangle_\alpha

    The energy E, in units of the temperature, is centred: its mean at alpha is learnt from the
    visits there, and only its fluctuations push. In the harmonic law of equipartition g E is the
    same number at every alpha, so that is what is averaged, on the nodes of a grid of \|alpha\|
    with straight lines in between. Nothing needs to be tuned: the size of the potential that this
    adds up to, which grows with the number of parameters, need not be known.

    The mean gives later visits more weight (a visit counts in proportion to how many came before),
    so it forgets the start. It settles like 1 / visits and leaves every law at fixed alpha alone.

    Args:
        num_bins: K >= 2, the number of bins from 0 to the edge.
        memory: largest number of visits to a node that its mean remembers, where the landscape
            itself changes, as in training; None remembers all.
        freeze_after: number of steps after which the bias stays as it is; None never freezes it.

    Returns:
        A bias for `continuous_tempering`, with state :class:`AdaptiveBiasingForceState`.

    Raises:
        ValueError: for fewer than 2 bins, a memory that is not positive or a negative number of
            steps.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> bias = to.adaptive_biasing_force(num_bins=30)
        >>> bias.init(jnp.float32(1.5), to.temperature_scaling).energy.shape
        (31,)

    References:
        Darve and Pohorille, `Calculating free energies using average force
        <https://doi.org/10.1063/1.1410978>`_, 2001; for tempering: Luo et al.,
        `Thermostat-assisted continuously-tempered Hamiltonian Monte Carlo
        <https://arxiv.org/abs/1711.11511>`_, 2018.
    """
    check_bins(num_bins)
    if memory is not None:
        check_number(memory=memory)
        check_positive(memory=memory)
    if freeze_after is not None:
        check_nonnegative(freeze_after=freeze_after)
        check_steps(0, "With 0 the bias never changes.", freeze_after=freeze_after)

    def init(edge, scaling):
        nodes = grid(jnp.zeros_like(edge), edge, num_bins)
        energy, weight = jnp.zeros_like(nodes), jnp.zeros_like(nodes)
        return AdaptiveBiasingForceState(nodes, jnp.log(scaling(nodes)), energy, weight)

    def fitted(state, settings):
        edge = settings.edge
        fields = ("energy", "weight")
        kind = AdaptiveBiasingForceState
        state = on_grid(state, kind, jnp.zeros_like(edge), edge, num_bins, fields)
        scaling = settings.scaling(state.nodes)
        energy = state.energy - scaling * settings.change
        return state._replace(
            log_scaling=jnp.log(scaling),
            energy=jnp.where(state.weight > 0, energy, state.energy),
        )

    def update(state, visit):
        left, place = locate(state.nodes, jnp.abs(visit.alpha))
        due = visit.seen
        if freeze_after is not None:
            due &= visit.count < as_steps(freeze_after)
        # A visit belongs to both ends of its bin, to the nearer one more.
        share = jnp.where(due, jnp.stack([1 - place, place]), 0)
        energy = jnp.stack(bin_ends(state.energy, left))
        weight = jnp.stack(bin_ends(state.weight, left))
        rate = share / jnp.where(share > 0, weight + share, 1)
        energy = added(energy, rate * (visit.scaling * visit.energy - energy), visit.count)
        weight += _GROWTH * share
        if memory is not None:
            weight = jnp.minimum(weight, memory)
        return state._replace(
            energy=jax.lax.dynamic_update_slice(state.energy, energy, (left,)),
            weight=jax.lax.dynamic_update_slice(state.weight, weight, (left,)),
        )

    def force(state, visit):
        left, place = locate(state.nodes, jnp.abs(visit.alpha))
        low, high = bin_ends(state.energy, left)
        return visit.slope / visit.scaling * (low + place * (high - low))

    def expected(state, visit):
        left, place = locate(state.nodes, jnp.abs(visit.alpha))
        (low, high), weights = bin_ends(state.energy, left), bin_ends(state.weight, left)
        # A node that was never visited knows nothing: the other one stands for both.
        first = jnp.where(weights[0] > 0, low, high)
        last = jnp.where(weights[1] > 0, high, low)
        return (first + place * (last - first)) / visit.scaling

    return Bias(init, update, force, fitted=fitted, expected=expected, learns_mean=True)
