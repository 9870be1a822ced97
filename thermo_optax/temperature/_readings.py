"""What the state of a tempered sampler tells: alpha, the bias, the free energy."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from thermo_optax._base import check_one, state_arrays

from ._tempering import TemperingState


class TemperingProfile(NamedTuple):
    """The bias and the free energy along the tempering variable, in units of the temperature."""

    alpha: jax.Array  # float32[n], from edge to edge
    potential: jax.Array  # float32[n], all biases together
    free_energy: jax.Array  # float32[n], as they estimate it; its least value is 0


def tempering_state(state: Any) -> TemperingState:
    """The state of the `continuous_tempering` inside the state of a chain, partition or `ctld`.

    Args:
        state: the state of any transformation that holds one `continuous_tempering`.

    Returns:
        Its :class:`TemperingState`.

    Raises:
        ValueError: if there is none or more than one.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> tx = to.ctld(0.1, temperature=0.01, sampling_steps=100, key=0)
        >>> print(to.tempering_state(tx.init(jnp.ones(3))).alpha)
        0.0

    References:
        Ye, Zhu and Mantiuk, 2017, Algorithm 1, for what the state holds.
    """
    found = [node for _, node in optax.tree.get_all_with_path(state, TemperingState.__name__)]
    if len(found) != 1:
        raise ValueError(
            f"`state` holds {len(found)} states of `continuous_tempering`, not one. Pass the state "
            "of `ctld` or `continuous_tempering`, or of a chain or partition with one of them."
        )
    return state_arrays(found[0])


def tempering_profile(state: Any) -> TemperingProfile:
    r"""The bias along the tempering variable, and the free energy that it estimates.

    .. math::
        A(\alpha) = -\ln \int e^{-g(\alpha) E}\, dx\, dr, \qquad V(\alpha) \to -A(\alpha)

    Once the law of alpha is flat, the bias is minus the free energy, up to a constant; a
    well-tempered bias is minus the share (f - 1) / f of it.

    Args:
        state: the state of any transformation that holds one `continuous_tempering`.

    Returns:
        A :class:`TemperingProfile`.

    Raises:
        ValueError: if the state holds none or more than one, or one without a bias; for the state
            of several chains outside of `jax.vmap`.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> tx = to.continuous_tempering(
        ...     to.sgld(0.1, temperature=1.0, key=0), temperature=1.0, key=1
        ... )
        >>> profile = to.tempering_profile(tx.init(jnp.ones(3)))
        >>> print(profile.alpha.shape, profile.free_energy.max())
        (121,) 0.0

    References:
        Laio and Parrinello, `Escaping free-energy minima
        <https://arxiv.org/abs/cond-mat/0208352>`_, 2002.
    """
    found = tempering_state(state)
    check_one([found])
    biases = found.bias
    if not biases:
        raise ValueError(
            "`state` is of a `continuous_tempering` with `bias=None`: no bias to read."
        )
    edge, bins = biases[0].nodes[-1], max(len(bias.nodes) for bias in biases)
    alpha = edge * jnp.linspace(-1, 1, 2 * bins - 1, dtype=edge.dtype)
    free_energy = sum((bias.free_energy(alpha) for bias in biases), jnp.zeros_like(alpha))
    return TemperingProfile(alpha, _potential(biases, alpha), free_energy - jnp.min(free_energy))


def _potential(biases, alpha):
    return sum((bias.potential(alpha) for bias in biases), jnp.zeros_like(alpha))


def unbiasing_log_weights(state: Any, alpha: jax.typing.ArrayLike) -> jax.Array:
    r"""Log weights that turn samples under the bias into samples without one.

    .. math::
        \ln w = V(\alpha) - \max V

    For what depends on alpha. What depends on the parameters at fixed alpha needs no weights: the
    bias does not touch it, and samples with \|alpha\| < delta are samples of exp(-L / T).

    Args:
        state: the state of any transformation that holds one `continuous_tempering`; the bias
            should have settled.
        alpha: values of the tempering variable, any shape.

    Returns:
        ln w, at most 0, of the shape of alpha.

    Raises:
        ValueError: if the state holds no bias.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> tx = to.continuous_tempering(
        ...     to.sgld(0.1, temperature=1.0, key=0), temperature=1.0, key=1
        ... )
        >>> print(to.unbiasing_log_weights(tx.init(jnp.ones(3)), jnp.array([0.0, 1.0])))
        [0. 0.]

    References:
        Torrie and Valleau, `Nonphysical sampling distributions in Monte Carlo free-energy
        estimation <https://doi.org/10.1016/0021-9991(77)90121-8>`_, 1977.
    """
    profile = tempering_profile(state)
    alpha = jnp.asarray(alpha, profile.alpha.dtype)
    return _potential(tempering_state(state).bias, alpha) - jnp.max(profile.potential)
