"""A tether multiplies the density by exp(-rho |x - c|^2 / 2), whatever the temperature."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.compiling import quick, quick_jit
from tests.statistics import assert_mean

PRECISION, CHAINS, SIZE = 1.0, 64, 32
TEMPERATURES = np.array([1.0, 2.0, 4.0], np.float32)
LAW = TEMPERATURES / (1 + PRECISION * TEMPERATURES)  # of x^2, in the well x^2 / 2
PARAMS = {"a": {"w": jnp.ones((2, 3)), "b": jnp.ones(3)}, "c": jnp.ones(2)}


def force(tx, x, state=None, **extra_args):
    """What is added to a gradient of zero."""
    zeros = jax.tree.map(jnp.zeros_like, x)
    return tx.update(zeros, tx.init(x) if state is None else state, x, **extra_args)[0]


def test_the_force_by_hand():
    x = jnp.array([1.0, -2.0])
    tx = to.tether(3.0, 0.5, center=2.0)
    np.testing.assert_allclose(force(tx, x), 0.5 * 3 * (x - 2), rtol=1e-6)
    np.testing.assert_allclose(force(tx, x, temperature_scale=4.0), 6 * (x - 2), rtol=1e-6)
    np.testing.assert_array_equal(force(to.tether(3.0, 0.0, center=2.0), x), 0)
    np.testing.assert_array_equal(force(tx, x, temperature_scale=0.0), 0)
    own = to.tether(3.0, 0.5)
    np.testing.assert_array_equal(force(own, x), 0)
    np.testing.assert_allclose(force(own, x + 1, own.init(x)), [1.5, 1.5], rtol=1e-6)
    updates, _ = tx.update(jnp.ones(2), tx.init(x), x)
    np.testing.assert_allclose(updates, 1 + 1.5 * (x - 2), rtol=1e-6)


def test_schedules_and_the_step_in_which_the_temperature_changes():
    x = jnp.ones(1)
    precision, temperature = optax.linear_schedule(2.0, 3.0, 1), optax.linear_schedule(4.0, 16.0, 1)
    tx = quick(to.tether(precision, temperature, center=0.0))
    state, seen = tx.init(x), []
    for _ in range(2):
        updates, state = tx.update(jnp.zeros(1), state, x)
        seen.append(float(updates[0]))
    np.testing.assert_allclose(seen, [2 * 4, 3 * 8], rtol=1e-6)  # 8: between 4 and 16
    assert int(state.count) == 2


def test_a_temperature_in_joules_may_change():
    x = jnp.array([1.0, -2.0])
    tx = to.tether(1.0, lambda count: 4e-21 / (1 + count.astype(jnp.float32)), center=0.0)
    state = tx.init(x)
    for count in range(3):
        found, state = tx.update(jnp.zeros(2), state, x)
        between = 4e-21 / np.sqrt((1 + count) * max(count, 1))  # of this and the last temperature
        np.testing.assert_allclose(found, between * np.array([1.0, -2.0]), rtol=1e-5)


def test_trees_of_precisions_and_centers():
    tx = to.tether(
        {"a": {"w": jnp.full((2, 3), 2.0), "b": 3.0}, "c": 0.0}, 1.0, center={"a": 0.0, "c": 5.0}
    )
    found = force(tx, PARAMS)
    np.testing.assert_allclose(found["a"]["w"], 2.0)
    np.testing.assert_allclose(found["a"]["b"], 3.0)
    np.testing.assert_allclose(found["c"], 0.0)


def test_the_center_is_wider_than_half_precision():
    x = jnp.ones(3, jnp.bfloat16)
    tx = to.tether(1.0, 1.0)
    state = tx.init(x)
    assert state.center.dtype == jnp.float32
    assert to.tether(1.0, 1.0, center=0.0).init(x).center is None
    updates, _ = tx.update(x, state, x)
    assert updates.dtype == jnp.bfloat16


def harmonic(make, temperatures, steps, observe):
    """Chains in the well x^2 / 2, from exact draws of their own law with the tether."""

    def chain(key):
        tx = make(key)
        law = jnp.asarray(temperatures / (1 + PRECISION * temperatures))[..., None]
        start = jnp.zeros((*np.shape(temperatures), SIZE))
        x = jnp.sqrt(law) * jax.random.normal(jax.random.fold_in(key, 2), start.shape)

        def step(carry, _):
            x, state = carry
            updates, state = tx.update(x, state, x, value=jnp.sum(x**2, axis=-1) / 2)
            x = optax.apply_updates(x, updates)
            return (x, state), observe(state, x)

        return jax.lax.scan(step, (x, tx.init(start)), length=steps)[1]

    keys = jax.random.split(jax.random.key(0), CHAINS)
    return jax.tree.map(np.asarray, jax.jit(jax.vmap(chain))(keys))


def langevin(temperature, key, step_size=0.1):
    return optax.chain(
        to.tether(PRECISION, temperature),
        to.langevin(step_size, temperature, friction=1.0, key=key),
    )


INSIDE = {
    "heated": lambda key: langevin(1.0, key),
    "injected": lambda key: optax.inject_hyperparams(
        lambda temperature: langevin(temperature, key)
    )(temperature=1.0),
}


@pytest.mark.quick("heated")
@pytest.mark.parametrize("name", INSIDE)
def test_every_rung_keeps_its_law(name):
    """With a swap in every second step."""

    def make(key):
        ladder = {"temperature": TEMPERATURES}
        swaps = jax.random.fold_in(key, 1)
        return to.replica_exchange(INSIDE[name](key), ladder, swap_period=2, key=swaps)

    def squares(state, x):
        return jnp.mean(to.by_rung(state, x) ** 2, axis=1)

    seen = harmonic(make, TEMPERATURES, 3_000, squares).mean(axis=1)
    for rung, law in enumerate(LAW):
        assert_mean(seen[:, rung], law, z=3, name=f"<x^2> on rung {rung}")


def test_after_a_rest_it_pulls_at_the_new_temperature_alone():
    """Half of a kick is still to come. After a swap of temperatures alone, it is a whole one."""
    x, losses = jnp.ones((2, 1)), jnp.array([9.0, 0.0])  # they swap
    inner = optax.inject_hyperparams(lambda step_size: langevin(1.0, 0, step_size))(0.1)
    for ladder, last in (({"step_size": [0.1, 0.1]}, -1.0), ({}, [4.0, 1.0])):
        ladder = {"temperature": [1.0, 4.0], **ladder}
        tx = to.replica_exchange(inner, ladder, swap_period=2, key=0)
        state = quick_jit(tx.init)(x)
        for _ in range(3):
            _, state = quick_jit(tx.update)(x, state, x, value=losses)
        assert state.rung.tolist() == [1, 0]
        found = optax.tree.get(state, "last_temperature")
        np.testing.assert_array_equal(found, np.broadcast_to(last, 2))


@pytest.mark.slow
def test_rungs_keep_their_laws_where_samplers_rest_in_a_swap():
    """After a rest, half of a kick is still to come, at the temperature of the new rung alone."""
    steps = np.full(len(TEMPERATURES), 0.1)

    def make(key):
        ladder = {"temperature": TEMPERATURES, "step_size": steps}
        inner = optax.inject_hyperparams(lambda step_size: langevin(1.0, key, step_size))(0.1)
        return to.replica_exchange(inner, ladder, swap_period=2, key=jax.random.fold_in(key, 1))

    def squares(state, x):
        return jnp.mean(to.by_rung(state, x) ** 2, axis=1)

    seen = harmonic(make, TEMPERATURES, 6_000, squares).mean(axis=1)
    for rung, law in enumerate(LAW):
        assert_mean(seen[:, rung], law, z=4, name=f"<x^2> on rung {rung}")


@pytest.mark.slow
def test_without_momenta_rungs_are_off_by_a_percent():
    """The force of a step in which the temperature changes is made for samplers with momenta."""
    rate = 0.01

    def make(key):
        sampler = optax.chain(to.tether(PRECISION, 1.0), to.sgld(rate, 1.0, key=key))
        ladder = {"temperature": TEMPERATURES}
        return to.replica_exchange(sampler, ladder, swap_period=2, key=jax.random.fold_in(key, 1))

    def squares(state, x):
        return jnp.mean(to.by_rung(state, x) ** 2, axis=1)

    seen = harmonic(make, TEMPERATURES, 4_000, squares).mean(axis=1)
    stiffness = 1 + PRECISION * TEMPERATURES
    for rung, law in enumerate(LAW / (1 - rate * stiffness / 2)):
        assert_mean(seen[:, rung] / law, 1.0, slack=0.01, name=f"<x^2> / law on rung {rung}")


@pytest.mark.slow
def test_tempering_keeps_the_law_at_every_temperature():
    """The tempering variable sees the loss, and the tether the temperature of every step."""

    def make(key):
        sampler = langevin(1.0, key, step_size=0.2)
        tempered = jax.random.fold_in(key, 1)
        return to.continuous_tempering(sampler, 1.0, mode="exact", key=tempered)

    def squares(state, x):
        temperature = state.inner_state[1].bath_temperature
        law = temperature / (1 + PRECISION * temperature)
        return jnp.mean(x**2) / law

    seen = harmonic(make, np.float32(1.0), 4_000, squares)
    assert_mean(seen[:, 200:].mean(axis=1), 1.0, name="<x^2> / law")


def test_layers_that_are_frozen_rest():
    """A group has its own tether; the other one does not move, and is not tethered."""
    labels = {"a": "free", "c": "frozen"}
    tx = optax.partition(
        {"free": langevin(0.5, 0, step_size=0.5), "frozen": optax.set_to_zero()}, labels
    )
    x = {"a": jnp.full(20_000, 3.0), "c": jnp.ones(2)}

    def step(carry, _):
        params, state = carry
        grads = jax.tree.map(lambda p, start: p - start, params, x)
        updates, state = tx.update(grads, state, params)
        return (optax.apply_updates(params, updates), state), None

    (params, _), _ = quick_jit(lambda: jax.lax.scan(step, (x, tx.init(x)), length=60))()
    np.testing.assert_array_equal(params["c"], 1)
    assert_mean((np.asarray(params["a"]) - 3) ** 2, 0.5 / (1 + 0.5 * PRECISION), name="<(x - c)^2>")


def test_a_tree_serves_the_groups_of_a_partition():
    groups = {
        name: to.tether({"a": 2.0, "c": 7.0}, 1.0, center={"a": 0.0, "c": 0.0})
        for name in ("first", "last")
    }
    tx = optax.partition(groups, {"a": "first", "c": "last"})
    found = force(tx, PARAMS)
    np.testing.assert_allclose(found["a"]["b"], 2.0)
    np.testing.assert_allclose(found["c"], 7.0)


def test_bad_input():
    with pytest.raises(ValueError, match="`precision` must be finite and not negative, got -1.0. "):
        to.tether(-1.0, 1.0)
    with pytest.raises(ValueError, match="`precision` at 'a' must be finite and not neg.*got nan"):
        to.tether({"a": np.array([1.0, np.nan])}, 1.0)
    with pytest.raises(TypeError, match="`precision` must be a real number or an array.*'1'"):
        to.tether("1", 1.0)
    with pytest.raises(ValueError, match="`temperature` must be finite and not negative, got -1"):
        to.tether(1.0, -1.0)
    with pytest.raises(ValueError, match="`center` must be finite, got inf"):
        to.tether(1.0, 1.0, center=np.inf)
    with pytest.raises(ValueError, match="`center` must be finite, got 1e.39"):
        to.tether(1.0, 1.0, center=1e39)  # infinite in float32
    with pytest.raises(ValueError, match="`precision` must be finite and not negative, got -1.0. "):
        to.tether(lambda count: -1.0, 1.0)
    with pytest.raises(TypeError, match="`center` at 'a' must be a real number.*True"):
        to.tether(1.0, 1.0, center={"a": True})
    with pytest.raises(ValueError, match=r"`precision` must have a number or.*at 'c', got none"):
        to.tether({"a": 1.0}, 1.0).init(PARAMS)
    surplus = {"a": 1.0, "c": 1.0, "d": {"w": 2.0}}
    with pytest.raises(ValueError, match=r"`precision` has an entry at 'd/w', where there is no p"):
        to.tether(surplus, 1.0).init(PARAMS)
    with pytest.raises(ValueError, match=r"`center` has an entry at 'd/w', where there is no par"):
        to.tether(1.0, 1.0, center=surplus).init(PARAMS)
    with pytest.raises(
        ValueError, match=r"`center` must have .*shape \(3,\) .*'a/b', got .*\(2,\)"
    ):
        to.tether(1.0, 1.0, center={"a": {"w": 0.0, "b": jnp.zeros(2)}, "c": 0.0}).init(PARAMS)
    tx = to.tether(1.0, 1.0)
    with pytest.raises(ValueError, match="`params` is required: a tether pulls"):
        tx.update(PARAMS, tx.init(PARAMS))
    with pytest.raises(ValueError, match="`center` is needed: this state was made with one"):
        tx.update(PARAMS, to.tether(1.0, 1.0, center=0.0).init(PARAMS), PARAMS)
    with pytest.raises(ValueError, match="`updates` must have the tree structure of `params`"):
        tx.update({"a": jnp.ones(2)}, tx.init(PARAMS), PARAMS)
    with pytest.raises(TypeError, match="heat moves only real floating-point"):
        tx.init({"a": jnp.ones(2, jnp.int32)})


@jax.tree_util.register_dataclass
@dataclasses.dataclass
class Model:
    """Parameters that can be called, as a module of Equinox is."""

    weights: jax.Array

    def __call__(self, x):
        raise AssertionError("a tree of parameters is no schedule")


def test_a_model_that_can_be_called_is_a_tree():
    params = Model(jnp.array([1.0, 2.0]))
    tx = to.tether(Model(jnp.array([2.0, 4.0])), 0.5, center=Model(jnp.zeros(2)))
    np.testing.assert_allclose(force(tx, params).weights, [1.0, 4.0], rtol=1e-6)
