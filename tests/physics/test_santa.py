"""Santa: its law with a frozen metric and without, its thermostats, and annealing."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thermo_optax as to
from tests.compiling import users_jit
from tests.simulation import over_grid, simulate, with_noise
from tests.statistics import assert_mean, assert_variance
from tests.targets import harmonic

CURVATURES = np.array([[0.3], [30.0]])


def gradient(x):
    return jnp.asarray(CURVATURES, jnp.float32) * x


@pytest.mark.slow
def test_fixed_friction():
    """Without coupling a step is linear, and its law is known at any step size.

    E[p^2] = w / (1 - a^2) / (1 - (h omega / 2)^2), and k E[x^2] is the same, with a = exp(-h xi),
    omega^2 = G^2 k, and w the heat of a step.
    """
    particles, temperature, friction, damping = 2**16, 0.7, 1.3, 12.0
    # h, fixed friction xi, gradient noise s: h omega is up to 1.4.
    grid = [(0.3, 0.9, 0.0), (0.9, 0.9, 0.0), (0.9, 1.7, 5.0)]

    def run(key, h, xi, spread):
        key, noise_key = jax.random.split(key)
        tx = to.santa(
            h**2,
            temperature,
            friction=friction,
            coupling=0.0,
            initial_friction=xi,
            damping=damping,
            adaptation_steps=0,
            key=key,
        )
        args = tx, with_noise(gradient, spread), jnp.zeros((2, particles)), 700
        x, state, _ = simulate(*args, noise_key=noise_key)
        return x, state.momentum

    metric, laws = 1 / np.sqrt(damping), over_grid(run, jax.random.key(0), *zip(*grid, strict=True))
    for row, x, p in zip(grid, *laws, strict=True):
        h, xi, spread = row
        a = np.exp(-h * xi)
        heat = 2 * h * friction * temperature * a + (h * (1 + a) / 2 * metric * spread) ** 2
        for k, x_k, p_k in zip(CURVATURES.ravel(), x, p, strict=True):
            expected = heat / (1 - a**2) / (1 - (h * metric) ** 2 * k / 4)
            assert_variance(p_k, expected, name=f"momentum at {row}, {k}")
            assert_variance(x_k, expected / k, name=f"position at {row}, {k}")


def time_averages(tx, gradient, x, observe, burn_in, steps, noise_key):
    """The last state, and observe(x, state) averaged over the steps after a burn-in."""

    def step(carry, count):
        x, state, sums = carry
        updates, state = tx.update(gradient(x, jax.random.fold_in(noise_key, count)), state, x)
        x = x + updates
        seen = jnp.stack(observe(x, state))
        return (x, state, sums + jnp.where(count < burn_in, 0, seen)), None

    state = tx.init(x)
    start = (x, state, jnp.zeros_like(jnp.stack(observe(x, state))))
    (_, state, sums), _ = jax.lax.scan(step, start, jnp.arange(burn_in + steps))
    return state, sums / steps


SYSTEMS = 2**13
T, C, DECAY, DAMPING, ADAPTATION = 0.8, 1.0, 0.9, 0.5, 30
# h, coupling, gradient noise s.
CALM, NOISY = (0.2, 0.1, 0.0), (0.2, 0.1, 3.0)
COARSE, FINE = (0.4, 1.0, 0.0), (0.2, 1.0, 0.0)


@functools.cache
def averages():
    """Time averages by setting and curvature: k x^2, p^2, xi, xi^2; and the frozen metrics."""

    def run(key, h, coupling, spread):
        start_key, key, noise_key = jax.random.split(key, 3)
        tx = to.santa(
            h**2,
            T,
            friction=C,
            coupling=coupling,
            decay=DECAY,
            damping=DAMPING,
            adaptation_steps=ADAPTATION,
            key=key,
        )

        def observe(x, state):
            return x * gradient(x), state.momentum**2, state.friction, state.friction**2

        start = jnp.asarray(np.sqrt(T / CURVATURES), jnp.float32)
        x = start * jax.random.normal(start_key, (2, SYSTEMS))
        noisy = with_noise(gradient, spread)
        state, means = time_averages(tx, noisy, x, observe, 400, 1_000, noise_key)
        return means, state.second_moment

    grid = [CALM, NOISY, COARSE, FINE]
    means, moments = over_grid(run, jax.random.key(1), *zip(*grid, strict=True))
    moments = np.asarray(moments, np.float64) / (1 - DECAY**ADAPTATION)
    metrics = 1 / np.sqrt(DAMPING + np.sqrt(moments))
    return dict(zip(grid, zip(np.asarray(means, np.float64), metrics, strict=True), strict=True))


def bias(h, coupling):
    """What the fluctuations of xi do to k E[x^2] / T; measured below to be of second order."""
    return 0.25 * h**2 * coupling * T


@pytest.mark.parametrize("row", [CALM, NOISY], ids=["calm", "noisy"])
class TestThermostats:
    """With a frozen metric, the same law whether gradients are noisy or not."""

    def test_parameters(self, row):
        """T / k at curvatures a hundred apart, each coordinate in a metric of its own."""
        (virials, *_), metrics = averages()[row]
        for k, virial, metric in zip(CURVATURES.ravel(), virials, metrics, strict=True):
            assert_mean(virial, T, name=f"k Var(x) at {k}", slack=T * bias(*row[:2]))
            assert np.max(metric) > 1.3 * np.min(metric)
        assert np.mean(metrics[0]) > 1.3 * np.mean(metrics[1])

    def test_momenta(self, row):
        """T at any step size, up to (xi_end - xi_start) / (eps h steps) for each coordinate."""
        (_, squares, *_), _ = averages()[row]
        for square in squares:
            assert_mean(square, T)

    def test_friction(self, row):
        """sinh(h xi) (1 - (h omega / 2)^2) = h C + cosh(h xi / 2)^2 (h G s)^2 / (2 T)."""
        h, coupling, spread = row
        (*_, rates, squares), metrics = averages()[row]
        for k, rate, square, metric in zip(
            CURVATURES.ravel(), rates, squares, metrics, strict=True
        ):
            xi = np.full_like(metric, C)
            for _ in range(50):
                heat = h * C + np.cosh(h * xi / 2) ** 2 * (h * metric * spread) ** 2 / (2 * T)
                xi = np.arcsinh(heat / (1 - (h * metric) ** 2 * k / 4)) / h
            # The fluctuations of xi, which this lacks, are of relative order T eps / xi^2.
            assert_mean(rate - xi, 0.0, name=f"friction at {k}", slack=0.2 * h * T * coupling)
            continuous = C + h * np.mean(metric**2) * spread**2 / (2 * T)
            assert abs(np.mean(rate) / continuous - 1) < 0.08
            spread_of_friction = np.mean(square) - np.mean(rate) ** 2
            between = np.var(xi)  # for each coordinate has a metric, and a mean, of its own
            assert spread_of_friction - between == pytest.approx(T * coupling, rel=0.05)


def test_bias_is_of_second_order():
    """Fluctuating frictions, eps = 1: about - h^2 eps T / 5, a quarter of it at half the step."""
    errors = [np.mean(averages()[row][0][0], axis=1) / T - 1 for row in (COARSE, FINE)]
    stiff = [error[1] for error in errors]  # known best
    assert 3.2 < stiff[0] / stiff[1] < 5.2, stiff
    assert stiff[1] == pytest.approx(-0.22 * FINE[0] ** 2 * T, rel=0.25)


@pytest.mark.slow
def test_metric_that_follows_the_parameters():
    """decay = 0 without the drift T div G: exp(-L / T) / G. A slow metric does nearly no harm."""
    temperature, damping, target, h = 0.7, 0.3, harmonic(), 0.05

    def run(key, decay):
        key, noise_key = jax.random.split(key)
        tx = to.santa(
            h**2,
            temperature,
            coupling=0.1,
            decay=decay,
            damping=damping,
            adaptation_steps=None,
            key=key,
        )
        args = tx, with_noise(target.gradient, 0.0), target.sample(SYSTEMS, temperature)
        return time_averages(*args, lambda x, _: [x**2], 1_000, 2_000, noise_key)[1][0]

    at_once, slowly = over_grid(run, jax.random.key(2), [0.0, 0.999])
    weighted = [
        target.expect(lambda x, n=n: x**n * np.sqrt(damping + np.abs(x)), temperature)
        for n in (0, 2)
    ]
    expected = weighted[1] / weighted[0]
    assert expected > 1.3 * temperature
    assert_mean(at_once, expected, slack=0.01 * expected)  # of first order in h
    assert_mean(slowly, temperature, slack=0.015 * temperature)


def test_annealing():
    """Momenta follow the bath down, and the particles end in the lower of two minima."""

    def cooling(count):
        return jnp.maximum(1 - jnp.asarray(count, float) / 2_000, 0.05)

    tx = to.santa(0.01, cooling, exploration_steps=2_000, key=0)

    def slope(x):
        return 4 * x * (x**2 - 1) - 0.3

    def observe(x, state):
        return jnp.mean(x > 0), to.diagnostics.kinetic_temperature(state).value

    x = jnp.full(2**12, -1.0)
    lower, kinetic = users_jit(lambda: simulate(tx, slope, x, 3_000, observe=observe)[2])()
    np.testing.assert_allclose(kinetic[500:1_500], cooling(jnp.arange(500, 1_500)), rtol=0.15)
    assert lower[-1] > 0.75 and kinetic[-1] < 1e-4
