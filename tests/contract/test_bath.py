"""Whoever heats knows that the heat arrives: it does, or an error says what to write instead."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.compiling import quick, quick_jit

X = jnp.full(64, 0.5)


def sampler(temperature=1.0):
    return to.langevin(0.1, temperature, friction=1.0, key=0)


def plain(tx=None):
    """A user's own transformation, which takes no extra arguments."""
    tx = sampler() if tx is None else tx
    return optax.GradientTransformation(tx.init, lambda g, state, params=None: tx.update(g, state))


def passing(tx=None):
    """A user's own transformation, which hands them on, but is not of the type that says so."""
    tx = sampler() if tx is None else tx

    def update(updates, state, params=None, **extra_args):
        return tx.update(updates, state, params, **extra_args)

    return optax.GradientTransformation(tx.init, update)


ARRIVES = {
    "MultiSteps": lambda: optax.MultiSteps(sampler(), 1),
    "MultiSteps as a transformation": lambda: optax.MultiSteps(
        sampler(), 1
    ).gradient_transformation(),
    "passing": passing,
    "compiled": lambda: optax.GradientTransformationExtraArgs(
        jax.jit(sampler().init), jax.jit(sampler().update)
    ),
    "chain": lambda: optax.chain(optax.clip(1.0), optax.masked(sampler(), True)),
    "injected": lambda: optax.inject_hyperparams(to.sgld)(0.1, 1.0, key=0),
    "local entropy": lambda: to.local_entropy(sampler(), optax.sgd(1.0), num_inner_steps=3),
    "collected": lambda: to.collect_samples(sampler(), 1),
    "masters": lambda: to.float32_masters(sampler()),
}
IS_LOST = {
    "plain": plain,
    "MultiSteps in a chain": lambda: optax.chain(optax.clip(1.0), optax.MultiSteps(sampler(), 1)),
    "plain in a chain": lambda: optax.chain(plain(), optax.clip(1.0)),
    "plain in MultiSteps": lambda: optax.MultiSteps(plain(), 1),
    "plain in a collection": lambda: to.collect_samples(plain(), 1),
    "one of two groups": lambda: optax.partition(
        {"a": sampler(), "b": plain()}, lambda params: ["a", "b"]
    ),
}
HEATERS = {
    "explore_then_refine": lambda inner: (to.explore_then_refine(inner, 1), {}, False),
    "continuous_tempering": lambda inner: (
        to.continuous_tempering(inner, 1.0, mode="exact", key=1),
        {"value": jnp.float32(1.0)},
        False,
    ),
    "replicate": lambda inner: (
        to.replicate(inner, 2),
        {"temperature_scale": jnp.array([0.0, 1.0])},
        True,
    ),
    "replica_exchange": lambda inner: (
        to.replica_exchange(inner, {"temperature": [1.0, 2.0]}, reference_temperature=1.0, key=1),
        {"value": jnp.ones(2)},
        True,
    ),
    "heated": lambda inner: (to.heated(inner), {"temperature_scale": 0.0}, False),
}


def trace(heater, inner, params=None):
    """One update, traced only."""
    tx, extra, replicas = HEATERS[heater](inner)
    params = [X, X] if params is None else params
    if replicas:
        params = jax.tree.map(lambda x: jnp.stack([x, x]), params)
    state = jax.eval_shape(tx.init, params)
    return jax.eval_shape(lambda s: tx.update(params, s, params, **extra), state)


@pytest.mark.usefixtures("standard_promotion")  # of MultiSteps
@pytest.mark.parametrize("heater", HEATERS)
@pytest.mark.parametrize("wrapper", ARRIVES)
def test_heat_arrives(wrapper, heater):
    if (wrapper, heater) == ("injected", "replica_exchange"):
        pytest.skip("the rungs are injected there: nothing is sent")
    trace(heater, ARRIVES[wrapper]())


@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize("heater", HEATERS)
@pytest.mark.parametrize("wrapper", IS_LOST)
def test_lost_heat_is_an_error(wrapper, heater):
    with pytest.raises(ValueError, match=r"`temperature_scale` does not reach.*`optax.MultiSteps`"):
        trace(heater, IS_LOST[wrapper]())


@pytest.mark.usefixtures("standard_promotion")
def test_lookahead_loses_heat():
    pair = optax.LookaheadParams.init_synced(X)
    tx = to.heated(optax.lookahead(sampler(), 5, 0.5))
    state = tx.init(pair)
    with pytest.raises(
        ValueError, match=r"sampler at \.fast_state: a .*outside of `optax.lookahead`"
    ):
        jax.eval_shape(lambda: tx.update(X, state, pair, temperature_scale=0.0))


def test_the_message_names_the_sampler():
    with pytest.raises(ValueError, match=r"sampler at \.inner_states\['b'\]\.inner_state"):
        trace("heated", IS_LOST["one of two groups"]())


@pytest.mark.parametrize("heater", ["explore_then_refine", "continuous_tempering", "heated"])
@pytest.mark.parametrize("tx", [optax.sgd(0.1), optax.adam(0.1)], ids=["sgd", "adam"])
def test_nothing_to_heat(tx, heater):
    with pytest.raises(ValueError, match="no bath that could be heated"):
        HEATERS[heater](tx)[0].init(X)


@pytest.mark.usefixtures("standard_promotion")
def test_what_arrives_is_the_heat():
    """Rungs around MultiSteps have the temperatures of the ladder."""
    temperatures = np.array([1.0, 2.0, 4.0], np.float32)
    inner = optax.MultiSteps(to.leimkuhler_matthews(0.5, 1.0, key=0), 1).gradient_transformation()
    tx = to.replica_exchange(inner, {"temperature": temperatures}, swap_period=5, key=1)
    x = jnp.zeros((3, 500))

    def step(carry, _):
        x, state = carry
        updates, state = tx.update(x, state, x, value=jnp.sum(x**2, axis=1) / 2)
        x = optax.apply_updates(x, updates)
        return (x, state), to.by_rung(state, jnp.mean(x**2, axis=1))

    steps, apart = 400, 5  # the chain forgets within 3 steps
    run = quick_jit(lambda: jax.lax.scan(step, (x, tx.init(x)), length=steps)[1])
    squares = np.asarray(run())
    error = np.sqrt(2 / (500 * (steps - 50) / apart))
    np.testing.assert_array_less(np.abs(squares[50:].mean(0) / temperatures - 1), 5 * error)


class TestCompiledBefore:
    """jit keeps a program for the next caller, who may stand elsewhere."""

    @staticmethod
    def compiled():
        tx = sampler(2.0)
        return optax.GradientTransformationExtraArgs(jax.jit(tx.init), tx.update)

    @pytest.mark.parametrize("first", ["alone", "replicas"])
    def test_momenta_of_replicas(self, first):
        params = jnp.ones((3, 4))
        expected = quick(to.replicate(sampler(2.0), 3)).init(params)
        tx = self.compiled()
        alone = tx.init(params[0]) if first == "alone" else None
        state = quick(to.replicate(tx, 3)).init(params)
        jax.tree.map(np.testing.assert_array_equal, state, expected)
        if alone is None:
            alone = tx.init(params[0])
        again = jax.jit(sampler(2.0).init)(params[0])
        jax.tree.map(np.testing.assert_array_equal, alone, again)
        assert len(np.unique(np.asarray(state.momentum)[:, 0])) == 3

    def test_temperature_of_an_exchange(self):
        tx, ladder = self.compiled(), {"temperature": [2.0, 4.0]}
        tx.init(X)
        exchange = to.replica_exchange(tx, ladder, key=1)
        state = exchange.init(jnp.ones((2, 3)))
        assert state.reference_temperature == 2.0
        state = quick_jit(exchange.init)(jnp.ones((2, 3)))
        assert state.reference_temperature == 2.0

    def test_replicas_of_replicas(self):
        params, tx = jnp.zeros((2, 2, 2, 8)), sampler()
        for _ in range(3):
            tx = to.replicate(tx, 2)
        tx = quick(tx)
        state = tx.init(params)
        assert len(np.unique(np.reshape(state.momentum, (8, 8))[:, 0])) == 8
        updates, _ = tx.update(params, state, params)
        assert len(np.unique(np.reshape(updates, (8, 8))[:, 0])) == 8

    @pytest.mark.usefixtures("standard_promotion")  # of add_noise
    def test_replicas_of_replicas_of_other_noise(self):
        tx = to.replicate(to.replicate(optax.add_noise(0.1, 0.5, jax.random.key(0)), 2), 2)
        tx = quick(tx)
        params = jnp.zeros((2, 2, 8))
        updates, _ = tx.update(params, tx.init(params))
        assert len(np.unique(np.reshape(updates, (4, 8))[:, 0])) == 4


@pytest.mark.parametrize(
    ("temperature", "shown"), [(lambda count: jnp.float32(1.0), "a schedule"), (0.0, "0.0")]
)
@pytest.mark.parametrize("jit", [False, True])
def test_rungs_need_a_known_temperature(temperature, shown, jit):
    tx = to.replica_exchange(sampler(temperature), {"temperature": [1.0, 2.0]}, key=1)
    init = jax.jit(tx.init) if jit else tx.init
    with pytest.raises(ValueError, match=f"one temperature above 0, but it has.*{shown}"):
        init(jnp.ones((2, 3)))


def test_no_argument_is_dropped():
    """A wrapper that hands arguments on is given them, of whatever type it is."""

    def update(updates, state, params=None, *, value=0.0, **extra_args):
        del params, extra_args
        return jax.tree.map(lambda g: jnp.full_like(g, value), updates), state

    telling = optax.GradientTransformationExtraArgs(lambda params: optax.EmptyState(), update)
    tx = to.float32_masters(passing(telling))
    updates, _ = tx.update(X, tx.init(X), X, value=jnp.float32(7.0))
    np.testing.assert_array_equal(updates, 7.0)


def test_the_bath_of_a_step_is_in_the_state():
    tx = quick(sampler(lambda count: jnp.float32(1 + count)))
    state = tx.init(X)
    assert state.bath_temperature == -1.0  # a schedule is not known before the first step
    for count in range(2):
        _, state = tx.update(X, state, X, temperature_scale=3.0)
        assert state.bath_temperature == 3.0 * (1 + count)


def test_a_group_without_a_bath_may_be_wrapped():
    """Heat for the other groups of a partition is no mistake of this one's wrapper."""
    groups = {"hot": sampler(), "cold": to.collect_samples(optax.sgd(0.1), 1)}
    tx = to.explore_then_refine(optax.partition(groups, lambda params: ["hot", "cold"]), 1)
    state = tx.init([X, X])
    jax.eval_shape(lambda s: tx.update([X, X], s, [X, X]), state)
