"""Exact sampling: every rung keeps its own law, and swaps happen as often as they must."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.statistics import assert_mean

SYSTEMS = 48
SIZE, DEGREES = 5, 6
LADDER = to.geometric_ladder(1.0, 3.0, SIZE)


def harmonic(x):
    return jnp.sum(x**2, axis=-1) / 2


def run(make, energy, start, steps, observe, key=0):
    """Independent systems of replicas, as one program; what observe(state, x, losses) says."""

    def system(key):
        tx = make(*jax.random.split(key))

        def step(carry, _):
            x, state = carry
            losses, grads = jax.vmap(jax.value_and_grad(energy))(x)
            updates, state = tx.update(grads, state, x, value=losses)
            x = optax.apply_updates(x, updates)
            return (x, state), observe(state, x)

        x = start(jax.random.fold_in(key, 7))
        return jax.lax.scan(step, (x, tx.init(x)), length=steps)

    (_, state), seen = jax.jit(jax.vmap(system))(jax.random.split(jax.random.key(key), SYSTEMS))
    return state, jax.tree.map(np.asarray, seen)


@pytest.fixture(scope="module")
def wells():
    """A harmonic well, in which BAOAB has no bias at any step size; from an exact draw."""

    def make(key, swap_key):
        sampler = to.langevin(0.8, 1.0, friction=1.0, key=key)
        return to.replica_exchange(sampler, {"temperature": LADDER}, swap_period=4, key=swap_key)

    def start(key):
        return jnp.sqrt(LADDER)[:, None] * jax.random.normal(key, (SIZE, DEGREES))

    def observe(state, x):
        momenta = state.inner_state.momentum
        return to.by_rung(state, {"x": jnp.mean(x**2, 1), "p": jnp.mean(momenta**2, 1)})

    return run(make, harmonic, start, 6_000, observe)


def test_every_rung_keeps_its_own_law(wells):
    _, seen = wells
    for rung, temperature in enumerate(np.asarray(LADDER)):
        for name in ("x", "p"):
            means = seen[name][:, :, rung].mean(axis=1)
            assert_mean(means, temperature, name=f"<{name}^2> on rung {rung}")


def test_swaps_are_as_frequent_as_they_must_be(wells):
    state, _ = wells
    ratio = float(LADDER[1] / LADDER[0])
    expected = float(to.harmonic_acceptance(ratio, DEGREES))
    accepted = jax.vmap(to.swap_acceptance)(state)
    for pair in range(SIZE - 1):
        assert_mean(accepted.rate[:, pair], expected, name=f"rate of pair {pair}")
        assert_mean(accepted.probability[:, pair], expected, name=f"probability of pair {pair}")


def test_the_barrier_is_that_of_the_well(wells):
    state, _ = wells
    rejected = 1 - jnp.mean(jax.vmap(to.swap_acceptance)(state).probability, axis=0)
    found = float(to.communication_barrier(1 / LADDER, rejected).total)
    assert abs(found / float(to.harmonic_barrier(1.0, 3.0, DEGREES)) - 1) < 0.05


@pytest.mark.slow
def test_the_ladder_adapts_until_all_pairs_accept_equally_often():
    """From a linear ladder, whose first pair rejects most, to the geometric one."""
    linear = jnp.linspace(1.0, 8.0, SIZE)

    def make(key, swap_key):
        sampler = to.langevin(0.8, 1.0, friction=1.0, key=key)
        return to.replica_exchange(
            sampler, {"temperature": linear}, swap_period=4, adaptation_steps=5_000, key=swap_key
        )

    def start(key):
        return jnp.sqrt(linear)[:, None] * jax.random.normal(key, (SIZE, DEGREES))

    state, _ = run(make, harmonic, start, 12_000, lambda state, x: state.count)
    values = np.asarray(state.ladder["temperature"])
    np.testing.assert_array_equal(values[:, [0, -1]], np.tile([1.0, 8.0], (SYSTEMS, 1)))
    geometric = np.asarray(to.geometric_ladder(1.0, 8.0, SIZE))
    for rung in range(1, SIZE - 1):  # the curve through noisy rates bends by some per mill
        assert_mean(values[:, rung], geometric[rung], z=5, slack=0.02 * geometric[rung])
    rates = np.asarray(jax.vmap(to.swap_acceptance)(state).probability)
    expected = float(to.harmonic_acceptance(8.0 ** (1 / (SIZE - 1)), DEGREES))
    for pair in range(SIZE - 1):
        assert_mean(rates[:, pair], expected, slack=0.02, name=f"pair {pair}")
    assert np.all(np.asarray(state.swaps.attempts) < 3_000 // 2)  # counted since the last move


CENTRES = jnp.stack(jnp.meshgrid(*[jnp.linspace(-8.0, 8.0, 5)] * 2), axis=-1).reshape(-1, 2)


def gaussians(x):
    """25 Gaussian wells with a barrier of 7 T between neighbours."""
    return -jax.nn.logsumexp(-jnp.sum((x[None] - CENTRES) ** 2, axis=-1) / (2 * 0.25))


def modes(x):
    def nearest(point):
        return jnp.argmin(jnp.sum((point[None] - CENTRES) ** 2, axis=-1))

    return jnp.vectorize(nearest, signature="(d)->()")(x).astype(jnp.int8)


def total_variation(visits):
    """Of the frequencies of the modes, [..., time] -> [...]."""
    counts = np.stack([np.mean(visits == mode, axis=-1) for mode in range(25)], axis=-1)
    return np.abs(counts - 1 / 25).sum(axis=-1) / 2


@pytest.mark.slow
def test_25_gaussians_at_equal_cost():
    temperatures = to.geometric_ladder(1.0, 8.0, 8)

    def exchanging(key, swap_key):
        sampler = to.langevin(0.1, 1.0, friction=1.0, key=key)
        ladder = {"temperature": temperatures}
        return to.replica_exchange(sampler, ladder, swap_period=20, key=swap_key)

    def alone(key, _):
        return to.replicate(to.langevin(0.1, 1.0, friction=1.0, key=key), 8)

    def start(key):
        return jnp.broadcast_to(CENTRES[jax.random.randint(key, (), 0, 25)], (8, 2))

    def cold_mode(state, x):
        return modes(to.by_rung(state, x)[0])

    _, visits = run(exchanging, gaussians, start, 20_000, cold_mode)
    assert np.max(total_variation(visits)) <= 0.4
    _, visits = run(alone, gaussians, start, 20_000, lambda state, x: modes(x))
    assert np.mean(total_variation(visits.reshape(SYSTEMS, -1))) > 0.7


@pytest.mark.slow
def test_noisy_losses_are_corrected_for():
    """The law of the cold rung is right with the correction, and clearly wrong without."""
    temperatures = jnp.array([1.0, 3.0])
    spread = 2.0  # of the noise of each loss; the same noise would cancel

    def cold_energy(correction):
        def system(key):
            sampler = to.langevin(0.2, 1.0, friction=1.0, key=key)
            tx = to.replica_exchange(
                sampler,
                {"temperature": temperatures},
                swap_period=1,
                noise_correction=correction,
                noise_decay=0.999,
                key=jax.random.fold_in(key, 1),
            )

            def step(carry, noise_key):
                x, state = carry
                noise = spread * jax.random.normal(noise_key, (2,))
                updates, state = tx.update(x, state, x, value=harmonic(x) + noise)
                x = optax.apply_updates(x, updates)
                return (x, state), jnp.mean(to.by_rung(state, x)[0] ** 2)

            first, loop = jax.random.split(jax.random.fold_in(key, 2))
            x = jnp.sqrt(temperatures)[:, None] * jax.random.normal(first, (2, 2))
            seen = jax.lax.scan(step, (x, tx.init(x)), jax.random.split(loop, 4_000))[1]
            return jnp.mean(seen)

        keys = jax.random.split(jax.random.key(5), SYSTEMS)
        return np.asarray(jax.jit(jax.vmap(system))(keys))

    wrong = cold_energy(0.0)
    error = np.std(wrong) / np.sqrt(SYSTEMS)
    assert abs(np.mean(wrong) - 1) > 10 * error
    # An estimated variance and a rate below 1 leave a small bias of their own.
    assert abs(np.mean(cold_energy(1.0)) - 1) < 0.4 * abs(np.mean(wrong) - 1)
