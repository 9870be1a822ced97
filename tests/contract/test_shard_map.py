"""Inside `jax.shard_map`: what is split draws noise of its own, what is replicated the same."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

from tests.compiling import quick_jit
from tests.registry import METHODS
from tests.statistics import assert_uncorrelated

NAMES = (
    *("sgld", "sgld-ternary", "sgld-jax", "leimkuhler_matthews", "langevin", "sghmc", "psgld"),
    *("adaptive_langevin", "adaptive_langevin-tensor", "covariance_controlled_langevin", "santa"),
    *("lala", "adlala", "local_entropy", "float32_masters"),
)
SHARDS, SIZE = 8, 2048
SPECS = {"hidden": P("shard"), "output": P()}


@pytest.fixture(scope="module")
def mesh():
    devices = jax.devices("cpu")[:SHARDS]
    return jax.make_mesh((SHARDS,), ("shard",), axis_types=(AxisType.Auto,), devices=devices)


@pytest.fixture(autouse=True)
def eight_devices(monkeypatch):
    monkeypatch.setattr(jax, "device_count", lambda: SHARDS)


def params():
    return {"hidden": jnp.ones((SHARDS, SIZE)), "output": jnp.ones(SIZE)}


def shards_of(array):
    return [np.asarray(shard.data).ravel() for shard in array.addressable_shards]


@pytest.mark.quick("sgld", "langevin", "adaptive_langevin", "local_entropy")
@pytest.mark.parametrize("name", NAMES)
def test_noise_of_shards(name, mesh):
    tx = METHODS[name](1.0)

    def two_steps(tree):
        state = tx.init(tree)
        for _ in range(2):
            updates, state = tx.update(jax.tree.map(jnp.zeros_like, tree), state, tree)
        return updates

    step = jax.shard_map(two_steps, mesh=mesh, in_specs=(SPECS,), out_specs=SPECS)
    updates = quick_jit(step)(params())
    split, same = shards_of(updates["hidden"]), shards_of(updates["output"])
    for i, one in enumerate(split):
        for j, other in enumerate(split[:i]):
            assert_uncorrelated(one, other, name=f"shards {i} and {j}")
        assert_uncorrelated(one, same[0], name="a split and a replicated parameter")
        np.testing.assert_array_equal(same[i], same[0])


@pytest.mark.parametrize("name", ["adaptive_langevin", "adaptive_langevin-tensor"])
def test_one_thermostat_for_all_shards(name, mesh):
    """Kinetic energy and degrees of freedom are those of all shards: the friction is one."""
    tx, tree = METHODS[name](1.0, coupling=1e-6), params()

    def step(tree):
        state = tx.init(tree)
        first = state.kinetic_temperature
        energy = sum(jnp.sum(p**2) for p in jax.tree.leaves(state.momentum["hidden"]))
        _, state = tx.update(jax.tree.map(jnp.zeros_like, tree), state, tree)
        temperature = jax.lax.psum(energy, "shard") / tree["hidden"].size / SHARDS
        return temperature, first, state.kinetic_temperature, state.friction

    # The specification of the friction says that it is the same on all shards: JAX checks it.
    mapped = jax.shard_map(step, mesh=mesh, in_specs=(SPECS,), out_specs=(P(), P(), P(), P()))
    temperature, first, kinetic, friction = quick_jit(mapped)(tree)
    assert np.all(np.abs(first - 1) < 5 * np.sqrt(2 / SIZE))
    assert abs(temperature - 1) < 5 * np.sqrt(2 / (SHARDS * SIZE))
    assert np.all(np.abs(kinetic - 1) < 0.3)  # a step cools them a little
    assert np.all(np.isfinite(friction))


def test_samples_of_shards(mesh):
    """One that is not finite on one shard is stored on none."""
    tx, tree = METHODS["collect_samples"](), params()

    def step(tree, gradients):
        _, state = tx.update(gradients, tx.init(tree), tree)
        return state.num_collected

    mapped = quick_jit(jax.shard_map(step, mesh=mesh, in_specs=(SPECS, SPECS), out_specs=P()))
    assert mapped(tree, tree) == 1
    bad = {**tree, "hidden": tree["hidden"].at[3, 0].set(jnp.nan)}
    assert mapped(tree, bad) == 0


def test_hidden_axes(mesh):
    """Without its types `shard_map` does not say what is split."""

    def step(tree):
        tx = METHODS["sgld"]()
        return tx.update(tree, tx.init(tree), tree)[0]

    hiding = jax.shard_map(step, mesh=mesh, in_specs=(SPECS,), out_specs=SPECS, check_vma=False)
    with pytest.warns(UserWarning, match=r"check_vma=False\)` hides which .*\['shard'\].*True"):
        jax.eval_shape(hiding, params())
