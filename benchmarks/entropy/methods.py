"""Entropy-SGD, Entropy-Adam and their rivals, with the settings that each may choose from.

A maker takes `key`, `steps` (the number of gradients its run will have) and its hyperparameters,
as traced numbers. `learning_rate` is that of the steps with a gradient: eta' of the inner loop.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax.numpy as jnp
import optax

import thermo_optax as to
from benchmarks.engine.problem import Method, grid, half_decades

SGD, ENTROPY_SGD = "sgd", "entropy-sgd"
MOMENTUM = 0.9
INNER_STEPS = {ENTROPY_SGD: 20, "entropy-adam": 5}
SCOPE_RISE = 10.0  # of Entropy-SGD's scope in a run, as in the authors' run on MNIST
LABELS = {
    SGD: "SGD, Nesterov",
    "adam": "Adam",
    "sgld": "SGLD",
    ENTROPY_SGD: "Entropy-SGD",
    "entropy-adam": "Entropy-Adam",
}


class Choice(NamedTuple):
    """What a method may choose from on one problem."""

    centre: float  # of the learning rates, which are half a decade apart
    others: Mapping[str, Sequence[float]] = {}  # every combination of these, for each rate
    fixed: Mapping[str, float] = {}


def make_methods(choices: Mapping[str, Choice], count: int) -> dict[str, Method]:
    """The methods, each with at most `count` settings, but one for each of its other choices."""
    makers = {
        SGD: _sgd,
        "adam": _adam,
        "sgld": _sgld,
        ENTROPY_SGD: _entropy_sgd,
        "entropy-adam": _entropy_adam,
    }
    methods = {}
    for name, choice in choices.items():
        others = grid(**choice.others) if choice.others else [{}]
        rates = half_decades(choice.centre, max(1, count // len(others)))
        rows = [
            {"learning_rate": rate, **other, **choice.fixed} for rate in rates for other in others
        ]
        point = to.local_entropy_params if name in INNER_STEPS else None
        methods[name] = Method(LABELS[name], makers[name], rows, point=point, planned=True)
    return methods


def decaying(learning_rate, steps):
    """Times 0.2 after 60 % of the steps, times 0.04 after 85 %."""

    def schedule(count):
        late = jnp.where(count < 0.85 * steps, 0.2, 0.04)
        return learning_rate * jnp.where(count < 0.6 * steps, 1.0, late)

    return schedule


def _sgd(learning_rate, steps, key):
    del key
    return optax.sgd(decaying(learning_rate, steps), MOMENTUM, nesterov=True)


def _adam(learning_rate, steps, key):
    del key
    return optax.adam(decaying(learning_rate, steps))


def _sgld(learning_rate, temperature, steps, key):
    del steps
    # The decay of the authors' comparison, eta / (1 + t)^b with the b of their code.
    return to.sgld(lambda t: learning_rate / (1 + t) ** 0.25, temperature, key=key)


def _entropy_sgd(learning_rate, scope, temperature, steps, key):
    inner_steps = INNER_STEPS[ENTROPY_SGD]
    rounds = steps / inner_steps
    return to.entropy_sgd(
        # A tenth where the rivals' rates first fall: from there on x is a mean over many loops.
        lambda count: jnp.where(count < 0.6 * rounds, 1.0, 0.1),
        temperature,
        num_inner_steps=inner_steps,
        inner_learning_rate=learning_rate,
        scope=scope,
        scope_growth=SCOPE_RISE ** (1 / rounds) - 1,
        momentum=MOMENTUM,
        key=key,
    )


def _entropy_adam(learning_rate, outer_rate, scope, temperature, steps, key):
    inner_steps = INNER_STEPS["entropy-adam"]
    fifth = steps / inner_steps / 5  # the authors halve the rate after every one of five epochs
    return to.entropy_adam(
        lambda count: outer_rate * 0.5 ** jnp.floor(count / fifth),
        temperature,
        num_inner_steps=inner_steps,
        inner_learning_rate=learning_rate,
        scope=scope,
        momentum=MOMENTUM,
        key=key,
    )
