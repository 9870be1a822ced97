"""Entropy-MCMC: both marginals and their covariance are closed forms in a harmonic well."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.compiling import quick_jit
from tests.statistics import assert_mean

CHAINS, K, T = 64, 2.0, 0.5


def walk(tx, w, steps, state=None, keep=lambda state, w: None):
    def step(carry, _):
        w, state = carry
        updates, state = tx.update(K * w, state, w)
        w = optax.apply_updates(w, updates)
        return (w, state), keep(state, w)

    return jax.lax.scan(step, (w, tx.init(w) if state is None else state), length=steps)


@quick_jit
def moments_of_chains(scope):
    """Of the weights and of the guide, of their product, and the mean of the guide."""

    def chain(key):
        tx = to.entropy_mcmc(to.langevin(0.7, T, friction=1.0, key=key), scope=scope)
        _, seen = walk(
            tx, jnp.zeros(4), 3_000, keep=lambda state, w: (w, to.guiding_params(state, w))
        )
        w, guide = (each[500:] for each in seen)
        return jnp.mean(w**2), jnp.mean(guide**2), jnp.mean(w * guide), jnp.mean(guide)

    return jax.vmap(chain)(jax.random.split(jax.random.key(0), CHAINS))


@pytest.mark.parametrize("scope", [0.5, 3.0])
def test_harmonic_well(scope):
    """BAOAB has no bias there, at any step size."""
    weight, guide, both, mean = moments_of_chains(jnp.float32(scope))
    assert_mean(weight, T / K, name="variance of the weights")
    assert_mean(guide, T * (1 / K + 1 / scope), name="variance of the guide")
    assert_mean(both, T / K, name="covariance")
    assert_mean(mean, 0.0, name="mean of the guide")


@pytest.mark.slow
def test_rungs_keep_both_laws_by_the_energy_of_the_pair():
    """By the loss alone the variance of the coldest guide is 9 % too large."""
    scope, ladder, size = 1.0, jnp.array([0.5, 1.0, 2.0]), 12
    guides = jax.vmap(to.guiding_params)

    def chain(key):
        sampler = to.langevin(0.4, ladder[0], friction=1.0, key=key)
        tx = to.replica_exchange(
            to.entropy_mcmc(sampler, scope=scope),
            {"temperature": ladder},
            reference_temperature=0.5, swap_period=2, key=jax.random.fold_in(key, 1),
        )  # fmt: skip

        def step(carry, _):
            w, state = carry
            away = w - guides(state.inner_state, w)
            energies = jnp.sum(K * w**2 + scope * away**2, axis=1) / 2
            updates, state = tx.update(K * w, state, w, value=energies)
            w = optax.apply_updates(w, updates)
            pair = w, guides(state.inner_state, w)
            return (w, state), [jnp.mean(to.by_rung(state, x) ** 2, axis=1) for x in pair]

        w = jnp.zeros((3, size))
        _, seen = jax.lax.scan(step, (w, tx.init(w)), length=2_000)
        return [jnp.mean(each[200:], axis=0) for each in seen]

    weight, guide = jax.jit(jax.vmap(chain))(jax.random.split(jax.random.key(0), CHAINS))
    for rung, temperature in enumerate(ladder):
        assert_mean(weight[:, rung], temperature / K, name=f"weights of rung {rung}")
        law = temperature * (1 / K + 1 / scope)
        assert_mean(guide[:, rung], law, name=f"guide of rung {rung}")


def test_guide_of_a_scheduled_scope_and_a_fault():
    """Without a bath both follow the gradients of the joint loss."""
    tx = to.entropy_mcmc(optax.sgd(0.1), scope=lambda count: 1.0 + count.astype(jnp.float32))
    w, g = np.array([1.0, 2.0]), np.array([1.0, 2.0])
    params, state = jnp.asarray(w, jnp.float32), tx.init(jnp.asarray(w, jnp.float32))
    for count in range(3):
        updates, state = tx.update(K * params, state, params)
        params = optax.apply_updates(params, updates)
        tie = (1.0 + count) * (w - g)
        w, g = w - 0.1 * (K * w + tie), g + 0.1 * tie
    np.testing.assert_allclose(params, w, rtol=1e-5)
    np.testing.assert_allclose(to.guiding_params(state, params), g, rtol=1e-5)
    bad = params.at[0].set(jnp.nan)
    _, state = tx.update(params, state, bad)
    assert np.all(np.isfinite(to.guiding_params(state, params)))
    # A norm over all gradients spreads the fault to all moves, also to those of the guide.
    tx = to.entropy_mcmc(optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(0.1)), scope=1.0)
    _, state = tx.update(bad, tx.init(params), params)
    np.testing.assert_array_equal(to.guiding_params(state, params), params)


def test_a_run_in_two_parts_is_the_same_to_the_bit():
    tx = to.entropy_mcmc(to.langevin(0.3, T, friction=1.0, key=0), scope=1.0)
    part = quick_jit(lambda w, state, n: walk(tx, w, n, state)[0], static_argnums=2)
    w = jnp.ones(3)
    start = quick_jit(tx.init)(w)
    once = part(w, start, 9)
    twice = part(*part(w, start, 4), 5)
    jax.tree.map(np.testing.assert_array_equal, once, twice)
    assert jax.tree.map(jax.typeof, start) == jax.tree.map(jax.typeof, once[1])


def test_bad_input():
    with pytest.raises(ValueError, match="scope"):
        to.entropy_mcmc(optax.sgd(0.1), scope=-1.0)
    tx = to.entropy_mcmc(optax.sgd(0.1), scope=1.0)
    state = tx.init(jnp.ones(2))
    with pytest.raises(ValueError, match="params"):
        tx.update(jnp.ones(2), state)
    with pytest.raises(ValueError, match="entropy_mcmc"):
        to.guiding_params(optax.sgd(0.1).init(jnp.ones(2)), jnp.ones(2))
