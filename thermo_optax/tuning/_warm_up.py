"""A sampler that chooses its own step, masses and friction, and then keeps them for good."""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from thermo_optax._base import (
    arrays_by_place,
    at,
    bath_temperatures,
    check_integer,
    check_leaves,
    check_nonnegative,
    check_positive,
    check_structure,
    compute_dtype,
    finite_or_zero,
    is_sound,
    known,
    map_samplers,
    mass_at,
    masses_of,
    next_count,
    samplers,
    sum_of_squares_over,
)
from thermo_optax._xla import once

from . import _gauges as gauges_of
from . import _settings as rules
from ._gauges import Gauges
from ._settings import Findings, Settings

NAMES = ("step_size", "friction", "mass")


class Memory(NamedTuple):
    """Trees that a warm-up keeps, like params (at least float32); zeros after it."""

    last: optax.Params  # the gradients of the step before
    before: optax.Params  # those of the step before that
    sums: optax.Params  # of g^2 while masses are learnt; then of positions: late minus early ones
    pulls: optax.Params  # late minus early gradients


class WarmUpState(NamedTuple):
    """State of `warm_up`."""

    count: jax.Array  # int32[], steps taken
    warming: jax.Array  # bool[], whether the next step belongs to the warm-up
    settings: Settings  # float32[] each, step_size and friction of the next step
    mass: optax.Params  # like params (at least float32), or float32[] where it is not learnt
    gauges: Gauges  # float32[] each, what is measured
    findings: Findings  # float32[] each, what the settings were chosen from; zeros before
    memory: Memory  # trees like params, read during the warm-up only
    inner_state: Any  # of the sampler


def warm_up(
    make_sampler: Callable[..., Any],
    num_steps: int = 400,
    *,
    learn: Sequence[str] | None = None,
    step_size: jax.typing.ArrayLike = 0.1,
    friction: jax.typing.ArrayLike = 1.0,
) -> optax.GradientTransformationExtraArgs:
    r"""A sampler that chooses its step size, masses and friction in its first steps.

    .. math::
        m_i = \frac{\langle g_i^2 \rangle}{T}, \qquad
        h = \frac{0.9}{\omega \sqrt{a}}, \qquad
        \gamma = 0.7\, \omega_\text{slow}

    The masses are the curvatures that the gradients g of each parameter show, so that all of them
    move at the same pace; each is pulled a little to the mean of all. The step follows from the
    frequency :math:`\omega` with which gradients turn, from the measured kinetic temperature, which
    it keeps within 3 % of the set one, and from how much stiffer the chain is at times, a. The
    friction follows from the slowest motion, :math:`\omega_\text{slow}`, and is raised where the
    noise of mini-batches heats. After `num_steps` the settings stay as they are, and the result is
    the plain sampler with these settings.

    The starting step may be wrong by a factor of 100 or more. Learnt masses help where parameters
    have scales of their own, and do not help where a few combinations of many parameters are slow:
    there leave them out, by ``learn=("step_size", "friction")``.

    The samples of the warm-up are not from the right distribution: `collect_samples` and
    `running_moments` around this transformation leave them out. `warm_up_report` tells what was
    chosen, why, and what did not work. Of mini-batches take those of a `batch_order` without
    replacement.

    Args:
        make_sampler: builds a sampler with momenta, such as
            ``functools.partial(to.langevin, temperature=T, key=0)``. Called with the names of
            `learn` as keyword arguments: `step_size` and `friction` (float32[]), and `mass` (a tree
            like the parameters). For a sampler with other arguments write a function of these, as
            in ``lambda step_size, friction: to.sghmc(step_size**2, T, momentum=jnp.exp(-friction *
            step_size), key=0)``. Its temperature is one number above 0.
        num_steps: n >= 40, the steps of the warm-up, one gradient each. 400 are enough for tens
            of parameters; a slow motion is seen only if n steps cover its period.
        learn: which of "step_size", "friction" and "mass" to choose; None means all that
            `make_sampler` takes and that a ``functools.partial`` has not fixed.
        step_size: h > 0, the first guess, in units of time.
        friction: gamma >= 0, for a warm-up that does not choose it but passes it on.

    Returns:
        A transformation with state :class:`WarmUpState`. It needs ``params`` in ``update``. Besides
        the state of the sampler it keeps five copies of the parameters (four if masses are not
        learnt).

    Raises:
        ValueError: for fewer than 40 steps, unknown or unusable names in `learn`, a sampler without
            momenta, or a temperature that is not one number above 0.
        TypeError: if `make_sampler` is no function, or a step size is not a number.

    Examples:
        >>> import functools
        >>> import jax, jax.numpy as jnp, optax
        >>> import thermo_optax as to
        >>> curvatures = jnp.array([1.0, 100.0, 1e4])
        >>> tx = to.warm_up(functools.partial(to.langevin, temperature=1.0, key=0), num_steps=400)
        >>> tx = to.running_moments(tx)
        >>> def step(carry, _):
        ...     x, state = carry
        ...     updates, state = tx.update(curvatures * x, state, x)
        ...     return (optax.apply_updates(x, updates), state), None
        >>> x = jnp.ones(3)
        >>> (x, state), _ = jax.lax.scan(step, (x, tx.init(x)), length=4_000)
        >>> ratios = curvatures * to.posterior_variance(state, x)  # 1 each
        >>> print(bool(jnp.all(jnp.abs(ratios - 1) < 0.3)))
        True

    References:
        The rules are this package's own; masses from gradients as in Hird and Livingstone,
        `Quantifying the effectiveness of linear preconditioning in Markov chain Monte Carlo
        <https://arxiv.org/abs/2312.04898>`_, 2023.
    """
    if not callable(make_sampler):
        raise TypeError(
            "`make_sampler` must be a function of step_size, friction and mass that builds a "
            f"sampler, got {make_sampler!r}. Write for instance "
            "`functools.partial(to.langevin, temperature=T, key=0)`."
        )
    check_integer(_FEWEST, "Masses and step need some gradients each.", num_steps=num_steps)
    check_positive(step_size=step_size)
    check_nonnegative(friction=friction)
    names = _names(make_sampler, learn)
    plan = rules.stages(num_steps)
    heavy = "mass" in names

    def built(settings, mass):
        values = {"step_size": settings.step_size, "friction": settings.friction, "mass": mass}
        return optax.with_extra_args_support(make_sampler(**{name: values[name] for name in names}))

    def init(params):
        check_leaves("params", params)
        guess = Settings(at(step_size, 0).astype(jnp.float32), at(friction, 0).astype(jnp.float32))
        mass = jax.tree.map(_ones, params) if heavy else jnp.ones([], jnp.float32)
        inner_state = built(guess, mass).init(params)
        _check_inner(inner_state, params)
        zeros = jax.tree.map(_zeros, params)
        nothing = jnp.zeros([], jnp.float32)
        return WarmUpState(
            count=jnp.zeros([], jnp.int32),
            warming=jnp.ones([], jnp.bool_),
            settings=guess,
            mass=mass,
            gauges=gauges_of.fresh(),
            findings=Findings(*[nothing] * len(Findings._fields)),
            memory=Memory(*[jax.tree.map(jnp.copy, zeros) for _ in Memory._fields]),
            inner_state=inner_state,
        )

    def update(updates, state, params=None, **extra_args):
        check_structure(updates, state.memory.last, "the parameters given to `init`")
        if params is None:
            raise ValueError(
                "`params` is required: the warm-up looks how far the parameters move. Call "
                "`tx.update(grads, state, params)`."
            )
        inner_state = state.inner_state
        momenta = [sampler.momentum for _, sampler in samplers(inner_state)]
        temperature = next(iter(bath_temperatures(inner_state).values()))
        tune = functools.partial(
            _tuned, plan, names, state.count, updates, params, inner_state, temperature
        )
        parts = (state.settings, state.settings, state.mass, state.gauges)
        parts += (state.findings, state.memory, momenta)
        parts, _ = once(state.warming, tune, parts)
        now, settings, mass, gauges, findings, memory, momenta = parts
        inner_state = map_samplers(
            lambda sampler, momentum: sampler._replace(momentum=momentum), inner_state, momenta
        )
        displacement, inner_state = built(now, mass).update(
            updates, inner_state, params, **extra_args
        )
        count = next_count(state.count)
        return displacement, WarmUpState(
            count, count < plan.end, settings, mass, gauges, findings, memory, inner_state
        )

    return optax.GradientTransformationExtraArgs(init, update)


_FEWEST = 40


def _tuned(plan, names, count, updates, params, inner_state, temperature, *parts):
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
    lags = tuple(gauges_of.inner(g, old, weighted) for old in (memory.last, memory.before))
    heat = _kinetic(momenta, inner_state, weighted, heavy) / (degrees * temperature)
    cleared = gauges._replace(
        lag_one=jnp.where(first, 0, gauges.lag_one), lag_two=jnp.where(first, 0, gauges.lag_two)
    )
    measured = gauges_of.correlated(cleared, lags, steps, judging)
    measured = gauges_of.heated(measured, heat, steps)
    measured = gauges_of.forced(measured, force, count - plan.judged + 1.0, judging)
    moved, gives = rules.moved_step(plan, h, measured, count)
    moved = jnp.minimum(moved, rules.largest_step(force, degrees, temperature, count))
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


def _ones(param):
    return jnp.ones_like(param, compute_dtype(param.dtype))


def _zeros(param):
    return jnp.zeros_like(param, compute_dtype(param.dtype))


def _names(make_sampler, learn):
    """The settings to choose: those that `make_sampler` takes and nobody has fixed."""
    parameters = inspect.signature(make_sampler).parameters
    anything = any(kind.kind is inspect.Parameter.VAR_KEYWORD for kind in parameters.values())
    taken = [name for name in NAMES if name in parameters or anything]
    fixed = getattr(make_sampler, "keywords", {})
    if learn is None:
        learn = [name for name in taken if name not in fixed]
    learn = [learn] if isinstance(learn, str) else list(learn)
    for name in learn:
        if name not in NAMES:
            raise ValueError(f"`learn` must name some of {list(NAMES)}, got {name!r}.")
        if name not in taken:
            raise ValueError(
                f"`learn` names {name!r}, but `make_sampler` takes no argument of that name, only "
                f"{list(parameters)}. Write a function that takes it."
            )
    if "step_size" not in learn:
        raise ValueError(
            "`learn` must have 'step_size', because masses and friction are measured at a good "
            f"step, got {learn}. Let `make_sampler` take `step_size`."
        )
    return tuple(name for name in NAMES if name in learn)


def _check_inner(inner_state, params):
    if not jax.tree.leaves(params):
        return
    if not samplers(inner_state):
        raise ValueError(
            "`make_sampler` must build a sampler with momenta, such as `langevin`, `sghmc` or "
            "`adaptive_langevin`: what they build here has none to take the temperature of."
        )
    for place, temperature in bath_temperatures(inner_state).items():
        number = known(temperature)
        if number is not None and not number > 0:
            shown = "a schedule" if number < 0 else number
            raise ValueError(
                "`make_sampler` must build a sampler at one temperature above 0, whose thermal "
                f"motion the warm-up measures, got {shown} at {place}."
            )
