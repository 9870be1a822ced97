"""What a user sees of an exchange: rungs, hyperparameters, momenta, the best replica."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.compiling import quick, quick_jit, users_jit

TEMPERATURES = [1.0, 2.0, 4.0, 8.0]
SIZE = len(TEMPERATURES)

pytestmark = pytest.mark.usefixtures("standard_promotion")  # `optax.inject_hyperparams` needs it


def langevin(**settings):
    return to.langevin(0.3, 1.0, **{"friction": 1.0, "key": 0, **settings})


def exchange(inner=None, ladder=None, **settings):
    ladder = {"temperature": TEMPERATURES} if ladder is None else ladder
    inner = langevin() if inner is None else inner
    return to.replica_exchange(inner, ladder, **{"swap_period": 1, "key": 1, **settings})


def start():
    return {"w": jax.random.normal(jax.random.key(0), (SIZE, 6))}


def run(tx, params, steps, values=None, jit=quick_jit):
    """Runs in a harmonic well; returns parameters, state, and the rungs after each update."""

    def step(carry, _):
        params, state = carry
        losses = jnp.sum(params["w"] ** 2, axis=1) / 2 if values is None else values
        updates, state = tx.update(params, state, params, value=losses)
        return (optax.apply_updates(params, updates), state), getattr(state, "rung", None)

    (params, state), rungs = jit(
        lambda params: jax.lax.scan(step, (params, tx.init(params)), length=steps)
    )(params)
    return params, state, rungs


def test_with_swaps_off_it_is_replicate_to_the_bit():
    make = optax.inject_hyperparams(to.langevin)
    inner = make(0.3, 1.0, friction=1.0, key=0, initial_momentum="zero")
    ladder = {"temperature": TEMPERATURES, "step_size": [0.1, 0.2, 0.3, 0.4]}
    alone = to.replicate(inner, SIZE, hyperparams=ladder)
    expected, state, _ = run(alone, start(), 50, jit=users_jit)
    params, found, _ = run(exchange(inner, ladder, swap_period=None), start(), 50, jit=users_jit)
    np.testing.assert_array_equal(params["w"], expected["w"])
    momentum = found.inner_state.inner_state.momentum["w"]
    np.testing.assert_array_equal(momentum, state.inner_state.momentum["w"])
    assert int(found.swaps.rounds) == 0
    # Before the first swap the program is another one, and XLA contracts other products.
    params, found, _ = run(exchange(inner, ladder, warmup_steps=50), start(), 50)
    np.testing.assert_allclose(params["w"], expected["w"], rtol=1e-5)
    assert int(found.swaps.rounds) == 0


@pytest.mark.slow
def test_heat_through_the_bath_is_heat_by_hand():
    """Rungs that do not move: the same as one `temperature_scale` for each replica."""
    inner = langevin(initial_momentum="zero")
    params = start()
    tx, alone = exchange(inner, swap_period=None), to.replicate(inner, SIZE)
    scale = jnp.array(TEMPERATURES)
    found, _ = quick_jit(tx.update)(params, tx.init(params), params)
    state = alone.init(params)
    expected, _ = quick_jit(alone.update)(params, state, params, temperature_scale=scale)
    np.testing.assert_array_equal(found["w"], expected["w"])
    cooled, _ = tx.update(params, tx.init(params), params, temperature_scale=0.0)
    still, _ = alone.update(params, state, params, temperature_scale=0.0)
    np.testing.assert_allclose(cooled["w"], still["w"])


def test_heat_is_relative_to_the_reference():
    """Rungs are absolute, whatever the sampler was built with; else relative to what one says."""
    params = jnp.zeros((2, 4))
    inner = to.sgld(0.1, 4.0, key=0)
    for reference, factors in [(None, [0.5, 2.0]), (2.0, [1.0, 4.0])]:
        settings = {"swap_period": None, "reference_temperature": reference}
        tx = quick(exchange(inner, {"temperature": [2.0, 8.0]}, **settings))
        alone = quick(to.replicate(inner, 2))
        found, _ = tx.update(params, tx.init(params), params)
        scale = jnp.array(factors)
        expected, _ = alone.update(params, alone.init(params), params, temperature_scale=scale)
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_rungs_are_a_permutation_that_moves_between_neighbours():
    for scheme in ("even-odd", "random pair"):
        _, state, rungs = run(exchange(scheme=scheme), start(), 200)
        rungs = np.asarray(rungs)
        np.testing.assert_array_equal(np.sort(rungs, axis=1), np.tile(np.arange(SIZE), (200, 1)))
        assert np.max(np.abs(np.diff(rungs, axis=0))) == 1
        assert int(state.swaps.rounds) == 199  # the first update has no period behind it
        np.testing.assert_array_equal(state.swaps.path[:199], rungs[1:])
        assert np.all(np.asarray(state.swaps.path[199:]) == -1)
        assert np.all(state.swaps.acceptances <= state.swaps.attempts)
        per_round = {"even-odd": [100, 99, 100], "random pair": None}[scheme]
        if per_round:
            np.testing.assert_array_equal(state.swaps.attempts, per_round)
        else:
            assert int(jnp.sum(state.swaps.attempts)) == 199


def test_swaps_come_after_the_warm_up_and_every_period():
    tx = exchange(warmup_steps=10, swap_period=7, normalization=0.0)
    rungs = np.asarray(run(tx, start(), 40)[2])
    moved = 1 + np.flatnonzero(np.any(np.diff(rungs, axis=0), axis=1))
    np.testing.assert_array_equal(moved, [17, 24, 31, 38])


def test_momenta_are_rescaled_with_the_temperature_and_drawn_at_it():
    inner = to.langevin(1e-20, 1.0, friction=0.0, key=0)  # nothing but swaps moves a momentum
    params = {"w": jnp.zeros((SIZE, 20_000))}
    tx = exchange(inner, normalization=0.0)
    state = quick(tx).init(params)
    spread = np.std(state.inner_state.momentum["w"], axis=1)
    np.testing.assert_allclose(spread, np.sqrt(TEMPERATURES), rtol=5 / np.sqrt(40_000))
    _, after, _ = run(tx, params, 2)
    np.testing.assert_array_equal(after.rung, [1, 0, 3, 2])
    factor = np.sqrt(np.array(TEMPERATURES)[np.asarray(after.rung)] / TEMPERATURES)[:, None]
    expected = factor * np.asarray(state.inner_state.momentum["w"])
    np.testing.assert_allclose(after.inner_state.momentum["w"], expected, rtol=1e-5)


def test_only_the_group_that_is_heated_is_rescaled():
    def layers(hidden_temperature, key):
        return to.lala(
            1e-20,
            hidden_groups={"hidden": hidden_temperature},
            output_groups={"output": 1.0},
            hidden_friction=0.0,
            output_friction=0.0,
            key=key,
            param_labels={"a": "hidden", "b": "output"},
        )

    inner = optax.inject_hyperparams(layers)(1.0, key=0)
    ladder = {"hidden_temperature": TEMPERATURES}
    groups = {"hidden_temperature": "hidden"}
    tx = quick(exchange(inner, ladder, normalization=0.0, heated_groups=groups))
    params = {"a": jnp.zeros((SIZE, 3)), "b": jnp.zeros((SIZE, 3))}
    state = tx.init(params)

    def momenta(state):
        groups = state.inner_state.inner_state.inner_states
        return [groups[name].inner_state.momentum for name in ("hidden", "output")]

    hidden, output = momenta(state)
    values = jnp.zeros(SIZE)
    _, state = tx.update(params, state, params, value=values)
    _, state = tx.update(params, state, params, value=values)
    factor = np.sqrt([2.0, 0.5, 2.0, 0.5])[:, None]
    new_hidden, new_output = momenta(state)
    np.testing.assert_allclose(new_hidden["a"], factor * hidden["a"], rtol=1e-5)
    np.testing.assert_array_equal(new_output["b"], output["b"])
    found = state.inner_state.hyperparams["hidden_temperature"]
    np.testing.assert_allclose(found, np.array(TEMPERATURES)[np.asarray(state.rung)])


def test_learning_rates_and_dropout_move_together():
    make = optax.inject_hyperparams(optax.sgd)
    rates = [0.1, 0.2, 0.3, 0.4]
    ladder = {"learning_rate": rates, "dropout_rate": [0.05, 0.1, 0.2, 0.3]}
    tx = quick(exchange(make(0.1), ladder, normalization=0.0, model_hyperparams=("dropout_rate",)))
    params = {"w": jnp.ones((SIZE, 2))}
    state = tx.init(params)
    for _ in range(3):
        updates, state = tx.update(params, state, params, value=jnp.zeros(SIZE))
        now = to.replica_hyperparams(state)
        np.testing.assert_allclose(updates["w"][:, 0], -now["learning_rate"])
        rung = np.asarray(state.rung)
        np.testing.assert_allclose(now["dropout_rate"], np.float32(ladder["dropout_rate"])[rung])
    assert not np.array_equal(rung, np.arange(SIZE))


@pytest.mark.parametrize(
    ("name", "values", "betas"),
    [
        ("learning_rate", [0.1, 0.2], [10.0, 5.0]),
        ("dropout_rate", [0.2, 0.5], [4.0, 1.0]),
        ("keep_probability", [0.8, 0.5], [4.0, 1.0]),
        ("anything", [0.5, 2.0], [2.0, 0.5]),
    ],
)
def test_betas_are_those_of_the_authors(name, values, betas):
    settings = {"model_hyperparams": name, "swap_period": 1, "normalization": 0.3}
    tx = quick(to.replica_exchange(optax.sgd(0.1), {name: values}, key=1, **settings))
    params = jnp.zeros((2, 1))
    losses = jnp.array([0.2, 0.9])  # the cold one is better: accepted with exp(-C dbeta dL)
    state = tx.init(params)
    for _ in range(2):
        _, state = tx.update(params, state, params, value=losses)
    expected = np.exp(-0.3 * (betas[0] - betas[1]) * 0.7)
    np.testing.assert_allclose(to.swap_acceptance(state).probability, [expected], rtol=1e-5)


@pytest.mark.slow
def test_another_beta_and_one_weight_for_each():
    ladder = {"temperature": [1.0, 2.0], "learning_rate": [0.1, 0.2], "noise": [1.0, 3.0]}
    inner = optax.inject_hyperparams(to.sgld)(0.1, 1.0, key=0)
    settings = {"model_hyperparams": ("noise",), "betas": {"noise": lambda s: 1 / s**2}}
    losses, params = jnp.array([0.0, 1.0]), jnp.zeros((2, 1))
    for weights, exponent in [
        (None, 0.5),  # beside a temperature the others only come along
        (0.5, 0.5 * (0.5 + 5.0 + 8 / 9)),
        ({"noise": 2.0}, 2 * 8 / 9),
    ]:
        tx = exchange(inner, ladder, normalization=weights, **settings)
        state = tx.init(params)
        for _ in range(3):  # the round of swaps is in the third
            _, state = tx.update(params, state, params, value=losses)
        found = to.swap_acceptance(state).probability
        np.testing.assert_allclose(found, [np.exp(-exponent)], rtol=1e-5)


def test_a_validation_loss_decides_in_rounds_of_swaps_only():
    tx = exchange(energy="value_fn", swap_period=3)
    params = {"w": jnp.arange(4.0)[:, None] * jnp.ones((4, 2))}

    def validation(params):  # of one replica
        assert params["w"].shape == (2,)
        return jnp.sum(params["w"])

    state = quick(tx).init(params)
    update = quick_jit(lambda state: tx.update(params, state, params, value_fn=validation)[1])
    for _ in range(3):
        state = update(state)
        assert np.all(np.isinf(state.energies.latest))
    state = update(state)
    np.testing.assert_allclose(state.energies.latest, [0.0, 2.0, 4.0, 6.0])


def test_the_best_replica_is_the_best():
    tx = quick(exchange(path_length=0))
    params = {"w": jnp.arange(4.0)[:, None]}
    state = tx.init(params)
    rounds = [[4.0, 3.0, 1.0, 2.0], [5.0, 3.0, jnp.nan, 1.5], [5.0, 0.5, -jnp.inf, 2.0]]
    for losses, best in zip(rounds, [2, 3, 1], strict=True):  # of those whose latest is finite
        _, state = tx.update(params, state, params, value=jnp.array(losses))
        assert float(to.best_replica(state, params)["w"][0]) == best
    np.testing.assert_array_equal(state.energies.lowest, [4.0, 0.5, 1.0, 1.5])
    np.testing.assert_array_equal(state.energies.lowest_step, [0, 2, 0, 1])
    np.testing.assert_array_equal(state.energies.faults, [0, 0, 2, 0])
    assert float(to.best_replica(state, params, by="latest")["w"][0]) == 1
    assert state.swaps.path.shape == (0, SIZE)


def test_one_replica_that_is_not_finite_does_not_poison_the_others():
    params = start()
    broken = {"w": params["w"].at[2].set(jnp.nan)}
    found, state, rungs = run(exchange(), broken, 30)
    finite = np.all(np.isfinite(found["w"]), axis=1)
    np.testing.assert_array_equal(finite, [True, True, False, True])
    np.testing.assert_array_equal(np.asarray(state.energies.faults) > 0, ~finite)
    assert np.all(np.asarray(rungs)[:, 2] == 2)  # it stays on its rung
    assert np.all(np.isfinite(state.swaps.probability))


def test_states_by_rung():
    tx = exchange(normalization=0.0)
    params = start()
    _, state, _ = run(tx, params, 3)
    np.testing.assert_array_equal(state.rung, [2, 0, 3, 1])  # not its own inverse
    ordered = to.by_rung(state, jnp.arange(SIZE))
    np.testing.assert_array_equal(np.asarray(state.rung)[np.asarray(ordered)], np.arange(SIZE))


@pytest.mark.slow
def test_programs_do_not_grow_with_the_number_of_replicas():
    def text(size):
        tx = to.replica_exchange(
            langevin(), {"temperature": to.geometric_ladder(1.0, 8.0, size)}, key=1
        )
        params = jnp.zeros((size, 3))
        state = tx.init(params)
        return jax.jit(tx.update).lower(params, state, params, value=jnp.zeros(size)).as_text()

    assert len(text(64).splitlines()) == len(text(8).splitlines())


def test_swaps_and_samples_go_on_after_the_last_count():
    """A count that stays at 2^31 - 1 would never again, or always, be due."""
    tx = to.collect_samples(exchange(swap_period=10, normalization=0.0), 4, thinning=5, rung=0)
    params = start()
    state = quick(tx).init(params)
    last = jnp.int32(2**31 - 2)
    exchanged = state.inner_state._replace(count=last)
    state = state._replace(count=last, inner_state=exchanged)

    def step(state, _):
        return tx.update(params, state, params, value=jnp.zeros(SIZE))[1], None

    state, _ = quick_jit(lambda state: jax.lax.scan(step, state, length=40))(state)
    assert state.inner_state.swaps.rounds == 4
    assert state.num_collected == 8
