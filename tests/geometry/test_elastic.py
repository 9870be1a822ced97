"""Replicas on springs: what the force is, and what Parle makes of it."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to

START = np.array([[1.0, -2.0], [3.0, 0.5], [-1.0, 4.0]])


def test_springs_leave_the_mean_alone_and_draw_replicas_together():
    """Gradient descent on springs alone: distances shrink by 1 - lr rho a step, to rounding."""
    tx = optax.chain(
        to.elastic_coupling(lambda count: 0.5 * jnp.float32(count + 1)), optax.sgd(0.2)
    )
    x = jnp.asarray(START, jnp.float32)
    state = tx.init(x)
    expected = START - START.mean(0)
    for count in range(4):
        updates, state = tx.update(jnp.zeros_like(x), state, x)
        x = optax.apply_updates(x, updates)
        expected = expected * (1 - 0.2 * 0.5 * (count + 1))
        found = np.asarray(x)
        np.testing.assert_allclose(found.mean(0), START.mean(0), atol=1e-6)
        np.testing.assert_allclose(found - found.mean(0), expected, atol=1e-6)


def test_springs_of_half_precision_leave_the_mean_alone():
    """The mean of three neighbours in bfloat16 is none of them: rounded, it would pull them all."""
    x = jnp.array([[1.0], [1.0078125], [1.0]], jnp.bfloat16)
    tx = to.elastic_coupling(1.0)
    forces, _ = tx.update(jnp.zeros_like(x), tx.init(x), x)
    exact = np.float32(x) - np.float32(x).mean()
    np.testing.assert_allclose(np.float32(forces), exact, rtol=0.01)
    assert forces.dtype == x.dtype


def test_parle_by_hand():
    """The loss |x|^2 / 2 in three replicas; both loops with Nesterov's momentum."""
    rate, inner_rate, momentum, inner_steps = 0.3, 0.2, 0.6, 3
    tx = to.parle(
        rate,
        num_inner_steps=inner_steps,
        inner_learning_rate=inner_rate,
        momentum=momentum,
        scope=lambda t: 0.1 * jnp.float32(t + 1),
        coupling=lambda t: 0.4 / jnp.float32(t + 1),
    )

    @jax.jit
    def step(x, state):
        updates, state = tx.update(x, state, x)
        return optax.apply_updates(x, updates), state

    x = jnp.asarray(START, jnp.float32)
    state = tx.init(x)
    outer, inner_velocity, velocity = START, 0.0, 0.0
    for t in range(3):
        inner = outer
        for _ in range(inner_steps):
            gradient = inner + 0.1 * (t + 1) * (inner - outer)
            inner_velocity = gradient + momentum * inner_velocity
            inner = inner - inner_rate * (gradient + momentum * inner_velocity)
            x, state = step(x, state)
        gradient = outer - inner + 0.4 / (t + 1) * (outer - outer.mean(0))
        velocity = gradient + momentum * velocity
        outer = outer - rate * (gradient + momentum * velocity)
        np.testing.assert_allclose(x, outer, rtol=1e-5, atol=1e-6)


def test_the_authors_schedules():
    tx = to.parle(num_inner_steps=1)
    x = jnp.asarray(START, jnp.float32)
    state = tx.init(x)
    for _ in range(2):
        _, state = jax.jit(tx.update)(x, state, x)
    assert int(state.outer_state[0].count) == int(state.outer_step) == 2


def test_a_lost_replica_pulls_at_no_other():
    tx = to.elastic_coupling(1.0)
    x = jnp.asarray(START, jnp.float32).at[1, 0].set(jnp.nan)
    updates, _ = tx.update(jnp.zeros_like(x), tx.init(x), x)
    np.testing.assert_array_equal(np.isfinite(updates), np.isfinite(x))
    np.testing.assert_allclose(updates[:, 0], [1.0, np.nan, -1.0], rtol=1e-6)


def test_parle_survives_a_gradient_that_is_not_finite():
    tx = to.parle(num_inner_steps=2)
    x = jnp.asarray(START, jnp.float32)
    state = tx.init(x)
    for step in range(6):
        gradient = x.at[0, 0].set(jnp.inf) if step == 1 else x
        updates, state = tx.update(gradient, state, x)
        faults = np.argwhere(~np.isfinite(updates)).tolist()
        assert faults == ([[0, 0]] if step == 1 else [])  # it shows in its own entry, once
        x = optax.apply_updates(x, jnp.where(jnp.isfinite(updates), updates, 0))
        assert np.all(np.isfinite(x))
    assert np.all(np.isfinite(to.local_entropy_params(state, x)))


def test_bad_input():
    x = jnp.asarray(START, jnp.float32)
    with pytest.raises(ValueError, match="`strength` must be finite and not negative, got -1"):
        to.elastic_coupling(-1.0)
    tx = to.elastic_coupling(1.0)
    with pytest.raises(ValueError, match=r"`params\['w'\]` must have a first axis of replicas"):
        tx.init({"w": jnp.float32(1)})
    with pytest.raises(ValueError, match="`params` is required"):
        tx.update(x, tx.init(x))
    with pytest.raises(ValueError, match=r"`updates` has shape \(3, 2\), but `params`"):
        tx.update(x, tx.init(x), x[:1])  # its mean is itself, so springs would not pull
    with pytest.raises(ValueError, match="`momentum` must be"):
        to.parle(momentum=1.0)
    with pytest.raises(ValueError, match="`coupling` must be finite and not negative, got -1"):
        to.parle(coupling=-1.0)
    with pytest.raises(ValueError, match="`learning_rate` must be"):
        to.parle(-1.0)
