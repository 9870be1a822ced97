"""Checks of the losses that an exchange is given, and of how it takes them."""

from typing import Any

import jax.numpy as jnp

from thermo_optax._base import check_fraction, check_nonnegative, check_share, check_weight, known


def check_noise(correction: Any, decay: Any, energy: str) -> None:
    """Raises for a correction of noise that cannot be estimated."""
    check_share(noise_correction=correction)
    check_weight(noise_decay=decay)
    check_fraction(noise_decay=decay)  # 1 would never take up a new loss
    if known(correction) != 0 and energy == "value_fn":
        raise ValueError(
            f"`noise_correction`={correction} has no effect with `energy`='value_fn': the noise is "
            "estimated from the losses of successive steps, which only `energy`='value' has. Leave "
            "it at 0, and give a `value_fn` without noise, such as the loss on all validation data."
        )


def check_one_scale(scale: Any) -> None:
    """A factor of all temperatures: the ladder says how those of the replicas differ."""
    if jnp.ndim(scale):
        raise ValueError(
            f"`temperature_scale` must be one number for all replicas, got the shape "
            f"{jnp.shape(scale)}: give the rungs their temperatures by the `ladder`, or use "
            "`replicate`, which takes one for each replica."
        )
    check_nonnegative(temperature_scale=scale)


def check_energies(
    energy: str, value: Any, value_fn: Any, params: Any, num_replicas: int, swapping: bool
) -> None:
    """Raises for missing or misshapen losses."""
    wanted = f"one loss for each of the {num_replicas} replicas"
    if energy == "value" and value is None and swapping:
        raise ValueError(
            f"`value` is required to exchange replicas: pass {wanted}, of the parameters given to "
            "`update`, as in `tx.update(grads, state, params, value=losses)`."
        )
    if energy == "value_fn" and swapping and (value_fn is None or params is None):
        missing = "params" if params is None else "value_fn"
        raise TypeError(
            f'`{missing}` is required with `energy="value_fn"`: call `tx.update(grads, state, '
            "params, value_fn=fn)`, where fn(params of one replica) is the loss that decides."
        )
    if value is not None and jnp.shape(value) != (num_replicas,):
        raise ValueError(
            f"`value` must be {wanted}, of shape {(num_replicas,)}, but has shape "
            f"{jnp.shape(value)}: `jax.vmap` the loss over the replicas, and do not average it."
        )
