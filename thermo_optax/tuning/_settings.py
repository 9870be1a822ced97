"""What a warm-up chooses from its measurements: the rules, each with its number and its reason.

The stages of n steps: masses are learnt in three windows, each from its own gradients, which end
at 0.1, 0.25 and 0.5 n; the step settles until 0.75 n, and then stands still, to be judged.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from . import _gauges as gauges_of
from ._gauges import Gauges

_ENDS = (0.1, 0.25, 0.5)  # of the windows in which masses are learnt
_JUDGED = 0.75  # from here on the step stands still
_TURN = 0.6  # h w while the warm-up lasts: calm enough to measure
_FINAL_TURN = 0.8  # h w of the chosen step; the limit is 2, for modes stiffer than the mean
_TOLERANCE = 0.03  # of the kinetic temperature above the bath's, before the step gives way
_GIVES = 3.0  # times that the turn is smaller, at most, while the chain is hot
_TOO_HOT = 1.5  # times the bath's: a step that stands still gives way after all
_PRIOR = 5.0  # gradients by which each mass is pulled to the mean of all
_FIRST_KICK, _LAST_KICK = 0.3, 1.4  # of a thermal momentum: what a kick may add, to begin with
_DAMPING = 0.3, 0.15  # friction times step: while masses are learnt, and then
_CRITICAL = 0.7  # friction over the slowest frequency
_LONGEST = 10.0  # times frequency that half of a window must exceed to see it


class Stages(NamedTuple):
    """The steps at which the stages of a warm-up begin."""

    windows: tuple[int, ...]  # of masses, the last one that of the step
    judged: int
    end: int


class Settings(NamedTuple):
    """What is tuned, float32[] each."""

    step_size: jax.Array
    friction: jax.Array


class Findings(NamedTuple):
    """What the settings were chosen from, float32[] each; for the report."""

    heat: jax.Array  # kinetic temperature in units of the bath's, at the steady step
    heat_error: jax.Array  # its standard error
    fastest: jax.Array  # mean frequency of the gradient, 1 / time
    slowest: jax.Array  # frequency of the slowest motion seen, 1 / time
    span: jax.Array  # half of the window in which that was looked for, in units of 1 / slowest
    unevenness: jax.Array  # how much stiffer the chain is at times; 1 in a harmonic well


def stages(num_steps: int) -> Stages:
    """Of a warm-up of so many steps."""
    windows = tuple(max(1, int(share * num_steps)) for share in _ENDS)
    return Stages((0, *windows), int(_JUDGED * num_steps), num_steps)


def age(plan: Stages, count: jax.Array) -> jax.Array:
    """Steps since the window began."""
    begun = [jnp.where(count >= start, start, 0) for start in plan.windows]
    return count - jnp.max(jnp.stack(begun))


def damping(plan: Stages, count: jax.Array) -> jax.Array:
    """Friction times step during the warm-up: strong, so that the heat of a bad start leaves."""
    return jnp.where(count < plan.windows[-1], *_DAMPING)


def masses(squares: Any, number: Any, temperature: jax.Array) -> Any:
    """m = <g^2> / T of each coordinate, the curvature in a harmonic well, pulled to the typical.

    Without the pull a coordinate that has not been pushed yet would have no mass at all. The
    typical mass is the geometric mean, so that a few stiff coordinates do not slow all others.
    """
    scale = 1 / (number * temperature)
    largest = functools.reduce(jnp.maximum, [jnp.max(x) for x in jax.tree.leaves(squares)])
    least = jnp.maximum(1e-12 * largest, jnp.finfo(jnp.float32).tiny)
    logs = jax.tree.map(lambda x: jnp.sum(jnp.log(jnp.maximum(x, least))), squares)
    logs = gauges_of.total(jax.tree.map(gauges_of.over_shards, logs))
    typical = scale * jnp.exp(logs / gauges_of.degrees(squares))
    return jax.tree.map(
        lambda x: ((number * scale) * x + _PRIOR * typical) / (number + _PRIOR), squares
    )


def moved_step(
    plan: Stages, step_size: jax.Array, measured: Gauges, count: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """The step on the way to its turn, smaller while the chain is hot; whether it stood, and gave.

    In the end it stands still, unless the chain becomes too hot even so.
    """
    steps = age(plan, count)
    gain = 0.3 / (1 + steps / 30) ** 0.6
    hot = jnp.where(steps > 20, measured.heat / (1 + _TOLERANCE), 1)
    wanted = _TURN / jnp.clip(hot, 1, _GIVES)
    towards = 2 * jnp.log(wanted) - jnp.log(gauges_of.turn(measured))
    change = jnp.where(steps < 2, 0, jnp.clip(gain * jnp.clip(towards, -3, 1), -0.5, 0.2))
    steady = count >= plan.judged
    gives = steady & (measured.heat > _TOO_HOT)
    change = jnp.where(steady, jnp.where(gives, jnp.log(0.7), 0), change)
    return step_size * jnp.exp(change), gives


def largest_step(force: jax.Array, thermal: jax.Array, count: jax.Array) -> Any:
    """The step whose kick is so many thermal momenta: a start that is far too hot is no harm."""
    kick = jnp.minimum(_FIRST_KICK + 0.05 * count, _LAST_KICK)
    return kick * jnp.sqrt(thermal / jnp.maximum(force, 1e-30))


def chosen(
    plan: Stages,
    step_size: jax.Array,
    measured: Gauges,
    slow: jax.Array,
    temperature: jax.Array,
    degrees: int,
) -> tuple[Settings, Findings]:
    """The settings for good. `slow` is the squared frequency of the slowest motion.

    A step must be right where the chain is stiffest, and bears what heat the noise of mini-batches
    brings; the friction is near that at which the slowest motion is just not damped too much.
    """
    number = plan.end - plan.judged
    turned = gauges_of.turn(measured)
    squared = turned / jnp.square(step_size)
    uneven = gauges_of.unevenness(measured, number, temperature, squared)
    settled = jnp.exp(measured.log_step / jnp.maximum(measured.log_steps, 1)) / _TURN
    final = jnp.minimum(step_size / jnp.sqrt(turned), settled) * _FINAL_TURN / jnp.sqrt(uneven)

    # A frequency whose period is not shorter than the window looks too high: it is pulled down.
    half = (plan.end - plan.windows[-1]) / 2 * final
    slow = jnp.maximum(slow, jnp.square(1 / (plan.end * final)))
    span = jnp.sqrt(slow) * half
    seen = jnp.square(span) / (jnp.square(span) + _LONGEST**2)
    friction = _CRITICAL * jnp.sqrt(slow) * seen

    # The heat of noisy gradients is h s^2 / (2 gamma): more friction takes it away.
    damped = _DAMPING[1]
    error = jnp.sqrt(2 / (degrees * number * damped))
    noise = jnp.maximum(measured.heat - 1 - 3 * error, 0) * damped * final / jnp.square(step_size)
    friction = jnp.clip(friction, noise / _TOLERANCE, 2 / final)
    findings = Findings(measured.heat, error, jnp.sqrt(squared), jnp.sqrt(slow), span, uneven)
    return Settings(final, friction), findings
