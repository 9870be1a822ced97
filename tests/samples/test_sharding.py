"""Shardings of the rows that keep samples, on eight simulated devices."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import AxisType, NamedSharding

import thermo_optax as to

PARAMS = {"w": jnp.ones((16, 3)), "b": jnp.ones(8), "scale": jnp.ones(())}
SPECS = {"w": jax.P("x", None), "b": jax.P("x"), "scale": jax.P()}
MAKERS = {
    "collect_samples": lambda sampler: to.collect_samples(sampler, 3),
    "running_moments": lambda sampler: to.running_moments(sampler, rank=3),
    "both in a chain": lambda sampler: optax.chain(
        optax.clip(1.0), to.running_moments(to.collect_samples(sampler, 3), rank=5)
    ),
}


def mesh(kind=AxisType.Auto):
    devices = jax.devices("cpu")[:8]
    return jax.make_mesh((8,), ("x",), axis_types=(kind,), devices=devices)


@pytest.mark.slow
@pytest.mark.parametrize("kind", MAKERS)
def test_map_params(kind):
    """Rows are split as the parameters are, and not along the axis that counts them."""
    tx = MAKERS[kind](to.langevin(0.1, 1.0, friction=1.0, key=0))
    everywhere = NamedSharding(mesh(), jax.P())
    shardings = jax.tree.map(lambda spec: NamedSharding(mesh(), spec), SPECS)
    state = jax.eval_shape(tx.init, PARAMS)
    placed = optax.tree.map_params(
        tx, to.copy_sharding, state, PARAMS, shardings, transform_non_params=lambda _: everywhere
    )
    specs = optax.tree.map_params(
        tx, to.copy_sharding, state, PARAMS, SPECS, transform_non_params=lambda _: jax.P()
    )
    # As in the state of parameters that lie there.
    real = tx.init(jax.device_put(PARAMS, shardings))
    rows = 0
    for leaf, sharding, spec in zip(*map(jax.tree.leaves, (real, placed, specs)), strict=True):
        if "x" in spec:
            assert leaf.sharding.is_equivalent_to(sharding, leaf.ndim)
        assert sharding.spec == spec
        rows += leaf.ndim == 3
    assert rows == (2 if kind == "both in a chain" else 1)

    def step(params, state):
        updates, state = tx.update(params, state, params)
        return optax.apply_updates(params, updates), state

    params, state = jax.device_put((PARAMS, real), (shardings, placed))
    run = jax.jit(step, in_shardings=(shardings, placed), out_shardings=(shardings, placed))
    moved, _ = run(params, state)
    np.testing.assert_allclose(moved["w"], step(PARAMS, tx.init(PARAMS))[0]["w"], rtol=1e-6)


@pytest.mark.parametrize(("rung", "spec"), [(0, (None,) * 2), ("all", (None, "x", None))])
def test_rungs_of_replicas_over_an_explicit_axis(rung, spec):
    ladder = {"temperature": np.arange(1.0, 9.0)}
    exchange = to.replica_exchange(to.sgld(0.1, 1.0, key=0), ladder, key=1)
    tx = to.collect_samples(exchange, 2, rung=rung)
    with jax.set_mesh(mesh(AxisType.Explicit)):
        x = jnp.arange(32.0, out_sharding=jax.P("x")).reshape(8, 4, out_sharding=jax.P("x"))
        state = jax.eval_shape(tx.init, x)
        state = jax.eval_shape(tx.update, x, state, x, value=jnp.zeros(8))[1]
        assert state.samples.sharding.spec == jax.P(*spec)
        sorted_x = jax.eval_shape(to.by_rung, state, x)
        assert sorted_x.sharding.spec == jax.P("x", None)
        best = jax.eval_shape(to.best_replica, state.inner_state, x)
        assert best.shape == (4,) and best.sharding.spec == jax.P(None)


def test_copies_of_one_replica_have_no_axis_of_replicas():
    """Of a collector by rung: what splits the replicas must not split samples or a layer."""
    x, specs = {"w": jnp.ones((4, 8, 3))}, {"w": jax.P("replica", "model")}
    inner = to.sgld(0.1, 1.0, key=0)
    exchange = to.replica_exchange(inner, {"temperature": np.arange(1.0, 5.0)}, key=1)
    tx = to.collect_samples(to.running_moments(exchange, rung=0, rank=2), 5, rung=0)
    state = jax.eval_shape(tx.init, x)
    placed = optax.tree.map_params(
        tx, to.copy_sharding, state, x, specs, transform_non_params=lambda _: jax.P()
    )
    assert placed.samples["w"] == jax.P(None, "model")
    assert placed.inner_state.mean["w"] == jax.P("model")
    assert placed.inner_state.recent["w"] == jax.P(None, "model")


def test_refused():
    for shape in ((), (2, 5)):
        with pytest.raises(ValueError, match=r"`copy` has the shape .* neither that of the param"):
            to.copy_sharding(jnp.ones(shape), jnp.ones((3, 4)), jax.P("x"))
    with pytest.raises(TypeError, match="`sharding` must be a"):
        to.copy_sharding(jnp.ones(3), jnp.ones(3), None)  # pyright: ignore[reportArgumentType]
