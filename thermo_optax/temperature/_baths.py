"""Whether the bath inside is at the temperature that a wrapper was told."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from thermo_optax._base import is_schedule, known


def check_same_temperature(found: Sequence[jax.Array], temperature: Any) -> None:
    """Raises if none of the samplers' temperatures is `temperature`, as far as both are known.

    Args:
        found: what the samplers inside were built with, as `built_temperatures` gives it.
        temperature: a number or a schedule, whose first value counts.
    """
    numbers, told = [known(number) for number in found], _first_value(temperature)
    own = [number for number in numbers if number is not None and not is_schedule(number)]
    if told is None or not own or len(own) < len(numbers):
        return
    half = getattr(temperature, "dtype", None) in (jnp.bfloat16, jnp.float16)
    # `optax.inject_hyperparams` rounds to half precision for a network of half precision.
    if not any(np.isclose(number, told, rtol=1e-2 if half else 4e-3, atol=0.0) for number in own):
        listed = ", ".join(sorted({f"{number:.6g}" for number in own}))
        raise ValueError(
            "`temperature` must be the one that the sampler in `inner` was given, got "
            f"{told:.6g} for a sampler at {listed}: energies count in units of it. Pass the same "
            "number or schedule to both; for a partition with several temperatures, one of them."
        )


def _first_value(temperature: Any) -> float | None:
    """A temperature at step 0 as a number; None for a traced one."""
    if callable(temperature):
        with jax.ensure_compile_time_eval():  # inside a jitted `init` a schedule would be traced
            temperature = temperature(np.int32(0))
    return known(temperature)
