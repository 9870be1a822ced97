"""How hot the bath is at a value of the tempering variable, and the wall that confines it.

The bath's temperature is T / g(alpha): T on a plateau around 0, T / (1 - S) at the edges.
"""

import jax
import jax.numpy as jnp

from thermo_optax._base import known

ArrayLike = jax.typing.ArrayLike


def _floating(alpha: ArrayLike) -> jax.Array:
    """A JAX array of floats in its own precision, and all else in the default one."""
    if isinstance(alpha, jax.Array) and jnp.issubdtype(alpha.dtype, jnp.floating):
        return alpha
    return jnp.asarray(alpha, jnp.result_type(float))


def _ramp(alpha: ArrayLike, plateau: ArrayLike, edge: ArrayLike) -> jax.Array:
    """z: 0 on the plateau, 1 from the edge on, and straight in between."""
    alpha = _floating(alpha)
    plateau, edge = jnp.asarray(plateau, alpha.dtype), jnp.asarray(edge, alpha.dtype)
    return jnp.clip((jnp.abs(alpha) - plateau) / (edge - plateau), 0, 1)


def temperature_scaling(
    alpha: ArrayLike,
    *,
    plateau: ArrayLike = 0.4,
    edge: ArrayLike = 1.5,
    depth: ArrayLike = 0.85,
) -> jax.Array:
    r"""The factor g by which the tempering variable divides the temperature.

    .. math::
        g(\alpha) = 1 - S\,(3 z^2 - 2 z^3), \qquad
        z = \operatorname{clip}\!\left( \frac{|\alpha| - \delta}{\delta' - \delta},\, 0,\, 1 \right)

    Args:
        alpha: the tempering variable, any shape, without unit.
        plateau: delta >= 0; where \|alpha\| is below it the bath has the temperature T.
        edge: delta' > delta; where \|alpha\| is above it the bath is hottest.
        depth: S in [0, 1); the hottest bath has the temperature T / (1 - S).

    Returns:
        g, between 1 - S and 1, of the shape of alpha. It runs inside `jit`.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> print(to.temperature_scaling(jnp.array([0.0, 0.95, -1.5])).round(3))
        [1.    0.575 0.15 ]

    References:
        Ye, Zhu and Mantiuk, `Langevin Dynamics with Continuous Tempering for Training Deep Neural
        Networks <https://arxiv.org/abs/1703.04379>`_, 2017, eq. (7).
    """
    z = _ramp(alpha, plateau, edge)
    return 1 - jnp.asarray(depth, z.dtype) * z**2 * (3 - 2 * z)


def temperature_scaling_slope(
    alpha: ArrayLike,
    *,
    plateau: ArrayLike = 0.4,
    edge: ArrayLike = 1.5,
    depth: ArrayLike = 0.85,
) -> jax.Array:
    r"""The derivative of `temperature_scaling`.

    .. math::
        g'(\alpha) = -\operatorname{sign}(\alpha)\, \frac{6 S z (1 - z)}{\delta' - \delta}

    Args:
        alpha: the tempering variable, any shape, without unit.
        plateau: delta >= 0; where \|alpha\| is below it the slope is 0.
        edge: delta' > delta; where \|alpha\| is above it the slope is 0.
        depth: S in [0, 1), the depth of g, which falls from 1 to 1 - S.

    Returns:
        g', of the shape of alpha; 0 on the plateau and outside of the edges. It runs inside `jit`.

    Examples:
        >>> import thermo_optax as to
        >>> print(f"{to.temperature_scaling_slope(0.95):.3f}")  # its steepest
        -1.159

    References:
        The derivative of eq. (7) of Ye, Zhu and Mantiuk, 2017.
    """
    z = _ramp(alpha, plateau, edge)
    width = jnp.asarray(edge, z.dtype) - jnp.asarray(plateau, z.dtype)
    steepness = 6 * jnp.asarray(depth, z.dtype) / width
    return -jnp.sign(_floating(alpha)) * steepness * z * (1 - z)


def steepest_slope(plateau: ArrayLike, edge: ArrayLike, depth: ArrayLike) -> jax.Array:
    """The size of the slope of g halfway between plateau and edge, float32."""
    plateau, edge, depth = (jnp.asarray(x, jnp.float32) for x in (plateau, edge, depth))
    return 1.5 * depth / (edge - plateau)


def confining_potential(
    alpha: ArrayLike, *, edge: ArrayLike = 1.5, wall: ArrayLike = 10.0
) -> jax.Array:
    r"""The potential that keeps the tempering variable between its edges.

    .. math::
        \phi(\alpha) = C \max(|\alpha| - \delta',\, 0)

    Under a law that is flat between the edges the variable spends the share
    1 / (1 + 1 / (C delta')) of its time there.

    Args:
        alpha: the tempering variable, any shape, without unit.
        edge: delta' > 0.
        wall: C > 0, the steepness, in units of the temperature.

    Returns:
        phi, in units of the temperature, of the shape of alpha. It runs inside `jit`.

    Examples:
        >>> import thermo_optax as to
        >>> print(to.confining_potential(1.7), to.confining_potential(-1.0))
        2.0 0.0

    References:
        Ye, Zhu and Mantiuk, 2017, eq. (11), whose force lacks the sign of alpha: as printed, it
        drives a variable below -delta' away for ever.
    """
    alpha = _floating(alpha)
    outside = jnp.abs(alpha) - jnp.asarray(edge, alpha.dtype)
    return jnp.asarray(wall, alpha.dtype) * jnp.maximum(outside, 0)


def confining_force(
    alpha: ArrayLike, *, edge: ArrayLike = 1.5, wall: ArrayLike = 10.0
) -> jax.Array:
    r"""The force of the wall, minus the derivative of `confining_potential`.

    .. math::
        -\phi'(\alpha) = -C \operatorname{sign}(\alpha)\, [\,|\alpha| > \delta'\,]

    Args:
        alpha: the tempering variable, any shape, without unit.
        edge: delta' > 0.
        wall: C > 0, the steepness, in units of the temperature.

    Returns:
        The force, in units of the temperature, of the shape of alpha: towards 0, and 0 between the
        edges. It runs inside `jit`.

    Examples:
        >>> import thermo_optax as to
        >>> print(to.confining_force(1.7), to.confining_force(-1.7))
        -10.0 10.0

    References:
        Ye, Zhu and Mantiuk, 2017, eq. (11), with the sign that it lacks.
    """
    alpha = _floating(alpha)
    outside = jnp.abs(alpha) > jnp.asarray(edge, alpha.dtype)
    return jnp.where(outside, -jnp.asarray(wall, alpha.dtype) * jnp.sign(alpha), 0)


def check_ramp(plateau: ArrayLike, edge: ArrayLike) -> None:
    """Raises unless the plateau ends before the edge."""
    low, high = known(plateau), known(edge)
    if low is not None and high is not None and not low < high:
        raise ValueError(
            f"`plateau` (delta) must be below `edge` (delta'), got {low} and {high}: between "
            "them the temperature rises. The paper has 0.4 and 1.5."
        )
