"""Our samplers, each with the two numbers that the grid varies: a step and a friction."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

import thermo_optax as to
from benchmarks.posteriors.problem import Kernel, Method, Problem, Setting

METRIC_STEPS = 400  # in which RMSprop's metric is learnt, as many as `warm_up` takes
FORGETTING = 0.99  # of that metric
RUNGS = (1.0, 2.5, 6.0)  # temperatures of the replicas
PLATEAU = 0.4  # of the tempering variable, below which a sample is at T


def _alone(make: Callable[[Problem, Setting, jax.Array], Any], **options) -> Method:
    """A method that is one transformation."""

    def kernel(problem: Problem, setting: Setting, key: jax.Array) -> Kernel:
        tx = make(problem, setting, key)

        def step(carry, count):
            x, state = carry
            updates, state = tx.update(problem.gradient(x, count), state, x)
            return optax.apply_updates(x, updates), state

        return Kernel(lambda x: (x, tx.init(x)), step)

    return Method(kernel, **options)


def _sgld(problem, setting, key):
    return to.sgld(setting.step**2, problem.temperature, key=key)


def _leimkuhler_matthews(problem, setting, key):
    return to.leimkuhler_matthews(setting.step**2, problem.temperature, key=key)


def _psgld(problem, setting, key):
    return to.psgld(
        setting.step**2,
        problem.temperature,
        decay=FORGETTING,
        adaptation_steps=METRIC_STEPS,
        key=key,
    )


def _langevin(word: str):
    def make(problem, setting, key):
        step, friction = setting
        return to.langevin(step, problem.temperature, friction=friction, splitting=word, key=key)

    return make


def _sghmc(problem, setting, key):
    momentum = 1 - setting.step * setting.friction
    return to.sghmc(setting.step**2, problem.temperature, momentum=momentum, key=key)


def _thermostat(sampler: Callable[..., Any], word: str):
    """The injected noise has the heat of the friction; xi fluctuates by its own size at most."""

    def make(problem, setting, key):
        step, friction = setting
        return sampler(
            step,
            problem.temperature,
            noise_amplitude=jnp.sqrt(2 * problem.temperature * friction),
            initial_friction=friction,
            coupling=friction**2 / problem.temperature,
            thermostat_energy="mean",
            splitting=word,
            key=key,
        )

    return make


def _santa(problem, setting, key):
    step, friction = setting
    return to.santa(
        step**2,
        problem.temperature,
        friction=friction,
        coupling=friction**2 / problem.temperature,
        decay=FORGETTING,
        adaptation_steps=METRIC_STEPS,
        key=key,
    )


def warmed_up(steps: int, learn: tuple[str, ...] | None = None) -> Method:
    """BAOAB with the settings that a warm-up of so many steps chooses."""

    def make(problem, setting, key):
        del setting  # it chooses its own
        sampler = functools.partial(to.langevin, temperature=problem.temperature, key=key)
        return to.warm_up(sampler, steps, learn=learn, batch_order=problem.order)

    return _alone(make, searched="nothing", warm_up=steps)


def _replica_exchange(problem: Problem, setting: Setting, key: jax.Array) -> Kernel:
    """BAOAB at three temperatures; the sample is the replica on the lowest."""
    step, friction = setting
    temperatures = problem.temperature * jnp.array(RUNGS)
    inner = to.langevin(step, problem.temperature, friction=friction, key=key)
    tx = to.replica_exchange(inner, {"temperature": temperatures}, swap_period=10, key=key)

    def advance(carry, count):
        xs, state = carry
        losses, gradients = jax.vmap(
            lambda x: (problem.loss(x, count), problem.gradient(x, count))
        )(xs)
        updates, state = tx.update(gradients, state, xs, value=losses)
        return optax.apply_updates(xs, updates), state

    def init(x):
        xs = jnp.broadcast_to(x, (len(RUNGS), *x.shape))
        return xs, tx.init(xs)

    return Kernel(init, advance, lambda carry: (to.by_rung(carry[1], carry[0])[0], 1.0))


def _continuous_tempering(problem: Problem, setting: Setting, key: jax.Array) -> Kernel:
    """BAOAB with a wandering temperature; samples count where it is T."""
    step, friction = setting
    inner = to.langevin(step, problem.temperature, friction=friction, key=key)
    tx = to.continuous_tempering(inner, problem.temperature, plateau=PLATEAU, key=key)

    def advance(carry, count):
        x, state = carry
        loss, gradient = problem.loss(x, count), problem.gradient(x, count)
        updates, state = tx.update(gradient, state, x, value=loss)
        return optax.apply_updates(x, updates), state

    def read(carry):
        alpha = to.tempering_state(carry[1]).alpha
        return carry[0], (jnp.abs(alpha) < PLATEAU).astype(jnp.float32)

    return Kernel(lambda x: (x, tx.init(x)), advance, read)


_ADAPTIVE = functools.partial(_thermostat, to.adaptive_langevin)
OURS: dict[str, Method] = {
    "sgld": _alone(_sgld, searched="step"),
    "leimkuhler_matthews": _alone(_leimkuhler_matthews, searched="step"),
    "psgld": _alone(_psgld, searched="step", units="metric", warm_up=METRIC_STEPS),
    "langevin": _alone(_langevin("BAOAB")),
    "langevin, UBU": _alone(_langevin("UBU")),
    "sghmc": _alone(_sghmc),
    "adaptive_langevin": _alone(_ADAPTIVE("BADODAB")),
    "adaptive_langevin, ACDEDCAB": _alone(_ADAPTIVE("ACDEDCAB")),
    "covariance_controlled_langevin": _alone(
        _thermostat(to.covariance_controlled_langevin, "BADODAB")
    ),
    "santa": _alone(_santa, units="metric", warm_up=METRIC_STEPS),
    "warm_up": warmed_up(400),
    "warm_up, no masses": warmed_up(1_000, ("step_size", "friction")),
    "replica_exchange": Method(_replica_exchange, cost=len(RUNGS), multimodal=True),
    "continuous_tempering": Method(_continuous_tempering, multimodal=True),
}
