"""Trees of masses: which ones fit, what is refused, and what the state records."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from flax.core import FrozenDict

import thermo_optax as to
from tests.compiling import quick, quick_jit

from .programs import assert_close, assert_equal, params, types

METHODS = {
    "langevin": lambda **own: to.langevin(0.2, 0.5, friction=1.0, key=0, **own),
    "sghmc": lambda **own: to.sghmc(0.04, 0.5, momentum=0.8, key=0, **own),
    "adaptive_langevin": lambda **own: to.adaptive_langevin(0.2, 0.5, key=0, **own),
}
each_method = pytest.mark.parametrize("name", METHODS)
BY_LAYER = {"hidden": 2.0, "output": 0.5}
KERNEL = np.linspace(0.5, 2.0, 24, dtype=np.float32).reshape(3, 8)
MIXED = {"hidden": {"bias": 3, "kernel": KERNEL}, "output": 0.5}

BUILT = {
    "negative": ({"a": -1.0}, ValueError, "`mass` at 'a' must be finite and positive, got -1.0"),
    "zero": ({"a": {"w": 0}}, ValueError, "`mass` at 'a/w' must be finite and positive, got 0.0"),
    "not finite": (
        {"a": [1.0, jnp.array([1.0, jnp.nan])]},
        ValueError,
        "`mass` at 'a/1' must be finite and positive, got nan.*above 0",
    ),
    "infinite": (np.array([np.inf, 1.0]), ValueError, "`mass` at 'params' must be finite"),
    "of half precision": ({"a": jnp.bfloat16(-2)}, ValueError, "finite and positive, got -2.0"),
    "text": ({"a": "heavy"}, TypeError, "`mass` at 'a' must be a real number.*got 'heavy'"),
    "truth": ({"a": True}, TypeError, "`mass` at 'a' must be a real number.*got True of type bool"),
    "complex": ({"a": 1j}, TypeError, "`mass` at 'a' must be a real number.*of type complex"),
    "schedule": ({"a": lambda count: 1.0}, TypeError, "`mass` at 'a' must be .*type function"),
    "no elements": ({"a": np.ones((0, 3))}, ValueError, r"`mass` at 'a' is .*shape \(0, 3\): wr"),
    "none": (None, TypeError, "`mass` must be a number, a JAX scalar or a schedule"),
}


@pytest.mark.parametrize("what", BUILT)
@each_method
def test_bad_numbers_are_refused_when_built(name, what):
    mass, error, message = BUILT[what]
    with pytest.raises(error, match=message):
        METHODS[name](mass=mass)


FITTED = {
    "unknown place": (
        {**BY_LAYER, "frozen": 1.0},
        r"`mass` has an entry at 'frozen', where there is no parameter: they are at \['hidden/bia",
    ),
    "below an array": (
        {"hidden": {"bias": {"w": 1.0}, "kernel": 1.0}, "output": 1.0},
        "`mass` has an entry at 'hidden/bias/w', where there is no parameter",
    ),
    "missing": (
        {"hidden": 1.0},
        "`mass` has none for the parameter at 'output/kernel'. Pass one number for all",
    ),
    "other shape": (
        {"hidden": {"bias": 1.0, "kernel": KERNEL.T}, "output": 1.0},
        r"array of shape \(3, 8\) for the parameter at 'hidden/kernel', got .* shape \(8, 3\)",
    ),
    "would broadcast": (
        {"hidden": {"bias": 1.0, "kernel": np.ones(8)}, "output": 1.0},
        r"array of shape \(3, 8\) for the parameter at 'hidden/kernel', got .* shape \(8,\)",
    ),
    "array above": (
        {"hidden": {"bias": 1.0, "kernel": 1.0}, "output": np.ones((2, 8))},
        r"for the parameter at 'output/kernel', got an array of shape \(2, 8\). Pass one number",
    ),
    "one array for a tree": (np.ones(3), "for the parameter at 'hidden/bias', got an array of sh"),
    "empty": ({}, "`mass` has none for the parameter at 'hidden/bias'"),
}


@pytest.mark.parametrize("what", FITTED)
@each_method
def test_trees_that_do_not_fit_are_refused_by_init(name, what):
    mass, message = FITTED[what]
    with pytest.raises(ValueError, match=message):
        METHODS[name](mass=mass).init(params())


@each_method
def test_the_state_records_the_masses_as_they_were_given(name):
    """In float32, also for float64; a number for a layer stays one number."""
    for dtype in (jnp.float32, jnp.bfloat16, jnp.float64):
        with jax.enable_x64(dtype == jnp.float64):
            tx, tree = quick(METHODS[name](mass=MIXED)), params(dtype)
            state: Any = tx.init(tree)
            new: Any = tx.update(tree, state, tree)[1]
            assert types(new) == types(state)
            for each in (state, new):
                assert_equal(each.mass, jax.tree.map(np.float32, MIXED))
                assert {leaf.dtype for leaf in jax.tree.leaves(each.mass)} == {jnp.float32.dtype}
    one: Any = METHODS[name](mass=2.0).init(params())
    assert one.mass.shape == () and one.mass == 2.0


def test_a_schedule_of_masses_is_recorded():
    tx = METHODS["langevin"](mass=optax.linear_schedule(1.0, 3.0, 2))
    tree = params()
    state: Any = tx.init(tree)
    seen = [state.mass]
    for _ in range(3):
        state = tx.update(tree, state, tree)[1]
        seen.append(state.mass)
    assert seen == [1.0, 1.0, 2.0, 3.0]


@each_method
def test_settings_win_when_a_run_goes_on(name):
    """The next step has the new masses, and the state then says so."""
    tree, other = params(), METHODS[name](mass={"hidden": 8.0, "output": 0.25})
    start = METHODS[name](mass=BY_LAYER).init(tree)
    updates, new = other.update(tree, start, tree)
    expected, _ = other.update(tree, start._replace(mass={"hidden": 1.0, "output": 1.0}), tree)
    assert_equal(updates, expected)
    assert new.mass == {"hidden": 8.0, "output": 0.25}
    for unlike in (2.0, {**BY_LAYER, "output": {"kernel": np.ones((2, 8))}}, FULL):
        with pytest.raises(
            ValueError, match="`mass` must be like the masses that `init` saw.*call"
        ):
            METHODS[name](mass=unlike).update(tree, start, tree)


def test_a_donated_state_leaves_the_masses_alone():
    mass = {"hidden": {"bias": jnp.float32(2), "kernel": jnp.asarray(KERNEL)}, "output": 1.0}
    tx, tree = METHODS["langevin"](mass=mass), params()
    jax.jit(tx.update, donate_argnums=1)(tree, tx.init(tree), tree)
    assert_equal(tx.init(tree).mass["hidden"], mass["hidden"])


class Net(nnx.Module):
    def __init__(self):
        self.hidden = nnx.Linear(3, 8, rngs=nnx.Rngs(0))
        self.output = nnx.Linear(8, 2, use_bias=False, rngs=nnx.Rngs(0))


def module(**layers):
    """An Equinox module with the arrays of `params`, or with masses in their places."""

    class Layer(eqx.Module):
        bias: Any
        kernel: Any

    class Model(eqx.Module):
        hidden: Layer
        output: Layer

        def __call__(self, x):
            return x

    return Model(*(Layer(layer.get("bias"), layer["kernel"]) for layer in layers.values()))


FULL = {"hidden": {"bias": 3.0, "kernel": KERNEL}, "output": {"kernel": 0.5}}
CONTAINERS = {
    "frozen": (FrozenDict, FrozenDict(FULL)),
    "equinox": (lambda tree: module(**tree), module(**FULL)),
    "nnx": (lambda tree: nnx.state(Net(), nnx.Param), None),
}


@pytest.mark.parametrize("kind", CONTAINERS)
@each_method
def test_places_are_known_by_name(name, kind):
    """Masses in a plain dict fit any container, and those in a container fit a plain dict."""
    make, mass = CONTAINERS[kind]
    tree, plain = make(params()), FULL
    if mass is None:
        plain = dict.fromkeys(BY_LAYER, 3.0)
        mass = jax.tree.map(lambda x: jnp.full(x.shape, 3.0), tree)

    def two_steps(mass):
        tx = METHODS[name](mass=mass)
        state: Any = tx.init(tree)
        start = state
        for _ in range(2):
            updates, state = tx.update(tree, state, tree)
        assert types(state) == types(start)
        layers = to.diagnostics.equipartition(state)
        values = to.diagnostics.kinetic_temperature(state).value, layers["hidden"].value
        return updates, state.momentum, values

    assert_close(two_steps(plain), two_steps(mass))


@each_method
def test_one_tree_for_all_groups_of_a_partition(name):
    """Each group takes what is its own, and records arrays of no other."""
    tree, mass = params(), {**MIXED, "output": {"kernel": np.full((2, 8), 0.5, np.float32)}}
    groups = {layer: METHODS[name](mass=mass) for layer in tree}
    tx = optax.partition(groups, {layer: layer for layer in tree})
    state = tx.init(tree)
    updates, new = quick_jit(tx.update)(tree, state, tree)
    assert types(new) == types(state)
    for layer in tree:
        alone = METHODS[name](mass={layer: mass[layer]})
        part = {layer: tree[layer]}
        expected, last = alone.update(part, alone.init(part), part)
        assert_close(updates[layer], expected[layer])
        found = new.inner_states[layer].inner_state.mass
        assert_equal(found[layer], last.mass[layer])
        others = [leaf for key in found if key != layer for leaf in jax.tree.leaves(found[key])]
        assert all(leaf.shape == () for leaf in others)
    readings = to.diagnostics.kinetic_temperature(new)
    assert set(readings) == set(tree)


@each_method
def test_masked_places_may_have_a_mass(name):
    tree = {**params(), "frozen": jnp.ones(3)}
    tx = optax.masked(
        METHODS[name](mass={**BY_LAYER, "frozen": np.ones(3)}), {**BY_LAYER, "frozen": False}
    )
    updates, _ = tx.update(tree, tx.init(tree), tree)
    alone = METHODS[name](mass=BY_LAYER)
    expected, _ = alone.update(params(), alone.init(params()), params())
    assert_close({layer: updates[layer] for layer in BY_LAYER}, expected)


@pytest.mark.usefixtures("standard_promotion")
@each_method
def test_masses_of_one_array_as_a_hyperparameter(name):
    """`optax.inject_hyperparams` keeps the array, and a restart may set another."""
    numbers = {
        "langevin": (to.langevin, {"step_size": 0.2, "friction": 1.0}),
        "sghmc": (to.sghmc, {"learning_rate": 0.04, "momentum": 0.8}),
        "adaptive_langevin": (to.adaptive_langevin, {"step_size": 0.2}),
    }
    make, settings = numbers[name]
    x, mass = jnp.ones(5), jnp.linspace(0.5, 2.0, 5)
    tx = optax.inject_hyperparams(make)(temperature=0.5, mass=mass, key=0, **settings)
    state: Any = tx.init(x)
    np.testing.assert_array_equal(state.hyperparams["mass"], mass)
    update = quick_jit(tx.update)
    alone = quick_jit(lambda mass, state: METHODS[name](mass=mass).update(x, state, x))
    for factor in (1.0, 3.0):
        state.hyperparams["mass"] = factor * mass
        moved, new = update(x, state, x)
        assert_close((moved, new.inner_state), alone(factor * mass, state.inner_state))


@pytest.mark.slow
@each_method
def test_chains(name):
    """The same masses for all replicas, and for all members of a `jax.vmap`."""
    tree = jax.tree.map(lambda x: jnp.stack([x] * 3), params())
    tx = to.replicate(METHODS[name](mass=MIXED), 3)
    state: Any = tx.init(tree)
    updates, new = quick_jit(tx.update)(tree, state, tree)
    assert types(new) == types(state) and types(updates) == types(tree)
    readings = jax.vmap(to.diagnostics.kinetic_temperature)(new)
    alone = METHODS[name](mass=MIXED)
    for i in range(3):
        one = jax.tree.map(lambda leaf, i=i: leaf[i], new)
        single = to.diagnostics.kinetic_temperature(
            one.inner_state if hasattr(one, "inner_state") else one
        )
        np.testing.assert_allclose(readings.value[i], single.value, rtol=1e-6)
    states = jax.vmap(alone.init)(tree)
    assert_close(states.mass, jax.tree.map(lambda m: jnp.stack([jnp.float32(m)] * 3), MIXED))


def test_heavy_parameters_in_half_precision_drown():
    """What heat moves a parameter by falls with the root of its mass."""
    tree = {"light": jnp.ones(8, jnp.bfloat16), "heavy": jnp.ones(8, jnp.bfloat16)}
    masses = {"light": 1.0, "heavy": np.full(8, 1e4, np.float32)}
    tx = to.langevin(0.1, 0.01, friction=1.0, mass=masses, key=0)
    with pytest.warns(UserWarning, match=r"`params\['heavy'\]` is in bfloat16.*moves it by 0.0001"):
        tx.init(tree)
    with pytest.warns(UserWarning) as warned:
        to.langevin(0.1, 0.01, friction=1.0, mass=1e4, key=0).init(tree)
    assert len(warned) == 2


@pytest.mark.usefixtures("standard_promotion")
def test_a_ladder_of_masses_needs_one_number():
    make = optax.inject_hyperparams(to.langevin)
    sampler = make(0.1, 1.0, friction=1.0, mass=jnp.ones(3), key=0)
    tx = to.replica_exchange(sampler, {"temperature": [1.0, 2.0], "mass": [1.0, 2.0]}, key=1)
    with pytest.raises(ValueError, match=r"`ladder\['mass'\]` must move one number.*shape \(3,\)"):
        jax.eval_shape(tx.init, jnp.ones((2, 3)))


CONTRADICTIONS = {
    "number": (2.0, 3.0, "got 3 for a sampler of mass 2. Leave the argument out"),
    "tree": (BY_LAYER, 2.0, "got 2 for a sampler with a tree of masses. Leave"),
}


@pytest.mark.parametrize("what", CONTRADICTIONS)
def test_tempering_is_told_another_mass(what):
    own, told, message = CONTRADICTIONS[what]
    sampler = METHODS["langevin"](mass=own)
    with pytest.raises(
        ValueError, match=f"`mass` must be that of the sampler in `inner`, {message}"
    ):
        to.continuous_tempering(sampler, 0.5, mass=told, key=0).init(params())
    with pytest.raises(ValueError, match="`mass` must be finite and positive, got 0.0"):
        to.continuous_tempering(sampler, 0.5, mass=0.0, key=0)
    same = METHODS["langevin"](mass=2.0)
    for mass in (None, 2.0):
        to.continuous_tempering(same, 0.5, mass=mass, key=0).init(params())
