"""Whether there is a bath inside to heat, and whether it is at the temperature that was told."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from thermo_optax._base import baths, declare_bath

_COUNTS = (0, 1, 10, 100, 1_000, 10_000, 100_000)  # at which schedules are compared


def heatable_state(inner: Any, params: Any, name: str) -> tuple[Any, list[Any]]:
    """The first state of `inner`, and the temperatures of the samplers in it; raises for none."""
    with baths() as found:
        state = inner.init(params)
    for own in found:
        declare_bath(own)  # to whoever stands around
    check_heatable(found, inner.update, name)
    return state, found


def check_heatable(found: Sequence[Any], update: Callable, name: str) -> None:
    """Raises if no sampler was found in `inner`: its update would ignore `temperature_scale`.

    A sampler of the user's own has a bath if its update names that argument.
    """
    if not found and "temperature_scale" not in inspect.signature(update).parameters:
        raise ValueError(
            f"`inner` of `{name}` has no bath to heat: there is no sampler in it. Pass `sgld`, "
            "`langevin` or another sampler, or a chain or partition with one; `sghmc` is "
            "`optax.sgd` with momentum and a bath. In the update of a sampler of your own, name "
            "the argument `temperature_scale`."
        )


def check_same_temperature(found: Sequence[Any], temperature: Any) -> None:
    """Raises if none of the samplers' temperatures is `temperature`.

    Temperatures are numbers or schedules. A traced one passes, because it is not known.
    """
    if not found or any(_may_agree(own, temperature) for own in found):
        return
    listed = ", ".join(sorted({_shown(own) for own in found}))
    raise ValueError(
        f"`temperature` must be the one that the sampler in `inner` was given, got "
        f"{_shown(temperature)} for a sampler at {listed}: energies count in units of it. Pass the "
        "same number or schedule to both; for a partition with several temperatures, one of them."
    )


def _may_agree(own: Any, temperature: Any) -> bool:
    """Whether two temperatures are the same at all step counts, as far as that is known."""
    # `optax.inject_hyperparams` makes an array of what may be the first value of a schedule.
    fixed = not callable(own) and isinstance(own, jax.Array)
    rounding = 1e-2 if _is_half(own) or _is_half(temperature) else 1e-5
    for count in _COUNTS[:1] if fixed else _COUNTS:
        first, second = _value(own, count), _value(temperature, count)
        if first is None or second is None:
            return True
        if not np.isclose(first, second, rtol=rounding, atol=0.0):
            return False
    return True


def _is_half(temperature: Any) -> bool:
    return getattr(temperature, "dtype", None) in (jnp.bfloat16, jnp.float16)


def _value(temperature: Any, count: int) -> float | None:
    """A temperature at a step as a number; None for a traced one."""
    if callable(temperature):
        with jax.ensure_compile_time_eval():  # inside a jitted `init` a schedule would be traced
            temperature = temperature(np.int32(count))
    return None if isinstance(temperature, Tracer) else float(np.asarray(temperature, float))


def _shown(temperature: Any) -> str:
    value = _value(temperature, 0)
    if value is None:
        return "a traced temperature"
    return f"{value:.6g} at step 0 of a schedule" if callable(temperature) else f"{value:.6g}"
