"""Masses in a tree: the law is that of each coordinate by itself, and m = k makes all mix alike.

Every row of parameters has a mass and a curvature of its own, and a few thousand particles.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thermo_optax as to
from tests.compiling import quick, quick_jit
from tests.physics import adaptive_oracle, oracle
from tests.physics.test_stationary_laws import WORDS
from tests.simulation import simulate
from tests.statistics import Z, assert_covariance, assert_mean, assert_variance

ROWS, PARTICLES = 6, 2**14
TEMPERATURE, FRICTION, STEPS = 0.7, 1.3, 80

_draw = np.random.default_rng(0)
CURVATURES = np.exp(_draw.uniform(-0.3, 2.5, ROWS)).round(2)
MASSES = (CURVATURES * np.exp(_draw.uniform(-0.3, 0.3, ROWS))).round(2)
MASSES[2:4] = MASSES[2]  # a layer of two arrays with one number


def tree(rows):
    """The first rows in one array, two in a layer of two arrays, and the last two by themselves."""
    return {"each": rows[:2], "layer": {"a": rows[2], "b": rows[3:4]}, "last": [*rows[4:]]}


def rows(tree):
    arrays = [*tree["each"], tree["layer"]["a"], *tree["layer"]["b"], *tree["last"]]
    return [np.asarray(array).ravel() for array in arrays]


def full(numbers):
    """A number for each row, as an array of the particles."""
    return np.repeat(np.asarray(numbers, np.float32)[:, None], PARTICLES, axis=1)


# An array of the parameter's shape, a number for two arrays, and a number for one.
TREE = {**tree(full(MASSES)), "layer": float(MASSES[2]), "last": [*map(float, MASSES[4:])]}
STIFFNESS = tree(jnp.asarray(full(CURVATURES)))
KINDS = list(zip(CURVATURES, MASSES, strict=True))


def gradient(x):
    return jax.tree.map(jnp.multiply, STIFFNESS, x)


def wide(key):
    """A start that is twice too wide: the sampler has to find its law by itself."""
    z = 2 * jax.random.normal(key, (ROWS, PARTICLES))
    return tree(z * jnp.sqrt(TEMPERATURE / jnp.asarray(CURVATURES, jnp.float32))[:, None])


def sampled(make, steps=STEPS, gradient=gradient, noise_key=None):
    """Parameters and state after many steps, as one program."""
    key, start_key = jax.random.split(jax.random.key(5))
    # A run without noise in its gradients takes less time than what compiles it.
    compiled = quick_jit if noise_key is None else jax.jit
    run = compiled(
        lambda: simulate(make(key), gradient, wide(start_key), steps, noise_key=noise_key)[:2]
    )
    return run()


def check(x, p, law, name):
    assert_variance(x, law[0, 0], name=f"position, {name}")
    assert_variance(p, law[1, 1], name=f"momentum, {name}")
    assert_covariance(x, p, law[0, 1], name=f"position and momentum, {name}")


def weighted(law, m):
    """The covariance of (x, p) from that of (sqrt(m) x, p / sqrt(m))."""
    scale = np.diag([m**-0.5, m**0.5])
    return scale @ law @ scale


@pytest.mark.quick("BAOAB", "OBABO", "UBU")
@pytest.mark.parametrize("word", WORDS)
def test_langevin(word):
    h = 0.8

    def make(key):
        options = {"friction": FRICTION, "splitting": word, "mass": TREE, "key": key}
        return to.langevin(h, TEMPERATURE, **options)

    state: Any
    x, state = sampled(make)
    expected = []
    for row, (k, m) in enumerate(KINDS):
        propagator = oracle.propagator(word, h, k, FRICTION, m, TEMPERATURE)
        assert oracle.memory(propagator[0], STEPS) < 1e-3, "too few steps to forget the start"
        law = oracle.stationary(*propagator)
        check(rows(x)[row], rows(state.momentum)[row], law, f"{word} k={k} m={m}")
        retain, kick = np.asarray(state.reading)
        expected.append((retain * law[1, 1] - kick * k * law[0, 1]) / m)
        assert abs(expected[-1] / TEMPERATURE - 1) < h**2 * k / m
    # The thermometers know the masses: in all, and for each layer.
    readings = to.diagnostics.equipartition(state, gradient(x))
    readings["all"] = to.diagnostics.kinetic_temperature(state, gradient(x))
    layers = {"layer": expected[2:4], "last": expected[4:], "each": expected[:2], "all": expected}
    assert set(readings) == set(layers)
    for name, truth in layers.items():
        error = 1.5 * np.sqrt(2 / readings[name].degrees)  # of p.g, too
        assert abs(readings[name].value / np.mean(truth) - 1) < Z * error, name
    exact = word in ("BAOAB", "OABAO", "OBABO", "ABOBA")
    assert not exact or np.allclose(expected, TEMPERATURE, rtol=1e-5)


@pytest.mark.parametrize("spread", [0.0, 0.8], ids=["exact", "noisy"])
def test_sghmc(spread):
    """With its bias at lr / m; the heat of noisy gradients is subtracted at every mass."""
    lr, mu = 0.3, 0.6
    assert np.all(2 * (1 - mu) * TEMPERATURE * MASSES > lr * spread**2)

    def make(key):
        options = {"momentum": mu, "gradient_noise": spread**2, "mass": TREE, "key": key}
        return to.sghmc(lr, TEMPERATURE, **options)

    def noisy(x, key):
        z = tree(spread * jax.random.normal(key, (ROWS, PARTICLES)))
        return jax.tree.map(jnp.add, gradient(x), z)

    x, state = sampled(make, gradient=noisy, noise_key=jax.random.key(6))
    for row, (k, m) in enumerate(KINDS):
        law = oracle.stationary(*oracle.sghmc_propagator(lr, mu, k / m, TEMPERATURE))
        check(rows(x)[row], rows(state.momentum)[row], weighted(law, m), f"sghmc k={k} m={m}")
        assert np.isclose(law[0, 0] * k / m, TEMPERATURE / (1 - lr * k / m / (2 * (1 + mu))))


@pytest.mark.quick("BADODAB-group")
@pytest.mark.parametrize("thermostat", ["group", "tensor"])
@pytest.mark.parametrize("splitting", ["BADODAB", "ACDEDCAB", "SGNHT"])
def test_adaptive_langevin(splitting, thermostat):
    """Noise in proportion to the root of the mass is absorbed in full, in every coordinate."""
    h, sigma, spread = 0.15 if splitting != "SGNHT" else 0.03, 1.0, 0.7
    # In the coordinates sqrt(m) x: the same noise everywhere, and wells of k / m.
    kinds = [(spread, k / m) for k, m in KINDS]
    shared, laws = adaptive_oracle.shared_equilibrium(splitting, h, TEMPERATURE, sigma, kinds)
    roots = tree(jnp.sqrt(full(MASSES)))

    def make(key):
        return to.adaptive_langevin(
            *(h, TEMPERATURE),
            noise_amplitude=sigma,
            coupling=1e-5,
            initial_friction=shared,
            splitting=splitting,
            thermostat=thermostat,
            mass=TREE,
            key=key,
        )

    def noisy(x, key):
        z = tree(spread * jax.random.normal(key, (ROWS, PARTICLES)))
        return jax.tree.map(lambda g, root, one: g + root * one, gradient(x), roots, z)

    steps = 150 if splitting != "SGNHT" else 600
    x, state = sampled(make, steps, noisy, noise_key=jax.random.key(6))
    assert np.allclose(state.friction, shared, atol=0.02)
    for row, (k, m) in enumerate(KINDS):
        # The friction fluctuates by sqrt(T eps), 0.3 % of it.
        found = float(np.mean(rows(x)[row] ** 2)), float(np.mean(rows(state.momentum)[row] ** 2))
        for value, truth in zip(found, np.diag(weighted(laws[row], m)), strict=True):
            assert abs(value / truth - 1) < Z * np.sqrt(2 / PARTICLES) + 0.005, (k, m)
    reading = to.diagnostics.kinetic_temperature(state)
    assert abs(reading.value / TEMPERATURE - 1) < Z * np.sqrt(2 / reading.degrees) + 2e-3


def test_masses_like_the_curvature_make_all_coordinates_mix_alike():
    """E[x_n x_0] is one curve for curvatures from 1 to 10,000: that of unit mass and curvature."""
    curvatures, particles, steps, h = np.logspace(0, 4, 5), 2**15, 12, 0.9
    stiffness = jnp.asarray(np.repeat(curvatures[:, None], particles, 1), jnp.float32)
    start = jnp.sqrt(TEMPERATURE / stiffness) * jax.random.normal(jax.random.key(0), (5, particles))
    tx = to.langevin(h, TEMPERATURE, friction=1.0, mass=stiffness, key=1)

    def observe(x, state):
        return jnp.mean(x * start, axis=1) * jnp.asarray(curvatures, jnp.float32) / TEMPERATURE

    run = quick_jit(lambda: simulate(tx, lambda x: stiffness * x, start, steps, observe=observe)[2])
    matrix, _ = oracle.propagator("BAOAB", h, 1.0, 1.0, 1.0, TEMPERATURE)
    law = [np.linalg.matrix_power(matrix, n)[0, 0] for n in range(1, steps + 1)]
    np.testing.assert_allclose(run(), np.tile(law, (5, 1)).T, atol=Z * np.sqrt(2 / particles))
    # With one mass, a step that the stiffest bears leaves the softest where it is.
    single, _ = oracle.propagator("BAOAB", h / 100, 1.0, 1.0, 1.0, TEMPERATURE)
    assert np.linalg.matrix_power(single, steps)[0, 0] > 0.99 and abs(law[-1]) < 0.1


METHODS = {
    "BAOAB": lambda **own: to.langevin(0.3, 0.7, friction=1.0, **own),
    "BOAOB": lambda **own: to.langevin(0.3, 0.7, friction=1.0, splitting="BOAOB", **own),
    "UBU": lambda **own: to.langevin(0.3, 0.7, friction=1.0, splitting="UBU", **own),
    "sghmc": lambda **own: to.sghmc(0.1, 0.7, momentum=0.8, gradient_noise=0.3, **own),
    "BADODAB": lambda **own: to.adaptive_langevin(0.2, 0.7, noise_amplitude=0.9, **own),
    "ACDEDCAB": lambda **own: to.adaptive_langevin(
        0.2, 0.7, noise_amplitude=0.9, splitting="ACDEDCAB", **own
    ),
    "SGNHT": lambda **own: to.adaptive_langevin(
        0.2, 0.7, noise_amplitude=0.9, splitting="SGNHT", **own
    ),
}


@pytest.mark.quick("BAOAB", "BADODAB", "sghmc")
@pytest.mark.parametrize("name", METHODS)
def test_a_tree_of_one_number_is_that_number(name):
    """Step by step, for a step of both kinds: with the momenta rescaled before it, and without."""
    params = {"a": jnp.linspace(-1.0, 2.0, 6), "b": {"c": jnp.ones((2, 3))}}
    trees = [2.5, {"a": 2.5, "b": 2.5}, jax.tree.map(lambda x: np.full(x.shape, 2.5), params)]

    def path(mass):
        tx = METHODS[name](mass=mass, key=0)
        start: Any = tx.init(params)
        start = start._replace(momentum_scale=jnp.float32(1.4))

        def step(carry, _):
            x, state = carry
            updates, state = tx.update(x, state, x)
            x = jax.tree.map(jnp.add, x, updates)
            return (x, state), (x, state.momentum)

        return jax.lax.scan(step, (params, start), length=40)[1]

    expected, *others = quick_jit(lambda: [path(mass) for mass in trees])()
    for other in others:
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), other, expected
        )


def test_first_momenta():
    params = tree(jnp.zeros((ROWS, PARTICLES)))
    for method in (METHODS["BAOAB"], METHODS["sghmc"], METHODS["BADODAB"]):
        state: Any = quick(method(mass=TREE, key=0)).init(params)
        for p, m in zip(rows(state.momentum), MASSES, strict=True):
            assert_mean(p**2, 0.7 * m, name=f"m={m}")
    assert abs(state.kinetic_temperature / 0.7 - 1) < Z * np.sqrt(2 / (ROWS * PARTICLES))
