"""One step of a warm-up: what it measures, remembers and changes."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from thermo_optax._base import (
    arrays_by_place,
    compute_dtype,
    finite_or_zero,
    is_sound,
    mass_at,
    masses_of,
    samplers,
    sum_of_squares_over,
)

from . import _gauges as gauges_of
from . import _settings as rules
from ._settings import Settings


class Memory(NamedTuple):
    """Trees that a warm-up keeps, like params (at least float32); zeros after it."""

    last: optax.Params  # the gradients of the step before
    before: optax.Params  # those of the step before that
    sums: optax.Params  # of g^2 while masses are learnt; then of positions: late minus early ones
    pulls: optax.Params  # late minus early gradients


def tuned(plan, names, count, updates, params, inner_state, temperature, *parts):
    """One step of the warm-up before the sampler's own: its settings, and those of the next."""
    settings, _, mass, gauges, findings, memory, momenta = parts
    faults = gauges_of.total(
        jax.tree.map(lambda g: jnp.any(~is_sound(g)).astype(jnp.float32), updates)
    )
    g = jax.tree.map(lambda g, old: finite_or_zero(g).astype(old.dtype), updates, memory.last)
    x = jax.tree.map(lambda x, old: x.astype(old.dtype), params, memory.last)
    h = settings.step_size
    degrees, heavy = gauges_of.degrees(updates), "mass" in names
    slow_begins = plan.windows[-1]
    at_end = count == plan.end - 1

    # A new window: the masses of the last one, and everything is measured anew.
    renew = functools.reduce(jnp.logical_or, [count == start for start in plan.windows[1:]])
    weighted = mass if heavy else jax.tree.map(lambda g: jnp.ones([], g.dtype), g)
    if heavy:
        length = jnp.asarray(_lengths(plan), jnp.float32)[_window(plan, count)]
        learnt = rules.masses(memory.sums, length, temperature)
        old_force, new_force = (
            gauges_of.total(
                jax.tree.map(lambda s, m: gauges_of.over_shards(jnp.sum(s / m)), memory.sums, each)
            )
            for each in (mass, learnt)
        )
        pace = jnp.sqrt(old_force / jnp.maximum(new_force, jnp.finfo(jnp.float32).tiny))
        h = jnp.where(renew, h * pace, h).astype(jnp.float32)
        momenta = _reweighted(momenta, inner_state, mass, learnt, renew)
        mass = jax.tree.map(lambda old, new: jnp.where(renew, new, old), mass, learnt)
        weighted = mass
    kept = gauges.faults
    gauges = jax.tree.map(lambda new, old: jnp.where(renew, new, old), gauges_of.fresh(), gauges)
    gauges = gauges._replace(faults=kept + jnp.minimum(faults, 1))

    # What is measured at this step.
    steps = rules.age(plan, count)
    judging, first = count >= plan.judged, count == plan.judged
    force = gauges_of.inner(g, g, weighted)
    lag_one, lag_two = (gauges_of.inner(g, old, weighted) for old in (memory.last, memory.before))
    heat = _kinetic(momenta, inner_state, weighted, heavy) / (degrees * temperature)
    cleared = gauges._replace(
        lag_one=jnp.where(first, 0, gauges.lag_one), lag_two=jnp.where(first, 0, gauges.lag_two)
    )
    measured = gauges_of.correlated(cleared, (lag_one, lag_two), steps, judging)
    measured = gauges_of.heated(measured, heat, steps)
    measured = gauges_of.forced(measured, force, count - plan.judged + 1.0, judging)
    moved, gives = rules.moved_step(plan, h, measured, count)
    thermal = degrees * temperature * jnp.maximum(measured.heat, 1)
    moved = jnp.minimum(moved, rules.largest_step(force, thermal, count))
    settling = (count >= slow_begins) & ~judging & (steps > 15)
    measured = measured._replace(
        heat=jnp.where(gives, 1.0, measured.heat),
        lag_one=jnp.where(gives, 0.0, measured.lag_one),
        lag_two=jnp.where(gives, 0.0, measured.lag_two),
        log_step=measured.log_step + jnp.where(settling, jnp.log(moved), 0),
        log_steps=measured.log_steps + settling,
    )

    late = count >= slow_begins
    sign = jnp.where(count < (slow_begins + plan.end) // 2, -1.0, 1.0)
    sums = jax.tree.map(lambda s, g, x: _summed(s, sign * x, g * g, late, renew), memory.sums, g, x)
    pulls = jax.tree.map(lambda s, g: jnp.where(late, s + sign * g, 0), memory.pulls, g)

    # Late minus early positions: fast motions average out of them, so that the slowest is left,
    # and the pull of the gradients along it gives its frequency.
    slow = gauges_of.inner(sums, pulls, jax.tree.map(jnp.ones_like, weighted))
    length = gauges_of.inner(sums, sums, jax.tree.map(jnp.reciprocal, weighted))
    slow = slow / jnp.maximum(length, jnp.finfo(jnp.float32).tiny)
    final, found = rules.chosen(plan, moved, measured, slow, temperature, degrees)
    now = Settings(moved, rules.damping(plan, count) / moved)
    if "friction" not in names:
        now, final = (each._replace(friction=settings.friction) for each in (now, final))
    after = Memory(g, memory.last, sums, pulls)
    return jax.tree.map(
        lambda new, old: new.astype(old.dtype),
        (
            now,
            Settings(*(jnp.where(at_end, *pair) for pair in zip(final, now, strict=True))),
            mass,
            measured,
            jax.tree.map(lambda end, old: jnp.where(at_end, end, old), found, findings),
            jax.tree.map(lambda new: jnp.where(at_end, 0, new), after),
            momenta,
        ),
        parts,
    )


def _summed(old, position, square, late, renew):
    """The sum of squared gradients, or of signed positions; it begins anew with a window."""
    return jnp.where(renew, 0, old) + jnp.where(late, position, square)


def _window(plan, count):
    """The number of the window that ends at this step, 0 elsewhere."""
    starts = plan.windows[1:]
    return sum(number * (count == start) for number, start in enumerate(starts))


def _lengths(plan):
    return [end - start for start, end in zip(plan.windows, plan.windows[1:], strict=False)]


def _reweighted(momenta, inner_state, old, new, due):
    """The momenta times sqrt(m' / m), which gives them the variance m' T."""
    before, after = arrays_by_place(old), arrays_by_place(new)
    result = []
    for (_, sampler), momentum in zip(samplers(inner_state), momenta, strict=True):
        factors = []
        for place, _, _ in masses_of(sampler):
            ratio = mass_at(after, place) / mass_at(before, place)
            factors.append(jnp.where(due, jnp.sqrt(ratio), 1))
        leaves, structure = jax.tree.flatten(momentum)
        pairs = zip(leaves, factors, strict=True)
        result.append(structure.unflatten([p * f.astype(p.dtype) for p, f in pairs]))
    return result


def _kinetic(momenta, inner_state, mass, heavy):
    """The sum of p^2 / m over all coordinates."""
    masses = arrays_by_place(mass)
    total = jnp.zeros([], jnp.float32)
    for (_, sampler), momentum in zip(samplers(inner_state), momenta, strict=True):
        for (place, _, own), p in zip(masses_of(sampler), jax.tree.leaves(momentum), strict=True):
            m = mass_at(masses, place) if heavy else own
            wide = p.astype(compute_dtype(p.dtype))
            total += sum_of_squares_over(m, wide).astype(jnp.float32)
    return total
