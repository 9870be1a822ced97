"""Inside optax's wrappers a sampler does what it does alone."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests.compiling import quick
from tests.registry import METHODS, PRIMARY, TEMPERATURE, TURNS

from .programs import assert_close, assert_equal, init, params, types, update


def one_step(tx, tree=None):
    """Updates and state after a step."""
    tree = params() if tree is None else tree
    tx = quick(tx)
    return tx.update(tree, tx.init(tree), tree)


@pytest.mark.quick(*TURNS[2])
@pytest.mark.parametrize("name", METHODS)
def test_inject_hyperparams(name):
    """Numbers in the state instead of in the program: the same updates and the same states."""
    tree = params()
    injected = METHODS[name].injected()
    updates, state = one_step(injected)
    alone = update(name, tree, init(name), tree)
    assert_close((updates, state.inner_state), alone)
    expected = {"key", "temperature", *METHODS[name].numbers}
    assert expected <= set(state.hyperparams)
    assert types(state) == types(jax.eval_shape(injected.init, tree))


@pytest.mark.quick(*TURNS[0])
@pytest.mark.parametrize("name", PRIMARY)
def test_inject_hyperparams_of_a_bfloat16_network(name):
    """By default optax stores bfloat16 numbers, and float32 ones on request."""
    tree = params(jnp.bfloat16)
    exact, _ = update(name, params(), init(name), params())  # of the same numbers, in float32
    wide, _ = one_step(METHODS[name].injected(dtype=jnp.float32), tree)
    assert_close(optax.tree.cast(wide, jnp.float32), exact, rtol=1e-2, atol=1e-2)
    narrow = METHODS[name].injected()
    state = jax.eval_shape(narrow.init, tree)
    updates, new_state = jax.eval_shape(narrow.update, tree, state, tree)
    assert types(updates) == types(tree)
    assert types(new_state) == types(state)


@pytest.mark.quick(*TURNS[1])
@pytest.mark.parametrize("name", PRIMARY)
def test_inject_hyperparams_takes_schedules_and_changes_by_hand(name):
    tree = params()
    tx = quick(METHODS[name].injected(optax.linear_schedule(0.0, 4 * TEMPERATURE, 4)))
    state, step = tx.init(tree), tx.update
    for count in range(3):
        inner = state.inner_state
        updates, state = step(tree, state, tree)
        heat = count * TEMPERATURE
        np.testing.assert_allclose(state.hyperparams["temperature"], heat, rtol=1e-6)
        alone = update(name, tree, inner, tree, temperature=heat)
        assert_close((updates, state.inner_state), alone)

    number = next(iter(METHODS[name].numbers))
    changed = METHODS[name].numbers[number] / 2
    state.hyperparams[number] = jnp.float32(changed)
    inner = state.inner_state
    updates, state = step(tree, state, tree)
    heat = {"temperature": 3 * TEMPERATURE, number: changed}
    assert_close(updates, update(name, tree, inner, tree, **heat)[0])


@pytest.mark.quick(*TURNS[2])
@pytest.mark.parametrize("name", PRIMARY)
@pytest.mark.usefixtures("standard_promotion")
def test_multi_steps(name):
    """Noise, count and momenta advance once for every emitted step."""
    tree = params()
    multi = optax.MultiSteps(METHODS[name](), every_k_schedule=4)
    tx = quick(multi.gradient_transformation())
    step, state = tx.update, tx.init(tree)
    alone = init(name)
    factors = [np.float32(k) for k in (0.0, 1.0, 2.0, 1.0)]  # mean: 1
    grads = [jax.tree.map(lambda x, k=k: k * np.asarray(x), tree) for k in factors]
    for _ in range(2):
        for gradient in grads[:-1]:
            updates, state = step(gradient, state, tree)
            assert_equal(updates, jax.tree.map(jnp.zeros_like, tree))
            assert_close(state.inner_opt_state, alone)
        updates, state = step(grads[-1], state, tree)
        expected, alone = update(name, tree, alone, tree)
        assert_close((updates, state.inner_opt_state), (expected, alone))


@pytest.mark.quick(*TURNS[0])
@pytest.mark.parametrize("name", PRIMARY)
def test_apply_if_finite(name):
    """A rejected step leaves no trace: the chain goes on as if it had not been."""
    tree = params()
    tx = quick(optax.apply_if_finite(METHODS[name](), max_consecutive_errors=5))
    step, state = tx.update, tx.init(tree)
    bad = {**tree, "output": {"kernel": tree["output"]["kernel"].at[0, 0].set(jnp.nan)}}
    alone = init(name)
    for gradient in (tree, bad, bad, tree):
        before = state.inner_state
        updates, state = step(gradient, state, tree)
        if gradient is bad:
            assert_equal(updates, jax.tree.map(jnp.zeros_like, tree))
            assert_equal(state.inner_state, before)
        else:
            expected, alone = update(name, tree, alone, tree)
            assert_close((updates, state.inner_state), (expected, alone))
    assert state.total_notfinite == 2


@pytest.mark.quick(*TURNS[1])
@pytest.mark.parametrize("name", [name for name in PRIMARY if METHODS[name].layers == 1])
def test_partitioned(name):
    """Each of two groups moves as its layer would alone."""
    tree, method = params(), METHODS[name]
    groups = {layer: method(key=1) for layer in tree}
    updates, state = one_step(optax.partition(groups, {layer: layer for layer in tree}))
    for layer in tree:
        alone = one_step(method(key=1), {layer: tree[layer]})
        assert_close(updates[layer], alone[0][layer])
        inner = state.inner_states[layer].inner_state
        assert_close(jax.tree.leaves(inner), jax.tree.leaves(alone[1]))


@pytest.mark.quick(*TURNS[2])
@pytest.mark.parametrize("name", METHODS)
def test_map_params(name):
    """`optax.tree.map_params` finds every copy of the parameters in the state, and nothing else."""
    tx, tree = METHODS[name](), params()
    state = jax.eval_shape(tx.init, tree)
    seen = []
    same = optax.tree.map_params(tx, lambda leaf: seen.append(leaf) or leaf, state)
    assert types(same) == types(state)
    copies = METHODS[name].copies - METHODS[name].given
    assert len(seen) == copies * len(jax.tree.leaves(tree))
    injected = METHODS[name].injected()
    state = jax.eval_shape(injected.init, tree)
    assert types(optax.tree.map_params(injected, lambda leaf: leaf, state)) == types(state)


def test_momentum_dtype_in_inject_hyperparams():
    """A scalar type is callable, as schedules are; a dtype is not, and passes as it is."""
    make = optax.inject_hyperparams(METHODS["langevin"].constructor)
    tx = make(0.1, 0.1, friction=1.0, momentum_dtype=jnp.dtype("bfloat16"), key=0)
    momentum = jax.eval_shape(tx.init, params()).inner_state.momentum
    assert {leaf.dtype for leaf in jax.tree.leaves(momentum)} == {jnp.dtype("bfloat16")}
