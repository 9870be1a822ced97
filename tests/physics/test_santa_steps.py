"""Santa step by step: against transcriptions by hand, and what its state does and does not do."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thermo_optax as to
from tests.compiling import quick, quick_jit
from tests.simulation import simulate
from tests.statistics import assert_mean, assert_uncorrelated, assert_variance


def quartic(x):
    """The gradient of a curved valley; NumPy's or JAX's."""
    x1, x2, x3 = x
    return [0.4 * (x1 - x2**2) + 0.1 * x1, 1.6 * x2 * (x2**2 - x1) + 0.3 * x2, 0.02 * x3**3]


def transcription(x, steps, eta, xi, decay, damping, frozen):
    """Santa's refinement, line by line: preconditioned SGD with momentum, in NumPy."""
    h, p, moment, seen, path = np.sqrt(eta), np.zeros(3), np.zeros(3), 0, []
    for t in range(steps):
        g = np.array(quartic(x))
        if t not in frozen:
            moment, seen = decay * moment + (1 - decay) * g**2, seen + 1
        metric = 1 / np.sqrt(damping(t) + np.sqrt(moment / (1 - decay**seen)))
        p = np.exp(-h * xi) * (p - h / 2 * metric * g) - h / 2 * metric * g
        x = x + h * metric * p
        path.append(x)
    return np.array(path)


@pytest.mark.parametrize("phase", ["cold bath", "cold caller", "refinement", "metric frozen"])
def test_descent(phase):
    """Zero temperature is refinement, to the rounding of double precision over 1,000 steps."""
    eta, xi, decay, x = 4e-3, 1.4, 0.95, np.array([1.5, -2.0, 3.0])
    settings: dict[str, Any] = {"temperature": 0.3, "exploration_steps": 0}
    scale, frozen = 1.0, ()
    if phase == "cold bath":
        settings = {"temperature": 0.0, "adaptation_steps": None}
    elif phase == "cold caller":
        settings, scale = {"temperature": 0.3, "adaptation_steps": None}, 0.0
    elif phase == "metric frozen":
        settings = {"temperature": 0.0, "adaptation_steps": 20, "exploration_steps": 60}
        frozen = range(20, 60)

    def damping(t):
        return 1e-4 if t < 500 else 1e-1

    def schedule(count):
        return jnp.where(count < 500, 1e-4, 1e-1)

    with jax.enable_x64(True):
        tx = to.santa(
            eta,
            **settings,
            initial_friction=xi,
            decay=decay,
            damping=schedule,
            initial_momentum="zero",
            key=0,
        )
        start = jnp.asarray(x)
        run = quick_jit(
            lambda: simulate(
                tx,
                lambda x: jnp.stack(quartic(x)),
                start,
                1_000,
                observe=lambda x, state: (x, state.friction),
                temperature_scale=scale,
            )
        )
        path, friction = run()[2]
    expected = transcription(x, 1_000, eta, xi, decay, damping, frozen)
    np.testing.assert_allclose(path, expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(friction, np.full_like(friction, xi))
    assert np.max(np.abs(expected[-1] - x)) > 1


def test_one_noisy_step():
    """Its noise is read off a step without gradient; all else is a transcription by hand."""
    n, h, heat, friction, coupling, decay, damping = 2**14, 0.3, 0.6, 1.7, 0.4, 0.8, 0.2
    rng = np.random.default_rng(0)
    x, p, g = rng.normal(size=(3, n))
    xi, moment = rng.normal(size=n), rng.uniform(0.1, 3.0, size=n)
    with jax.enable_x64(True):
        tx = to.santa(
            h**2,
            heat / 2,
            friction=friction,
            coupling=coupling,
            decay=decay,
            damping=damping,
            adaptation_steps=None,
            key=0,
        )
        state: Any = quick_jit(tx.init)(jnp.asarray(x))
        state = state._replace(
            momentum=jnp.asarray(p),
            friction=jnp.asarray(xi),
            second_moment=jnp.asarray(moment),
            start_share=jnp.asarray(decay**3),
            count=jnp.int32(3),
        )
        step = quick_jit(functools.partial(tx.update, temperature_scale=2.0))
        free: Any = step(jnp.zeros(n), state)[1]
        updates, new = step(jnp.asarray(g), state)

    c = np.exp(-h * xi / 2)
    z = (np.asarray(free.momentum) - c**2 * p) / (c * np.sqrt(2 * h * friction * heat))
    assert_mean(z, 0.0)
    assert_variance(z, 1.0)
    assert_uncorrelated(z, p)

    v = decay * moment + (1 - decay) * g**2
    metric = 1 / np.sqrt(damping + np.sqrt(v / (1 - decay**4)))
    after = c**2 * p + c * np.sqrt(2 * h * friction * heat) * z - h * (1 + c**2) / 2 * metric * g
    rate = xi + h * coupling * (after**2 - heat)
    pairs = [(new.second_moment, v), (new.momentum, after), (new.friction, rate)]
    for seen, expected in [*pairs, (updates, h * metric * after)]:
        np.testing.assert_allclose(seen, expected, rtol=1e-9, atol=1e-12)


def test_metric_adapts_again_in_refinement():
    """V moves in the warm-up and after exploration, and stays in between."""
    tx = to.santa(0.01, 0.1, exploration_steps=6, adaptation_steps=3, decay=0.5, key=0)
    x = jnp.ones(4)
    moments = quick_jit(
        lambda: simulate(tx, lambda x: x, x, 9, observe=lambda _, state: state.second_moment)[2]
    )()
    moved = np.any(np.diff(moments, axis=0) != 0, axis=1)
    np.testing.assert_array_equal(moved, [True, True, False, False, False, True, True, True])


def test_square_that_overflows_is_a_fault():
    """A finite gradient whose square is not would make the second moment infinite, for good."""
    tx, x = quick(to.santa(0.01, 0.1, key=0)), jnp.zeros(2)
    updates, state = tx.update(jnp.array([1.0, 1e30]), tx.init(x))
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(state))
    assert abs(updates[1]) > 1e20 and abs(updates[0]) < 1


def test_friction_starts_where_the_noise_is_balanced():
    x = jnp.zeros(3)
    starts = [
        to.santa(0.01, 0.1, friction=2.5, key=0),
        to.santa(0.01, 0.1, friction=lambda count: 2.5 + count, key=0),
        to.santa(0.01, 0.1, initial_friction=2.5, key=0),
    ]
    for tx in starts:
        state: Any = tx.init(x)
        np.testing.assert_array_equal(state.friction, np.full(3, 2.5))


def test_bad_arguments():
    for name in ("exploration_steps", "adaptation_steps"):
        with pytest.raises(ValueError, match=f"`{name}` must be finite and not negative, got -1"):
            to.santa(0.1, 0.1, key=0, **{name: -1})
    with pytest.raises(ValueError, match="`initial_momentum` must be one of"):
        to.santa(0.1, 0.1, initial_momentum="hot", key=0)
    with pytest.raises(TypeError, match="`initial_friction` must be a number: it is read once"):
        # A schedule, against the signature.
        to.santa(0.1, 0.1, initial_friction=lambda count: 1.0, key=0)  # pyright: ignore


def test_the_bath_of_refinement_is_cold():
    """The state tells the temperature of each step, also where Santa itself takes the heat away."""
    tx, x = quick(to.santa(0.01, 0.5, exploration_steps=2, key=0)), jnp.ones(2)
    state = tx.init(x)
    baths = []
    for _ in range(4):
        _, state = tx.update(x, state, x)
        baths.append(float(state.bath_temperature))
    assert baths == [0.5, 0.5, 0.0, 0.0]
