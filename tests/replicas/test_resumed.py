"""A run that goes on with other settings: they win over the state, which holds what evolves."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.compiling import quick, quick_jit
from tests.statistics import assert_mean
from thermo_optax._base import momenta

SIZE = 4
LADDER = np.array([1.0, 2.0, 4.0, 8.0], np.float32)
PARAMS = jnp.zeros((SIZE, 50))
VALUES = jnp.zeros(SIZE)

pytestmark = pytest.mark.usefixtures("standard_promotion")  # `optax.inject_hyperparams` needs it


def still(temperature=1.0, mass=1.0):
    """Nothing but swaps moves a momentum."""
    return to.langevin(1e-20, temperature, friction=0.0, mass=mass, key=0)


def exchange(ladder, inner=None, **settings):
    """Every swap is accepted."""
    ladder = ladder if isinstance(ladder, dict) else {"temperature": ladder}
    settings = {"swap_period": 1, "normalization": 0.0, "key": 1, **settings}
    return to.replica_exchange(still() if inner is None else inner, ladder, **settings)


def advance(tx, state=None, steps=1):
    """From the start, or from a state."""
    tx = quick(tx)
    state = tx.init(PARAMS) if state is None else state
    for _ in range(steps):
        updates, state = tx.update(PARAMS, state, PARAMS, value=VALUES)
    return updates, state


def momentum_of(state):
    return np.asarray(momenta(state)[0])


@pytest.mark.slow
@pytest.mark.parametrize("swap_period", [1, 1_000, None])
@pytest.mark.parametrize("injected", [False, True], ids=["bath", "injected"])
def test_another_ladder_wins_and_momenta_follow(injected, swap_period):
    inner = optax.inject_hyperparams(still)() if injected else still()
    _, state = advance(exchange(LADDER, inner), steps=3)
    other = np.array([0.1, 0.5, 0.7, 0.9], np.float32)
    _, found = advance(exchange(other, inner, swap_period=swap_period), state)
    np.testing.assert_array_equal(found.ladder["temperature"], other)
    np.testing.assert_array_equal(to.replica_hyperparams(found)["temperature"], other[found.rung])
    moves = swap_period == 1
    assert np.array_equal(found.rung, state.rung) != moves
    factor = np.sqrt(other[np.asarray(found.rung)] / LADDER[np.asarray(state.rung)])
    expected = factor[:, None] * momentum_of(state)
    np.testing.assert_allclose(momentum_of(found), expected, rtol=1e-5)
    if injected:
        now = found.inner_state.hyperparams["temperature"]
        np.testing.assert_allclose(now, other[np.asarray(found.rung)])
    _, again = advance(exchange(other, inner, swap_period=None), found)  # and only once
    np.testing.assert_array_equal(momentum_of(again), momentum_of(found))


def test_another_ladder_heats():
    """The noise is that of the new rungs."""
    sampler = to.sgld(0.1, 2.0, key=0)
    before = quick(exchange(LADDER, sampler, swap_period=None))
    after = quick(exchange(3 * LADDER, sampler, swap_period=None))
    _, state = before.update(PARAMS, before.init(PARAMS), PARAMS, value=VALUES)
    warm, hot = (tx.update(PARAMS, state, PARAMS, value=VALUES)[0] for tx in (before, after))
    np.testing.assert_allclose(hot, np.sqrt(3) * np.asarray(warm), rtol=1e-5)


def test_another_reference_wins_and_momenta_follow():
    """The reference says what a rung multiplies the temperatures of the groups by."""
    before, after = (
        exchange(LADDER, reference_temperature=reference, swap_period=None)
        for reference in (2.0, 8.0)
    )
    _, state = advance(before)
    _, found = advance(after, state)
    np.testing.assert_allclose(momentum_of(found), momentum_of(state) / 2, rtol=1e-6)
    assert found.reference_temperature == 8


def test_masses_and_rates_win_too():
    ladder = {"mass": [1.0, 2.0, 3.0, 4.0]}
    inner = optax.inject_hyperparams(still)()
    _, state = advance(exchange(ladder, inner))
    heavy = {"mass": [4.0, 8.0, 12.0, 16.0]}
    _, found = advance(exchange(heavy, inner, swap_period=None), state)
    np.testing.assert_allclose(momentum_of(found), 2 * momentum_of(state), rtol=1e-6)

    sgd = optax.inject_hyperparams(optax.sgd)(0.1)
    old, new = (
        quick(exchange({"learning_rate": rates}, sgd, swap_period=None))
        for rates in ([0.1, 0.2, 0.3, 0.4], [0.5, 0.6, 0.7, 0.8])
    )
    ones = jnp.ones_like(PARAMS)
    updates, _ = new.update(ones, old.init(PARAMS), PARAMS, value=VALUES)
    np.testing.assert_allclose(updates[:, 0], [-0.5, -0.6, -0.7, -0.8])


@pytest.mark.slow
def test_a_ladder_that_has_adapted_stays_while_its_settings_do():
    def tx(ladder, **settings):
        return exchange(ladder, normalization=1.0, **settings)

    losses = jnp.array([0.0, 0.1, 3.0, 3.1])

    @quick_jit
    def adapt(state):
        def step(state, _):
            updates = jnp.zeros_like(PARAMS)
            return adapting.update(updates, state, PARAMS, value=losses)[1], None

        return jax.lax.scan(step, state, length=40)[0]

    adapting = tx(LADDER, adaptation_steps=100)
    state = adapt(adapting.init(PARAMS))
    moved = np.asarray(state.ladder["temperature"])
    assert not np.allclose(moved, LADDER)
    same = LADDER.copy()
    same[1:3] = np.nextafter(LADDER[1:3], np.float32(9))  # as another program may round it
    for settings in ({"adaptation_steps": 100}, {}):
        _, found = advance(tx(same, **settings), state)
        np.testing.assert_array_equal(found.ladder["temperature"], moved)
        _, found = advance(tx(LADDER, **settings), state)
        np.testing.assert_array_equal(found.ladder["temperature"], moved)
        assert int(found.swaps.attempts.sum()) > int(state.swaps.attempts.sum())
        _, found = advance(tx(2 * LADDER, **settings), state)
        np.testing.assert_array_equal(found.ladder["temperature"], 2 * LADDER)
        assert int(found.swaps.attempts.sum()) <= 2  # counted since the ladder moved last


def test_the_number_of_rungs_and_the_names_stay():
    state = quick(exchange(LADDER)).init(PARAMS)
    with pytest.raises(ValueError, match="has 4 rungs of .*'temperature'.*has 5 of.*Call `init`"):
        more = jnp.zeros((5, 50))
        exchange([1.0, 2.0, 3.0, 4.0, 5.0]).update(more, state, more, value=jnp.zeros(5))
    inner = optax.inject_hyperparams(still)()
    with pytest.raises(ValueError, match="has 4 rungs of .*'temperature'.*has 4 of.*'mass'"):
        exchange({"mass": LADDER}, inner).update(PARAMS, state, PARAMS, value=VALUES)


NARROW = np.array([0.1, 0.13, 0.17, 0.2])


@pytest.fixture(scope="module")
def energies(steps=150):
    """Mean squares on the rungs in a harmonic well, after a run at 1 goes on with other settings.

    Those are another ladder and another temperature of the sampler.
    """

    def tx(key, temperature, ladder):
        sampler = to.langevin(0.5, temperature, friction=0.2, key=key)
        ladder = {"temperature": temperature * ladder}
        return to.replica_exchange(sampler, ladder, swap_period=5, key=jax.random.fold_in(key, 1))

    def run(tx, x, state):
        def step(carry, _):
            x, state = carry
            updates, state = tx.update(x, state, x, value=jnp.sum(x**2, axis=1) / 2)
            x = optax.apply_updates(x, updates)
            return (x, state), to.by_rung(state, jnp.mean(x**2, axis=1))

        return jax.lax.scan(step, (x, state), length=steps)

    def system(key):
        first = tx(key, 1.0, LADDER)
        x = jnp.sqrt(LADDER)[:, None] * jax.random.normal(jax.random.fold_in(key, 2), (SIZE, 5))
        (x, state), _ = run(first, x, first.init(x))
        changed = {"ladder": (1.0, NARROW), "temperature": (0.1, LADDER)}
        seen = {name: run(tx(key, *new), x, state)[1] for name, new in changed.items()}
        return {name: jnp.mean(squares[steps // 3 :], axis=0) for name, squares in seen.items()}

    return quick_jit(jax.vmap(system))(jax.random.split(jax.random.key(3), 64))


def test_laws_after_another_ladder(energies):
    for rung, temperature in enumerate(NARROW):
        seen = np.asarray(energies["ladder"])[:, rung]
        assert_mean(seen, temperature, name=f"<x^2> on rung {rung}")


def test_laws_after_another_temperature_of_the_sampler(energies):
    for rung, temperature in enumerate(0.1 * LADDER):
        seen = np.asarray(energies["temperature"])[:, rung]
        assert_mean(seen, temperature, name=f"<x^2> on rung {rung}")
