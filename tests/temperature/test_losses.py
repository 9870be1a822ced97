"""Which losses alpha is told of: no constant in them counts, and no spike has the last word."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.compiling import quick_jit
from thermo_optax.temperature._grid import Settings, Visit, fitted
from thermo_optax.temperature._losses import followed, no_losses

T = 0.5
MODES = ("paper", "exact", "exploration")
SIZE = 3


def tempered(mode, key):
    if mode == "ctld":
        return to.ctld(0.04, T, momentum=0.8, sampling_steps=10**6, key=key)
    sampler = to.langevin(0.2, T, friction=1.0, key=key)
    return to.continuous_tempering(sampler, T, mode=mode, key=key)


def run(mode, key, change, steps, dtype=jnp.float32):
    """Alphas and the last state of a chain in a harmonic well, whose loss is changed."""
    tx, x = tempered(mode, key), jnp.sqrt(T / 4) * jax.random.normal(key, (SIZE,), jnp.float32)

    def step(carry, count):
        x, state = carry
        # In eighths, which float32 holds beside a constant of a million.
        value = jnp.round(16 * jnp.sum(x**2)) / 8
        value = change(value.astype(dtype), count)
        updates, state = tx.update(4 * x, state, x, value=value)
        return (optax.apply_updates(x, updates), state), to.tempering_state(state).alpha

    (x, state), alphas = jax.lax.scan(step, (x, tx.init(x)), jnp.arange(steps, dtype=jnp.int32))
    return alphas, to.tempering_state(state), x


@pytest.mark.slow
@pytest.mark.parametrize("mode", [*MODES, "ctld"])
def test_a_constant_in_the_loss_changes_nothing(mode):
    key = jax.random.key(0)

    def runs(constants, dtype):
        def each(constant):
            return run(mode, key, lambda value, _: value + constant, 400, dtype)

        return quick_jit(jax.vmap(each))(jnp.asarray(constants, dtype))

    with jax.enable_x64(True):
        assert_alike(runs([0.0, 1e3, 1e6, 1e9, -1e9], jnp.float64))
    assert_alike(runs([0.0, 1e3, 1e6, -1e6], jnp.float32))


def assert_alike(outcome):
    alphas, state, x = outcome
    assert np.max(np.abs(alphas[0])) > 0.5, "alpha has felt the loss"
    for result in (alphas, x, *jax.tree.leaves(state.bias)):
        for other in result[1:]:
            np.testing.assert_allclose(other, result[0], rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_a_spike_of_the_loss_is_a_fault_and_passes(mode):
    """Up or down, whenever it comes; without one no step is limited, and none is a fault."""
    spikes = jnp.float32([0.0, 1e6, -1e6, 1e20, -1e20, 1e6, -1e6, 1e6, -1e6])
    at = jnp.int32([1_500] * 5 + [0, 0, 1, 1])

    def each(spike, at, key):
        def change(value, count):
            return value + jnp.where(count == at, spike * T, 0)

        alphas, state, _ = run(mode, key, change, 4_000)
        late = jnp.abs(alphas[-2_000:])
        return state.faults, late.max(), jnp.mean(late < 0.4)

    of_keys = jax.vmap(each, (None, None, 0))
    runs = jax.jit(jax.vmap(of_keys, (0, 0, None)))
    outcome = runs(spikes, at, jax.random.split(jax.random.key(1), 8))
    faults, farthest, cold = map(np.asarray, outcome)
    assert not np.any(faults[0])
    np.testing.assert_array_equal(faults[1:5], 1)
    assert np.max(farthest) < 4, farthest.max(axis=1)
    shares = cold.mean(axis=1)
    assert np.all(np.abs(shares - shares[0]) < 0.08), shares


def test_noise_of_any_size_is_taken_for_what_it_is():
    """What comes in every step is no spike: after some steps the noise of batches counts."""
    key = jax.random.key(2)

    def noisy(value, count):
        noise = jax.random.normal(jax.random.fold_in(key, count))
        return value + 1e4 * noise

    _, state, _ = jax.jit(lambda: run("exact", key, noisy, 2_000))()
    assert state.faults < 60
    assert 0.5e4 < state.losses.spread * T / to.temperature_scaling(state.alpha) < 2e4


def test_the_baseline_by_hand():
    """The lowest loss that the next one confirms; the first one needs confirming, too."""
    record, baselines = no_losses(), []
    for loss in (3.0, 5.0, 4.0, -9.0, 4.5, jnp.nan, 2.0, 1.0, 7.0, 0.5):
        loss = jnp.float32(loss)
        record = followed(record, loss, jnp.isfinite(loss))
        baselines.append(float(jnp.sum(record.baseline)))
    assert baselines == [3.0, 5.0, 5.0, 4.0, 4.0, 4.0, 4.0, 2.0, 2.0, 2.0]
    assert jnp.sum(record.last) == 0.5
    for first in (-9.0, 1e6):  # a spike
        record = no_losses()
        for loss in (first, 3.0, 4.0):
            record = followed(record, jnp.float32(loss), jnp.asarray(True))
        assert jnp.sum(record.baseline) in (3.0, 4.0)


FROZEN = partial(to.metadynamics, freeze_after=0)
FOLLOWERS = {
    "mean": [to.adaptive_biasing_force()],
    "frozen hills": [FROZEN()],
    "tempered hills": [FROZEN(bias_factor=3.0)],
    "hills, mean": [FROZEN(), to.adaptive_biasing_force()],
    "mean, hills": [to.adaptive_biasing_force(), FROZEN()],
    "hills twice": [FROZEN(), FROZEN(width=0.2)],
    "hills that are laid, hills": [to.metadynamics(freeze_after=7), FROZEN()],
}


@pytest.mark.parametrize("which", FOLLOWERS)
def test_a_lower_baseline_changes_no_force_of_a_learnt_mean_or_of_frozen_hills(which):
    """What E - E_0 gains, one bias takes back: at once, where it does not learn by itself."""
    biases, edge, change = FOLLOWERS[which], jnp.float32(1.5), jnp.float32(-3.0)

    def visit(alpha, energy, seen):
        g, slope = to.temperature_scaling(alpha), to.temperature_scaling_slope(alpha)
        return Visit(jnp.int32(6), alpha, 1.5, g, slope, jnp.float32(energy), jnp.asarray(seen))

    @jax.jit
    def visited(states):
        def step(states, alpha):
            here = visit(alpha, 2.0, True)
            return [b.update(s, here) for b, s in zip(biases, states, strict=True)], None

        return jax.lax.scan(step, states, jnp.linspace(0.5, 1.4, 200))[0]

    before = visited([bias.init(edge, to.temperature_scaling) for bias in biases])
    settings = Settings(jnp.int32(6), edge, to.temperature_scaling, change)
    after = fitted(before, tuple(biases), settings)
    alphas = jnp.float32([0.625, 0.975, 1.275])  # halfway in a bin of hills
    for alpha in alphas:
        forces = [
            sum(b.force(s, here) for b, s in zip(biases, states, strict=True))
            - here.slope * here.energy
            for states, here in (
                (before, visit(alpha, 5.0, False)),
                (after, visit(alpha, 8.0, False)),
            )
        ]
        np.testing.assert_allclose(*forces, rtol=0.01, atol=0.02)
        means = [
            b.expected(s, visit(alpha, 0.0, False))
            for states in (before, after)
            for b, s in zip(biases, states, strict=True)
            if b.learns_mean
        ]
        if means:
            np.testing.assert_allclose(means[1] - means[0], -change, rtol=0.01)
    # Of the energy that counts from a lower baseline the free energy is higher by -g change.
    rise = sum(
        new.free_energy(alphas) - old.free_energy(alphas)
        for old, new in zip(before, after, strict=True)
    )
    expected = -change * to.temperature_scaling(alphas)
    np.testing.assert_allclose(jnp.diff(rise), jnp.diff(expected), rtol=0.02, atol=0.02)
