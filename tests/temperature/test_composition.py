"""Tempering with everything else: any sampler inside, any wrapper outside, saved and restored."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.compiling import quick_jit
from tests.contract.programs import params, types
from tests.registry import METHODS, PRIMARY, TEMPERATURE
from thermo_optax._base import momenta, samplers
from thermo_optax.temperature._coupling import to_be_rescaled

WITHOUT_MOMENTA = (
    "sgld",
    "psgld",
    "tether",
    "local_entropy",
    "collect_samples",
    "running_moments",
    "float32_masters",
    "entropy_mcmc",
    "loss_covariances",
)  # of these settings
REFUSED = ("adaptive_step",)  # takes steps of different lengths; its own test holds the message
SAMPLERS = [name for name in PRIMARY if not METHODS[name].needs_loss and name not in REFUSED]


def loss(tree):
    return sum(jnp.sum(x**2) for x in jax.tree.leaves(tree)) / 2


@pytest.mark.quick("langevin", "adaptive_langevin", "adlala")
@pytest.mark.parametrize("name", SAMPLERS)
def test_any_sampler_inside(name):
    """It is sent the bath's temperature, and nothing else changes for it."""
    inner, tree = METHODS[name](), params()
    for mode in ("paper", "exact", "exploration"):
        tx = to.continuous_tempering(inner, TEMPERATURE, mode=mode, key=1)
        state = jax.eval_shape(tx.init, tree)
        updates, new_state = jax.eval_shape(
            lambda state: tx.update(tree, state, tree, value=loss(tree)),  # noqa: B023
            state,
        )
        assert types((updates, new_state)) == types((tree, state))
        assert types(new_state.inner_state) == types(jax.eval_shape(inner.init, tree))


@pytest.mark.parametrize("name", SAMPLERS)
def test_all_momenta_are_found(name):
    """As many numbers as parameters, or none; and rescaling reaches each of them."""
    tree = params()
    state = METHODS[name]().init(tree)
    found = momenta(state)
    size = sum(x.size for x in jax.tree.leaves(tree))
    assert sum(p.size for p in found) == (0 if name in WITHOUT_MOMENTA else size)
    asked = samplers(to_be_rescaled(state, jnp.float32(2.0)))
    assert len(asked) == len(samplers(state))
    assert all(sampler.momentum_scale == 2 for _, sampler in asked)


WRAPPERS = {
    "chain": lambda tx: optax.chain(optax.clip(100.0), tx),
    "masked": lambda tx: optax.masked(tx, True),
    "partition": lambda tx: optax.partition({"all": tx}, lambda tree: "all"),
    "MultiSteps": lambda tx: optax.MultiSteps(tx, every_k_schedule=1),
    "apply_if_finite": lambda tx: optax.apply_if_finite(tx, 3),
    "two phases": lambda tx: to.explore_then_refine(tx, 10),
}


@pytest.mark.slow
@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.usefixtures("standard_promotion")
def test_the_loss_passes_through(wrapper):
    tx = to.continuous_tempering(METHODS["langevin"](), TEMPERATURE, key=1)
    outer, tree = WRAPPERS[wrapper](tx), params()

    step, value = quick_jit(outer.update), jnp.float32(3)
    _, alone = quick_jit(tx.update)(tree, tx.init(tree), tree, value=value)
    _, state = step(tree, outer.init(tree), tree, value=value)
    np.testing.assert_allclose(to.tempering_state(state).alpha, alone.alpha, rtol=1e-6)
    _, state = step(tree, state, tree, value=value)
    assert to.tempering_state(state).alpha_momentum != 0


def test_a_group_of_a_partition_alone():
    """One layer is tempered, another cools by a schedule: each keeps its own state."""
    tree = params()
    tx = optax.partition(
        {
            "hot": to.continuous_tempering(METHODS["langevin"](), TEMPERATURE, key=1),
            "cold": to.sgld(0.1, to.polynomial_cooling(0.1, 1.0, 0.5), key=1),
        },
        {"hidden": "hot", "output": "cold"},
    )
    updates, state = quick_jit(lambda: tx.update(tree, tx.init(tree), tree, value=loss(tree)))()
    assert types(updates) == types(tree)
    assert to.tempering_state(state).count == 1


def test_saved_and_restored_it_goes_on_with_the_same_bits(tmp_path):
    """All that a run needs is in the state: arrays, which any checkpoint can hold."""
    tx = to.ctld(0.01, TEMPERATURE, momentum=0.9, sampling_steps=60, key=0)

    @quick_jit
    def steps(tree, state):
        def step(carry, _):
            tree, state = carry
            updates, state = tx.update(tree, state, tree, value=loss(tree))
            return (optax.apply_updates(tree, updates), state), None

        return jax.lax.scan(step, (tree, state), length=40)[0]

    once = steps(*steps(params(), tx.init(params())))
    half = steps(params(), tx.init(params()))
    leaves, treedef = jax.tree.flatten(half)
    np.savez(tmp_path / "half.npz", *leaves)
    with np.load(tmp_path / "half.npz") as stored:
        restored = treedef.unflatten([jnp.asarray(stored[f"arr_{i}"]) for i in range(len(leaves))])
    jax.tree.map(np.testing.assert_array_equal, steps(*restored), once)


@pytest.mark.slow
def test_replicas_have_biases_of_their_own():
    def start(key):
        tx = to.continuous_tempering(METHODS["langevin"](key=key), TEMPERATURE, key=key)
        return tx.init(params())

    tx = to.continuous_tempering(METHODS["langevin"](), TEMPERATURE, key=0)
    states = jax.vmap(start)(jax.random.split(jax.random.key(0), 3))

    @quick_jit
    @jax.vmap
    def step(state, value):
        return tx.update(params(), state, params(), value=value)[1]

    for _ in range(3):
        states = step(states, jnp.float32([1.0, 2.0, 3.0]))
    assert len(set(np.asarray(states.alpha).tolist())) == 3
    hills = states.bias[0].hills
    assert not np.array_equal(hills[0], hills[1])
