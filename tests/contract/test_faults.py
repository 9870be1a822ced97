"""Gradients that are not numbers, trees that do not match, and parameters that heat cannot move."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests.compiling import quick
from tests.registry import CORE, METHODS, PRIMARY, TURNS

from .programs import assert_close, assert_equal, init, params, types, update


def with_entry(number):
    """Gradients of which one coordinate is this number."""
    grads = params()
    kernel = np.array(grads["output"]["kernel"])
    kernel[1, 1] = number
    grads["output"]["kernel"] = jnp.asarray(kernel)
    return grads


@pytest.mark.quick(*TURNS[1])
@pytest.mark.parametrize("fault", [jnp.nan, jnp.inf, -jnp.inf])
@pytest.mark.parametrize("name", METHODS)
def test_bad_gradients_show_but_leave_the_state_sound(name, fault):
    """The update of the coordinate is not finite, all others are as if nothing had happened."""
    tree, state = params(), init(name)
    grads = with_entry(fault)
    updates, bad_state = update(name, grads, state, tree)
    assert types(bad_state) == types(state)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(bad_state))
    finite = jax.tree.map(np.isfinite, updates)
    assert not finite["output"]["kernel"][1, 1]
    finite["output"]["kernel"][1, 1] = True
    assert all(np.all(leaf) for leaf in jax.tree.leaves(finite))

    recovered, _ = update(name, tree, bad_state, tree)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(recovered))


def is_sampler(state):
    return hasattr(getattr(state, "langevin", state), "rng_key")  # one is built around another


SAMPLERS = [name for name in METHODS if is_sampler(jax.eval_shape(METHODS[name]().init, params()))]


@pytest.mark.quick(*TURNS[1])
@pytest.mark.parametrize("name", METHODS)
def test_gradients_of_zero_leave_numbers(name):
    """As those of a dead network: an estimate has nothing to divide by for a while."""
    tree, state = params(), init(name)
    nothing = jax.tree.map(jnp.zeros_like, tree)
    for grads in (*[nothing] * 45, tree, tree, *[nothing] * 10):
        updates, state = update(name, grads, state, tree)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves((updates, state)))


@pytest.mark.quick(*CORE)
@pytest.mark.parametrize("name", METHODS)
def test_a_huge_gradient_disables_nothing(name):
    """One coordinate of 1e20, whose square is not finite: it shows, and the state goes on."""
    tree, state = params(), init(name)
    for _ in range(2):  # an estimate of noise begins with the third gradient
        _, state = update(name, tree, state, tree)
    spike, without = with_entry(1e20), with_entry(0.0)
    updates, after = update(name, spike, state, tree)
    assert abs(updates["output"]["kernel"][1, 1]) > 1e10
    if name in SAMPLERS:  # what others keep of parameters may well be huge
        assert_close(after, update(name, without, state, tree)[1])
    for _ in range(2):
        updates, after = update(name, tree, after, tree)
        assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves((updates, after)))
    fresh, _ = update(name, tree, state, tree)
    sizes = [np.std(tree["output"]["kernel"][1:]) for tree in (updates, fresh)]
    if name in SAMPLERS:
        assert sizes[0] > 0.1 * sizes[1]  # it still moves


@pytest.mark.parametrize("gradient", [1e10, 1e15, 1e18])
@pytest.mark.parametrize("name", [name for name in METHODS if name.startswith("adaptive_langevin")])
def test_a_large_gradient_does_not_freeze_the_momenta(name, gradient):
    """The friction changes by at most 1 / h in a step, however hot the momenta are."""
    tree, state = params(), init(name)
    spike = jax.tree.map(lambda x: jnp.full_like(x, gradient), tree)
    _, after = update(name, spike, state, tree)
    change = np.abs(after.friction - state.friction)
    assert np.all(change <= 1.001 * 2 / METHODS[name].settings["step_size"])


@pytest.mark.quick(*TURNS[2])
@pytest.mark.parametrize("name", PRIMARY)
@pytest.mark.usefixtures("standard_promotion")
def test_rates_that_start_at_zero(name):
    """Warm-up schedules do; `inject_hyperparams` outside of jit hands the number 0 on."""
    rates = [key for key in METHODS[name].numbers if key.endswith(("learning_rate", "step_size"))]
    rising = optax.linear_schedule(0.0, 0.1, 4)
    tx = METHODS[name].injected(**dict.fromkeys(rates, rising))
    tree = {"hidden": jnp.ones(2), "output": jnp.ones(2)}  # each shape has programs of its own
    state = tx.init(tree)
    for _ in range(2):
        updates, state = tx.update(tree, state, tree)
        assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves((updates, state)))


def refused(name, error, match, grads=None, tree=None):
    """What is refused is refused while tracing, before anything runs."""
    tx = METHODS[name]()
    tree = params() if tree is None else tree
    with pytest.raises(error, match=match):
        state = jax.eval_shape(tx.init, tree)
        if grads is not None:
            jax.eval_shape(tx.update, grads, state, tree)
        pytest.fail("not refused")


@pytest.mark.quick(*TURNS[0])
@pytest.mark.parametrize("name", METHODS)
def test_gradients_of_another_model(name):
    fewer, more, other = params(), params(), params()
    del fewer["hidden"]["bias"]
    more["hidden"]["scale"] = jnp.ones(4)
    other["output"]["kernel"] = jnp.ones((2, 3))
    message = r"`updates` must have the tree structure of .*{}.*Call `init` again"
    refused(name, ValueError, message.format(r"lacks \[.*'bias'.*\]"), fewer)
    refused(name, ValueError, message.format(r"in addition \[.*'scale'.*\]"), more)
    refused(name, ValueError, r"kernel'\].* has shape \(2, 3\).* shape \(2, 8\) there", other)


KINDS = {
    "integer": (jnp.int32, "int32"),
    "bool": (jnp.bool_, "bool"),
    "complex": (jnp.complex64, "complex64"),
    "unsigned": (jnp.uint8, "uint8"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", METHODS)
def test_parameters_that_are_not_real_numbers(name, kind):
    dtype, shown = KINDS[kind]
    tree = params()
    tree["hidden"]["steps"] = jnp.ones(3, dtype)
    message = rf"`params\['hidden'\]\['steps'\]` has dtype {shown}.*`optax.masked`"
    refused(name, TypeError, message, tree=tree)


@pytest.mark.quick(*TURNS[1])
@pytest.mark.parametrize("name", PRIMARY)
def test_the_remedy_for_such_parameters(name):
    """`optax.masked` leaves them out, and the others move as if they were not there."""
    tree = params()
    tree["frozen"] = {"steps": jnp.ones(3, jnp.int32)}
    tx = quick(optax.masked(METHODS[name](), {"hidden": True, "output": True, "frozen": False}))
    updates, state = tx.update(tree, tx.init(tree), tree)
    assert_equal(updates.pop("frozen"), tree["frozen"])
    expected, expected_state = update(name, params(), init(name), params())
    assert_close(updates, expected)
    assert_close(jax.tree.leaves(state), jax.tree.leaves(expected_state))


EMPTY = [{}, (), {"hidden": None}]


@pytest.mark.quick(*TURNS[2])
@pytest.mark.parametrize("empty", [*EMPTY, None], ids=repr)
@pytest.mark.parametrize("name", METHODS)
def test_no_parameters(name, empty):
    """As in optax: a partition gives such a tree to a group that has nothing to move."""
    if empty is None and name.split("-")[0] in (
        "local_entropy",
        "entropy_mcmc",
        "collect_samples",
        "running_moments",
        "loss_covariances",
        "float32_masters",
    ):
        pytest.skip("None is a forgotten `params` there")
    make = METHODS[name]
    value = jnp.zeros([])
    for tx in (make(), optax.partition({0: make()}, lambda _: 0), optax.masked(make(), empty)):
        state = jax.eval_shape(tx.init, empty)
        updates, new_state = jax.eval_shape(tx.update, empty, state, empty, value=value)
        assert updates == empty
        assert types(new_state) == types(state)


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.layers == 1])
def test_parameters_that_init_did_not_see(name):
    """The first update says so, since an empty tree at the start is no error."""
    tx = METHODS[name]()
    state = jax.eval_shape(tx.init, {})
    with pytest.raises(ValueError, match="tree structure"):
        jax.eval_shape(tx.update, params(), state, {}, value=jnp.zeros([]))


@pytest.mark.parametrize("name", METHODS)
def test_every_parameter_masked(name):
    tree = params()
    tx = optax.masked(METHODS[name](), jax.tree.map(lambda _: False, tree))
    state = jax.eval_shape(tx.init, tree)
    updates, _ = jax.eval_shape(tx.update, tree, state, tree, value=jnp.zeros([]))
    assert types(updates) == types(tree)


@pytest.mark.quick(*TURNS[0])
@pytest.mark.parametrize("name", METHODS)
def test_zero_size_arrays(name):
    """They are let through, since models have them; but a thermostat needs something to measure."""
    tree = params()
    tree["hidden"]["none"] = jnp.zeros((0, 3))
    if METHODS[name].settings.get("thermostat") == "tensor" or name == "adlala":
        refused(name, ValueError, r"thermostat without coordinates.*`optax.masked`", tree=tree)
        return
    tx = METHODS[name]()
    state = jax.eval_shape(tx.init, tree)
    updates, new_state = jax.eval_shape(tx.update, tree, state, tree)
    assert types(updates) == types(tree)
    assert types(new_state) == types(state)


@pytest.mark.parametrize("name", ["langevin", "adaptive_langevin", "psgld"])
def test_zero_size_arrays_change_no_number(name):
    tree = params()
    tree["hidden"]["none"] = jnp.zeros((0, 3))
    tx = quick(METHODS[name]())
    updates, state = tx.update(tree, tx.init(tree), tree)
    assert updates["hidden"].pop("none").shape == (0, 3)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves((updates, state)))


@pytest.mark.quick(*TURNS[1])
@pytest.mark.parametrize("name", PRIMARY)
def test_scalar_parameters(name):
    tree = {"hidden": jnp.float32(1.0), "output": jnp.float32(2.0)}
    tx = quick(METHODS[name]())
    state = tx.init(tree)
    updates, new_state = tx.update(tree, state, tree)
    assert types(updates) == types(tree)
    assert types(new_state) == types(state)
    assert all(np.isfinite(leaf) for leaf in jax.tree.leaves(updates))


@pytest.mark.parametrize("name", [name for name in PRIMARY if METHODS[name].layers == 1])
def test_python_numbers_as_parameters(name):
    """jit makes arrays of them; without it they have no dtype that a momentum could take."""
    tx = METHODS[name]()
    with pytest.raises(
        TypeError, match=r"`params\['x'\]` must be an array, got 1.0.*`jnp.asarray`"
    ):
        tx.init({"x": 1.0})
    state = jax.eval_shape(tx.init, {"x": jnp.float32(1)})
    with pytest.raises(
        TypeError, match=r"`updates\['x'\]` must be an array, got 1.0 of type float"
    ):
        tx.update({"x": 1.0}, state, {"x": jnp.float32(1)})
