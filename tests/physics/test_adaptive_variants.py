"""Options of the adaptive samplers that must agree with each other, and with a literal step."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thermo_optax as to
from tests.simulation import simulate, with_noise
from tests.statistics import assert_equal_means, assert_mean, time_average

COORDINATES = 4


def trajectory(**options: Any) -> Any:
    """Positions, momenta and friction of one sampler on a noisy gradient; the noises are fixed."""
    settings: dict[str, Any] = (
        dict(noise_amplitude=0.8, coupling=0.05, initial_friction=0.4, key=1) | options
    )
    tx = to.adaptive_langevin(0.2, 0.7, **settings)
    x = {"a": jnp.array([1.0, -2.0, 0.3]), "b": jnp.array([[0.5]])}

    def gradient(x, key):
        return jax.tree.map(lambda leaf: with_noise(lambda y: y, 1.0)(leaf, key), x)

    def observe(x, state):
        return x, state.momentum, state.friction

    def run():
        return simulate(tx, gradient, x, 200, observe=observe, noise_key=jax.random.key(2))[2]

    return jax.jit(run)()


def assert_same(first, second):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-3), first, second)


@pytest.mark.slow
@pytest.mark.parametrize("splitting", ["ACDEDCAB", "BADODAB", "SGNHT"])
def test_scaled_friction_has_the_square_root_of_the_coupling(splitting):
    """The printed equations, with friction eps' xi', are the code's with eps = eps'^2."""
    printed = float(np.sqrt(0.05))
    x, p, xi = trajectory(splitting=splitting)
    options: dict[str, Any] = dict(
        coupling=printed, initial_friction=0.4 / printed, scaled_friction=True
    )
    scaled_x, scaled_p, scaled_xi = trajectory(splitting=splitting, **options)
    assert_same((x, p, xi), (scaled_x, scaled_p, scaled_xi * printed))
    np.testing.assert_allclose(to.units.coupling_from_printed(printed), 0.05, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("thermostat, sizes", [("group", [4.0]), ("tensor", [3.0, 1.0])])
def test_mean_energy_has_the_coupling_divided_by_the_coordinates(thermostat, sizes):
    x, p, xi = trajectory(thermostat=thermostat, thermostat_energy="mean")
    for i, size in enumerate(sizes):
        # The tensors do not feel each other: each must agree with the run that has its coupling.
        other = trajectory(thermostat=thermostat, coupling=0.05 / size)
        if thermostat == "group":
            assert_same((x, p, xi), other)
        else:
            leaf = "ab"[i]
            assert_same(
                (x[leaf], p[leaf], xi[:, i]), (other[0][leaf], other[1][leaf], other[2][:, i])
            )


def test_without_coupling_the_friction_stays():
    *_, xi = trajectory(coupling=0.0)
    np.testing.assert_array_equal(xi, np.full_like(xi, 0.4))


def test_a_bath_at_zero_neither_heats_nor_regulates():
    tx = to.adaptive_langevin(0.2, 0.7, initial_friction=0.4, key=1)
    x = jnp.ones(COORDINATES)
    state: Any = tx.init(x)
    state = state._replace(momentum=jnp.zeros(COORDINATES))
    cold: Any = tx.update(x, state, x, temperature_scale=0.0)
    again = tx.update(x, state._replace(count=state.count + 1), x, temperature_scale=0.0)
    np.testing.assert_array_equal(cold[0], again[0])
    assert float(cold[1].friction) == pytest.approx(0.4)


@pytest.mark.slow
def test_authors_values_settle_at_their_friction():
    """sigma_A = 0.01 at T = 1e-4 and eps = 0.05: xi = 0.5 +- 0.0022, from a start at rest.

    So weakly coupled, the friction of a tensor of 200 settles in 1 / (2 T eps N) times 2 xi: 500.
    """
    settling, steps = 16_000, 24_000

    def run(key):
        tx = to.adaptive_langevin(0.25, 1e-4, initial_momentum="zero", key=key)

        def observe(x, state):
            return state.friction, state.kinetic_temperature

        args = (tx, lambda x: x, jnp.zeros(200), steps)
        xi, kinetic = simulate(*args, observe=observe)[2]
        off = xi[settling:] - 0.5
        return jnp.mean(off), jnp.mean(off**2), jnp.mean(kinetic[settling:])

    off, square, kinetic = jax.jit(jax.vmap(run))(jax.random.split(jax.random.key(0), 48))
    # A finite step shifts the friction by (h xi)^2 / 12 or so.
    assert_mean(off, 0.0, slack=1.5e-3)
    # About the mean of all systems: one alone does not forget its friction often enough.
    center = jnp.mean(off)
    assert_mean(square - 2 * center * off + center**2, 1e-4 * 0.05, slack=2e-7)
    assert_mean(kinetic, 1e-4, slack=1e-7)


def literal_step(h, temperature, sigma, coupling):
    """The authors' step, letter by letter: A C D E D C A | B, with a draw for each D."""

    def step(carry, key):
        x, p, xi = carry
        first, second = jax.random.normal(key, (2, COORDINATES))
        p -= h * x  # B
        x += h / 2 * p  # A
        p *= jnp.exp(-xi * h / 2)  # C
        p += sigma * jnp.sqrt(h / 2) * first  # D
        xi += h * coupling * (jnp.sum(p**2) - COORDINATES * temperature)  # E
        p += sigma * jnp.sqrt(h / 2) * second  # D
        p *= jnp.exp(-xi * h / 2)  # C
        x += h / 2 * p  # A
        return (x, p, xi), (jnp.mean(x**2), jnp.mean(p**2), xi, xi**2)

    return step


@pytest.mark.slow
def test_one_draw_for_both_diffusions_keeps_the_law():
    """D E D at one draw of noise instead of two: equal up to (h xi)^2, here 0.6 %."""
    h, temperature, sigma, coupling = 0.15, 1.0, 1.0, 0.1
    xi, systems, burn_in, steps = 0.5, 2**12, 80, 400

    def literal(key):
        start_key, key = jax.random.split(key)
        x, p = jnp.sqrt(temperature) * jax.random.normal(start_key, (2, COORDINATES))
        step = literal_step(h, temperature, sigma, coupling)
        return jax.lax.scan(step, (x, p, jnp.float32(xi)), jax.random.split(key, steps))[1]

    def ours(key):
        start_key, key = jax.random.split(key)
        tx = to.adaptive_langevin(
            h, temperature, noise_amplitude=sigma, coupling=coupling, initial_friction=xi, key=key
        )

        def observe(x, state):
            xi = state.friction
            return jnp.mean(x**2), jnp.mean(state.momentum**2), xi, xi**2

        x = jnp.sqrt(temperature) * jax.random.normal(start_key, (COORDINATES,))
        return simulate(tx, lambda x: x, x, steps, observe=observe)[2]

    def averages(path, seed):
        keys = jax.random.split(jax.random.key(seed), systems)
        series = jax.jit(jax.vmap(path))(keys)
        return [time_average(np.asarray(one)[:, burn_in:].T) for one in series]

    names = ["x^2", "p^2", "xi", "xi^2"]
    for name, a, b in zip(names, averages(literal, 0), averages(ours, 1), strict=True):
        shortcut = float(2 * (h * xi) ** 2 * abs(np.mean(a)))
        assert_equal_means(a, b, name=name, slack=shortcut)
