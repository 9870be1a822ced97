"""Momenta have the variance m T of the rung that their replica is on."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.compiling import quick, quick_jit
from tests.statistics import assert_mean
from thermo_optax._base import map_samplers, momenta, samplers

SIZE = 4
TEMPERATURES = np.array([1.0, 2.0, 4.0, 8.0])
MASSES = np.array([1.0, 9.0, 3.0, 2.0])

pytestmark = pytest.mark.usefixtures("standard_promotion")  # `optax.inject_hyperparams` needs it


def langevin(temperature=0.5, mass=3.0):
    """Nothing but swaps moves a momentum, which is drawn with the variance 1.5."""
    return to.langevin(1e-20, temperature, friction=0.0, mass=mass, key=0)


def two_groups(mass_of_a):
    """Momenta of the mass given, and others of mass 1."""
    groups = {"a": langevin(mass=mass_of_a), "b": langevin(mass=1.0)}
    return optax.partition(groups, {"a": "a", "b": "b"})


CASES = {
    "mass alone": (optax.inject_hyperparams(langevin)(), {"mass": MASSES}, {}, MASSES * 0.5),
    "mass, heated through the bath": (
        optax.inject_hyperparams(lambda mass: langevin(0.5, mass))(mass=3.0),
        {"temperature": TEMPERATURES, "mass": MASSES},
        {},
        MASSES * TEMPERATURES,
    ),
    "mass and temperature": (
        optax.inject_hyperparams(langevin)(0.5, 3.0),
        {"temperature": TEMPERATURES, "mass": MASSES},
        {},
        MASSES * TEMPERATURES,
    ),
    "below a chain": (
        optax.chain(optax.clip(1.0), optax.inject_hyperparams(langevin)(0.5, 3.0)),
        {"mass": MASSES},
        {},
        MASSES * 0.5,
    ),
    "of one group": (
        optax.inject_hyperparams(two_groups)(mass_of_a=3.0),
        {"mass_of_a": MASSES},
        {"mass_groups": {"mass_of_a": "a"}},
        {"a": MASSES * 0.5, "b": np.full(SIZE, 0.5)},
    ),
    "of a group's own": (
        optax.partition(
            {"a": optax.inject_hyperparams(langevin)(0.5, 3.0), "b": langevin()},
            {"a": "a", "b": "b"},
        ),
        {"temperature": TEMPERATURES, "mass": MASSES},
        {"heated_groups": {"temperature": "a"}},
        {"a": MASSES * TEMPERATURES, "b": np.full(SIZE, 1.5)},
    ),
    "no part of the law": (
        optax.inject_hyperparams(to.langevin)(1e-20, 0.5, friction=0.0, key=0),
        {"step_size": [1e-20, 2e-20, 3e-20, 4e-20]},
        {},
        np.full(SIZE, 0.5),
    ),
    "of the model": (
        langevin(),
        {"temperature": TEMPERATURES},
        {"model_hyperparams": "temperature"},
        np.full(SIZE, 1.5),
    ),
}


@pytest.mark.quick("mass alone", "of one group")
@pytest.mark.parametrize("case", CASES)
def test_they_are_drawn_and_rescaled_with_the_variance_of_their_rung(case):
    inner, ladder, settings, variance = CASES[case]
    variance = variance if isinstance(variance, dict) else {"a": variance, "b": variance}
    settings |= {"swap_period": 1, "normalization": 0.0}
    tx = quick(to.replica_exchange(inner, ladder, key=1, **settings))
    params = {"a": jnp.zeros((SIZE, 20_000)), "b": jnp.zeros((SIZE, 20_000))}
    state = tx.init(params)
    first = by_leaf(state)
    for name, expected in variance.items():
        spread = np.mean(first[name] ** 2, axis=1)
        np.testing.assert_allclose(spread, expected, rtol=5 * np.sqrt(2 / 20_000))
    while int(state.swaps.rounds) < 2:
        state = tx.update(params, state, params, value=jnp.zeros(SIZE))[1]
    rung = np.asarray(state.rung)
    np.testing.assert_array_equal(rung, [2, 0, 3, 1])  # each has moved
    for name, momentum in by_leaf(state).items():
        factor = np.sqrt(variance[name][rung] / variance[name])[:, None]
        np.testing.assert_allclose(momentum, factor * first[name], rtol=1e-5)


def by_leaf(state):
    found = [node.momentum for _, node in samplers(state)]
    leaves = jax.tree_util.tree_leaves_with_path(found)
    return {path[-1].key: np.asarray(array) for path, array in leaves}


def test_every_rung_keeps_its_law_where_masses_differ():
    """As much heat as the rung's in a harmonic well, where BAOAB has no bias."""
    temperatures, masses = np.array([1.0, 1.2, 1.44]), np.array([1.0, 2.0, 4.0])
    make = optax.inject_hyperparams(to.langevin)

    def system(key):
        sampler = make(0.5, 1.0, friction=0.1, mass=1.0, key=key)
        ladder = {"temperature": temperatures, "mass": masses}
        tx = to.replica_exchange(sampler, ladder, swap_period=5, key=jax.random.fold_in(key, 1))

        def step(carry, _):
            x, state = carry
            updates, state = tx.update(x, state, x, value=jnp.sum(x**2, axis=1) / 2)
            x = optax.apply_updates(x, updates)
            return (x, state), to.by_rung(state, jnp.mean(x**2, axis=1))

        draw = jax.random.normal(jax.random.fold_in(key, 2), (3, 5))
        x = jnp.sqrt(jnp.asarray(temperatures, jnp.float32))[:, None] * draw
        return jnp.mean(jax.lax.scan(step, (x, tx.init(x)), length=500)[1], axis=0)

    keys = jax.random.split(jax.random.key(0), 64)
    seen = np.asarray(quick_jit(jax.vmap(system))(keys))
    for rung, temperature in enumerate(temperatures):
        assert_mean(seen[:, rung], temperature, name=f"<x^2> on rung {rung}")


def test_every_rung_keeps_its_law_with_a_mass_for_each_coordinate():
    """Swaps of temperatures scale all momenta alike, whatever their masses."""
    temperatures = np.array([1.0, 1.3, 1.7], np.float32)
    curvatures = {
        "a": np.array([[1.0, 5.0]], np.float32),
        "b": np.array([[20.0, 90.0]], np.float32),
    }
    masses = {"a": np.array([2.0, 3.0], np.float32), "b": 30.0}

    def system(key):
        sampler = to.langevin(0.5, 1.0, friction=0.3, mass=masses, key=key)
        ladder = {"temperature": temperatures}
        tx = to.replica_exchange(sampler, ladder, swap_period=5, key=jax.random.fold_in(key, 1))

        def step(carry, _):
            x, state = carry
            grads = jax.tree.map(jnp.multiply, curvatures, x)
            losses = sum(jnp.sum(x[name] * grads[name], axis=1) / 2 for name in x)
            updates, state = tx.update(grads, state, x, value=losses)
            x = optax.apply_updates(x, updates)
            p = state.inner_state.momentum
            heats = [jnp.mean(curvatures[name] * x[name] ** 2, axis=1) for name in x]
            heats += [jnp.mean(p[name] ** 2 / jnp.atleast_2d(masses[name]), axis=1) for name in x]
            return (x, state), to.by_rung(state, heats)

        def start(name, k):
            draw = jax.random.normal(jax.random.fold_in(key, ord(name)), (3, 2))
            return jnp.sqrt(temperatures[:, None] / k) * draw

        x = {name: start(name, k) for name, k in curvatures.items()}
        seen = jax.lax.scan(step, (x, tx.init(x)), length=600)[1]
        return [jnp.mean(heat, axis=0) for heat in seen]

    keys = jax.random.split(jax.random.key(0), 64)
    for place, seen in enumerate(quick_jit(jax.vmap(system))(keys)):
        for rung, temperature in enumerate(temperatures):
            assert_mean(seen[:, rung], float(temperature), name=f"energy {place} on rung {rung}")


class Weights(NamedTuple):
    """Parameters with a field that samplers have, too."""

    momentum: jax.Array


@pytest.mark.slow
def test_parameters_called_momentum_are_no_momenta():
    params = Weights(jnp.ones((SIZE, 3)))
    inner = optax.chain(optax.ema(0.5), to.covariance_controlled_langevin(1e-3, 1.0, key=0))
    tx = to.replica_exchange(
        inner, {"temperature": TEMPERATURES}, swap_period=1, normalization=0.0, key=1
    )
    state = tx.init(params)
    values = jnp.zeros(SIZE)
    for _ in range(2):
        state = tx.update(params, state, params, value=values)[1]
    assert int(state.rung[0]) == 1
    np.testing.assert_allclose(state.inner_state[0].ema.momentum, 0.75)
    np.testing.assert_array_equal(state.inner_state[1].last_gradient.momentum, 0.75 / 0.75)
    assert len(momenta(state)) == 1

    single = to.langevin(0.1, 1.0, friction=1.0, key=0).init(Weights(jnp.ones(3)))
    doubled = map_samplers(lambda state, n: state._replace(momentum_scale=n), single, [2])
    assert doubled.momentum_scale == 2
    assert doubled.rng_key is single.rng_key
