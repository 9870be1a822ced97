"""A round of swaps of more than heat and mass is a rest, by which no replica changes its law."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.compiling import quick, quick_jit

POWERS, STEPS = np.array([1.0, 0.5, 0.0]), np.array([0.2, 0.3, 0.4])

pytestmark = pytest.mark.usefixtures("standard_promotion")  # `optax.inject_hyperparams` needs it


def exchange(inner, ladder, **settings):
    given = {"normalization": 0.0, "swap_period": 3, "model_hyperparams": ("power",), "key": 1}
    return to.replica_exchange(inner, ladder, **given | settings)


def cold(**settings):
    """No noise, so that a path can be told by hand."""
    make = optax.inject_hyperparams(to.langevin)
    return make(0.1, 0.0, friction=1.0, initial_momentum="zero", key=0, **settings)


def run(tx, steps):
    """Positions and rungs after each update, of replicas in wells of curvature 1 + power."""

    def step(carry, _):
        x, state = carry
        power = to.replica_hyperparams(state)["power"]
        moved, state = tx.update((1 + power) * x, state, x, value=x**2 / 2)
        return (x + moved, state), (x + moved, state.rung)

    @quick_jit
    def path(x):
        return jax.lax.scan(step, (x, tx.init(x)), length=steps)[1]

    start = jnp.array([1.0, 2.0, -1.0])
    positions, rungs = map(np.asarray, path(start))
    return np.vstack([start, positions]), np.vstack([np.arange(3), rungs])


def by_hand(rounds, rungs, steps):
    """BAOAB without noise; in rounds of swaps replicas rest in the middle of a kick."""
    x, p, rest, path = np.array([1.0, 2.0, -1.0]), np.zeros(3), False, []
    for step in range(steps):
        rung = rungs[step]
        h, k = STEPS[rung], 1 + POWERS[rung]
        if not rest:
            p = p - h / 2 * k * x
        rest = step in rounds
        if not rest:
            p = p - h / 2 * k * x
            x = x + h / 2 * p
            p = np.exp(-h) * p
            x = x + h / 2 * p
        path.append(x)
    return path


@pytest.mark.parametrize(("period", "rounds"), [(3, (3, 6, 9)), (1, (2, 4, 6, 8))])
def test_a_round_of_swaps_is_a_rest(period, rounds):
    """A swap in every update is one in every second: else no replica would ever move."""
    tx = exchange(cold(), {"power": POWERS, "step_size": STEPS}, swap_period=period)
    positions, rungs = run(tx, 10)
    changes = [step for step in range(10) if np.any(rungs[step] != rungs[step + 1])]
    assert tuple(changes) == rounds
    expected = by_hand(rounds, rungs, 10)
    np.testing.assert_allclose(positions[1:], expected, rtol=1e-5)


def test_momenta_of_other_heat_are_rescaled_after_the_rest():
    heat, steps = np.array([1.0, 4.0]), [1e-20, 2e-20]  # nothing but swaps moves a momentum
    inner = optax.inject_hyperparams(to.langevin)(0.1, 1.0, friction=0.0, key=0)
    ladder = {"temperature": heat, "step_size": steps}
    tx = quick(exchange(inner, ladder, model_hyperparams=(), swap_period=2))
    x = jnp.zeros((2, 5))
    state = tx.init(x)
    first = np.asarray(state.inner_state.inner_state.momentum)
    for _ in range(4):
        _, state = tx.update(x, state, x, value=jnp.zeros(2))
    np.testing.assert_array_equal(state.rung, [1, 0])
    factor = np.sqrt(heat[::-1] / heat)[:, None]
    np.testing.assert_allclose(state.inner_state.inner_state.momentum, factor * first, rtol=1e-5)


@pytest.mark.parametrize(
    ("inner", "ladder"),
    [
        (optax.inject_hyperparams(optax.sgd)(0.1), {"learning_rate": STEPS}),
        (to.langevin(0.1, 1.0, friction=1.0, key=0), {"temperature": [1.0, 2.0, 3.0]}),
    ],
    ids=["no sampler", "heat alone"],
)
def test_without_need_no_replica_rests(inner, ladder):
    tx = quick(exchange(inner, ladder, model_hyperparams=(), swap_period=1))
    x = jnp.ones(3)
    state = tx.init(x)
    for _ in range(3):
        moved, state = tx.update(x, state, x, value=x)
        assert np.all(np.asarray(moved) != 0)
    assert int(state.swaps.rounds) == 2


def test_a_sampler_that_rests_must_step_in_each_update():
    """With swaps as frequent as its steps it would do nothing but rest."""
    several = optax.MultiSteps(cold(), 2).gradient_transformation()
    with pytest.raises(ValueError, match="`inner` must not have `optax.MultiSteps` inside"):
        quick(exchange(several, {"power": POWERS, "step_size": STEPS})).init(jnp.ones(3))
    bath = optax.MultiSteps(to.sgld(0.1, 1.0, key=0), 2).gradient_transformation()
    ladder = {"temperature": [1.0, 2.0, 3.0]}  # for which none rests
    quick(exchange(bath, ladder, model_hyperparams=())).init(jnp.ones(3))
