"""A swap keeps the law of each rung also at large steps: momenta change where they can.

In a harmonic well BAOAB, BADODAB and `leimkuhler_matthews` have no bias at any step size. A
momentum that is rescaled half a kick too late loses its relation to the position, and the rungs
draw near to each other: at h = 0.5 and a swap in every step to 0.96 and 1.03 of their temperatures.
A step that is made with the gradient of the old rung does more harm: 1.17 and 0.93.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.compiling import quick_jit
from tests.statistics import assert_mean

TEMPERATURES = np.array([1.0, 2.0], np.float32)
CURVATURES = np.array([2.0, 1.0], np.float32)
CHAINS, SIZE, STEPS = 64, 16, 4_000
_ADAPTIVE = {"noise_amplitude": np.sqrt(2.0), "coupling": 1e-4, "initial_friction": 1.0}
_METRIC = {"coupling": 1e-4, "damping": 1.0, "adaptation_steps": 0}

SAMPLERS = {
    "BAOAB": lambda key: to.langevin(0.5, 1.0, friction=1.0, key=key),
    "OBABO": lambda key: to.langevin(0.1, 1.0, friction=1.0, splitting="OBABO", key=key),
    "leimkuhler_matthews": lambda key: to.leimkuhler_matthews(0.125, 1.0, key=key),
    "BADODAB": lambda key: to.adaptive_langevin(0.5, 1.0, key=key, **_ADAPTIVE),
    "sghmc": lambda key: to.sghmc(0.04, 1.0, momentum=0.8, key=key),
    "santa": lambda key: to.santa(0.09, 1.0, key=key, **_METRIC),
    "chain": lambda key: optax.chain(
        optax.identity(), to.langevin(0.5, 1.0, friction=1.0, mass=2.0, key=key)
    ),
}
# OBABO has a bias of its own, h^2 / 4 of the variance; SGHMC one of lr / (2 (1 + mu)).
EXACT = {"OBABO": 1 / (1 - 0.1**2 / 4), "sghmc": 1 / (1 - 0.04 / (2 * 1.8))}


def means(make, ladder, stiffness, size=SIZE, chains=CHAINS, **settings):
    """Mean energies, in units of T / 2, by rung in independent chains; a swap as often as can be.

    `stiffness` is the curvature of the well, of the values of "power" on the rungs of replicas.
    """
    heat = ladder.get("temperature", np.ones(2, np.float32))

    def chain(key):
        tx = to.replica_exchange(
            make(key), ladder, swap_period=1, key=jax.random.fold_in(key, 1), **settings
        )

        def step(carry, _):
            x, state = carry
            k = stiffness(to.replica_hyperparams(state))
            updates, state = tx.update(k * x, state, x, value=jnp.sum(x**2, axis=1) / 2)
            x = optax.apply_updates(x, updates)
            k = stiffness(to.replica_hyperparams(state))
            return (x, state), jnp.mean(to.by_rung(state, k * x**2), axis=1)

        x = jax.random.normal(jax.random.fold_in(key, 2), (2, size))
        state = tx.init(x)
        x = jnp.sqrt(heat[:, None] / stiffness(to.replica_hyperparams(state))) * x
        return jnp.mean(jax.lax.scan(step, (x, state), length=STEPS)[1], axis=0)

    keys = jax.random.split(jax.random.key(0), chains)
    return np.asarray(quick_jit(jax.vmap(chain))(keys)) / heat


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLERS)
def test_every_rung_keeps_its_law(name):
    seen = means(SAMPLERS[name], {"temperature": TEMPERATURES}, lambda _: 1.0)
    for rung in range(2):
        assert_mean(seen[:, rung], EXACT.get(name, 1.0), name=f"<x^2> / T on rung {rung}")


# Of a step h: a sampler with it, and h on the rung of curvature 1 and temperature 1.
WITH_STEPS = {
    "BAOAB": (lambda h, key: to.langevin(h, 1.0, friction=1.0, key=key), 0.8),
    "OBABO": (
        lambda h, key: to.langevin(h, 1.0, friction=1.0, splitting="OBABO", key=key),
        0.1,
    ),
    "leimkuhler_matthews": (lambda h, key: to.leimkuhler_matthews(h**2 / 2, 1.0, key=key), 0.8),
    "BADODAB": (lambda h, key: to.adaptive_langevin(h, 1.0, key=key, **_ADAPTIVE), 0.5),
    "sghmc": (lambda h, key: to.sghmc(h**2, 1.0, momentum=0.8, key=key), 0.2),
    "santa": (lambda h, key: to.santa(h**2, 1.0, key=key, **_METRIC), 0.2),
    "sgld": (lambda h, key: to.sgld(h**2 / 2, 1.0, key=key), 0.2),
}


def with_steps(name):
    make, h = WITH_STEPS[name]
    return lambda key: optax.inject_hyperparams(lambda step: make(step, key))(h), h


def of_step(name, h):
    """The mean energy on a rung where the step is h, in units of T / 2 and of its frequency."""
    if name == "OBABO":
        return 1 / (1 - h**2 / 4)
    if name == "sghmc":
        return 1 / (1 - h**2 / (2 * 1.8))
    return 1 / (1 - h**2 / 4) if name == "sgld" else 1.0


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_STEPS)
def test_powers_with_a_step_size_for_each_rung(name, standard_promotion):
    """Steps of equal length on all rungs, in units of their frequency: then nothing is off."""
    make, h = with_steps(name)
    ladder = {"power": CURVATURES, "step": h / np.sqrt(CURVATURES)}
    weights = {"betas": {"power": lambda power: power}, "normalization": {"power": 1.0}}
    settings = {"model_hyperparams": "power", **weights}
    seen = means(make, ladder, lambda now: now["power"][:, None], **settings)
    for rung in range(2):
        assert_mean(seen[:, rung], of_step(name, h), name=f"k <x^2> on rung {rung}")


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_STEPS)
def test_temperatures_with_a_step_size_for_each_rung(name, standard_promotion):
    make, h = with_steps(name)
    steps = h * np.array([0.6, 0.75], np.float32)
    seen = means(make, {"temperature": TEMPERATURES, "step": steps}, lambda _: 1.0)
    for rung in range(2):
        assert_mean(seen[:, rung], of_step(name, steps[rung]), name=f"<x^2> / T on rung {rung}")


def without_memory(learning_rate, key):
    settings = {"decay": 0.0, "damping": 1.0, "adaptation_steps": None}
    return to.psgld(learning_rate, 1.0, key=key, **settings)


@pytest.mark.slow
def test_psgld_keeps_its_drift_over_a_rest(standard_promotion):
    """The drift of the metric follows a move in the next one: without it <x^2> is 1.44 here."""

    def make(key):
        return optax.inject_hyperparams(lambda rate: without_memory(rate, key))(0.02)

    rates = np.array([0.02, 0.01999], np.float32)
    seen = means(make, {"rate": rates}, lambda _: 1.0, normalization=0.0)
    for rung in range(2):
        assert_mean(seen[:, rung], 1.0, name=f"<x^2> on rung {rung}")


@pytest.mark.slow
def test_psgld_has_the_drift_of_the_temperature_that_made_it(standard_promotion):
    """With that of the next step the colder rung is at 1.03."""
    make = functools.partial(without_memory, 0.02)
    ladder = {"temperature": np.array([1.0, 3.0], np.float32)}
    many = {"size": 2, "chains": 512, "scheme": "random pair"}  # few parameters swap often
    seen = means(make, ladder, lambda _: 1.0, **many)
    for rung in range(2):
        assert_mean(seen[:, rung], 1.0, name=f"<x^2> / T on rung {rung}")


def tied(make, ladder, noise=0.0, **settings):
    """Mean squares of a tether of precision 1 alone, by rung in independent chains: 1.

    `noise` is the standard deviation of the gradients.
    """

    def chain(key):
        inner = optax.chain(to.tether(1.0, 1.0, center=0.0), make(key))
        tx = to.replica_exchange(inner, ladder, key=jax.random.fold_in(key, 1), **settings)

        def step(carry, key):
            x, state = carry
            gradients = noise * jax.random.normal(key, x.shape)
            updates, state = tx.update(gradients, state, x, value=jnp.zeros(2))
            x = optax.apply_updates(x, updates)
            return (x, state), jnp.mean(to.by_rung(state, x**2), axis=1)

        x = jax.random.normal(jax.random.fold_in(key, 2), (2, SIZE))
        keys = jax.random.split(jax.random.fold_in(key, 3), STEPS)
        return jnp.mean(jax.lax.scan(step, (x, tx.init(x)), keys)[1], axis=0)

    keys = jax.random.split(jax.random.key(0), CHAINS)
    return np.asarray(quick_jit(jax.vmap(chain))(keys))


@pytest.mark.slow
@pytest.mark.parametrize("masses", [[1.0, 1.0], [1.0, 4.0], [1.0, 0.25]])
def test_a_tether_where_swaps_change_masses_too(masses):
    """By the geometric mean of temperatures alone <x^2> would be 0.89 or 1.13 at any step."""

    def make(key):
        return optax.inject_hyperparams(
            lambda mass: to.langevin(0.1, 1.0, friction=1.0, mass=mass, key=key)
        )(mass=1.0)

    ladder = {"temperature": np.array([1.0, 4.0], np.float32), "mass": np.float32(masses)}
    seen = tied(make, ladder, swap_period=2)
    for rung in range(2):
        assert_mean(seen[:, rung], 1.0, name=f"<x^2> on rung {rung}")


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["even-odd", "random pair"])
@pytest.mark.parametrize(("noise", "error"), [(0.0, 0.025), (1.5, 0.09)])
def test_thermostats_of_santa_take_the_width_of_the_new_rung(scheme, noise, error):
    """With a friction that comes along as it is, <x^2> is 1.15 here, or 1.06.

    What it has learnt of the noise stays that of another rung.
    """

    def make(key):
        return to.santa(0.04, 1.0, coupling=1.0, damping=1.0, adaptation_steps=0, key=key)

    ladder = {"temperature": np.array([0.25, 1.0], np.float32)}
    seen = np.mean(tied(make, ladder, noise, swap_period=10, scheme=scheme), axis=0)
    np.testing.assert_allclose(seen, 1, atol=error)  # 0.01 are the step's
