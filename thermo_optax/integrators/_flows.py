"""The elementary flows: every integrator is a word over these letters.

Langevin dynamics, and its adaptive form, are cut into pieces that are solved exactly:

    A  drift       x <- x + s p / m
    B  kick        p <- p - s g
    C  friction    p <- exp(-s xi) p
    D  diffusion   p <- p + sigma sqrt(s) z
    E  thermostat  xi <- xi + s eps (p.p / m - N T)
    O  bath        p <- exp(-s gamma) p + sqrt(m T (1 - exp(-2 s gamma))) z,  C and D at once
    U  both        A and O at once: dx = p / m dt, dp = -gamma p dt + sqrt(2 gamma m T) dW

with x the parameters, p the momenta, g the gradient of the loss, z standard normal noise and s the
time. They are linear in x, p, g and z, so they act alike on arrays and on linear forms.
"""

import jax
import jax.numpy as jnp

from thermo_optax._base import root


def drift(position, momentum, time, mass: jax.typing.ArrayLike = 1.0):
    """A: parameters move with their momentum."""
    return position + (time / mass) * momentum


def kick(momentum, gradient, time):
    """B: the gradient pulls at the momentum."""
    return momentum - time * gradient


def rescale(momentum, gradient, time, swap):
    """The momentum times a factor, where it is independent of the position.

    The stored momentum stands before a kick of a whole step, and the cycle is symmetric in the
    middle of that kick. Only there are position and momentum independent, so only there may a new
    bath multiply the momentum: else its mean at a position, (s / 2) g, is multiplied too.

    A step that rests ends there, after the half kick that the last step left to it. The step after
    it begins there: it makes its own half of the kick only. So each half has the gradient, and the
    time, of its own rung. `swap` is (factor, owed, ahead): whether there are these two halves.
    """
    factor, owed, ahead = swap
    return factor * momentum + (ahead - factor * owed) * (time / 2) * gradient


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
    return friction(momentum, rate, time) + root(variance * heating(rate, time)) * noise


def drift_in_bath(position, momentum, noises, rate, variance, time, mass):
    """U: drift and bath at once, solved exactly; the two ends are correlated normals.

    With u = gamma s and variance m T, the position moves by s / m times

        (1 - exp(-u)) / u (p + sqrt(m T tanh(u / 2)) z) + sqrt(2 m T (u - 2 tanh(u / 2))) / u y

    where z is the noise of the momentum, and y one of its own.
    """
    z, y = noises
    u = rate * time
    mean = _mean_decay(u)
    spread = root(variance * jnp.tanh(u / 2)) * mean
    own = root(variance * _spread_of_path(u))
    moved = position + (time / mass) * (mean * momentum + spread * z + own * y)
    return moved, bath(momentum, z, rate, variance, time)


def _mean_decay(u):
    """(1 - exp(-u)) / u, which is 1 at u = 0."""
    safe = jnp.where(u > 0, u, 1)
    return jnp.where(u > 0, -jnp.expm1(-safe) / safe, 1)


def _spread_of_path(u):
    """2 (u - 2 tanh(u / 2)) / u^2, which is u / 6 for small u."""
    small = u < 0.1  # below it, the difference loses digits, and four terms of the series none
    safe = jnp.where(small, 1, u)
    square = jnp.square(jnp.where(small, u, 0))
    series = 1 + square * (-1 / 10 + square * (17 / 1680 - square * (31 / 30240)))
    return jnp.where(small, u / 6 * series, 2 * (safe - 2 * jnp.tanh(safe / 2)) / jnp.square(safe))


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
