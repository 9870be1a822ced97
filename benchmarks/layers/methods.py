"""How each compared method is made from its hyperparameters; their values are in `settings`.

Every maker takes `key` and the hyperparameters that its rows in `settings` name, as traced numbers.
"""

import optax

import thermo_optax as to
from benchmarks.engine.problem import Method


def sgd(rows) -> Method:
    """Stochastic gradient descent, with or without momentum."""

    def make(learning_rate, momentum, key):
        del key
        return optax.sgd(learning_rate, momentum)

    return Method("SGD", make, rows)


def rmsprop(rows) -> Method:
    """RMSprop with optax's decay of 0.9."""
    return Method("RMSprop", lambda learning_rate, key: optax.rmsprop(learning_rate), rows)


def adam(label, rows) -> Method:
    """Adam; its betas are among the hyperparameters, so one program serves every choice."""

    def make(learning_rate, beta1, beta2, key):
        del key
        return optax.adam(learning_rate, beta1, beta2)

    return Method(label, make, rows)


def sgld(rows) -> Method:
    """Stochastic gradient Langevin dynamics on all layers."""
    return Method("SGLD", to.sgld, rows)


def langevin(rows) -> Method:
    """Underdamped Langevin dynamics (BAOAB) on all layers, with one bath."""
    return Method("Langevin", to.langevin, rows, _hidden_momenta, "temperature")


def langevin_like_sgd(rows) -> Method:
    """The same, its step size and friction given as the SGD that it is without heat."""

    def make(learning_rate, momentum, temperature, key):
        step_size, friction = to.units.langevin_from_sgd(learning_rate, momentum)
        return to.langevin(step_size, temperature, friction=friction, key=key)

    return langevin(rows)._replace(make=make)


def lol(rows) -> Method:
    """Langevin dynamics in the first layer, overdamped Langevin in the others."""

    def make(
        step_size, hidden_temperature, friction, output_temperature, output_learning_rate, key
    ):
        return to.lol(
            step_size,
            langevin_groups={"hidden": hidden_temperature},
            overdamped_groups={"output": output_temperature},
            friction=friction,
            learning_rate=output_learning_rate,
            param_labels=_hidden_and_output,
            initial_momentum="zero",
            key=key,
        )

    return Method("LOL", make, rows, _hidden_momenta, "hidden_temperature")


def adlala(rows) -> Method:
    """Adaptive Langevin dynamics in the first layer, one thermostat for it, Langevin after it."""

    def make(
        step_size,
        hidden_temperature,
        noise_amplitude,
        coupling,
        output_temperature,
        output_friction,
        key,
    ):
        return to.adlala(
            step_size,
            adaptive_groups={"hidden": hidden_temperature},
            langevin_groups={"output": output_temperature},
            noise_amplitude=noise_amplitude,
            coupling=coupling,
            friction=output_friction,
            thermostat="group",
            param_labels=_hidden_and_output,
            initial_momentum="zero",
            key=key,
        )

    return Method("AdLaLa", make, rows, _hidden_thermostat, "hidden_temperature")


def _hidden_and_output(params):
    """All layers but the last are hidden."""
    return to.label_layers(params, {"output": "last"}, default="hidden")


def _hidden_momenta(state):
    """Temperature of the momenta of all layers but the last."""
    *hidden, _ = (reading for _, reading in sorted(to.diagnostics.equipartition(state).items()))
    return sum(t.value * t.degrees for t in hidden) / sum(t.degrees for t in hidden)


def _hidden_thermostat(state):
    """What the thermostat itself read, which has no bias at a finite step size."""
    return state.inner_states["hidden"].inner_state.kinetic_temperature
