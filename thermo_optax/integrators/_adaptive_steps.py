"""One step of adaptive Langevin dynamics, in each of its splittings.

    dx = p dt      dp = -grad L dt - xi p dt + sigma dW      dxi = eps (p.p - N T) dt

The friction xi finds the value at which the momenta have temperature T, whatever the unknown heat
of the mini-batches: on average xi = (sigma^2 + h s^2) / (2 T) for a gradient noise of variance s^2.

Each function below starts where the gradient is taken and returns an `AdaptiveStep`. `rates` is
the friction of every leaf: the thermostat's xi, plus, in the covariance-controlled method, a
friction of each coordinate's own.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from thermo_optax._base import compute_dtype, finite_or_zero, like

from . import _flows

Tree = Any


class Bath(NamedTuple):
    """What a step needs to know of the thermostats; scalars, and functions of trees."""

    step_size: jax.Array
    amplitude: jax.Array  # sigma
    heat: Callable[..., Tree]  # heat(fn, *trees): tree map of fn(noise, *leaves); see `rereads`
    energy: Callable[[Tree], jax.Array]  # sum of squares over the leaves of each thermostat
    degrees: Callable[[Tree], jax.Array]  # number of coordinates of each thermostat
    regulate: Callable[..., jax.Array]  # regulate(friction, energy, time): flow E
    rates: Callable[[jax.Array], Tree]  # the friction that each leaf feels


class AdaptiveStep(NamedTuple):
    """The result of a step."""

    displacement: Tree
    momentum: Tree
    friction: jax.Array
    energy: jax.Array  # p.p of each thermostat, as flow E saw it


def kicked(momentum, gradient, step_size):
    """B over the whole step, in at least float32."""
    dtype = compute_dtype(momentum.dtype, gradient.dtype)
    return _flows.kick(momentum.astype(dtype), gradient.astype(dtype), like(step_size, dtype))


def felt(momentum, gradient, step_size):
    """The kicked momentum that goes into the state: a non-finite gradient gives no kick."""
    return kicked(momentum, finite_or_zero(gradient), step_size)


def acdedcab(bath: Bath, friction, gradient, momentum) -> AdaptiveStep:
    """B | A C D E D C A: the authors' splitting, with D E D drawn at once.

    E sees the momentum halfway through the diffusion. Given its ends, that is a Brownian bridge,
    whose mean square is that of the midpoint plus sigma^2 h / 4 per coordinate. Using this mean
    saves a second draw of noise per step; it leaves the mean of p.p at E as it is, and with it
    the temperature, and takes from xi a fluctuation of relative order (h xi)^2.
    """
    h, sigma = bath.step_size, bath.amplitude

    def heated(z, g, p, xi):  # B, C, D, D
        cool = felt(p, g, h)
        xi, amplitude, time = (like(scalar, cool.dtype) for scalar in (xi, sigma, h))
        cool = _flows.friction(cool, xi, time / 2)
        hot = _flows.diffusion(cool, z.astype(cool.dtype), amplitude, time)
        return hot, (cool + hot) / 2, p

    rates = bath.rates(friction)
    hot, midpoint, momentum = bath.heat(heated, gradient, momentum, rates, rereads=True)
    energy = bath.energy(midpoint) + bath.degrees(midpoint) * sigma**2 * h / 4
    friction = bath.regulate(friction, energy, h)  # E

    def last_friction(p, xi):  # C
        return _flows.friction(p, like(xi, p.dtype), like(h / 2, p.dtype))

    def drifted(g, old, p):
        return two_drifts(kicked(old, g, h), p, h)

    new = jax.tree.map(last_friction, hot, bath.rates(friction))
    displacement = jax.tree.map(drifted, gradient, momentum, new)
    return AdaptiveStep(displacement, new, friction, energy)


def badodab(bath: Bath, friction, gradient, momentum) -> AdaptiveStep:
    """B | A D O D A, the textbook splitting: its D is thermostat E, its O is C and D at once."""
    h, sigma = bath.step_size, bath.amplitude

    first = bath.energy(jax.tree.map(lambda g, p: felt(p, g, h), gradient, momentum))
    friction = bath.regulate(friction, first, h / 2)

    def bathed(z, g, p, xi):
        before, p = kicked(p, g, h), felt(p, g, h)
        xi, amplitude, time = (like(scalar, p.dtype) for scalar in (xi, sigma, h))
        p = _flows.adaptive_bath(p, z.astype(p.dtype), xi, amplitude, time)
        return two_drifts(before, p, h), p

    rates = bath.rates(friction)
    displacement, new = bath.heat(bathed, gradient, momentum, rates, rereads=True)
    second = bath.energy(new)
    friction = bath.regulate(friction, second, h / 2)
    return AdaptiveStep(displacement, new, friction, (first + second) / 2)


def sgnht(bath: Bath, friction, gradient, momentum) -> AdaptiveStep:
    """C B D A E: the stochastic-gradient Nose-Hoover thermostat; first order, and the cheapest."""
    h, sigma = bath.step_size, bath.amplitude

    def leaf(z, g, p, xi):
        dtype = compute_dtype(p.dtype, g.dtype)
        damped = _flows.friction(p.astype(dtype), like(xi, dtype), like(h, dtype))
        p = felt(damped, g, h)
        p = _flows.diffusion(p, z.astype(dtype), like(sigma, dtype), like(h, dtype))
        start = like(0, dtype) * g.astype(dtype)  # a NaN in g must show
        return _flows.drift(start, p, like(h, dtype)), p

    displacement, new = bath.heat(leaf, gradient, momentum, bath.rates(friction))
    energy = bath.energy(new)
    return AdaptiveStep(displacement, new, bath.regulate(friction, energy, h), energy)


def two_drifts(before, after, step_size):
    """A before and A after the bath, each for half a step: the displacement."""
    half = like(step_size / 2, after.dtype)
    return _flows.drift(_flows.drift(jnp.zeros_like(after), before, half), after, half)


SPLITTINGS = {"ACDEDCAB": acdedcab, "BADODAB": badodab, "SGNHT": sgnht}
