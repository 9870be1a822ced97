"""Biases by themselves: what a hill and a mean are, and that no shortcut changes them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thermo_optax as to
from tests.compiling import quick_jit
from thermo_optax.temperature._grid import Visit

EDGE = 1.5


def visit(alpha, energy=1.0, count=0, edge=EDGE, seen=True):
    alpha = jnp.float32(alpha)
    g, slope = to.temperature_scaling(alpha), to.temperature_scaling_slope(alpha)
    numbers = jnp.int32(count), alpha, edge, g, slope, jnp.float32(energy), jnp.asarray(seen)
    return Visit(*numbers)


def start(bias):
    return bias.init(jnp.float32(EDGE), to.temperature_scaling)


def after(bias, alphas, energies=None):
    """The state after one visit to each alpha, in one program."""
    energies = jnp.ones(len(alphas)) if energies is None else jnp.asarray(energies)

    def step(state, given):
        count, alpha, energy = given
        return bias.update(state, visit(alpha, energy, count)), None

    given = jnp.arange(len(alphas)), jnp.asarray(alphas, jnp.float32), energies
    return quick_jit(lambda: jax.lax.scan(step, start(bias), given)[0])()


def hills(nodes, centers, width):
    nodes, centers = np.asarray(nodes, np.float64), np.asarray(centers, np.float64)
    return np.exp(-0.5 * ((nodes[:, None] - centers) / width) ** 2).sum(axis=1)


@pytest.mark.parametrize("num_bins", [60, 600])
def test_a_window_of_the_kernel_is_the_whole_kernel(num_bins):
    alphas = np.random.default_rng(0).uniform(-EDGE, EDGE, 200)
    bias = to.metadynamics(0.5, num_bins=num_bins, mirror=False)
    state = after(bias, alphas)
    expected = 0.5 * hills(state.nodes, alphas, 0.1)
    np.testing.assert_allclose(state.hills, expected, rtol=1e-5, atol=1e-5)
    # With a traced edge the width of the window is not known, and all nodes are summed.
    traced = quick_jit(lambda edge: bias.update(start(bias), visit(0.3, edge=edge)).hills)
    np.testing.assert_allclose(
        traced(EDGE), bias.update(start(bias), visit(0.3)).hills, rtol=1e-5, atol=1e-8
    )


def test_mirrored_hills():
    alphas = np.array([-1.45, -0.2, 1.0, 1.38, 1.5])
    state = after(to.metadynamics(0.5), alphas)
    images = np.concatenate([alphas, 2 * EDGE - alphas, -2 * EDGE - alphas])
    np.testing.assert_allclose(state.hills, 0.5 * hills(state.nodes, images, 0.1), atol=1e-5)


def test_only_the_mirror_stops_the_leak():
    """A variable that is everywhere alike should build a bias that pushes it nowhere."""
    alphas = np.linspace(-EDGE, EDGE, 3001)
    flat = after(to.metadynamics(0.01), alphas).hills
    leaking = after(to.metadynamics(0.01, mirror=False), alphas).hills
    assert np.ptp(flat) < 0.01 * np.mean(flat)
    assert leaking[0] < 0.51 * leaking[30] and leaking[-1] < 0.51 * leaking[30]


def test_force_is_the_slope_of_the_bin():
    bias = to.metadynamics(0.5)
    state = after(bias, [0.21])
    for left in (5, 33, 36, 59):
        nodes = state.nodes
        expected = -(state.hills[left + 1] - state.hills[left]) / (nodes[left + 1] - nodes[left])
        for place in (0.1, 0.9):
            alpha = (1 - place) * nodes[left] + place * nodes[left + 1]
            np.testing.assert_allclose(bias.force(state, visit(alpha)), expected, rtol=1e-4)
    assert bias.force(state, visit(1.7)) == bias.force(state, visit(-1.7)) == 0
    assert bias.force(state, visit(0.3)) > 0 > bias.force(state, visit(0.1)), "hills repel"


def test_when_a_hill_is_laid():
    def total(alphas, **options):
        return float(jnp.sum(after(to.metadynamics(1.0, **options), alphas).hills))

    one = total([0.0])
    np.testing.assert_allclose(total([0.0] * 10), 10 * one, rtol=1e-5)
    np.testing.assert_allclose(total([0.0] * 10, stride=4), 3 * one, rtol=1e-5)  # at 0, 4, 8
    np.testing.assert_allclose(total([0.0] * 10, freeze_after=6), 6 * one, rtol=1e-5)
    assert total([1.6, -2.0]) == 0
    falling = to.metadynamics(lambda count: 1 / jnp.float32(1 + count))
    np.testing.assert_allclose(jnp.sum(after(falling, [0.0] * 3).hills), 11 / 6 * one, rtol=1e-5)
    bias = to.metadynamics(1.0)
    assert not np.any(bias.update(start(bias), visit(0.0, seen=False)).hills)


def test_well_tempered_hills_shrink():
    state = after(to.metadynamics(1.0, bias_factor=3.0), [0.0, 0.0, 0.0])
    height = 0.0
    for _ in range(3):
        height += np.exp(-height / 2.0)
    np.testing.assert_allclose(state.hills[30], height, rtol=1e-5)
    np.testing.assert_allclose(state.free_energy(state.nodes), -1.5 * state.hills, rtol=1e-6)


def test_mean_energy():
    """Weights grow with the visits; a visit belongs to both ends of its bin, in proportion."""
    bias = to.adaptive_biasing_force()
    nodes = np.asarray(start(bias).nodes)
    here = nodes[40]  # g there multiplies the energy
    g = float(to.temperature_scaling(here))
    mean, weight = 0.0, 0.0
    for energy in (2.0, 4.0, 6.0, 8.0):
        mean += (energy - mean) / (weight + 1)
        weight += 0.3
    for sign in (1, -1):
        state = after(bias, [sign * here] * 4, [2.0, 4.0, 6.0, 8.0])
        np.testing.assert_allclose(state.energy[40], g * mean, rtol=1e-4)
    quarter = 0.75 * nodes[20] + 0.25 * nodes[21]
    state = after(bias, [quarter])
    np.testing.assert_allclose(state.weight[20:22], [0.225, 0.075], rtol=1e-4)
    only = float(to.temperature_scaling(quarter))
    np.testing.assert_allclose(state.energy[20:22], [only, only], rtol=1e-5)
    limited = after(to.adaptive_biasing_force(memory=1.0), [here] * 9)
    np.testing.assert_allclose(limited.weight[40], 1.0)
    assert not np.any(after(to.adaptive_biasing_force(freeze_after=0), [here] * 9).weight)


def test_late_visits_count():
    """At a large mean, too, where each one alone would be below its last digit."""
    bias, number, high = to.adaptive_biasing_force(memory=1e6), 2_000, 1e4
    late = start(bias)._replace(energy=jnp.full(76, high), weight=jnp.full(76, 1e6))

    def step(state, count):
        return bias.update(state, visit(0.0, high + 100, count)), None

    state = jax.jit(lambda state: jax.lax.scan(step, state, jnp.arange(number))[0])(late)
    assert abs((state.energy[0] - high) / (100 * number / 1e6) - 1) < 0.02


def test_mean_force_cancels_what_equipartition_makes_of_the_energy():
    """What is always the same pushes nowhere once it is known: -g' (E - mean) = 0."""
    bias = to.adaptive_biasing_force()
    alphas = np.random.default_rng(0).uniform(-EDGE, EDGE, 3000)
    g = np.asarray(to.temperature_scaling(alphas))
    state = after(bias, alphas, 500 / g)  # of 1000 coordinates
    for alpha in (-1.3, -0.6, 0.9, 1.2):
        here = visit(alpha, 500 / to.temperature_scaling(alpha))
        push = -here.slope * here.energy
        assert abs(bias.force(state, here) + push) < 1e-3 * abs(push)
    grid = np.linspace(-EDGE, EDGE, 31)
    free = np.asarray(state.free_energy(grid))
    expected = 500 * np.log(np.asarray(to.temperature_scaling(grid)))
    np.testing.assert_allclose(free - free[15], expected, atol=0.5)
