"""Where the copies of parameters in a state lie, on several devices."""

from typing import TypeVar

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec

Sharding = TypeVar("Sharding", NamedSharding, PartitionSpec)


def copy_sharding(
    copy: jax.typing.ArrayLike, param: jax.typing.ArrayLike, sharding: Sharding
) -> Sharding:
    """The sharding of a copy of a parameter that has further axes in front, as samples have.

    For `optax.tree.map_params`, which takes every copy of the parameters for one of their shape.
    The samples of `collect_samples` and of `running_moments` with a rank have an axis in front that
    counts them, and the sharding of a parameter would split that axis instead. A state made by
    ``tx.init(params)`` of sharded parameters lies right without this.

    Args:
        copy: an array of the state, or its shape and dtype (`jax.ShapeDtypeStruct`).
        param: the parameter of which it is a copy, or its shape and dtype.
        sharding: the parameter's `PartitionSpec` or `NamedSharding`.

    Returns:
        A sharding of the same kind for the copy; axes in front lie on every device as a whole. A
        copy of one replica, which a collector with a `rung` keeps, lacks the first axis of the
        parameter: the sharding of the other axes is its own.

    Raises:
        ValueError: if the copy has other axes than the parameter.
        TypeError: for a sharding of another kind.

    Examples:
        >>> import jax, jax.numpy as jnp, optax
        >>> import thermo_optax as to
        >>> params = {"w": jnp.zeros((8, 3))}
        >>> specs = {"w": jax.P("model", None)}
        >>> tx = to.collect_samples(to.langevin(0.1, 1.0, friction=1.0, key=0), 5)
        >>> state = jax.eval_shape(tx.init, params)
        >>> placed = optax.tree.map_params(
        ...     tx, to.copy_sharding, state, params, specs,
        ...     transform_non_params=lambda _: jax.P(),
        ... )
        >>> print(tuple(placed.samples["w"]), tuple(placed.inner_state.momentum["w"]))
        (None, 'model', None) ('model', None)

    References:
        The documentation of `optax.tree.map_params
        <https://optax.readthedocs.io/en/latest/api/utilities.html>`_.
    """
    shape, own = jnp.shape(copy), jnp.shape(param)
    of_one = not _ends_with(shape, own) and _ends_with(shape, own[1:])
    if not (of_one or _ends_with(shape, own)):
        raise ValueError(
            f"`copy` has the shape {shape}, which is neither that of the parameter, {own}, nor "
            "that with further axes in front. Pass state, parameters and shardings to "
            "`map_params`, in this order."
        )

    def placed(spec):
        return PartitionSpec(*[None] * (len(shape) - len(own) + of_one), *spec[of_one:])

    if isinstance(sharding, NamedSharding):
        spec = placed(sharding.spec)
        return NamedSharding(sharding.mesh, spec, memory_kind=sharding.memory_kind)
    if isinstance(sharding, PartitionSpec):
        return placed(sharding)
    raise TypeError(
        "`sharding` must be a `jax.sharding.NamedSharding` or a `PartitionSpec`, got "
        f"{sharding!r} of type {type(sharding).__name__}."
    )


def _ends_with(shape: tuple[int, ...], own: tuple[int, ...]) -> bool:
    return len(own) <= len(shape) and shape[len(shape) - len(own) :] == own
