"""Each elementary flow against its exact solution, and words of them against matrices."""

import itertools
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from tests.physics import oracle
from thermo_optax.integrators import _flows
from thermo_optax.integrators._words import Settings, compose, cycle, run

TIMES = [1e-3, 0.3, 2.0]
# Signs and sizes of an adaptive friction, with the switch to the series at |rate time| = 1e-4.
RATES = [-2.0, -0.1, -1e-3, -1e-6, 0.0, 1e-7, 9.9e-5, 1.01e-4, 0.02, 3.0]
close: dict[str, Any] = dict(rtol=2e-6)


@pytest.mark.parametrize("time", TIMES)
def test_drift_and_kick_are_straight_lines(time):
    np.testing.assert_allclose(_flows.drift(1.0, 3.0, time, 2.0), 1 + 1.5 * time, **close)
    np.testing.assert_allclose(_flows.kick(1.0, 3.0, time), 1 - 3 * time, **close)


@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize("rate", RATES)
def test_friction_solves_its_equation(rate, time):
    """dp/dt = -rate p, for both signs of the rate."""
    np.testing.assert_allclose(_flows.friction(2.0, rate, time), 2 * np.exp(-rate * time), **close)


@pytest.mark.parametrize("time", TIMES)
def test_diffusion_has_the_variance_of_a_random_walk(time):
    """dp = sigma dW: variance sigma^2 t, which adds up over two halves."""
    once = _flows.diffusion(0.0, 1.0, 0.7, time)
    half = _flows.diffusion(0.0, 1.0, 0.7, time / 2)
    np.testing.assert_allclose(once**2, 0.49 * time, **close)
    np.testing.assert_allclose(once**2, 2 * half**2, **close)


def test_thermostat_rises_when_hot():
    np.testing.assert_allclose(_flows.thermostat(0.1, 3.0, 0.5, 0.2), 0.1 + 0.3, **close)
    assert _flows.thermostat(0.1, -3.0, 0.5, 0.2) < 0.1


@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize("rate", [0.0, 1e-8, 1e-4, 0.1, 5.0])
def test_bath_solves_ornstein_uhlenbeck(rate, time):
    """dp = -rate p dt + sqrt(2 rate v) dW, from p to N(e^-rt p, v (1 - e^-2rt))."""
    variance = 1.7
    mean = _flows.bath(2.0, 0.0, rate, variance, time)
    spread = _flows.bath(0.0, 1.0, rate, variance, time)
    np.testing.assert_allclose(mean, 2 * np.exp(-rate * time), **close)
    np.testing.assert_allclose(spread**2, -variance * np.expm1(-2 * rate * time), **close)


@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize("rate", RATES)
def test_adaptive_bath_at_any_friction(rate, time):
    """dp = -rate p dt + sigma dW: variance sigma^2 (1 - e^-2rt) / (2r), which is sigma^2 t at 0."""
    mean = _flows.adaptive_bath(2.0, 0.0, rate, 0.7, time)
    spread = _flows.adaptive_bath(0.0, 1.0, rate, 0.7, time)
    damped = time if rate == 0 else -np.expm1(-2 * rate * time) / (2 * rate)
    np.testing.assert_allclose(mean, 2 * np.exp(-rate * time), **close)
    np.testing.assert_allclose(spread**2, 0.49 * damped, **close)


def _is_one_gradient(word):
    """A drift, a kick and a bath, and drifts on one side only between kicks, around the cycle."""
    moves = word.replace("O", "").replace("U", "A")
    turns = sum(a == "A" and b == "B" for a, b in itertools.pairwise(moves + moves[:1]))
    return all(set(word) & set(need) for need in ("AU", "B", "OU")) and turns == 1


def _words(letters, *lengths):
    return ["".join(word) for n in lengths for word in itertools.product(letters, repeat=n)]


ALL_WORDS = [*_words("ABO", 3, 4, 5), *_words("ABU", 2, 3), "BOUA", "UOB", "AUOB", "BUOB", "UBOB"]


@pytest.mark.parametrize("rate", [1e-6, 1e-3, 0.05, 0.3, 2.0, 40.0])
def test_drift_in_bath(rate):
    """The joint law of many small drifts and baths, for weak and strong friction."""
    time, mass, temperature, parts = 0.8, 1.6, 0.4, 20_000
    args = 0.0, rate, mass, temperature
    small = [oracle.flow(letter, time / parts, *args) for letter in "AO"]
    matrix, covariance = oracle.compose(small)
    powers = [(matrix, covariance)]
    for _ in range(int(np.log2(parts))):  # doubling: 2^14 parts
        powers.append(oracle.compose([powers[-1], powers[-1]]))
    matrix, covariance = powers[-1]
    time *= 2 ** (len(powers) - 1) / parts

    def moved(x, p, z, y):
        noises = jnp.float32(z), jnp.float32(y)
        return _flows.drift_in_bath(x, p, noises, rate, mass * temperature, time, mass)

    to_both = np.array([moved(1.0, 0.0, 0.0, 0.0), moved(0.0, 1.0, 0.0, 0.0)]).T
    np.testing.assert_allclose(to_both, matrix, rtol=1e-3, atol=1e-6)
    noise = np.array([moved(0.0, 0.0, 1.0, 0.0), moved(0.0, 0.0, 0.0, 1.0)]).T
    np.testing.assert_allclose(noise @ noise.T, covariance, rtol=2e-3, atol=1e-9)


def test_a_word_as_it_reads_is_its_affine_update():
    for word in ("BAOAB", "UBU", "BOAOB"):
        legs, settings = cycle(word), Settings(0.7, 0.9, 0.6, 1.6)
        noises = [0.3, -1.2, 0.4][: sum({"O": 1, "U": 2}.get(leg.letter, 0) for leg in legs)]
        x, p, g = 0.2, -0.5, 0.8
        mean = run(legs, x, p, g, [0.0] * len(noises), settings)
        step = compose(legs, settings)
        new = step.retain * p - step.kick * g
        moved = step.from_new * new - step.from_gradient * g + step.from_old * p
        np.testing.assert_allclose(mean, (x + moved, new), rtol=1e-5)


def test_every_word_of_one_gradient_is_a_product_of_flows():
    """The affine update that a word is turned into, for all words of up to five letters."""
    h, k, gamma, mass, temperature = 0.7, 1.3, 0.9, 1.6, 0.4
    words = [word for word in ALL_WORDS if _is_one_gradient(word)]
    assert {"BAOAB", "OBABO", "ABOBA", "OABAO", "AOBOA", "BOAOB", "ABO"} <= set(words)
    for word in words:
        step = compose(cycle(word), Settings(jnp.asarray(h), gamma, mass * temperature, mass))
        # In the basis (x, p), with g = k x: first p', then x' which is written with p'.
        to_p = np.array([-step.kick * k, step.retain])
        to_x = np.array([1 - step.from_gradient * k, step.from_old]) + step.from_new * to_p
        p_noise = np.array([step.noise, 0.0])
        own = 0.0 if step.own_noise is None else step.own_noise
        x_noise = step.from_new * p_noise + np.array([0.0, own])
        noise = np.stack([x_noise, p_noise])

        matrix, covariance = oracle.propagator(word, h, k, gamma, mass, temperature)
        np.testing.assert_allclose([to_x, to_p], matrix, atol=2e-6, err_msg=word)
        np.testing.assert_allclose(noise @ noise.T, covariance, atol=2e-6, err_msg=word)


def test_all_other_words_are_refused():
    for word in ALL_WORDS:
        if not _is_one_gradient(word):
            with pytest.raises(ValueError, match="splitting"):
                cycle(word)
