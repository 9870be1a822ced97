"""How the tempering variable moves, and what it feels: the energy of the sampler, in three modes.

Where the law counts it moves by BAOAB: half a kick before the drifts and half after them, both with
the energy of the same parameters. Algorithm 1 of the paper makes its steps 3 to 6 with symplectic
Euler, whose law is off by a share gamma h / 2; with exact flows the same order of steps has no such
error of the bath. But one whole kick meets the energy of the parameters on one side of their move
only, which is an error of first order in the steps, and shows where alpha crosses the ramp.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from thermo_optax._base import (
    check_real,
    compute_dtype,
    first_value,
    initial_momenta,
    is_schedule,
    known,
    map_samplers,
    masses_of,
    samplers,
    sum_of_squares_over,
)
from thermo_optax.integrators import _flows as flows

from ._grid import Bias
from ._mean_force import adaptive_biasing_force
from ._metadynamics import metadynamics


class Alpha(NamedTuple):
    """The tempering variable in phase space."""

    position: jax.Array
    momentum: jax.Array


def start(key: jax.Array, mass: jax.Array) -> Alpha:
    """At alpha = 0, in the middle of the plateau, and r_alpha ~ N(0, m_alpha)."""
    position = jnp.zeros([], jnp.float32)
    return Alpha(position, initial_momenta(position, key, mass, "thermal", None, "threefry"))


def step(
    alpha: Alpha,
    noise,
    force: Callable[[jax.Array], tuple[jax.Array, Any]],
    time,
    friction,
    mass,
    *,
    halves: bool,
) -> tuple[Alpha, Any]:
    """Alpha moves, `force` learns and answers at the new place, and the answer pushes alpha.

    `halves`: half of the push comes before the move, at the old place; what is learnt there is
    learnt at the new one only. `force` returns the force and whatever else it has to tell, which
    is passed on.
    """
    if halves:
        answer, _ = force(alpha.position)
        alpha = pushed(alpha, answer, time / 2)
    alpha = drifted(alpha, noise, time, friction, mass)
    answer, told = force(alpha.position)
    return pushed(alpha, answer, time / 2 if halves else time), told


def drifted(alpha: Alpha, noise, time, friction, mass) -> Alpha:
    """A O A: the variable moves, and its own bath (of temperature 1) acts halfway."""
    middle = flows.drift(alpha.position, alpha.momentum, time / 2, mass)
    momentum = flows.bath(alpha.momentum, noise, friction, mass, time)
    return Alpha(flows.drift(middle, momentum, time / 2, mass), momentum)


def pushed(alpha: Alpha, force, time) -> Alpha:
    """B: the force of the energy, of the wall and of the bias."""
    return alpha._replace(momentum=flows.kick(alpha.momentum, -force, time))


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
    check_real("value", value)
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


def kinetic_energy(state: Any, mass: jax.typing.ArrayLike) -> jax.Array:
    """The kinetic energy of all momenta in a state; `mass` is that of samplers which keep none."""
    total = jnp.zeros([], jnp.result_type(float))
    for _, sampler in samplers(state):
        for _, p, m in masses_of(sampler, mass):
            squares = sum_of_squares_over(m, p.astype(compute_dtype(p.dtype)))
            total += squares.astype(total.dtype) / 2
    return total


def check_same_mass(state: Any, mass: Any) -> None:
    """Raises if a sampler in a state is known to have other masses than the one that was given."""
    told = known(first_value(mass))
    for _, sampler in samplers(state):
        own = jax.tree.leaves(getattr(sampler, "mass", ()))
        if told is None or any(isinstance(m, Tracer) for m in own):
            continue
        # `optax.inject_hyperparams` rounds to half precision for a network of half precision.
        if not all(np.allclose(m, told, rtol=1e-2, atol=0.0) for m in own):
            shown = (
                f"of mass {own[0]:.6g}"
                if len(own) == 1 and not own[0].ndim
                else "with a tree of masses"
            )
            raise ValueError(
                f"`mass` must be that of the sampler in `inner`, got {told:.6g} for a sampler "
                f"{shown}. Leave the argument out: it is for samplers of other packages, whose "
                "states do not tell a mass."
            )


class Law(NamedTuple):
    """What a mode makes of the energy, and the motion of alpha that suits it."""

    energy: Callable[[jax.Array, Any, jax.Array, int], jax.Array]  # of loss, state, mass, size
    exact: bool  # whether the density of parameters and alpha is known
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
    return (loss + kinetic_energy(state, mass)) / float(max(size, 1))


def _as_it_is(force):
    return force


def _limited(force):
    return jnp.clip(force, -_LIMIT, _LIMIT)


MODES = {
    "paper": Law(
        _all_of_it, True, False, _as_it_is, lambda size: 1.0, 1.0, lambda: (metadynamics(),), 50
    ),
    "exact": Law(
        *(_potential_alone, True, True, _as_it_is, float, 0.1),
        lambda: (adaptive_biasing_force(),),
    ),
    "exploration": Law(
        *(_per_degree_of_freedom, False, False, _limited, lambda size: 1.0, 1.0),
        lambda: (adaptive_biasing_force(memory=_MEMORY), metadynamics()),
    ),
}


def check_same_temperature(found: Sequence[jax.Array], temperature: Any) -> None:
    """Raises if none of the samplers' temperatures is `temperature`, as far as both are known.

    Args:
        found: what the samplers inside were built with, as `built_temperatures` gives it.
        temperature: a number or a schedule, whose first value counts.
    """
    numbers, told = [known(number) for number in found], known(first_value(temperature))
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
