"""Chains spread over eight simulated devices have the numbers of one device."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

import thermo_optax as to
from thermo_optax.thermodynamics import _task

PARAMS = {"a": jnp.zeros(5), "b": jnp.zeros((2, 3))}
SETTINGS: dict[str, Any] = {"num_examples": 1_000, "num_steps": 200, "num_burn_in": 50, "key": 0}


@pytest.fixture(autouse=True)
def eight_devices(monkeypatch, one_device):
    devices = jax.devices("cpu")[:8]
    assert len(devices) == 8, "this needs the conftest.py at the root of the repository"
    monkeypatch.setattr(jax, "device_count", lambda: 8)
    jax.config.update("jax_disable_most_optimizations", True)  # a few steps: compiling is all
    yield devices
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.fixture
def places(monkeypatch):
    """How many rows and chains each device had in every run, the latest one last."""
    seen = []

    def run(*arguments):
        traces = run_chains(*arguments)
        seen.append(traces.rises.sharding.shard_shape(traces.rises.shape)[:-1])
        return traces

    run_chains = _task.run_chains
    monkeypatch.setattr(_task, "run_chains", run)
    return seen


def same(one, other):
    assert other.losses.std() > 0
    np.testing.assert_allclose(one.losses, other.losses, rtol=1e-3, atol=1e-6)
    assert one.value == pytest.approx(other.value, rel=1e-4)


def loss(w):
    return jnp.sum(jnp.square(w["a"] - 0.1 * w["b"][0, 0])) / 2 + jnp.sum(jnp.square(w["b"])) / 8


DATA = jax.random.normal(jax.random.key(0), (64, 5))


def loss_of_batch(w, batch):
    return jnp.mean(jnp.square(batch @ w["a"])) + jnp.sum(jnp.square(w["b"])) / 8


def batches(step):
    return jax.lax.dynamic_slice_in_dim(DATA, 8 * (step % 8), 8)


@pytest.mark.slow
def test_chains_over_devices(eight_devices, places):
    settings = SETTINGS | {"batches": batches, "num_chains": 8, "num_center_batches": 8}
    found = to.learning_coefficient(loss_of_batch, PARAMS, **settings)
    params = jax.device_put(PARAMS, eight_devices[3])  # put somewhere: there they stay
    one = to.learning_coefficient(loss_of_batch, params, **settings)
    assert places == [(1,), (8,)]
    same(found, one)


@pytest.mark.slow
def test_chains_and_checkpoints_over_devices(eight_devices, places):
    """Two checkpoints of four chains: one chain on each device."""
    params = jax.tree.map(lambda x: jnp.stack([x, x + 0.1]), PARAMS)
    found = to.learning_coefficients(loss, params, **SETTINGS)
    one = to.learning_coefficients(loss, params, devices=eight_devices[:1], **SETTINGS)
    assert places == [(1, 1), (2, 4)]
    for number in range(2):
        same(found[number], one[number])


@pytest.mark.slow
def test_chains_in_turn_over_devices(eight_devices, places, monkeypatch):
    """Two devices on which two chains take turns, and four with one chain each."""
    monkeypatch.setattr(_task, "LARGE", 1)
    settings = SETTINGS | {"batches": batches, "num_center_batches": 8}
    one, two, four = (
        to.learning_coefficient(loss_of_batch, PARAMS, devices=eight_devices[:n], **settings)
        for n in (1, 2, 4)
    )
    assert places == [(4,), (2,), (1,)]
    same(two, one)
    same(four, one)


def on_explicit_axes(devices, spec):
    mesh = jax.make_mesh((2,), ("x",), axis_types=(AxisType.Explicit,), devices=devices[:2])
    return jax.device_put(jnp.zeros((2, 6)), NamedSharding(mesh, spec))


@pytest.mark.slow
def test_weights_that_are_split_over_explicit_axes(eight_devices):
    def loss(w, batch):
        return jnp.sum(jnp.square(w - 0.1 * batch)) / 2

    settings = SETTINGS | {"batches": lambda step: jnp.float32(step % 2), "num_center_batches": 2}
    params = on_explicit_axes(eight_devices, PartitionSpec("x"))
    found = to.learning_coefficient(loss, params, **settings)
    whole = jax.device_put(jnp.zeros((2, 6)), eight_devices[3])
    one = to.learning_coefficient(loss, whole, **settings)
    same(found, one)


def test_explicit_axes_that_cannot_be(eight_devices, monkeypatch):
    params = on_explicit_axes(eight_devices, PartitionSpec("x"))
    with pytest.raises(ValueError, match="`params`.*'x'.*checkpoints .* Auto axes only. Make that"):
        to.learning_coefficients(jnp.sum, params, **SETTINGS)
    monkeypatch.setattr(_task, "LARGE", 1)
    with pytest.raises(ValueError, match="`params`.*'x'.*take turns.* Auto axes only. Make that"):
        to.learning_coefficient(jnp.sum, params, **SETTINGS)


@pytest.mark.parametrize(
    ("rows", "chains", "shape"),
    [(1, 4, (1, 4)), (1, 6, (1, 6)), (1, 7, (1, 7)), (1, 11, None), (3, 4, (1, 4)), (4, 2, (4, 2))],
)
def test_as_many_devices_as_divide_the_chains(rows, chains, shape):
    array = jnp.zeros(3)
    task = _task.Task(None, [array], [], rows, chains, 3, 10, None, None)  # pyright: ignore
    mesh = _task._mesh(task)
    assert (mesh and mesh.devices.shape) == shape
