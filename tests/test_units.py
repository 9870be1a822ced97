"""Converters: the two sides of each conversion must be the same dynamics."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to


def trajectory(tx, steps=50):
    x = jnp.array([1.0, -2.0])

    def step(carry, _):
        x, state = carry
        updates, state = tx.update(jnp.array([0.7, 3.0]) * x, state, x)
        x = optax.apply_updates(x, updates)
        return (x, state), x

    return jax.lax.scan(step, (x, tx.init(x)), length=steps)[1]


def test_langevin_is_the_sgd_it_was_made_from():
    h, gamma = to.units.langevin_from_sgd(0.01, 0.9, mass=2.0)
    cold = to.langevin(h, 0.0, friction=gamma, mass=2.0, key=0)
    np.testing.assert_allclose(trajectory(cold), trajectory(optax.sgd(0.01, 0.9)), atol=1e-5)


def test_sgd_is_the_langevin_it_was_made_from():
    lr, momentum = to.units.sgd_from_langevin(0.1, 2.0)
    cold = to.langevin(0.1, 0.0, friction=2.0, key=0)
    np.testing.assert_allclose(trajectory(cold), trajectory(optax.sgd(lr, momentum)), atol=1e-5)


def test_friction_from_momentum_agrees_with_langevin_at_a_small_step():
    gamma = to.units.friction_from_momentum(1e-6, 0.999)
    np.testing.assert_allclose(gamma, to.units.langevin_from_sgd(1e-6, 0.999)[1], rtol=2e-3)


def test_the_printed_coupling_is_the_same_thermostat():
    # Friction eps' xi' with dxi' = eps' (...) dt, against friction xi with dxi = eps'^2 (...) dt.
    settings = {"noise_amplitude": 0.1, "initial_momentum": "zero", "key": 0}
    printed = to.adaptive_langevin(
        0.2, 0.5, coupling=0.3, initial_friction=2.0, scaled_friction=True, **settings
    )
    coded = to.adaptive_langevin(
        0.2, 0.5, coupling=to.units.coupling_from_printed(0.3), initial_friction=0.6, **settings
    )
    np.testing.assert_allclose(trajectory(printed), trajectory(coded), rtol=1e-4, atol=1e-6)


def test_numbers():
    np.testing.assert_allclose(to.units.posterior_temperature(1_000, cold=0.1), 1e-4)
    tokens = 5_000_000_000  # more than an int32 holds
    np.testing.assert_allclose(to.units.posterior_temperature(tokens), 2e-10, rtol=1e-6)
    xi = to.units.equilibrium_friction(0.5, 1.0, step_size=0.05, gradient_noise=4.0)
    np.testing.assert_allclose(xi, 0.225)


@pytest.mark.parametrize("kind", [int, np.int32, np.float16, jnp.bfloat16])
def test_integers_and_halves_do_not_overflow(kind):
    h = kind(60_000)  # whose square no int32 holds, and whose double no float16
    exact = float(h)
    np.testing.assert_allclose(to.units.sgd_from_langevin(h, 1.0)[0], exact**2 / 2, rtol=1e-6)
    step, _ = to.units.langevin_from_sgd(1.0, 0.0, mass={"a": h})
    np.testing.assert_allclose(step["a"], np.sqrt(2 * exact), rtol=1e-6)
    np.testing.assert_allclose(to.units.equilibrium_friction(2.0, h), 2 / exact, rtol=1e-6)


def test_a_tree_of_masses_has_a_tree_of_learning_rates():
    masses = {"a": 2.0, "b": 8.0}
    lr, momentum = to.units.sgd_from_langevin(0.1, 2.0, mass=masses)
    cold = to.langevin(0.1, 0.0, friction=2.0, mass=jnp.array([2.0, 8.0]), key=0)
    cold = trajectory(cold)
    for i, name in enumerate(masses):
        alone = trajectory(optax.sgd(lr[name], momentum))
        np.testing.assert_allclose(cold[:, i], alone[:, i], atol=1e-5)
    h, gamma = to.units.langevin_from_sgd(lr, momentum, mass=masses)
    for name in masses:
        np.testing.assert_allclose([h[name], gamma[name]], [0.1, 2.0], rtol=1e-5)
    back = to.units.sgd_from_langevin(h, gamma, mass=masses)
    for name in masses:
        np.testing.assert_allclose([back[0][name], back[1][name]], [lr[name], momentum], rtol=1e-5)
    again = to.units.langevin_from_sgd(*back, mass=masses)  # of two trees
    for name in masses:
        np.testing.assert_allclose([again[0][name], again[1][name]], [0.1, 2.0], rtol=1e-5)
    noise = {"step_size": 0.05, "gradient_noise": 4.0}
    xi = to.units.equilibrium_friction(0.5, 1.0, **noise, mass={"a": 1.0, "b": [2.0]})
    np.testing.assert_allclose(jax.tree.leaves(xi), [0.225, 0.175])
    with pytest.raises(ValueError, match="the trees among the arguments must be alike.*learning_r"):
        to.units.langevin_from_sgd({"a": 0.1}, 0.9, mass=masses)
