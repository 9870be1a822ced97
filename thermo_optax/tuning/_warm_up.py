"""A sampler that chooses its own step, masses and friction, and then keeps them for good."""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.core import Tracer

from thermo_optax._base import (
    at,
    bath_temperatures,
    check_integer,
    check_leaves,
    check_no_clock,
    check_nonnegative,
    check_number,
    check_positive,
    check_structure,
    known,
    map_samplers,
    momenta,
    next_count,
    samplers,
    wide_zeros,
)
from thermo_optax._xla import once

from . import _gauges as gauges_of
from ._gauges import Gauges
from ._settings import Findings, Settings
from ._stages import stages
from ._tuner import Memory, guarded, tuned

NAMES = ("step_size", "friction", "mass")
_FEWEST = 40  # steps of a warm-up


class WarmUpState(NamedTuple):
    """State of `warm_up`."""

    count: jax.Array  # int32[], steps taken
    warming: jax.Array  # bool[], whether the next step belongs to the warm-up
    settings: Settings  # float32[] each, step_size and friction of the next step
    mass: optax.Params  # like params (at least float32), or float32[] where `learn` leaves it out
    gauges: Gauges  # float32[] each, what is measured
    findings: Findings  # float32[] each, what the settings were chosen from; zeros before
    memory: Memory  # trees like params, read during the warm-up only
    calmed: jax.Array  # int32[], steps after the warm-up made shorter by a force beyond the law
    inner_state: Any  # of the sampler


def warm_up(
    make_sampler: Callable[..., Any],
    num_steps: int = 400,
    *,
    learn: Sequence[str] | None = None,
    step_size: jax.typing.ArrayLike = 0.1,
    friction: jax.typing.ArrayLike = 1.0,
    batch_order: Any = None,
) -> optax.GradientTransformationExtraArgs:
    r"""A sampler that chooses its step size, masses and friction in its first steps.

    .. math::
        h = \frac{1.7}{\omega_\text{stiff}\, a}, \qquad \gamma = 0.6\, \omega_\text{slow}, \qquad
        m_i = \sqrt{k_i k}, \quad k_i = \frac{\langle g_i^2 \rangle}{T}

    The step follows from how fast gradients turn, which gives the frequency of the stiff modes,
    :math:`\omega_\text{stiff}`, and from how much stiffer the chain is at times, a, which is taken
    for 3 until enough is seen. While the measured kinetic temperature is more than 3 % above the
    set one, the step gives way. In the last steps of the warm-up it is tried, and gives way again
    if it heats the chain. The friction follows from the slowest motion,
    :math:`\omega_\text{slow}`, and is raised where the noise of mini-batches heats. After
    `num_steps` the settings stay as they are, and the result is the plain sampler with these
    settings.

    There is one exception. Where the force is more than a Gaussian law with :math:`h \omega = 1` in
    every one of the N coordinates has with a probability of 5e-5,

    .. math::
        h^2 \sum_i g_i^2 / m_i > T (N + 2 \sqrt{10 N} + 20),

    the chain is at a place where the step overturns. There the step is shortened to this limit, and
    a friction that was chosen here is 1.5 / h, until the force is smaller. Without it chains are
    lost in the narrow parts of funnels, and gain heat in stiff places of networks. The state counts
    these steps.

    The masses follow from the curvatures k_i that the gradients g of each parameter show, and from
    the typical one, k. The square root lies half way between no masses and those with which all
    parameters would move at one pace, because a parameter that is soft now may become stiff later;
    Adam and SANTA scale by it too. Each is pulled a little to the typical one. In every case
    the step is at most :math:`1 / (\omega \sqrt{a})`, or 0.9 of it where masses are learnt, with
    :math:`\omega` the mean frequency of the gradients.

    The starting step may be wrong by a factor of 100 or more. Learnt masses help where parameters
    have scales of their own, and do not help where a few combinations of many parameters are slow:
    there leave them out, by ``learn=("step_size", "friction")``. They do not help networks either:
    weights change their roles after the warm-up, and with learnt masses such chains become too hot.
    So masses are not learnt, unless `learn` names them, where a parameter has two axes or more, as
    the weights of layers have. Take 1,000 steps or more for a network.

    The samples of the warm-up are not from the right distribution: `collect_samples` and
    `running_moments` around this transformation leave them out. `warm_up_report` tells what was
    chosen, why, and what did not work.

    Of mini-batches take those of a `batch_order` without replacement, and pass it. The errors of
    such batches add up to zero in each epoch of B steps, so that they give a mode of frequency
    :math:`\omega` at most the share :math:`(h \omega)^2 B (B + 1) / 12` of the heat of batches that
    are drawn anew. Then the step becomes the one at which this heat is 5 % at the friction of the
    slowest motion. Without it the friction grows until independent batches would heat by 5 %, and
    such a chain is slow. With two or three parameters 400 steps are too few to measure noise: take
    2,000.

    Its rules take the noise of mini-batches for heat. Around `adaptive_langevin` and
    `covariance_controlled_langevin`, whose thermostats absorb noise, give it full batches; with
    mini-batches take `langevin`.

    The warm-up measures the gradients that it is given, and all of the parameters. So what adds to
    the gradient (`tether`, weight decay) belongs in front of it, `entropy_mcmc` around it, and
    where some parameters are to rest, it belongs into the group of those that move.

    Args:
        make_sampler: builds a sampler with momenta, such as
            ``functools.partial(to.langevin, temperature=T, key=0)``. Called with the names of
            `learn` as keyword arguments: `step_size` and `friction` (float32[]), and `mass` (a tree
            like the parameters). For a sampler with other arguments write a function of these, as
            in ``lambda step_size, friction: to.sghmc(step_size**2, T, momentum=jnp.exp(-friction *
            step_size), key=0)``. It may build a partition of samplers of one temperature, each with
            ``mass=mass``, or `continuous_tempering`. `lol`, `lala` and `adlala` take no masses:
            there the step size is learnt. A `mass` that you fix may be a tree.
        num_steps: n >= 40, the steps of the warm-up, one gradient each. 400 are enough for tens
            of parameters; a slow motion is seen only if n steps cover its period.
        learn: which of "step_size", "friction" and "mass" to choose; None means all that
            `make_sampler` takes and that a ``functools.partial`` has not fixed, without "mass"
            if a parameter has two axes or more. A function that asks for masses which are not
            learnt gets 1.
        step_size: h > 0, the first guess, in units of time.
        friction: gamma >= 0, in units of 1 / time, of a sampler whose friction `learn` leaves out.
            Where `make_sampler` asks for one it gets this; a function that has a friction of its
            own needs it here as well, because the measurements count with it (that of a
            ``functools.partial`` is found). The heat of a far start leaves through the friction, so
            a fixed one needs a start near the posterior. Noise makes the step shorter under it.
        batch_order: the :class:`BatchOrder` of the mini-batches, whatever its order; or, of another
            loader that reshuffles its data in each epoch, B >= 1, the number of steps in an epoch.
            None, the default, for full batches, and of another loader that draws anew: with a
            number such a chain would become far too hot.

    Returns:
        A transformation with state :class:`WarmUpState`. It needs ``params`` in ``update``. Besides
        the state of the sampler it keeps five copies of the parameters (four if `learn` or a fixed
        `mass` leaves the masses out).

    Raises:
        ValueError: for fewer than 40 steps, no step in an epoch, unknown or unusable names in
            `learn`, a sampler without momenta for each of the parameters, or samplers of several
            temperatures.
        TypeError: if `make_sampler` is no function, a step size is not a number, or the number of
            steps is traced.

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
        >>> (x, state), _ = jax.lax.scan(step, (x, tx.init(x)), length=10_000)
        >>> ratios = curvatures * to.posterior_variance(state, x)  # 1 each
        >>> print(bool(jnp.all(jnp.abs(ratios - 1) < 0.3)))
        True

    References:
        The rules are this package's own. Titsias, `Optimal Preconditioning and Fisher Adaptive
        Langevin Sampling <https://arxiv.org/abs/2305.14442>`_, 2023, learns the scale from
        gradients as well.
    """
    if not callable(make_sampler):
        raise TypeError(
            "`make_sampler` must be a function of step_size, friction and mass that builds a "
            f"sampler, got {make_sampler!r}. Write for instance "
            "`functools.partial(to.langevin, temperature=T, key=0)`."
        )
    if isinstance(num_steps, Tracer):
        raise TypeError(
            "`num_steps` must be a Python integer, got a traced value: the stages follow from it. "
            'In `optax.inject_hyperparams` name it in `static_args=("num_steps",)`.'
        )
    check_integer(_FEWEST, "Masses and step need some gradients each.", num_steps=num_steps)
    check_number(step_size=step_size, friction=friction)
    check_positive(step_size=step_size)
    check_nonnegative(friction=friction)
    steps_per_epoch = _steps_per_epoch(batch_order)
    names = _names(make_sampler, learn)
    plan = stages(num_steps)
    friction = _fixed_friction(make_sampler, names, friction)
    passed = [name for name in ("friction", "mass") if _asks_for(make_sampler, name)]
    first = {"step_size": step_size, "friction": friction, "mass": 1.0}
    # What is wrong with it shows here.
    make_sampler(**{name: first[name] for name in {*names, *passed}})

    def names_for(params):
        network = learn is None and any(jnp.ndim(x) > 1 for x in jax.tree.leaves(params))
        return tuple(name for name in names if not (network and name == "mass"))

    def built(names, settings, mass):
        if "mass" in names:  # an array without elements has no mass of its own
            mass = jax.tree.map(lambda m: m if m.size else 1.0, mass)
            mass = mass if jax.tree.leaves(mass) else 1.0
        else:
            mass = 1.0
        values = {"step_size": settings.step_size, "friction": settings.friction, "mass": mass}
        sampler = make_sampler(**{name: values[name] for name in {*names, *passed}})
        return optax.with_extra_args_support(sampler)

    def init(params):
        check_leaves("params", params)
        params = jax.tree.map(_as_array, params)
        chosen = names_for(params)
        # In memory of their own: the state may be donated, but the user's arrays are the user's.
        guess = Settings(*(jnp.array(at(one, 0), jnp.float32) for one in (step_size, friction)))
        mass = (
            jax.tree.map(lambda x: wide_zeros(x) + 1, params)
            if "mass" in names  # known without the shapes, so that optax finds the copies
            else jnp.ones([], jnp.float32)
        )
        inner_state = built(chosen, guess, mass).init(params)
        _check_inner(inner_state, params)
        zeros = jax.tree.map(wide_zeros, params)
        return WarmUpState(
            count=jnp.zeros([], jnp.int32),
            warming=jnp.ones([], jnp.bool_),
            settings=guess,
            mass=mass,
            gauges=gauges_of.fresh(),
            findings=Findings(*[jnp.zeros([], jnp.float32) for _ in Findings._fields]),
            memory=Memory(*[jax.tree.map(jnp.copy, zeros) for _ in Memory._fields]),
            calmed=jnp.zeros([], jnp.int32),
            inner_state=inner_state,
        )

    def update(updates, state, params=None, **extra_args):
        check_leaves("updates", updates)
        check_structure(updates, state.memory.last, "the parameters given to `init`")
        if params is None and jax.tree.leaves(updates):
            raise ValueError(
                "`params` is required: the warm-up looks how far the parameters move. Call "
                "`tx.update(grads, state, params)`."
            )
        params = jax.tree.map(_as_array, params)
        chosen, inner_state = names_for(params), state.inner_state
        _check_learnt(state.mass, params, "mass" in names)
        momenta = [sampler.momentum for _, sampler in samplers(inner_state)]
        baths = bath_temperatures(inner_state)
        temperature = next(iter(baths.values())) if baths else jnp.zeros([], jnp.float32)
        # Of a state that is already beyond a smaller `num_steps` the warm-up begins anew.
        beyond = state.warming & (state.count >= plan.end)
        count = jnp.where(beyond, 0, state.count)
        tune = functools.partial(
            tuned, plan, chosen, steps_per_epoch, count, updates, params, inner_state, temperature
        )
        parts = (state.settings, state.settings, state.mass, state.gauges)
        parts += (state.findings, state.memory, momenta)
        parts, _ = once(state.warming, tune, parts)
        now, settings, mass, gauges, findings, memory, momenta = parts
        inner_state = map_samplers(
            lambda sampler, momentum: sampler._replace(momentum=momentum), inner_state, momenta
        )
        safe, astray = guarded(chosen, updates, mass, inner_state, now, findings, temperature)
        astray &= ~state.warming  # the warm-up has rules of its own
        now = jax.tree.map(functools.partial(jnp.where, astray), safe, now)
        displacement, inner_state = built(chosen, now, mass).update(
            updates, inner_state, params, **extra_args
        )
        count = next_count(count)
        warming = state.warming & (count < plan.end)  # once it is over, it is over
        calmed = jnp.where(astray, next_count(state.calmed), state.calmed)
        return displacement, WarmUpState(
            count, warming, settings, mass, gauges, findings, memory, calmed, inner_state
        )

    return optax.GradientTransformationExtraArgs(init, update)


def _check_learnt(mass, params, learnt):
    """Masses of a state must be those of this `learn`: others have another structure."""
    expected = [jnp.shape(x) for x in jax.tree.leaves(params)] if learnt else [()]
    if [jnp.shape(m) for m in jax.tree.leaves(mass)] != expected:
        raise ValueError(
            f"`learn` chooses {'masses' if learnt else 'no masses'}, and the state was made "
            f"{'without' if learnt else 'with'} them: a warm-up goes on with the `learn` that it "
            "began with, or call `init` anew."
        )


def _steps_per_epoch(batch_order):
    """Steps in which the errors of batches add up to 0; None if they do not, or there are none."""
    if batch_order is None or hasattr(batch_order, "cancels_after"):
        return getattr(batch_order, "cancels_after", None)
    remedy = "Pass what `batch_order` returns, or the number of steps in an epoch."
    check_integer(1, remedy, batch_order=batch_order)
    return batch_order


def _as_array(param):
    """An array of a number of Python's."""
    return param if hasattr(param, "dtype") else jnp.asarray(param)


def _fixed_friction(make_sampler, names, friction):
    """The friction of a warm-up: where that does not choose it, a sampler may have its own."""
    if "friction" in names or _asks_for(make_sampler, "friction"):
        return friction
    own = getattr(make_sampler, "keywords", {}).get("friction", friction)
    return friction if own is None or np.ndim(own) else own


def _asks_for(make_sampler, name):
    """Whether it takes a setting that it has no value for: it gets one, also if none is chosen."""
    parameter = inspect.signature(make_sampler).parameters.get(name)
    return parameter is not None and parameter.default is inspect.Parameter.empty


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
    check_no_clock(
        "warm_up",
        inner_state,
        "Warm up the sampler itself, and pass what `warm_up_report` shows to `adaptive_step`.",
    )
    if optax.tree.get_all_with_path(inner_state, "MultiStepsState"):
        raise ValueError(
            "`make_sampler` must not build an `optax.MultiSteps`, because the warm-up takes every "
            "call for a step. Put that around `warm_up`."
        )
    leaves = jax.tree.leaves(params)
    if not leaves:
        return
    if not samplers(inner_state):
        raise ValueError(
            "`make_sampler` must build a sampler with momenta, such as `langevin`, `sghmc` or "
            "`adaptive_langevin`: what they build here has none to take the temperature of."
        )
    temperatures = bath_temperatures(inner_state).values()
    if any(map(jnp.ndim, temperatures)):
        raise ValueError(
            "`make_sampler` must build a sampler of one chain, got replicas: each needs settings "
            "of its own. Put `replicate` around `warm_up`; a ladder of `replica_exchange` takes "
            "what `warm_up_report` shows for its coldest rung."
        )
    moving, number = (sum(x.size for x in tree) for tree in (momenta(inner_state), leaves))
    if moving != number:
        raise ValueError(
            "`make_sampler` must build samplers with a momentum for each parameter, because the "
            "warm-up measures gradients and heat of them all: there are "
            f"{moving} momenta for {number} parameters. Where some rest, give the warm-up to those "
            "that move: `optax.partition({'moving': warm_up(...), 'resting': "
            "optax.set_to_zero()}, labels)`; and put `entropy_mcmc` around it."
        )
    found = [known(temperature) for temperature in temperatures]
    numbers = {number for number in found if number is not None}
    if len(numbers) > 1:
        raise ValueError(
            "`make_sampler` must build samplers of one temperature, because the warm-up compares "
            f"its measurements with it, got {sorted(numbers)}. Give each group its own `warm_up`."
        )
