"""A check of states, before they are read."""

import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp


def check_one_chain(states: Sequence[Any], reader: str) -> None:
    """Raises for the state of a run that was vmapped, whose axis of chains would be misread."""
    shape = jnp.shape(states[0].num_collected)
    if shape:
        raise ValueError(
            f"`state` is of {math.prod(shape)} chains: `jax.vmap` the reader over them, as in "
            f"`jax.vmap(lambda state, params: {reader}(state, params))(state, params)`."
        )
