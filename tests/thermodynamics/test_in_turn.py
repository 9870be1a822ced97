"""Chains of large networks make their steps one after another: same numbers, less memory."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from thermo_optax.thermodynamics import _task
from thermo_optax.thermodynamics._chains import center_of, run_chains

DATA = jax.random.normal(jax.random.key(0), (64, 5))
PARAMS = {"a": jnp.zeros(5), "b": jnp.zeros((2, 3))}
FEW: dict[str, Any] = {"num_examples": 1_000, "num_steps": 400, "num_burn_in": 200, "key": 0}


def loss(w, batch):
    return jnp.mean(jnp.square(batch @ w["a"])) + jnp.sum(jnp.square(w["b"])) / 8


def steeper(w):
    """On one side, so that the chains meet other curvatures."""
    return loss(w | {"a": w["a"] + w["a"] ** 2}, DATA)


def batches(step):
    return jax.lax.dynamic_slice_in_dim(DATA, 8 * (step % 8), 8)


@pytest.fixture(autouse=True)
def few_steps():
    jax.config.update("jax_disable_most_optimizations", True)  # compiling is all
    yield
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.fixture
def all_in_turn(monkeypatch):
    return lambda: monkeypatch.setattr(_task, "LARGE", 1)


def test_chains_that_take_turns_have_the_same_numbers(all_in_turn):
    """They share the direction of the largest curvature, here the same one for all."""
    settings = FEW | {"batches": batches, "num_center_batches": 8}
    at_once = to.learning_coefficient(loss, PARAMS, **settings)
    all_in_turn()
    in_turn = to.learning_coefficient(loss, PARAMS, **settings)
    np.testing.assert_allclose(in_turn.losses, at_once.losses, rtol=1e-2, atol=1e-5)
    assert in_turn.value == pytest.approx(at_once.value, rel=1e-4)


def test_chains_that_take_turns_meet_the_same_curvature(all_in_turn):
    at_once = to.learning_coefficient(steeper, PARAMS, **FEW)
    all_in_turn()
    in_turn = to.learning_coefficient(steeper, PARAMS, **FEW)
    shares = in_turn.settings["curvature"] / at_once.settings["curvature"]
    assert 0.9 < shares < 1.15
    error = np.hypot(in_turn.standard_error, at_once.standard_error)
    assert abs(in_turn.value - at_once.value) < 3 * error


def test_a_chain_that_left_does_not_turn_the_direction(all_in_turn):
    all_in_turn()

    def sampler(step_size, temperature, key):
        bad = jax.random.uniform(jax.random.fold_in(key, 1)) < 0.6
        spoil = lambda updates, _: [jnp.where(bad, jnp.nan, u) for u in updates]  # noqa: E731
        tx = to.langevin(step_size, temperature, friction=0.1 / step_size, key=key)
        return optax.chain(tx, optax.stateless(spoil))

    few: dict[str, Any] = FEW | {"num_chains": 8}
    found = to.learning_coefficient(lambda w: loss(w, DATA), PARAMS, sampler=sampler, **few)
    assert 1 <= np.sum(np.isnan(found.chains)) <= 7
    assert np.isfinite(found.value) and "left the neighbourhood" in found.warnings[0]


def test_memory():
    """At most 3.65 copies of the parameters a chain; 7.3 when all chains made a step at once."""
    widths = 300, 400, 10
    x = jax.random.normal(jax.random.key(0), (64, widths[0]))

    def loss(w, batch):
        return jnp.mean(jnp.square(jnp.tanh(batch @ w[0]) @ w[1]))

    params = [jnp.ones(shape) for shape in zip(widths[:-1], widths[1:], strict=True)]
    few: dict[str, Any] = FEW | {"num_chains": 4, "num_center_batches": 1}
    few |= {"sampler": None, "free": None, "devices": None}
    task = _task.task_of(loss, params, batches=lambda step: x[:32] + step.astype(x.dtype), **few)
    plan = task.plan._replace(lanes=_task.lanes_of(task, None))
    center = jax.eval_shape(lambda *at: center_of(plan, *at), task.moving, task.frozen)
    center = center._replace(gradient=None)  # as in a minimum
    numbers = _task.Numbers(*[jnp.zeros([])] * 4)
    arguments = center, task.frozen, numbers, jnp.ones([], bool), task.keys[0]
    program = run_chains.lower(plan, "one", *arguments)
    options: Any = {"xla_backend_optimization_level": 0}  # of kernels, not of memory
    compiled = program.compile(options)
    memory: Any = compiled.memory_analysis()
    size = 4 * sum(x.nbytes for x in params)
    assert memory.temp_size_in_bytes + memory.argument_size_in_bytes < 3.65 * size


@pytest.mark.quick("batches-in turn")
@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "in turn"])
@pytest.mark.parametrize("given", [None, batches], ids=["all data", "batches"])
def test_weights_of_less_precision_than_losses(given, at_once, monkeypatch):
    """Under `jax_enable_x64` numbers are in float64, also where some weights are in float32."""
    monkeypatch.setattr(_task, "LARGE", 100_000 if at_once else 0)

    def mixed(w, batch=DATA):
        return loss({"a": w["a"], "b": w["b"].astype(w["a"].dtype)}, batch)

    with jax.enable_x64(True):
        params = {"a": np.zeros(5, np.float32), "b": np.zeros((2, 3), np.float64)}
        found = to.learning_coefficient(mixed, params, batches=given, **FEW)
    assert found.losses.dtype == np.float64
    assert abs(found.value - 11 / 2) < 4 * found.standard_error < 4
