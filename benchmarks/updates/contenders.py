"""The methods that are timed, ours and those of optax and blackjax, as one pair of functions."""

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

import thermo_optax as to


class Contender(NamedTuple):
    """One method: its state at the start, and a step from gradients to new parameters."""

    init: Callable[[Any], Any]  # init(params) -> state
    step: Callable[..., tuple[Any, Any]]  # step(params, state, grads, loss=1.0) -> (params, state)
    period: int = 1  # steps after which its work begins anew


def _optax(tx: optax.GradientTransformation, period: int = 1) -> Contender:
    tx = optax.with_extra_args_support(tx)

    def step(params, state, grads, loss=1.0):
        updates, state = tx.update(grads, state, params, value=loss)
        return optax.apply_updates(params, updates), state

    return Contender(tx.init, step, period)


def _blackjax(diffusion: str, with_momentum: bool, with_friction: bool):
    """A diffusion of blackjax, with the key split at each step as its examples do."""

    def make(learning_rate, temperature):
        diffusions = importlib.import_module("blackjax.sgmcmc.diffusions")
        advance = getattr(diffusions, diffusion)()
        step_size = learning_rate**0.5 if with_momentum else learning_rate

        def init(params):
            momentum = (jax.tree.map(jnp.zeros_like, params),) if with_momentum else ()
            return jax.random.PRNGKey(0), momentum + ((jnp.float32(1),) if with_friction else ())

        def step(params, state, grads, loss=1.0):
            del loss
            key, others = state
            key, now = jax.random.split(key)
            ascent = jax.tree.map(jnp.negative, grads)
            moved = advance(now, params, *others, ascent, step_size, temperature)
            params, *others = moved if others else (moved,)
            return params, (key, tuple(others))

        return Contender(init, step)

    return make


def _sgld(generator: str):
    return lambda rate, heat: _optax(to.sgld(rate, heat, generator=generator, key=0))


def _sghmc(generator: str):
    return lambda rate, heat: _optax(to.sghmc(rate, heat, momentum=0.9, generator=generator, key=0))


def _baoab(rate, heat):
    step = rate**0.5
    return _optax(to.langevin(step, heat, friction=0.1 / step, key=0))


def _adaptive(splitting: str):
    def make(rate, heat):
        step = rate**0.5
        amplitude = (2 * heat * 0.1 / step) ** 0.5  # the heat of a friction of 0.1 per step
        return _optax(
            to.adaptive_langevin(
                step,
                heat,
                noise_amplitude=amplitude,
                initial_friction=0.1 / step,
                thermostat_energy="mean",  # "total", of 10 million coordinates, would be too stiff
                splitting=splitting,
                key=0,
            )
        )

    return make


def _adlala(rate, heat):
    return _optax(
        to.adlala(
            rate**0.5,
            adaptive_groups={"adaptive": heat},
            langevin_groups={"langevin": heat},
            thermostat_energy="mean",
            key=0,
        )
    )


def _ctld(**options):
    """Around `sghmc` as it is above; it never leaves its first phase."""
    phase = {"momentum": 0.9, "sampling_steps": 10**9, "key": 0}
    return lambda rate, heat: _optax(to.ctld(rate, heat, **phase, **options))


INNER_STEPS = 20


def _local_entropy(inner):
    """An outer step, of SGD, after every 20 inner ones; its time is shared out among them."""
    return lambda rate, heat: _optax(
        to.local_entropy(inner(rate, heat), optax.sgd(1.0), num_inner_steps=INNER_STEPS),
        INNER_STEPS,
    )


FINE_BIAS = (to.adaptive_biasing_force(num_bins=750), to.metadynamics(num_bins=600))

# name -> make(learning rate, temperature). A name without a dot is ours.
CONTENDERS: dict[str, Callable[[float, float], Contender]] = {
    "optax.sgd": lambda rate, heat: _optax(optax.sgd(rate)),
    "optax.adam": lambda rate, heat: _optax(optax.adam(rate)),
    "optax.noisy_sgd": lambda rate, heat: _optax(optax.noisy_sgd(rate, eta=heat, key=0)),
    "sgld": _sgld("threefry"),
    "sgld-threefry13": _sgld("threefry13"),
    "sgld-ternary": _sgld("ternary"),
    "sgld-jax": _sgld("jax"),
    "leimkuhler_matthews": lambda rate, heat: _optax(to.leimkuhler_matthews(rate, heat, key=0)),
    "sghmc": _sghmc("threefry"),
    "sghmc-ternary": _sghmc("ternary"),
    "baoab": _baoab,
    "sgnht": _adaptive("SGNHT"),
    "acdedcab": _adaptive("ACDEDCAB"),
    "badodab": _adaptive("BADODAB"),
    "psgld": lambda rate, heat: _optax(to.psgld(rate, heat, key=0)),
    "adlala": _adlala,
    "ctld": _ctld(),
    "ctld-exact": _ctld(mode="exact"),
    "ctld-10x bins": _ctld(bias=FINE_BIAS),
    "local_entropy": _local_entropy(lambda rate, heat: to.sgld(rate, heat, key=0)),
    "local_entropy-sghmc": _local_entropy(
        lambda rate, heat: to.sghmc(rate, heat, momentum=0.9, key=0)
    ),
    "entropy_sgd": lambda rate, heat: _optax(
        to.entropy_sgd(1.0, heat, inner_learning_rate=rate, num_inner_steps=INNER_STEPS, key=0),
        INNER_STEPS,
    ),
    "blackjax.sgld": _blackjax("overdamped_langevin", False, False),
    "blackjax.sghmc": _blackjax("sghmc", True, False),
    "blackjax.sgnht": _blackjax("sgnht", True, True),
}


def library(name: str) -> str:
    """Whose method it is."""
    first, _, rest = name.partition(".")
    return first if rest else "thermo_optax"


def installed(name: str) -> bool:
    """Whether the library of a contender can be imported."""
    return importlib.util.find_spec(library(name)) is not None
