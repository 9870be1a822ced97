"""Predicted errors, limits and autocorrelation times, against exact laws and chains."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.physics import oracle
from tests.statistics import assert_mean

predicted_bias = to.diagnostics.predicted_bias
K = np.array([0.2, 1.0, 3.0])


def times_by_summing(matrix, covariance, length=20_000):
    """The autocorrelation times of x and x^2, lag by lag."""
    rho, vector = [], covariance[:, 0] / covariance[0, 0]
    for _ in range(length):
        vector = matrix @ vector
        rho.append(vector[0])
    return 1 + 2 * np.sum(rho), 1 + 2 * np.sum(np.square(rho))


def check(found, maps):
    """The law of (M, Q) for each curvature."""
    for i, (matrix, noise) in enumerate(maps):
        law = oracle.stationary(matrix, noise)
        expected = K[i] * law[0, 0] - 1, *times_by_summing(matrix, law)
        got = (
            found.variance_error[i],
            found.autocorrelation_time[i],
            found.squared_autocorrelation_time[i],
        )
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


WORDS = ["BAOAB", "OBABO", "AOBOA", "BOAOB", "BAOA", "OBA", "UBU"]


@pytest.mark.quick("BAOAB", "UBU")
@pytest.mark.parametrize("word", WORDS)
def test_words(word):
    h, friction, mass = 0.6, 0.8, 1.5
    found = predicted_bias("langevin", K, step_size=h, friction=friction, splitting=word, mass=mass)
    check(found, [oracle.propagator(word, h, k, friction, mass) for k in K])


def test_sghmc():
    lr, mu = 0.3, 0.7
    found = predicted_bias("sghmc", K, learning_rate=lr, momentum=mu)
    check(found, [oracle.sghmc_propagator(lr, mu, k) for k in K])
    closed = 1 / (1 - lr * K / (2 * (1 + mu))) - 1
    np.testing.assert_allclose(found.variance_error, closed, rtol=1e-5)
    mass = np.array([0.5, 2.0, 4.0])  # divides the learning rate
    heavy = predicted_bias("sghmc", K, learning_rate=lr, momentum=mu, mass=mass)
    closed = 1 / (1 - lr * K / (2 * (1 + mu) * mass)) - 1
    np.testing.assert_allclose(heavy.variance_error, closed, rtol=1e-5)
    np.testing.assert_allclose(heavy.stability_limit, 2 * (1 + mu) * mass / K, rtol=1e-5)


@pytest.mark.slow
def test_overdamped():
    eta = 0.4
    found = predicted_bias("sgld", K, learning_rate=eta)
    np.testing.assert_allclose(found.variance_error, 1 / (1 - eta * K / 2) - 1, rtol=1e-5)
    decay = 1 - eta * K  # x has the memory of an autoregression
    np.testing.assert_allclose(found.autocorrelation_time, (1 + decay) / (1 - decay), rtol=1e-5)
    squared = (1 + decay**2) / (1 - decay**2)
    np.testing.assert_allclose(found.squared_autocorrelation_time, squared, rtol=1e-5)
    averaged = predicted_bias("leimkuhler_matthews", K, learning_rate=eta)
    np.testing.assert_allclose(averaged.variance_error, 0, atol=1e-6)
    heat = 2 * eta  # of Q, half of which comes again in the next step
    matrices = [np.array([[1 - eta * k, 1], [0, 0]]) for k in K]
    noise = heat / 4 * np.ones((2, 2))
    check(averaged, [(matrix, noise) for matrix in matrices])


@pytest.mark.parametrize("h", [1e-3, 0.3, 1.1])
def test_closed_forms_of_the_symmetric_words(h):
    settings = {"step_size": h, "friction": 0.3}
    exact = predicted_bias("langevin", K, **settings)
    np.testing.assert_allclose(exact.variance_error, 0, atol=1e-6)
    biased = predicted_bias("langevin", K, splitting="OBABO", **settings)
    np.testing.assert_allclose(biased.variance_error, 1 / (1 - h**2 * K / 4) - 1, atol=1e-6)


FLAT = {
    "sgld": ({"learning_rate": 0.1}, 0.1 / 2),
    "sghmc": ({"learning_rate": 0.01, "momentum": 0.9}, 0.01 / (2 * 1.9)),
}


@pytest.mark.parametrize("method", FLAT)
def test_nearly_flat_directions(method):
    """Of 1 - h k little or nothing is left in rounding: the law is there all the same."""
    settings, slope = FLAT[method]
    curvatures = np.array([1e-10, 1e-13, 1e-18])
    found = predicted_bias(method, curvatures, **settings)
    np.testing.assert_allclose(found.variance_error, slope * curvatures, rtol=1e-2, atol=1e-15)
    rate = settings["learning_rate"] / (1 - settings.get("momentum", 0))
    np.testing.assert_allclose(found.autocorrelation_time, 2 / (rate * curvatures), rtol=1e-5)
    squared = found.squared_autocorrelation_time
    np.testing.assert_allclose(squared, 1 / (rate * curvatures), rtol=1e-5)


def test_nearly_flat_directions_in_single_precision():
    @jax.jit
    def traced(curvatures):
        return predicted_bias("sgld", curvatures, learning_rate=1e-5)

    curvatures = jnp.array([1.0, 1e-2, 1e-4])
    found = traced(curvatures)
    np.testing.assert_allclose(found.variance_error, 5e-6 * curvatures, atol=3e-7)
    np.testing.assert_allclose(found.autocorrelation_time, 2e5 / curvatures, rtol=1e-4)


CHAINS, STEPS, CURVATURE = 1_500, 4_000, 0.8
MEASURED = {
    "sgld": ({"learning_rate": 0.8}, to.sgld),
    "leimkuhler_matthews": ({"learning_rate": 0.8}, to.leimkuhler_matthews),
    "sghmc": ({"learning_rate": 0.7, "momentum": 0.6}, to.sghmc),
    "langevin": ({"step_size": 0.9, "friction": 0.5, "splitting": "OBABO"}, to.langevin),
}


@pytest.mark.slow
@pytest.mark.parametrize("method", MEASURED)
def test_chains_do_what_is_predicted(method):
    settings, make = MEASURED[method]
    tx = make(temperature=2.0, key=0, **settings)

    @jax.jit
    def time_averages(x):
        def step(carry, _):
            x, state, sums = carry
            updates, state = tx.update(CURVATURE * x, state, x)
            x = optax.apply_updates(x, updates)
            return (x, state, (sums[0] + x, sums[1] + x**2)), None

        def run(carry, length):
            return jax.lax.scan(step, (*carry, (jnp.zeros_like(x),) * 2), length=length)[0]

        x, state, _ = run((x, tx.init(x)), 100)
        return [total / STEPS for total in run((x, state), STEPS)[2]]

    means, squares = time_averages(jnp.zeros(CHAINS))
    found = predicted_bias(method, CURVATURE, **settings)
    variance = 2.0 / CURVATURE * (1 + float(found.variance_error))
    assert_mean(squares, variance, name="variance")
    # The mean of n correlated values strays like that of n / tau independent ones.
    strays = STEPS * np.asarray(means, np.float64) ** 2 / variance
    assert_mean(strays, float(found.autocorrelation_time), name="tau of x")
    strays = STEPS * (np.asarray(squares, np.float64) - variance) ** 2 / (2 * variance**2)
    assert_mean(strays, float(found.squared_autocorrelation_time), name="tau of x^2")


LIMITS = {
    "sgld": ({}, 2 / K, "learning_rate"),
    "leimkuhler_matthews": ({}, 2 / K, "learning_rate"),
    "sghmc": ({"momentum": 0.9}, 2 * 1.9 / K, "learning_rate"),
    "langevin": ({"friction": 0.2, "mass": 2.0}, 2 * np.sqrt(2 / K), "step_size"),
}


@pytest.mark.parametrize("method", LIMITS)
def test_stability_limit(method):
    settings, limits, step = LIMITS[method]
    found = predicted_bias(method, K, **settings, **{step: limits[-1] * 0.999})
    np.testing.assert_allclose(found.stability_limit, limits, rtol=1e-5)
    np.testing.assert_allclose(found.largest_step, limits[-1], rtol=1e-5)
    assert np.all(np.isfinite(found.variance_error))
    beyond = predicted_bias(method, K, **settings, **{step: limits[-1] * 1.001})
    for column in beyond[2:5]:
        np.testing.assert_array_equal(np.isinf(column), [False, False, True])
    assert "unstable" in str(beyond)


@pytest.mark.slow
@pytest.mark.parametrize("word, friction", [("UBU", 0.1), ("UBU", 30.0), ("OBA", 1.0)])
def test_stability_limit_of_other_words(word, friction):
    """The spectral radius of the oracle's matrix passes 1 there."""
    settings = {"step_size": 0.1, "friction": friction, "splitting": word}
    limit = float(predicted_bias("langevin", 1.0, **settings).stability_limit)
    for step, stable in [(0.5 * limit, True), (0.999 * limit, True), (1.001 * limit, False)]:
        matrix, _ = oracle.propagator(word, step, 1.0, friction)
        assert (np.max(np.abs(np.linalg.eigvals(matrix))) < 1) == stable


def test_what_has_no_law():
    found = predicted_bias("sgld", [-1.0, 0.0, 1.0], learning_rate=0.1)
    for column in found[2:]:
        np.testing.assert_array_equal(np.isnan(column), [True, True, False])
    np.testing.assert_allclose(found.mean_variance_error, found.variance_error[2])
    assert np.isfinite(found.largest_step) and "no law" in str(found)
    frictionless = predicted_bias("langevin", 1.0, step_size=0.1, friction=0.0)
    assert np.isinf(frictionless.variance_error) and np.isfinite(frictionless.stability_limit)


def test_mass_like_the_curvature_makes_all_alike():
    found = predicted_bias("langevin", K, step_size=0.5, friction=1.0, mass=K)
    for column in found[3:]:
        np.testing.assert_allclose(column, column[0], rtol=1e-5)


@pytest.mark.slow
def test_spectrum():
    curvatures = jnp.linspace(0.1, 1.9, 40)

    def loss(x):
        return jnp.sum(curvatures * x**2) / 2

    spectrum = to.diagnostics.hessian_spectrum(loss, jnp.zeros(40), num_lanczos=40, key=0)
    found = predicted_bias("sgld", spectrum, learning_rate=0.5)
    np.testing.assert_allclose(jnp.sum(found.share), 1, rtol=1e-5)
    exact = predicted_bias("sgld", curvatures, learning_rate=0.5)
    np.testing.assert_allclose(found.mean_variance_error, exact.mean_variance_error, rtol=0.1)
    np.testing.assert_allclose(found.largest_step, 2 / 1.9, rtol=1e-3)
    assert len(str(found).splitlines()) == 8


@pytest.mark.slow
def test_shapes():
    for curvature, shape in [(1.0, ()), (np.ones((2, 3)), (2, 3)), ({"a": K, "b": 1.0}, (4,))]:
        found = predicted_bias("sgld", curvature, learning_rate=0.1)
        assert {column.shape for column in found} == {shape}
        assert {column.dtype for column in found} == {jnp.dtype("float32")}


def test_under_jit():
    settings = {"friction": 0.7, "splitting": "OBABO"}

    @jax.jit
    @jax.vmap
    def traced(h):
        return predicted_bias("langevin", jnp.asarray(K, jnp.float32), step_size=h, **settings)

    steps = np.array([0.2, 0.6], np.float32)
    for h, *columns in zip(steps, *traced(steps), strict=True):
        known = predicted_bias("langevin", K, step_size=h, **settings)
        for one, other in zip(columns, known, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_known_numbers_inside_of_a_compiled_function():
    """They are exact there as well, and constants of the program."""
    settings = {"step_size": 1e-3, "friction": 0.1}

    @jax.jit
    def times(x):
        return x * predicted_bias("langevin", 1.0, **settings).autocorrelation_time

    expected = 2.0 * predicted_bias("langevin", 1.0, **settings).autocorrelation_time
    np.testing.assert_allclose(times(2.0), expected, rtol=1e-6)


@pytest.mark.parametrize(
    "args, settings, message",
    [
        (("adam", 1.0), {}, "`method` must be one of"),
        (("sgld", 1.0), {}, "`sgld` needs `learning_rate`, got None"),
        (("sgld", 1.0), {"learning_rate": 0.1, "friction": 1.0}, "does not take `friction`"),
        (("sgld", 1.0), {"learning_rate": 0.0}, "`learning_rate` must be finite and positive"),
        (("sghmc", 1.0), {"learning_rate": 0.1, "momentum": 1.0}, "`momentum` must be at least 0"),
        (("langevin", 1.0), {"step_size": 0.1, "friction": -1.0}, "`friction` must be finite"),
        (("langevin", 1.0), {"step_size": 0.1, "friction": 1.0, "splitting": "AB"}, "lacks"),
        (("langevin", 1.0), {"step_size": 0.1, "friction": 1.0, "mass": 0.0}, "`mass` must be"),
        (("langevin", K), {"step_size": 0.1, "friction": 1.0, "mass": K[:2]}, "`mass` must be a"),
        (("langevin", K), {"step_size": 0.1, "friction": 1.0, "mass": -K}, "`mass` must be finite"),
        (("sgld", []), {"learning_rate": 0.1}, "`curvature` has no numbers in it"),
        (("sgld", 1.0), {"learning_rate": 0.1, "mass": 2.0}, "`sgld` does not take `mass`"),
        (("sgld", 1.0), {"learning_rate": 0.1, "splitting": "OBABO"}, "not take `splitting`"),
    ],
)
def test_bad_input(args, settings, message):
    with pytest.raises(ValueError, match=message):
        predicted_bias(*args, **settings)


def test_a_schedule_is_refused():
    with pytest.raises(TypeError, match="`learning_rate` must be a number: it is read once"):
        predicted_bias("sgld", 1.0, learning_rate=optax.constant_schedule(0.1))


def test_a_list_of_masses():
    settings = {"step_size": 0.5, "friction": 1.0}
    found = predicted_bias("langevin", [1.0, 4.0], mass=[1.0, 4.0], **settings)
    np.testing.assert_allclose(found.stability_limit, 2.0, rtol=1e-6)
