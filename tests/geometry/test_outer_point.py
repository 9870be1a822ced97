"""Where the outer point is found, and that replicas take their outer steps each in its time."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

import thermo_optax as to
from tests.compiling import quick_jit


def test_the_outer_point_of_whole_layers():
    """Labels may name layers, and a group then has a hole where the other has a layer."""
    params = {"a": {"w": jnp.ones(2)}, "b": {"w": jnp.ones(3)}}
    tx = optax.partition({"x": to.entropy_sgd(key=0), "y": optax.sgd(0.1)}, {"a": "x", "b": "y"})
    state = tx.init(params)
    updates, state = tx.update(params, state, params)
    moved = optax.apply_updates(params, updates)
    outer = to.local_entropy_params(state, moved)
    np.testing.assert_array_equal(outer["a"]["w"], params["a"]["w"])
    np.testing.assert_array_equal(outer["b"]["w"], moved["b"]["w"])


def test_replicas_take_their_outer_steps_each_in_its_time():
    """Under a vmap one loop serves all; those that are not due are left alone."""
    tx = to.local_entropy(optax.sgd(0.1), optax.sgd(0.5), num_inner_steps=3, scope=0.2)
    update = quick_jit(tx.update)
    start = jnp.array([[1.0, 2.0], [-1.0, 0.5]])
    states = [tx.init(x) for x in start]
    _, ahead = update(start[1], states[1], start[1])  # one step further on
    alone, stacked = [states[0], ahead], jax.tree.map(lambda *x: jnp.stack(x), states[0], ahead)
    params = start
    for _ in range(5):
        updates, stacked = quick_jit(jax.vmap(tx.update))(params, stacked, params)
        for replica in range(2):
            expected, alone[replica] = update(params[replica], alone[replica], params[replica])
            np.testing.assert_allclose(updates[replica], expected, rtol=1e-6, atol=1e-7)
        params = optax.apply_updates(params, updates)
    for replica in range(2):
        own = jax.tree.map(lambda leaf, replica=replica: leaf[replica], stacked)
        jax.tree.map(np.testing.assert_allclose, own, alone[replica])
