"""The elementary flows: every integrator is a word over these letters.

Langevin dynamics, and its adaptive form, are cut into pieces that are solved exactly:

    A  drift       x <- x + s p / m
    B  kick        p <- p - s g
    C  friction    p <- exp(-s xi) p
    D  diffusion   p <- p + sigma sqrt(s) z
    E  thermostat  xi <- xi + s eps (p.p / m - N T)
    O  bath        p <- exp(-s gamma) p + sqrt(m T (1 - exp(-2 s gamma))) z,  C and D at once

with x the parameters, p the momenta, g the gradient of the loss, z standard normal noise and s the
time. They are linear in x, p, g and z, so they act alike on arrays and on linear forms.
"""

import jax
import jax.numpy as jnp


def drift(position, momentum, time, mass=1.0):
    """A: parameters move with their momentum."""
    return position + (time / mass) * momentum


def kick(momentum, gradient, time):
    """B: the gradient pulls at the momentum."""
    return momentum - time * gradient


def rescale(momentum, gradient, time, factor):
    """The momentum times a factor, where it is independent of the position.

    The stored momentum stands before a kick of a whole step, and the cycle is symmetric in the
    middle of that kick. Only there are position and momentum independent, so only there may a new
    bath multiply the momentum: else its mean at a position, (s / 2) g, is multiplied too.
    """
    # Where nothing is asked for, to the bit nothing happens.
    scaled = factor * momentum + (1 - factor) * (time / 2) * gradient
    return jnp.where(factor == 1, momentum, scaled)


def friction(momentum, rate, time):
    """C: momentum decays; it grows where an adaptive friction is negative."""
    return jnp.exp(-rate * time) * momentum


def diffusion(momentum, noise, amplitude, time):
    """D: noise heats the momentum."""
    return momentum + amplitude * jnp.sqrt(time) * noise


def thermostat(rate, energy_excess, coupling, time):
    """E: the friction rises while the momenta are hotter than the bath, and falls while colder."""
    return rate + time * coupling * energy_excess


def bath(momentum, noise, rate, variance, time):
    """O: friction and diffusion together, which keep p ~ N(0, variance) as it is."""
    return friction(momentum, rate, time) + jnp.sqrt(variance * heating(rate, time)) * noise


def heating(rate, time):
    """The share 1 - exp(-2 gamma s) of the bath's variance that a time s of bath brings in."""
    # expm1: in float32, 1 - exp(-x) has no correct digit once x is below 1e-7.
    return -jnp.expm1(-2 * rate * time)


def adaptive_bath(momentum, noise, rate, amplitude, time):
    """O at an adaptive friction of any sign: D's noise, damped by C while it comes in."""
    return friction(momentum, rate, time) + amplitude * jnp.sqrt(damped_time(rate, time)) * noise


def damped_time(rate, time) -> jax.Array:
    """(1 - exp(-2 xi s)) / (2 xi), which is s at xi = 0, for any sign of xi."""
    tiny = jnp.abs(rate * time) < 1e-4  # below it, two terms of the series are exact to rounding
    safe = jnp.where(tiny, 1.0, rate)
    return jnp.where(tiny, time * (1 - rate * time), heating(safe, time) / (2 * safe))
