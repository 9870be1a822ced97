"""Warm-ups that are called in other ways: fixed frictions, restarts, far starts, wrappers."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.compiling import quick_jit
from tests.tuning.test_warm_up import TEMPERATURE, make_langevin, run


def test_a_friction_that_is_not_chosen_is_passed_on():
    """Where the sampler asks for one; the one of a `functools.partial` is found."""
    x, seen = jnp.ones(3), []

    def make(step_size, friction):
        seen.append(friction)
        return to.langevin(step_size, TEMPERATURE, friction=friction, key=0)

    tx = to.warm_up(make, learn="step_size", friction=2.0)

    @quick_jit
    def after_a_step(x):
        _, state = tx.update(x, tx.init(x), x)
        return seen, state.settings.friction

    frictions, kept = after_a_step(x)
    assert len(frictions) > 1 and all(friction == 2 for friction in frictions) and kept == 2
    fixed = to.warm_up(make_langevin(0, friction=3.0), learn="step_size")
    assert fixed.init(x).settings.friction == 3


@pytest.mark.parametrize(("taken", "count"), [(90, 1), (45, 46)])
def test_a_shorter_warm_up_begins_anew_or_ends(taken, count):
    """A state that is beyond it would otherwise keep settings that nothing was chosen for."""
    x = jnp.ones(4)
    state, _ = quick_jit(
        functools.partial(run, to.warm_up(make_langevin(0), 100), jnp.copy, steps=1)
    )(x)
    state = state._replace(count=jnp.int32(taken))
    tx = to.warm_up(make_langevin(0), 60)
    _, after = quick_jit(tx.update)(x, state, x)
    assert after.count == count and after.warming


def test_a_network_goes_on_by_itself():
    """Its masses are in the state, and are left out of the sampler."""
    x, tx = {"w": jnp.ones((3, 2)), "b": jnp.ones(2)}, to.warm_up(make_langevin(0), 60)
    state = tx.init(x)
    refused, after = "", state
    try:
        _, after = tx.update(x, state, x)
    except ValueError as error:
        refused = str(error)
    assert not refused
    assert jax.tree.structure(after) == jax.tree.structure(state)


@pytest.mark.parametrize("names", [("step_size", "friction"), ("step_size", "mass")])
def test_another_learn_than_that_of_the_state(names):
    x, other = {"a": jnp.ones(4), "b": jnp.ones([])}, ("step_size", "friction", "mass")
    if "mass" in names:
        other = ("step_size",)
    state = to.warm_up(make_langevin(0), 60, learn=other).init(x)
    with pytest.raises(ValueError, match="`learn` chooses .*, and the state was made with"):
        to.warm_up(make_langevin(0), 60, learn=names).update(x, state, x)


def test_a_trial_that_was_missed_is_made_up_for():
    x, tx = jnp.ones(4), to.warm_up(make_langevin(0), 60)
    state = quick_jit(tx.init)(x)._replace(count=jnp.int32(59))
    _, after = quick_jit(tx.update)(x, state, x)
    assert not after.warming and to.warm_up_report(after).done


def test_a_start_with_huge_gradients():
    """Sums over unscaled data have gradients of 1e10 far away, whose fourth powers overflow."""
    x, tx = jnp.ones(3), to.warm_up(make_langevin(0), 100)
    state, path = quick_jit(functools.partial(run, tx, lambda x: 1e10 * x, steps=110))(x)
    assert np.all(np.isfinite(path)) and all(map(jnp.isfinite, state.settings))
    report = to.warm_up_report(state)
    assert report.done and any("Take more steps" in text for text in report.warnings)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda sampler: optax.MultiSteps(sampler, 4), "Put that around `warm_up`"),
        (lambda sampler: to.replicate(sampler, 3), "Put `replicate` around `warm_up`"),
    ],
)
def test_wrappers_that_belong_outside(make, message):
    tx = to.warm_up(lambda step_size: make(to.langevin(step_size, 1.0, friction=1.0, key=0)))
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(tx.init, jnp.ones((3, 2)))


GROUPS = {"a": "moving", "b": "resting"}
PARAMS = {"a": jnp.ones(3), "b": jnp.ones(2)}


def make_bare(step_size):
    return to.langevin(step_size, TEMPERATURE, friction=1.0, key=0)


UNMEASURED = {
    "resting": lambda h: optax.partition(
        {"moving": make_bare(h), "resting": optax.set_to_zero()}, GROUPS
    ),
    "without momenta": lambda h: optax.partition(
        {"moving": make_bare(h), "resting": to.sgld(h**2 / 2, TEMPERATURE, key=0)}, GROUPS
    ),
    "guided": lambda h: to.entropy_mcmc(make_bare(h), scope=1.0),
}


@pytest.mark.parametrize("name", UNMEASURED)
def test_all_parameters_have_momenta_and_no_others(name):
    """With gradients of what rests a step was chosen that was a thousand times too short."""
    make = UNMEASURED[name]
    tx = to.warm_up(lambda step_size: make(step_size))
    momenta = 10 if name == "guided" else 3
    with pytest.raises(ValueError, match=f"there are {momenta} momenta for 5 parameters"):
        jax.eval_shape(tx.init, PARAMS)
    groups = {"moving": to.warm_up(make_bare), "resting": optax.set_to_zero()}
    outside = [optax.partition(groups, GROUPS), to.entropy_mcmc(to.warm_up(make_bare), scope=1.0)]
    jax.eval_shape(outside[name == "guided"].init, PARAMS)


def test_the_report_is_of_one_warm_up():
    """Of two groups, each with its own, the first was read as if it were both."""
    groups = {name: to.warm_up(make_bare, step_size=h) for name, h in [("a", 0.1), ("b", 0.2)]}
    state: Any = optax.partition(groups, {"a": "a", "b": "b"}).init(PARAMS)
    with pytest.raises(ValueError, match="2 warm-ups in it, each of which chose for its group"):
        to.warm_up_report(state)
    assert to.warm_up_report(state.inner_states["b"]).step_size == np.float32(0.2)


def test_a_first_step_is_a_number():
    make = functools.partial(to.langevin, temperature=1.0, key=0)
    with pytest.raises(TypeError, match="`step_size` must be a number: it is read once"):
        to.warm_up(make, 100, step_size=optax.linear_schedule(0.1, 0.2, 10))
    with pytest.raises(TypeError, match="`friction` must be a number"):
        to.warm_up(make, 100, learn="step_size", friction=optax.linear_schedule(0.1, 0.2, 10))
