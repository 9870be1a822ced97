"""One step of adaptive Langevin dynamics, in each of its splittings.

    dx = p / m dt   dp = -grad L dt - xi p dt + sigma sqrt(m) dW   dxi = eps (p.p / m - N T) dt

The friction xi finds the value at which the momenta have temperature T, whatever the unknown heat
of the mini-batches: on average xi = (sigma^2 + h s^2 / m) / (2 T) for a gradient noise of variance
s^2.

Each function below starts where the gradient is taken and returns an `AdaptiveStep`. `rates` is
the friction of every leaf: the thermostat's xi, plus, in the covariance-controlled method, a
friction of each coordinate's own. `masses` are those of every leaf or of its coordinates.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from thermo_optax._base import compute_dtype, finite_or_zero, like

from . import _flows
from ._sampler import Step, Swap, showing_faults

Tree = Any


class Thermostats(NamedTuple):
    """What a step needs to know of its thermostats; scalars, and functions of trees."""

    step: Step
    step_size: jax.Array  # 0 in a step that rests
    kick_time: jax.Array  # the step size in any case: of it half a kick may be left to a rest
    amplitude: jax.Array  # sigma
    swap: Swap
    masses: Tree
    energy: Callable[[Tree], jax.Array]  # sum of p^2 / m over the leaves of each thermostat
    degrees: jax.Array  # number of coordinates of each thermostat
    regulate: Callable[..., jax.Array]  # regulate(friction, energy, time): flow E
    rates: Callable[[jax.Array], Tree]  # the friction that each leaf feels

    def kicked(self, momentum, gradient):
        """B over the whole step, in at least float32, after what a swap asked for."""
        dtype = compute_dtype(momentum.dtype, gradient.dtype)
        h, time = like(self.step_size, dtype), like(self.kick_time, dtype)
        swap = Swap(*(like(number, dtype) for number in self.swap))
        p, g = momentum.astype(dtype), finite_or_zero(gradient).astype(dtype)
        return _flows.kick(_flows.rescale(p, g, time, swap), g, h)

    def displacement(self, gradient, before, after, mass):
        """A before and A after the bath, each for half a step."""
        half, mass = like(self.step_size / 2, after.dtype), like(mass, after.dtype)
        moved = _flows.drift(jnp.zeros_like(after), before, half, mass)
        moved = _flows.drift(moved, after, half, mass)
        return showing_faults(moved, gradient)


class AdaptiveStep(NamedTuple):
    """The result of a step."""

    displacement: Tree
    momentum: Tree
    friction: jax.Array
    energy: jax.Array  # p.p / m of each thermostat, as flow E saw it


def acdedcab(bath: Thermostats, friction, gradient, momentum) -> AdaptiveStep:
    """B | A C D E D C A: the authors' splitting, with D E D drawn at once.

    E sees the momentum halfway through the diffusion. Given its ends, that is a Brownian bridge,
    whose mean square is that of the midpoint plus sigma^2 h / 4 per coordinate. Using this mean
    saves a second draw of noise per step; it leaves the mean of p.p at E as it is, and with it
    the temperature, and takes from xi a fluctuation of relative order (h xi)^2.
    """
    h, sigma = bath.step_size, bath.amplitude

    def heated(z, g, p, xi, m):  # B, C, D, D
        cool = bath.kicked(p, g)
        xi, m, time = (like(number, cool.dtype) for number in (xi, m, h))
        amplitude = like(sigma, cool.dtype) * jnp.sqrt(m)
        cool = _flows.friction(cool, xi, time / 2)
        hot = _flows.diffusion(cool, z.astype(cool.dtype), amplitude, time)
        return hot, (cool + hot) / 2, p

    trees = gradient, momentum, bath.rates(friction), bath.masses
    hot, midpoint, momentum = bath.step.noisy(heated, *trees, rereads=True)
    energy = bath.energy(midpoint) + bath.degrees * sigma**2 * h / 4
    friction = bath.regulate(friction, energy, h)  # E

    def last_friction(p, xi):  # C
        return _flows.friction(p, like(xi, p.dtype), like(h / 2, p.dtype))

    def drifted(g, old, p, m):
        return bath.displacement(g, bath.kicked(old, g), p, m)

    new = jax.tree.map(last_friction, hot, bath.rates(friction))
    displacement = jax.tree.map(drifted, gradient, momentum, new, bath.masses)
    return AdaptiveStep(displacement, new, friction, energy)


def badodab(bath: Thermostats, friction, gradient, momentum) -> AdaptiveStep:
    """B | A D O D A, the textbook splitting: its D is thermostat E, its O is C and D at once."""
    h, sigma = bath.step_size, bath.amplitude

    first = bath.energy(jax.tree.map(bath.kicked, momentum, gradient))
    friction = bath.regulate(friction, first, h / 2)

    def bathed(z, g, p, xi, m):
        before = bath.kicked(p, g)
        xi, m, time = (like(number, before.dtype) for number in (xi, m, h))
        amplitude = like(sigma, before.dtype) * jnp.sqrt(m)
        after = _flows.adaptive_bath(before, z.astype(before.dtype), xi, amplitude, time)
        return bath.displacement(g, before, after, m), after

    trees = gradient, momentum, bath.rates(friction), bath.masses
    displacement, new = bath.step.noisy(bathed, *trees, rereads=True)
    second = bath.energy(new)
    friction = bath.regulate(friction, second, h / 2)
    return AdaptiveStep(displacement, new, friction, (first + second) / 2)


def sgnht(bath: Thermostats, friction, gradient, momentum) -> AdaptiveStep:
    """C B D A E: the stochastic-gradient Nose-Hoover thermostat; first order, and the cheapest."""
    h, sigma = bath.step_size, bath.amplitude

    def leaf(z, g, p, xi, m):
        dtype = compute_dtype(p.dtype, g.dtype)
        xi, m, time = (like(number, dtype) for number in (xi, m, h))
        # C goes with the first half of the kick, which a step that rests makes, and the next has.
        first = like(bath.kick_time, dtype) * like(bath.swap.owed, dtype)
        p = bath.kicked(_flows.friction(p.astype(dtype), xi, first), g)
        p = _flows.diffusion(p, z.astype(dtype), like(sigma, dtype) * jnp.sqrt(m), time)
        moved = _flows.drift(jnp.zeros_like(p), p, time, m)
        return showing_faults(moved, g), p

    trees = gradient, momentum, bath.rates(friction), bath.masses
    displacement, new = bath.step.noisy(leaf, *trees)
    energy = bath.energy(new)
    return AdaptiveStep(displacement, new, bath.regulate(friction, energy, h), energy)


SPLITTINGS = {"ACDEDCAB": acdedcab, "BADODAB": badodab, "SGNHT": sgnht}
