"""BlackJAX's samplers behind the same interface; its NUTS has a program of its own (`nuts`)."""

import importlib.util
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.posteriors.problem import Kernel, Method, Problem, Setting

INNER_STEPS = 10  # of its `sghmc` between two draws of the momentum, the default
PARTITIONS, GAP = 50, 0.25  # of the energies, for `csgld`


def installed() -> bool:
    """Whether BlackJAX can be imported."""
    return importlib.util.find_spec("blackjax") is not None


def _scaled(problem: Problem, setting: Setting):
    """At temperature 1: the gradient of the log density, and the setting in that unit of time."""

    def gradient(x, count):
        return -problem.gradient(x, count) / problem.temperature

    root = jnp.sqrt(problem.temperature)
    return gradient, setting.step * root, setting.friction / root


def _sgld(problem: Problem, setting: Setting, key: jax.Array) -> Kernel:
    import blackjax

    gradient, step, _ = _scaled(problem, setting)
    algorithm: Any = blackjax.sgld(gradient)

    def advance(carry, count):
        (x,) = carry
        return (algorithm.step(jax.random.fold_in(key, count), x, count, step**2),)

    return Kernel(lambda x: (x,), advance)


def _sghmc(problem: Problem, setting: Setting, key: jax.Array) -> Kernel:
    import blackjax

    gradient, step, friction = _scaled(problem, setting)
    algorithm: Any = blackjax.sghmc(gradient, num_integration_steps=INNER_STEPS, alpha=friction)

    def advance(carry, count):
        (x,) = carry
        return (algorithm.step(jax.random.fold_in(key, count), x, count, step),)

    return Kernel(lambda x: (x,), advance)


def _sgnht(problem: Problem, setting: Setting, key: jax.Array) -> Kernel:
    import blackjax
    from blackjax.sgmcmc import sgnht

    gradient, step, friction = _scaled(problem, setting)
    algorithm: Any = blackjax.sgnht(gradient, alpha=friction)

    def advance(carry, count):
        (state,) = carry
        return (algorithm.step(jax.random.fold_in(key, count), state, count, step),)

    def init(x):
        begin: Any = sgnht.init  # its own way to start cannot take a traced friction
        return (begin(x, jax.random.fold_in(key, 2**31), friction),)

    return Kernel(init, advance, lambda carry: (carry[0].position, 1.0))


def _csgld(problem: Problem, setting: Setting, key: jax.Array) -> Kernel:
    """The friction's place in the grid is taken by how fast the energies are learnt."""
    import blackjax

    gradient, step, friction = _scaled(problem, setting)
    algorithm: Any = blackjax.csgld(
        lambda x, count: -problem.loss(x, count) / problem.temperature,
        gradient,
        num_partitions=PARTITIONS,
        energy_gap=GAP,
    )

    def advance(carry, count):
        (state,) = carry
        key_now = jax.random.fold_in(key, count)
        return (algorithm.step(key_now, state, count, step**2, 1e-2 * friction),)

    def read(carry):
        (state,) = carry
        return state.position, PARTITIONS * state.energy_pdf[state.energy_idx]

    return Kernel(lambda x: (algorithm.init(x),), advance, read)


def _mclmc(problem: Problem, setting: Setting, key: jax.Array) -> Kernel:
    """Unit velocity in all dimensions together: a step is that of thermal velocities there."""
    import blackjax

    step, friction = setting
    velocity = jnp.sqrt(problem.temperature * problem.size)
    algorithm = blackjax.mclmc(
        lambda x: -problem.loss(x, jnp.int32(0)) / problem.temperature,
        L=velocity / friction,
        step_size=velocity * step,
    )

    def advance(carry, count):
        (state,) = carry
        return (algorithm.step(jax.random.fold_in(key, count), state)[0],)

    def init(x):
        return (algorithm.init(x, jax.random.fold_in(key, 2**31)),)

    return Kernel(init, advance, lambda carry: (carry[0].position, 1.0))


PEERS: dict[str, Method] = {
    "blackjax.sgld": Method(_sgld, searched="step"),
    "blackjax.sghmc": Method(_sghmc, cost=INNER_STEPS),
    "blackjax.sgnht": Method(_sgnht),
    "blackjax.csgld": Method(_csgld, multimodal=True),
    "blackjax.mclmc": Method(_mclmc, cost=2, batches=False),
}
NUTS = "blackjax.nuts"
