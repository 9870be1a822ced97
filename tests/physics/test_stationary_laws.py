"""The law of each discretised sampler in a harmonic well, against the discrete Lyapunov equation.

Every coordinate is an independent particle. A word is compiled once, and its settings are traced.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.physics import oracle
from tests.simulation import over_grid, simulate
from tests.statistics import assert_covariance, assert_variance

PARTICLES = 2**17
STEPS = 60
CURVATURE = 0.8
# h, T, m, gamma: small and large steps, light and heavy particles, weak and strong friction.
GRID = [(0.6, 1.0, 1.0, 1.0), (1.6, 0.3, 2.0, 0.7), (0.9, 4.0, 1.0, 2.0), (1.1, 1.0, 0.7, 1.0)]
WORDS = [
    "BAOAB",
    "OBABO",
    "ABOBA",
    "OABAO",
    "AOBOA",
    "BOAOB",
    "BAOA",
    "BAO",
    "OBA",
    "ABO",
    "BOBAO",
    "UBU",
    "BUOB",
]


def gradient(x):
    return jax.tree.map(lambda leaf: CURVATURE * leaf, x)


def start(key, temperature):
    """Particles in two tensors; twice too wide, since a sampler has to find its law by itself."""
    spread = 2 * jnp.sqrt(temperature / CURVATURE)
    x = spread * jax.random.normal(key, (2, PARTICLES // 2))
    return {"a": x[0], "b": x[1:]}


def pooled(trees):
    """The particles of all tensors, for each row of the grid."""
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(trees)]
    return np.concatenate([leaf.reshape(len(leaf), -1) for leaf in leaves], axis=1)


def check(x, p, propagator, steps, name):
    """Position, stored momentum and their correlation have the discrete scheme's law."""
    assert oracle.memory(propagator[0], steps) < 1e-3, "too few steps to forget the start"
    law = oracle.stationary(*propagator)
    assert_variance(x, law[0, 0], name=f"position, {name}")
    assert_variance(p, law[1, 1], name=f"momentum, {name}")
    assert_covariance(x, p, law[0, 1], name=f"position and momentum, {name}")


@pytest.mark.quick("BAOAB", "OBABO", "OBA", "UBU")
@pytest.mark.parametrize("word", WORDS)
def test_langevin(word):
    def run(key, h, temperature, mass, friction):
        start_key, key = jax.random.split(key)
        tx = to.langevin(h, temperature, friction=friction, mass=mass, splitting=word, key=key)
        x, state, _ = simulate(tx, gradient, start(start_key, temperature), STEPS)
        return x, state.momentum

    xs, ps = over_grid(run, jax.random.key(1), *zip(*GRID, strict=True))
    for (h, temperature, mass, friction), x, p in zip(GRID, pooled(xs), pooled(ps), strict=True):
        args = (h, CURVATURE, friction, mass, temperature)
        check(x, p, oracle.propagator(word, *args), STEPS, f"{word} {args}")


def test_sghmc():
    grid = [(0.3, 1.0, 0.5), (0.5, 0.2, 0.8), (1.0, 2.0, 0.0)]

    def run(key, lr, temperature, mu):
        start_key, key = jax.random.split(key)
        tx = to.sghmc(lr, temperature, momentum=mu, key=key)
        x, state, _ = simulate(tx, gradient, start(start_key, temperature), 2 * STEPS)
        return x, state.momentum

    xs, ps = over_grid(run, jax.random.key(2), *zip(*grid, strict=True))
    for (lr, temperature, mu), x, p in zip(grid, pooled(xs), pooled(ps), strict=True):
        propagator = oracle.sghmc_propagator(lr, mu, CURVATURE, temperature)
        check(x, p, propagator, 2 * STEPS, f"sghmc {(lr, temperature, mu)}")


def test_overdamped():
    grid = [(0.1, 1.0), (0.5, 0.2), (1.2, 3.0)]
    samplers = {"sgld": to.sgld, "leimkuhler_matthews": to.leimkuhler_matthews}

    def run(method, key, lr, temperature):
        start_key, key = jax.random.split(key)
        tx = samplers[method](lr, temperature, key=key)
        return simulate(tx, gradient, start(start_key, temperature), STEPS)[0]

    positions = {
        method: pooled(
            over_grid(functools.partial(run, method), jax.random.key(3), *zip(*grid, strict=True))
        )
        for method in samplers
    }
    for i, (lr, temperature) in enumerate(grid):
        exact = temperature / CURVATURE
        biased = exact / (1 - lr * CURVATURE / 2)
        # The start, twice too wide, is forgotten at the rate 1 - lr k.
        left = 3 * (1 - lr * CURVATURE) ** (2 * STEPS)
        for method, expected in [("sgld", biased), ("leimkuhler_matthews", exact)]:
            expected += left * exact
            assert_variance(positions[method][i], expected, name=f"{method} {(lr, temperature)}")


def test_sghmc_subtracts_the_heat_of_a_noisy_gradient():
    """What the mini-batches heat, `gradient_noise` takes from the bath: the law stays."""
    spread, lr, mu, temperature = 1.5, 0.1, 0.6, 1.0
    assert 2 * (1 - mu) * temperature > lr * spread**2

    def run(key, declared):
        keys = jax.random.split(key, 3)
        tx = to.sghmc(lr, temperature, momentum=mu, gradient_noise=declared, key=keys[1])

        def noisy(x, key):
            noise = optax.tree.random_like(key, x, jax.random.normal)
            return jax.tree.map(lambda g, z: g + spread * z, gradient(x), noise)

        x = start(keys[0], temperature)
        return simulate(tx, noisy, x, 2 * STEPS, noise_key=keys[2])[0]

    quiet, heated = pooled(over_grid(run, jax.random.key(4), [spread**2, 0.0]))
    matrix, noise = oracle.sghmc_propagator(lr, mu, CURVATURE, temperature)
    assert_variance(quiet, oracle.stationary(matrix, noise)[0, 0])
    # Undeclared, the noise lands on p and, through the drift, on x.
    kick = np.sqrt(lr) * spread * np.array([np.sqrt(lr), 1.0])
    assert_variance(heated, oracle.stationary(matrix, noise + np.outer(kick, kick))[0, 0])
