"""The losses that decide: differences that count, faults that do not, and the best replica."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.compiling import quick, quick_jit

SIZE = 4
TEMPERATURES = [1.0, 2.0, 4.0, 8.0]


def exchange(**settings):
    sampler = to.langevin(0.3, 1.0, friction=1.0, key=0)
    settings = {"swap_period": 1, "key": 1, **settings}
    return to.replica_exchange(sampler, {"temperature": TEMPERATURES}, **settings)


def decisions(params, state):
    """What losses decide, but for the losses."""
    energies = state.energies
    return {
        "path": state.swaps.path,
        "probability": state.swaps.probability,
        "excess": energies.excess,
        "lowest_step": energies.lowest_step,
        "noise": energies.noise,
        "best": to.best_replica(state, params),
        "latest": to.best_replica(state, params, by="latest"),
        "params": params,
    }


def lowest(state):
    parts = state.energies.lowest, state.energies.lowest_rest
    return sum(np.asarray(part, np.float64) for part in parts)


@pytest.mark.parametrize("energy", ["value", "value_fn"])
def test_a_constant_in_the_loss_changes_nothing(energy):
    """In float64, also where float32 has no digit left of what decides."""
    with jax.enable_x64(True):
        noisy = {"noise_correction": 1.0} if energy == "value" else {}
        tx = exchange(energy=energy, path_length=30, **noisy)

        def step(carry, _):
            params, state, offset = carry

            def loss(params):
                return jnp.sum(params**2) / 2 + offset

            given = (
                {"value_fn": loss} if energy == "value_fn" else {"value": jax.vmap(loss)(params)}
            )
            updates, state = tx.update(params, state, params, **given)
            return (optax.apply_updates(params, updates), state, offset), None

        @quick_jit
        def run(offset):
            params = jax.random.normal(jax.random.key(0), (SIZE, 6))
            carry = params, tx.init(params), offset
            (params, state, _), _ = jax.lax.scan(step, carry, length=30)
            return params, state

        expected = decisions(*run(0.0))
        assert len(np.unique(expected["path"], axis=0)) > 5  # some swaps are made, and some not
        for offset in (1e3, 1e6, -1e9):
            params, state = run(offset)
            for name, found in decisions(params, state).items():
                message = f"{name} at {offset}"
                np.testing.assert_allclose(found, expected[name], atol=1e-5, err_msg=message)
            np.testing.assert_allclose(lowest(state), lowest(run(0.0)[1]) + offset, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float64, np.float32, jnp.float32, jnp.bfloat16, int])
def test_losses_of_any_kind_are_subtracted_as_they_are(dtype):
    """NumPy's float64 keeps its digits outside of `jit`, where JAX would have rounded them."""
    ours = dtype in (np.float64, np.float32, int)
    losses = np.array([3.0, 1.0, 2.0, 5.0]) + (1e9 if dtype in (np.float64, int) else 0.0)
    given = losses.astype(dtype) if ours else jnp.asarray(losses, dtype)
    tx = exchange(swap_period=100)
    params = jnp.zeros((SIZE, 2))
    _, state = tx.update(params, tx.init(params), params, value=given)
    np.testing.assert_array_equal(state.energies.excess, [2.0, 0.0, 1.0, 4.0])
    np.testing.assert_array_equal(lowest(state), losses)
    _, state = tx.update(params, state, params, value=given[::-1])
    np.testing.assert_array_equal(lowest(state), [3.0, 1.0, 1.0, 3.0] + losses.min() - 1)
    np.testing.assert_array_equal(state.energies.lowest_step, [0, 0, 1, 1])
    for by in ("lowest", "latest"):
        assert int(to.best_replica(state, jnp.arange(SIZE), by=by)) == (1 if by == "lowest" else 2)


@pytest.mark.slow
def test_a_loss_beyond_the_range_of_float32_is_a_loss():
    with jax.enable_x64(True):
        tx = exchange(swap_period=100)
        params = jnp.zeros((SIZE, 2))
        values = jnp.array([0.0, 1e300, -1e300, 1.0])
        _, state = tx.update(params, tx.init(params), params, value=values)
        assert np.all(np.isfinite(state.energies.excess))
        np.testing.assert_array_equal(state.energies.faults, 0)
        assert int(to.best_replica(state, jnp.arange(SIZE))) == 2


@functools.cache
def with_a_fault(energy):
    """The start, and an update in which the loss of the third replica is what it is told."""
    tx = exchange(energy=energy, normalization=1e-9)  # the other swaps are accepted
    params = jnp.arange(float(SIZE))[:, None]

    def update(state, fault):
        def loss(one):
            return jnp.where(one[0] == 2, fault, one[0])

        given = {"value_fn": loss} if energy == "value_fn" else {"value": jax.vmap(loss)(params)}
        return tx.update(params, state, params, **given)[1]

    return quick(tx).init(params), quick_jit(update)


@pytest.mark.parametrize("fault", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("energy", ["value", "value_fn"])
def test_a_loss_that_is_not_finite_is_not_swapped(energy, fault):
    state, update = with_a_fault(energy)
    for _ in range(6):
        state = update(state, fault)
        assert int(state.rung[2]) == 2
    np.testing.assert_array_equal(np.asarray(state.swaps.acceptances) > 0, [True, False, False])
    np.testing.assert_array_equal(state.swaps.probability[1:], 0)
    faults = np.asarray(state.energies.faults)
    np.testing.assert_array_equal(faults > 0, [False, False, True, False])


RECORDER = quick(exchange(swap_period=None))


def after(*rounds):
    """A state that has seen these losses, with parameters of [0, 1, 2, 3]."""
    params = {"w": jnp.arange(float(SIZE))[:, None], "n": jnp.arange(SIZE)}
    zeros = {"w": jnp.zeros((SIZE, 1))}
    state = RECORDER.init(zeros)
    for losses in rounds:
        _, state = RECORDER.update(zeros, state, zeros, value=jnp.array(losses))
    return state, params


def test_the_best_replica_is_one_that_is_alive():
    state, params = after([1.0, 4.0, 2.0, 3.0], [2.0, 3.5, 1.5, 5.0])
    assert int(to.best_replica(state, params)["n"]) == 0
    for by in ("lowest", "latest"):
        broken = {**params, "w": params["w"].at[0].set(jnp.nan).at[2].set(jnp.inf)}
        assert int(to.best_replica(state, broken, by=by)["n"]) == (3 if by == "lowest" else 1)
    gone, params = after([1.0, 4.0, 2.0, 3.0], [jnp.nan, 3.5, -jnp.inf, jnp.inf])
    for by in ("lowest", "latest"):
        assert int(to.best_replica(gone, params, by=by)["n"]) == 1


@pytest.mark.parametrize(
    ("rounds", "message"),
    [
        ([], "`state` has seen no losses yet.*`value`"),
        ([[1.0] * SIZE, [jnp.nan] * SIZE], "no replica.*finite latest loss.*nan.*saved before"),
        ([[jnp.inf] * SIZE], "no replica.*finite latest loss.*inf"),
    ],
)
def test_without_a_best_replica_there_is_an_error(rounds, message):
    state, params = after(*rounds)
    with pytest.raises(ValueError, match=message):
        to.best_replica(state, params)
    found = quick_jit(to.best_replica)(state, params)  # where nothing can be raised
    assert np.all(np.isnan(found["w"])) and found["w"].shape == (1,)


def test_parameters_that_are_all_broken():
    state, params = after([1.0, 2.0, 3.0, 4.0])
    with pytest.raises(ValueError, match="no replica of `state` has finite parameters"):
        to.best_replica(state, {"w": params["w"] * jnp.nan})
