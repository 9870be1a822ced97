"""At temperature 0 the samplers are optimizers, and the trajectory of a damped oscillator."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.compiling import quick_jit
from tests.simulation import simulate

H, MASS, FRICTION = 0.3, 1.7, 0.8
C = float(np.exp(-FRICTION * H))
# Learning rate of SGD, in units of h^2 / m; its momentum is c = exp(-friction h) for all words.
RATES = {
    "BAOAB": (1 + C) / 2,
    "OABAO": (1 + C) / 2,
    "OBABO": (1 + C) / 2,
    "ABOBA": (1 + C) / 2,
    "BAOA": (1 + C) / 2,
    "BOAOB": C**0.5,
    "AOBOA": C**0.5,
    "BAO": 1.0,
    "OBA": 1.0,
    "ABO": C,
}


def langevin(word):
    return to.langevin(
        H, 0.0, friction=FRICTION, mass=MASS, splitting=word, initial_momentum="zero", key=0
    )


PAIRS = {
    word: (langevin(word), optax.sgd(H**2 / MASS * rate, momentum=C))
    for word, rate in RATES.items()
} | {
    "sgld": (to.sgld(0.1, 0.0, key=0), optax.sgd(0.1)),
    "leimkuhler_matthews": (to.leimkuhler_matthews(0.1, 0.0, key=0), optax.sgd(0.1)),
    "sghmc": (to.sghmc(0.1, 0.0, momentum=0.9, key=0), optax.sgd(0.1, momentum=0.9)),
    "thermal start": (to.sghmc(0.1, 0.0, momentum=0.5, key=0), optax.sgd(0.1, momentum=0.5)),
}


@pytest.mark.quick("BAOAB", "OBABO", "sgld", "leimkuhler_matthews", "sghmc")
@pytest.mark.parametrize("name", PAIRS)
def test_cold_sampler_is_sgd(name):
    """To rounding, over 1,000 steps down a curved valley of two tensors."""
    params = {"w": jnp.array([[2.0, -1.0], [0.5, 3.0]]), "b": jnp.array([1.5, -2.5])}

    def loss(p):
        stiff = jnp.array([[0.05, 0.2], [0.7, 1.0]])
        well = jnp.sum(jnp.log(jnp.cosh(stiff * p["w"])))
        return well + 0.1 * jnp.sum((p["b"] - p["w"][0]) ** 2)

    @quick_jit
    def trajectories():
        return [
            simulate(tx, jax.grad(loss), params, 1_000, observe=lambda x, _: x)[2]
            for tx in PAIRS[name]
        ]

    ours, theirs = trajectories()
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=3e-5), ours, theirs)
    assert np.max(np.abs(np.subtract(ours["b"][-1], params["b"]))) > 0.1


def oscillator(t, x, p, k):
    """Position of m x'' = -k x - m gamma x', underdamped."""
    decay, omega = FRICTION / 2, np.sqrt(k / MASS - FRICTION**2 / 4)
    wave = x * np.cos(omega * t) + (p / MASS + decay * x) / omega * np.sin(omega * t)
    return np.exp(-decay * t) * wave


@pytest.mark.parametrize("word, order", [("BAOAB", 2), ("BOAOB", 2), ("OBABO", 2), ("BAO", 1)])
def test_damped_oscillator(word, order):
    """The exact trajectory is met with an error of order h^2 by symmetric words, h by others."""
    k, until, steps = 1.1, 12.0, 320
    hs = np.array([0.3, 0.15, 0.075, 0.0375])

    def run(h):
        tx = to.langevin(
            h, 0.0, friction=FRICTION, mass=MASS, splitting=word, initial_momentum="zero", key=0
        )
        return simulate(tx, lambda x: k * x, jnp.ones(1), steps, observe=lambda x, _: x[0])[2]

    errors = []
    paths = np.asarray(quick_jit(jax.vmap(run))(jnp.asarray(hs, jnp.float32)))
    for h, path in zip(hs, paths, strict=True):
        # In the middle of its step the momentum, at rest before the first kick, has felt half of
        # this kick, and in OBABO also half of the bath.
        p = -h / 2 * k * (np.exp(-FRICTION * h / 2) if word == "OBABO" else 1)
        times = h * np.arange(1, steps + 1)
        errors.append(np.max(np.abs(path - oscillator(times, 1.0, p, k))[times <= until]))
    measured = np.polyfit(np.log(hs), np.log(errors), 1)[0]
    assert order - 0.2 < measured < order + 0.25, (measured, errors)
    if order == 2:
        assert errors[-1] < 2e-3


NEGATIVE = {
    word: lambda xi, word=word: to.adaptive_langevin(
        0.2, 0.0, initial_friction=xi, splitting=word, initial_momentum="zero", key=0
    )
    for word in ("BADODAB", "ACDEDCAB", "SGNHT")
} | {
    "santa": lambda xi: to.santa(
        0.04, 0.0, initial_friction=xi, initial_momentum="zero", key=0
    )
}  # fmt: skip


@pytest.mark.parametrize("name", NEGATIVE)
def test_a_friction_that_heats_damps_without_heat(name):
    """A thermostat may be below 0 when the bath goes cold, and then would heat without end."""
    x = jnp.array([1.0, -2.0])

    @quick_jit
    def run():
        return [simulate(NEGATIVE[name](xi), lambda x: x, x, 100)[0] for xi in (0.7, -0.7)]

    damped, negative = run()
    np.testing.assert_array_equal(negative, damped)
    assert np.max(np.abs(negative)) < 0.1
