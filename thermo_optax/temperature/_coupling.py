"""What the tempering variable feels: the energy of the sampler, in three modes."""

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from thermo_optax._base import compute_dtype, map_samplers, momenta, samplers, sum_of_squares

from ._grid import Bias
from ._mean_force import adaptive_biasing_force
from ._metadynamics import metadynamics

_LIMIT = 2.0  # of the force in exploration: across the ramp it does the work of two temperatures
_MEMORY = 100.0  # visits to a node: in training, the energy falls while alpha wanders


def check_value(value: Any) -> jax.Array:
    """The loss as a scalar; raises if it is missing or not one number."""
    if value is None:
        raise TypeError(
            "`value` is required: continuous tempering needs the loss at `params`. Get it with "
            "`value, grads = jax.value_and_grad(loss)(params)` and pass it on, as in "
            "`tx.update(grads, state, params, value=value)`."
        )
    kind = getattr(value, "dtype", None) or (
        np.dtype(type(value)) if isinstance(value, (bool, int, float, complex)) else None
    )
    if kind is not None and kind.kind in "bc":
        raise TypeError(
            f"`value` must be the loss, a real number, got {_kind(value)} and dtype {kind}. Of a "
            "complex loss pass the real part that is descended; a truth value is no loss."
        )
    if jnp.ndim(value) or not hasattr(value, "dtype") and not isinstance(value, (int, float)):
        raise ValueError(
            f"`value` must be the loss, a single number, got {_kind(value)}. Pass the mean (or "
            "sum) whose gradient the updates are; for replicas, `jax.vmap` the update."
        )
    value = jnp.asarray(value)
    if not isinstance(value, Tracer) and not np.isfinite(np.asarray(value, float)):
        warnings.warn(
            f"`value` is {value}: in this step the tempering variable ignores the loss, and the "
            "field `faults` of its state counts it. `optax.apply_if_finite` around the optimizer "
            "skips steps with gradients that are not finite.",
            stacklevel=4,
        )
    return value.astype(jnp.result_type(float))


def _kind(value: Any) -> str:
    shape = f" of shape {jnp.shape(value)}" if hasattr(value, "shape") else f": {value!r}"
    return f"a value of type {type(value).__name__}{shape}"


def to_be_rescaled(state: Any, factor: jax.Array) -> Any:
    """The state whose next step first multiplies all its momenta, where they are independent."""

    def asked(sampler, _):
        scale = sampler.momentum_scale
        return sampler._replace(momentum_scale=scale * factor.astype(scale.dtype))

    return map_samplers(asked, state, samplers(state))


def kinetic_energy(state: Any, mass: jax.Array) -> jax.Array:
    """The kinetic energy of all momenta in a state."""
    squares = [sum_of_squares(p.astype(compute_dtype(p.dtype))) for p in momenta(state)]
    return sum((s.astype(mass.dtype) for s in squares), jnp.zeros_like(mass)) / (2 * mass)


class Law(NamedTuple):
    """What a mode makes of the energy, and the motion of alpha that suits it."""

    energy: Callable[[jax.Array, Any, jax.Array, int], jax.Array]  # of loss, state, mass, size
    rescales: bool  # whether momenta keep the temperature of the bath when alpha moves
    bounded: Callable[[jax.Array], jax.Array]  # the force as alpha feels it
    alpha_mass: Callable[[int], float]  # of the number of parameters
    friction: float  # of alpha
    bias: Callable[[], tuple[Bias, ...]]
    most: int | None = None  # parameters, beyond which alpha cannot cross its range

    def check_size(self, size: int) -> None:
        """Warns of more parameters than a mode can serve."""
        if self.most is not None and size > self.most:
            warnings.warn(
                f'`mode`="paper" couples the tempering variable to the energy of all {size} '
                f"parameters. Beyond {self.most} it is thrown to the hot end, and hills of the "
                f"default height bring it back after about {30 * size**2:,} steps (30 d^2), if at "
                'all. Pass mode="exact" for samples, or mode="exploration" to train.',
                stacklevel=4,
            )


def _all_of_it(loss, state, mass, size):
    del size
    return loss + kinetic_energy(state, mass)


def _potential_alone(loss, state, mass, size):
    del state, mass, size
    return loss


def _per_degree_of_freedom(loss, state, mass, size):
    return (loss + kinetic_energy(state, mass)) / max(size, 1)


def _as_it_is(force):
    return force


def _limited(force):
    return jnp.clip(force, -_LIMIT, _LIMIT)


MODES = {
    "paper": Law(
        _all_of_it, False, _as_it_is, lambda size: 1.0, 1.0, lambda: (metadynamics(),), 50
    ),
    "exact": Law(
        *(_potential_alone, True, _as_it_is, float, 0.1),
        lambda: (adaptive_biasing_force(),),
    ),
    "exploration": Law(
        *(_per_degree_of_freedom, False, _limited, lambda size: 1.0, 1.0),
        lambda: (adaptive_biasing_force(memory=_MEMORY), metadynamics()),
    ),
}
