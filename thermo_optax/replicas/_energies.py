"""Checks of the losses that an exchange is given."""

from typing import Any

import jax.numpy as jnp


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
