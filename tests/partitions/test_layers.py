"""LOL, LaLa and AdLaLa: who moves how, and what happens to a wrong label."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.compiling import quick

PARAMS = {
    "hidden": {"w": jnp.ones((20, 30)), "b": jnp.ones(30)},
    "middle": {"w": jnp.ones((30, 30))},
    "output": {"w": jnp.ones((30, 4)), "b": jnp.ones(4)},
}
GRADS = jax.tree.map(lambda x: 0.1 * x, PARAMS)


def only(tree, *layers):
    """The tree without the other layers."""
    masked = {name: jax.tree.map(lambda _: optax.MaskedNode(), tree[name]) for name in tree}
    return masked | {name: tree[name] for name in layers}


def assert_same(one, other):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-6), one, other)


def run(tx, params, steps=3):
    tx = quick(tx)
    state = tx.init(params)
    for _ in range(steps):
        updates, state = tx.update(jax.tree.map(lambda x: 0.1 * x, params), state, params)
        params = optax.apply_updates(params, updates)
    return params


@pytest.mark.slow
@pytest.mark.parametrize(
    ("partition", "hidden", "others"),
    [
        (
            to.lol(0.1, friction=0.3, key=0),
            to.langevin(0.1, 5e-4, friction=0.3, key=0),
            to.leimkuhler_matthews(0.005, 1e-7, key=0),
        ),
        (
            to.lala(0.1, hidden_friction=0.3, output_friction=1.0, key=0),
            to.langevin(0.1, 1e-3, friction=0.3, key=0),
            to.langevin(0.1, 1e-7, friction=1.0, key=0),
        ),
        (
            to.adlala(0.1, friction=1.0, key=0),
            to.adaptive_langevin(
                0.1, 1e-4, splitting="ACDEDCAB", thermostat="tensor", initial_momentum="zero", key=0
            ),
            to.langevin(0.1, 1e-4, friction=1.0, initial_momentum="zero", key=0),
        ),
    ],
    ids=["lol", "lala", "adlala"],
)
def test_each_group_moves_as_its_integrator_alone(partition, hidden, others):
    together = run(partition, PARAMS)
    assert_same(together["hidden"], run(hidden, only(PARAMS, "hidden"))["hidden"])
    alone = run(others, only(PARAMS, "middle", "output"))
    assert_same(only(together, "middle", "output"), alone)


def test_any_number_of_groups_with_numbers_of_their_own():
    tx = to.adlala(
        {"a": 0.1, "b": 0.2, "c": 0.1},
        adaptive_groups={"a": 1e-3, "b": 1e-4},
        langevin_groups={"c": 0.0},
        initial_friction={"a": 0.5, "b": 0.7},
        thermostat={"a": "group", "b": "tensor"},
        param_labels=to.label_layers(PARAMS, {"a": 0, "b": 1, "c": 2}),
        key=0,
    )
    state = quick(tx).init(PARAMS)
    inner = {label: s.inner_state for label, s in state.inner_states.items()}
    assert inner["a"].friction == 0.5
    np.testing.assert_allclose(inner["b"].friction, [0.7])
    assert run(tx, PARAMS)["output"]["w"].shape == (30, 4)


def test_temperature_scale_reaches_every_group():
    tx = quick(to.lala(0.1, key=0))
    state = tx.init(PARAMS)
    hot, _ = tx.update(GRADS, state, PARAMS, temperature_scale=4.0)
    warm, _ = tx.update(GRADS, state, PARAMS)
    cold, _ = tx.update(GRADS, state, PARAMS, temperature_scale=0.0)
    # The heat of a step grows as sqrt(s), in each layer.
    hot, warm, cold = jax.tree.map(np.asarray, (hot, warm, cold))
    ratio = jax.tree.map(lambda h, w, c: np.median((h - c) / (w - c)), hot, warm, cold)
    jax.tree.map(lambda r: np.testing.assert_allclose(r, 2.0, rtol=1e-2), ratio)


def test_a_typo_in_a_label_lists_the_labels():
    labels = {"hidden": "adaptve", "middle": "langevin", "output": "langevin"}
    with pytest.raises(ValueError, match=r"\['adaptve'\].*\['adaptive', 'langevin'\]"):
        to.adlala(param_labels=labels, key=0).init(PARAMS)


def test_a_group_without_parameters_is_an_error():
    labels = {"hidden": "langevin", "middle": "langevin", "output": "langevin"}
    with pytest.raises(ValueError, match=r"\['adaptive'\] have no parameter"):
        to.adlala(param_labels=labels, key=0).init(PARAMS)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: to.lala(hidden_friction={"other": 1.0}, key=0), "hidden_friction.*'hidden'"),
        (lambda: to.lol(langevin_groups={"a": 1.0, "b": 1.0}, key=0), "`param_labels` is required"),
        (
            lambda: to.lol(langevin_groups={"a": 1.0}, overdamped_groups={"a": 1.0}, key=0),
            "two laws",
        ),
        (lambda: to.adlala(adaptive_groups={"adaptive": -1.0}, key=0), "`temperature`.*-1"),
    ],
)
def test_wrong_groups(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("kind", [np.float16, jnp.bfloat16, np.int8])
def test_the_overdamped_learning_rate_has_room(kind):
    """In half precision 1e-4 squared is 0, and in int8 so is 16 squared."""
    h = kind(16 if kind is np.int8 else 1e-4)
    tx = quick(to.lol(h, langevin_groups={"l": 0.0}, overdamped_groups={"o": 0.0}, key=0))
    updates, _ = tx.update(GRADS, tx.init(PARAMS), PARAMS)
    np.testing.assert_allclose(updates["output"]["w"], -0.1 * float(h) ** 2 / 2, rtol=1e-5)


def test_no_groups_are_not_the_default():
    with pytest.raises(ValueError, match=r"`param_labels` is required for the groups \['cold'\]"):
        to.lol(langevin_groups={}, overdamped_groups={"cold": 0.0}, key=0)


def test_labels_of_several_kinds_are_listed():
    with pytest.raises(ValueError, match=r"has the labels \[0, 'x'\], for which there is no"):
        to.lol(param_labels={"hidden": 0, "output": "x"}, key=0)


STRAY = {
    "step_size": lambda values: to.lala(values, key=0),
    "friction": lambda values: to.lol(friction=values, key=0),
    "learning_rate": lambda values: to.lol(learning_rate=values, key=0),
    "output_friction": lambda values: to.lala(output_friction=values, key=0),
    "coupling": lambda values: to.adlala(coupling=values, key=0),
}


@pytest.mark.parametrize("name", STRAY)
def test_numbers_of_groups_that_do_not_have_them(name):
    """A typo, or a group of the other law: such a number would be left out without a word."""
    values = dict.fromkeys(("langevin", "overdamped", "hidden", "output", "adaptive", "typo"), 0.1)
    with pytest.raises(ValueError, match=f"`{name}` has values for .*'typo'.*, but the groups"):
        STRAY[name](values)


def test_the_overdamped_learning_rate_follows_a_scheduled_step_size():
    schedule = optax.linear_schedule(0.2, 0.1, 2)
    tx = quick(to.lol(schedule, overdamped_groups={"overdamped": 0.0}, key=0))
    state = tx.init(PARAMS)
    for h in (0.2, 0.15, 0.1):
        updates, state = tx.update(GRADS, state, PARAMS)
        np.testing.assert_allclose(updates["output"]["w"], -0.1 * h**2 / 2, rtol=1e-5)


def test_errors_name_the_arguments_of_the_partition():
    with pytest.raises(ValueError, match="`hidden_friction` must be finite and not negative"):
        to.lala(hidden_friction=-1.0, key=0)
    with pytest.raises(ValueError, match="`step_size` must be finite and not negative"):
        to.lol({"langevin": 0.1, "overdamped": -0.1}, key=0)
    for make, name in ((to.adlala, "adaptive_groups"), (to.lala, "hidden_groups")):
        with pytest.raises(TypeError, match=f"`{name}` must be a dict from label to temperature"):
            make(**{name: ["a"]}, key=0)
    with pytest.raises(TypeError, match="`groups` must be a dict from label to selector.*'first'"):
        to.label_layers(PARAMS, "first")  # pyright: ignore[reportArgumentType]
