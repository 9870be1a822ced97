"""The compared methods, each with the learning rates that it may choose from.

All have momentum 0.9 but RMSprop, which has none; Adam's other numbers are optax's, and so is the
decay of AnnealSGD's noise. Santa's friction is the one of that momentum, its temperature falls as
1 / t^0.5, and its metric follows the gradients all the time, as in the code of its authors. The
temperature is fixed beforehand, in the units of the loss, the same for every learning rate.

A maker takes `key`, `steps` (the number its run will have) and its hyperparameters, as traced
numbers.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import optax

import thermo_optax as to
from benchmarks.engine.problem import Method, grid, half_decades

MOMENTUM = 0.9
SGD, CTLD, CTLD_COLD = "sgd", "ctld", "ctld-cold"
COLD = (0.1, 0.01)  # of the temperature, for colder CTLD to choose from
CTLD_LIKE_SGD = "CTLD at SGD's learning rate"
PLAIN = ("SGD with momentum", "RMSprop", "Adam")  # trained without heat


def all_methods(
    temperature: float, sampling_share: float, centres: Mapping[str, float], count: int
) -> dict[str, Method]:
    """Every method, with `count` settings: learning rates about its centre.

    CTLD is at this temperature, AnnealSGD and Santa at their start; CTLD samples, and Santa
    explores, during this share of a run. Colder CTLD chooses among temperatures too.
    """
    anneal = {"temperature": temperature}
    phases = {**anneal, "sampling_share": sampling_share}
    kinds = {
        SGD: ("SGD with momentum", _sgd, {}, None),
        "rmsprop": ("RMSprop", _rmsprop, {}, None),
        "adam": ("Adam", _adam, {}, None),
        "annealsgd": ("AnnealSGD", _annealsgd, anneal, None),
        "santa": ("Santa", _santa, phases, None),
        CTLD: ("CTLD", _ctld, phases, noise_magnitude),
    }
    rates = half_decades(centres[CTLD], max(1, count // len(COLD)))
    colder = grid(
        learning_rate=rates,
        temperature=[temperature * share for share in COLD],
        sampling_share=[sampling_share],
    )
    return {
        name: Method(
            label,
            maker,
            [{"learning_rate": rate, **others} for rate in half_decades(centres[name], count)],
            thermometer,
            planned=True,
        )
        for name, (label, maker, others, thermometer) in kinds.items()
    } | {CTLD_COLD: Method("CTLD, colder", _ctld, colder, noise_magnitude, planned=True)}


def noise_magnitude(state) -> jax.Array:
    """1 / g(alpha): CTLD's bath in units of the temperature, as long as it samples."""
    return 1 / to.temperature_scaling(to.tempering_state(state).alpha)


def _sgd(learning_rate, steps, key):
    del steps, key
    return optax.sgd(learning_rate, MOMENTUM)


def _rmsprop(learning_rate, steps, key):
    del steps, key
    return optax.rmsprop(learning_rate)


def _adam(learning_rate, steps, key):
    del steps, key
    return optax.adam(learning_rate)


def _annealsgd(learning_rate, temperature, steps, key):
    del steps
    # Noise on the gradient whose heat, under this momentum, is that of the bath at the start.
    # Momentum comes after it: without the noise this is SGD with momentum.
    variance = 2 * (1 - MOMENTUM) * temperature / learning_rate
    return optax.chain(optax.noisy_sgd(learning_rate, variance, key=key), optax.trace(MOMENTUM))


def _santa(learning_rate, temperature, sampling_share, steps, key):
    hot = to.santa(
        learning_rate,
        to.polynomial_cooling(temperature, offset=1.0, power=0.5),
        friction=(1 - MOMENTUM) / jnp.sqrt(learning_rate),
        adaptation_steps=None,
        key=key,
    )
    return to.explore_then_refine(hot, _share(sampling_share, steps))


def _ctld(learning_rate, temperature, sampling_share, steps, key):
    return to.ctld(
        learning_rate,
        temperature,
        momentum=MOMENTUM,
        sampling_steps=_share(sampling_share, steps),
        key=key,
    )


def _share(share: jax.Array, steps: jax.Array) -> jax.Array:
    """The number of steps with heat, at least one."""
    return jnp.maximum(1, jnp.asarray(steps * share, jnp.int32))
