"""How the tempering variable moves: BAOAB, in the cyclic form that starts with the drift.

Algorithm 1 of the paper makes its steps 3 to 6 with symplectic Euler, whose law is off by a share
gamma h / 2; with the flows in their exact form the same order costs nothing and is not.
"""

from typing import NamedTuple

import jax

from thermo_optax.integrators import _flows as flows


class Alpha(NamedTuple):
    """The tempering variable in phase space."""

    position: jax.Array
    momentum: jax.Array


def drifted(alpha: Alpha, noise, time, friction, mass) -> Alpha:
    """A O A: the variable moves, and its own bath (of temperature 1) acts halfway."""
    middle = flows.drift(alpha.position, alpha.momentum, time / 2, mass)
    momentum = flows.bath(alpha.momentum, noise, friction, mass, time)
    return Alpha(flows.drift(middle, momentum, time / 2, mass), momentum)


def pushed(alpha: Alpha, force, time) -> Alpha:
    """B: the force of the energy, of the wall and of the bias."""
    return alpha._replace(momentum=flows.kick(alpha.momentum, -force, time))
