"""How the tempering variable moves: BAOAB, in the cyclic form that starts with the drift.

Algorithm 1 of the paper makes its steps 3 to 6 with symplectic Euler, whose law is off by a share
gamma h / 2; with the flows in their exact form the same order costs nothing and is not.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from thermo_optax._base import initial_momenta
from thermo_optax.integrators import _flows as flows


class Alpha(NamedTuple):
    """The tempering variable in phase space."""

    position: jax.Array
    momentum: jax.Array


def start(key: jax.Array, mass: jax.Array) -> Alpha:
    """At alpha = 0, in the middle of the plateau, and r_alpha ~ N(0, m_alpha)."""
    position = jnp.zeros([], jnp.float32)
    return Alpha(position, initial_momenta(position, key, mass, "thermal", None, "threefry"))


def step(
    alpha: Alpha, noise, force: Callable[[jax.Array], tuple[jax.Array, Any]], time, friction, mass
) -> tuple[Alpha, Any]:
    """Alpha moves, `force` learns and answers at the new place, and the answer pushes alpha.

    `force` returns the force and whatever else it has to tell, which is passed on.
    """
    alpha = drifted(alpha, noise, time, friction, mass)
    answer, told = force(alpha.position)
    return pushed(alpha, answer, time), told


def drifted(alpha: Alpha, noise, time, friction, mass) -> Alpha:
    """A O A: the variable moves, and its own bath (of temperature 1) acts halfway."""
    middle = flows.drift(alpha.position, alpha.momentum, time / 2, mass)
    momentum = flows.bath(alpha.momentum, noise, friction, mass, time)
    return Alpha(flows.drift(middle, momentum, time / 2, mass), momentum)


def pushed(alpha: Alpha, force, time) -> Alpha:
    """B: the force of the energy, of the wall and of the bias."""
    return alpha._replace(momentum=flows.kick(alpha.momentum, -force, time))
