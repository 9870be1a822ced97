"""Replicas over devices and processes: only losses and rungs travel."""

import math
import pathlib
import re
import socket
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to

SIZE, WIDTH = 8, 64
SCRIPT = pathlib.Path(__file__).with_name("exchange_run.py")
COLLECTIVE = re.compile(
    r"= (.*?) (all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter)(-start)?\("
)


def exchange(**settings):
    sampler = to.langevin(0.3, 1.0, friction=1.0, key=0)
    ladder = {"temperature": to.geometric_ladder(1.0, 4.0, SIZE)}
    return to.replica_exchange(sampler, ladder, swap_period=1, key=1, **settings)


def train(tx, spread=lambda tree: tree):
    """One update of a network of one layer, loss and gradients included."""

    def loss(params):
        return jnp.mean(jnp.tanh(params["w"] @ params["v"]) ** 2)

    def step(params, state):
        losses, grads = jax.vmap(jax.value_and_grad(loss))(params)
        updates, state = tx.update(grads, state, params, value=losses)
        return optax.apply_updates(params, updates), state

    keys = jax.random.split(jax.random.key(3))
    params = {
        "w": jax.random.normal(keys[0], (SIZE, WIDTH, WIDTH)),
        "v": jax.random.normal(keys[1], (SIZE, WIDTH)),
    }
    params = spread(params)
    return step, params, tx.init(params)


def collective_sizes(program: str) -> list[int]:
    """The numbers in the result of each collective of a compiled program."""
    sizes = []
    for kind, *_ in COLLECTIVE.findall(program):
        shapes = re.findall(r"\[([\d,]*)\]", kind)
        sizes += [math.prod(int(n) for n in shape.split(",") if n) for shape in shapes]
    return sizes


@pytest.mark.slow
@pytest.mark.parametrize("second_axis", [False, True], ids=["replicas", "replicas and weights"])
def test_only_losses_and_rungs_cross_devices(second_axis):
    devices = jax.devices("cpu")[:8]
    assert len(devices) == 8, "this needs the conftest.py at the root of the repository"
    shape, names = ((4, 2), ("replica", "weight")) if second_axis else ((8,), ("replica",))
    mesh = jax.make_mesh(
        shape, names, axis_types=(jax.sharding.AxisType.Auto,) * len(names), devices=devices
    )

    def spread(tree):
        def place(leaf):
            rest = [None] * (leaf.ndim - 1)
            if second_axis and leaf.ndim == 3:
                rest[0] = "weight"
            return jax.device_put(leaf, jax.NamedSharding(mesh, jax.P("replica", *rest)))

        return jax.tree.map(place, tree)

    step, params, state = train(exchange(), spread)
    momentum = state.inner_state.momentum["w"]
    assert momentum.sharding.is_equivalent_to(params["w"].sharding, 3)
    compiled = jax.jit(step).lower(params, state).compile()
    sizes = collective_sizes(compiled.as_text())
    assert sizes, "losses must cross"
    # A few numbers for each replica; with split weights also the activations of the model.
    assert max(sizes) <= (SIZE * WIDTH if second_axis else 4 * SIZE)

    expected_step, tree, alone = train(exchange())
    for _ in range(3):
        params, state = compiled(params, state)
        tree, alone = jax.jit(expected_step)(tree, alone)
    np.testing.assert_array_equal(state.rung, alone.rung)
    np.testing.assert_allclose(params["w"], tree["w"], rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_two_processes_make_the_same_swaps_as_one():
    def start(*arguments):
        command = [sys.executable, str(SCRIPT), *map(str, arguments)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    runs = [start(), start(0, 2, port), start(1, 2, port)]
    results = []
    for run in runs:
        out, err = run.communicate(timeout=240)
        assert run.returncode == 0, err
        lines = dict(line.split(" ", 1) for line in out.splitlines() if " " in line)
        results.append({name: np.array(eval(lines[name])) for name in ("rungs", "params")})
    alone = results[0]
    rungs = alone["rungs"].reshape(-1, 4)
    assert len(np.unique(rungs, axis=0)) > 1, "no swap was made"
    for together in results[1:]:
        np.testing.assert_array_equal(together["rungs"], alone["rungs"])
        np.testing.assert_allclose(together["params"], alone["params"], rtol=1e-4, atol=1e-5)
