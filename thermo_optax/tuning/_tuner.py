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
    like,
    mass_at,
    masses_of,
    plain_paths,
    samplers,
    sum_of_squares_over,
)
from thermo_optax._noise import on_all_shards, over_shards

from . import _gauges as gauges_of
from . import _settings as rules
from ._settings import Settings

_COOLED = 4.0  # of the present heat: a mean above it is that of a place which the chain has left


class Memory(NamedTuple):
    """Trees that a warm-up keeps, like params (at least float32); zeros after it."""

    last: optax.Params  # the gradients of the step before
    before: optax.Params  # those of the step before that
    sums: optax.Params  # of g^2 while masses are learnt; then of positions: late minus early ones
    pulls: optax.Params  # late minus early gradients


def tuned(plan, names, steps_per_epoch, count, updates, params, inner_state, temperature, *parts):
    """One step of the warm-up before the sampler's own: its settings, and those of the next."""
    settings, _, mass, gauges, findings, memory, momenta = parts
    degrees = max(gauges_of.degrees(updates), 1)
    kinetic = _kinetic(momenta, inner_state, mass, "mass" in names) / degrees
    # A schedule is not known before the first step, and a cold bath has no motion to compare with.
    bath_is_known = (temperature > 0) & (count > 0)
    temperature = jnp.where(bath_is_known, temperature, jnp.where(kinetic > 0, kinetic, 1))
    g = jax.tree.map(lambda g, old: finite_or_zero(g).astype(old.dtype), updates, memory.last)
    x = jax.tree.map(lambda x, old: x.astype(old.dtype), params, memory.last)
    h = settings.step_size

    # A new window: the masses of the last one, and everything is measured anew.
    renew = functools.reduce(jnp.logical_or, [count == start for start in plan.windows[1:]])
    anew = renew | (count == 0)
    masses = mass
    if "mass" in names:
        masses, pace = _learnt(plan, count, memory.sums, mass, temperature, renew)
        h = h * pace
        momenta = _reweighted(momenta, inner_state, mass, masses)
    each = masses if "mass" in names else _given(inner_state, g)
    faults = gauges.faults + _is_at_fault(updates)
    gauges = jax.tree.map(lambda new, old: jnp.where(anew, new, old), gauges_of.fresh(), gauges)

    # What this step shows, and the step size that follows.
    heat = kinetic / temperature
    force = gauges_of.inner(g, g, each)
    lag = gauges_of.inner(g, memory.last, each)
    loss = gauges_of.inner(g, jax.tree.map(jnp.subtract, memory.last, memory.before), each)
    gauges = rules.measured(plan, count, gauges, heat, force, lag, loss)._replace(faults=faults)
    before = h  # that of the correlations
    kept = jnp.exp(-settings.friction * settings.step_size)
    learnt = "mass" in names
    found = rules.wanted(plan, h, gauges, temperature, degrees, kept, learnt, steps_per_epoch)
    # Later than planned, if a run goes on with another number of steps.
    findings = jax.tree.map(lambda old: jnp.where(count == 0, 0, old), findings)
    tried = (count >= plan.tried) & (findings.wanted == 0)
    findings = jax.tree.map(lambda new, old: jnp.where(tried, new, old), found, findings)
    h = jnp.where(tried, findings.wanted, h)
    h, gauges = rules.moved_step(plan, count, h, gauges, heat, temperature, degrees)
    hot = jnp.minimum(gauges.heat, _COOLED * heat)
    thermal = degrees * temperature * jnp.maximum(hot, 1)
    h = jnp.minimum(h, rules.largest_step(plan, force, thermal, count))
    gauges = gauges_of.at_step(gauges, h / before, count >= plan.windows[1])
    gauges = rules.settling(plan, count, h, gauges)

    # Late minus early positions: fast motions average out of them, so that the slowest is left,
    # and the pull of the gradients along it gives its frequency.
    late, sign = count >= plan.windows[-1], plan.half(count)
    sums = jax.tree.map(
        lambda s, g, x: (
            jnp.where(anew, 0, s) + jnp.where(late, like(sign, x.dtype) * x, jnp.square(g))
        ),
        memory.sums,
        g,
        x,
    )
    pulls = jax.tree.map(
        lambda s, g: jnp.where(late, s + like(sign, g.dtype) * g, 0), memory.pulls, g
    )
    slow = gauges_of.inner(sums, pulls, jax.tree.map(jnp.ones_like, each))
    length = gauges_of.inner(sums, sums, jax.tree.map(jnp.reciprocal, each))
    slow = slow / jnp.maximum(length, jnp.finfo(jnp.float32).tiny)

    at_end = count == plan.end - 1
    now = Settings(h, rules.damping(plan, count) / h)
    fixed = None if "friction" in names else settings.friction
    final, found = rules.chosen(plan, h, findings, slow, fixed)
    if fixed is not None:
        now = now._replace(friction=fixed)
    following = Settings(*(jnp.where(at_end, *pair) for pair in zip(final, now, strict=True)))
    findings = jax.tree.map(lambda new, old: jnp.where(at_end, new, old), found, findings)
    memory = jax.tree.map(
        lambda new: jnp.where(at_end, 0, new), Memory(g, memory.last, sums, pulls)
    )
    new = (now, following, masses, gauges, findings, memory, momenta)
    return jax.tree.map(lambda new, old: new.astype(old.dtype), new, parts)


def guarded(names, updates, mass, inner_state, settings, findings, temperature):
    """The settings for good, or calmer ones for a force beyond the law; and whether it is.

    A bath that is colder than in the warm-up does not count: what is still hot must not be slowed.
    """
    each = mass if "mass" in names else _given(inner_state, updates)
    force = gauges_of.total(jax.tree.map(_square_over, each, updates))
    degrees = max(gauges_of.degrees(updates), 1)
    heat = jnp.maximum(temperature, findings.temperature).astype(jnp.float32)
    calm, beyond = rules.calmer(settings, force, heat, degrees)
    if "friction" not in names:
        calm = calm._replace(friction=settings.friction)
    return jax.tree.map(functools.partial(jnp.where, beyond), calm, settings), beyond


def _square_over(mass, gradient):
    """The sum of g^2 / m of one array, of which a coordinate that is no number counts as 0."""
    g = finite_or_zero(gradient).astype(compute_dtype(gradient.dtype))
    return sum_of_squares_over(mass, g).astype(jnp.float32)


def _is_at_fault(updates):
    """1 if a coordinate of the gradient is not sound, else 0."""
    sound = [on_all_shards(jnp.all(is_sound(g))) for g in jax.tree.leaves(updates)]
    return 1 - functools.reduce(jnp.logical_and, sound, jnp.ones([], jnp.bool_)).astype(jnp.float32)


def _learnt(plan, count, squares, old, temperature, renew):
    """The masses at this step, and the factor that leaves the step as far from its limit."""
    new = rules.masses(squares, plan.window_length(count), temperature)
    squared = jax.tree.map(lambda s: over_shards(jnp.sum(s)).astype(jnp.float32), squares)
    renew &= gauges_of.total(squared) > 0  # else there is nothing to learn from
    new = jax.tree.map(lambda new, old: jnp.where(renew, new, old), new, old)
    before, after = (
        gauges_of.total(
            jax.tree.map(lambda s, m: over_shards(jnp.sum(s / m)).astype(jnp.float32), squares, m)
        )
        for m in (old, new)
    )
    return new, jnp.where(renew, jnp.sqrt(before / jnp.maximum(after, 1e-37)), 1)


def _reweighted(momenta, inner_state, old, new):
    """The momenta times sqrt(m' / m), which gives them the variance m' T."""
    before, after = arrays_by_place(old), arrays_by_place(new)
    result = []
    for (_, sampler), momentum in zip(samplers(inner_state), momenta, strict=True):
        places = [place for place, _, _ in masses_of(sampler)]
        ratios = [mass_at(after, place) / mass_at(before, place) for place in places]
        leaves, structure = jax.tree.flatten(momentum)
        pairs = zip(leaves, ratios, strict=True)
        result.append(structure.unflatten([p * jnp.sqrt(r).astype(p.dtype) for p, r in pairs]))
    return result


def _given(inner_state, tree):
    """The masses that the samplers were built with, for the arrays of a tree."""
    entries = {
        place: mass for _, sampler in samplers(inner_state) for place, _, mass in masses_of(sampler)
    }
    leaves, structure = jax.tree.flatten(tree)
    pairs = zip(plain_paths(tree), leaves, strict=True)
    return structure.unflatten([like(entries.get(place, 1.0), x.dtype) for place, x in pairs])


def _kinetic(momenta, inner_state, masses, learnt):
    """The sum of p^2 / m over all coordinates."""
    own = arrays_by_place(masses)
    total = jnp.zeros([], jnp.float32)
    for (_, sampler), momentum in zip(samplers(inner_state), momenta, strict=True):
        arrays = zip(masses_of(sampler), jax.tree.leaves(momentum), strict=True)
        for (place, _, mass), p in arrays:
            m = mass_at(own, place) if learnt else mass
            wide = p.astype(compute_dtype(p.dtype))
            total += sum_of_squares_over(m, wide).astype(jnp.float32)
    return total
