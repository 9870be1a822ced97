"""What is refused, what it is told, and what a loss that is not a number does."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.compiling import quick, quick_jit


def sampler():
    return to.langevin(0.1, 0.5, friction=1.0, key=0)


def tempering(**options):
    return to.continuous_tempering(sampler(), 0.5, key=1, **options)


BAD = {
    "delta = delta'": (
        {"plateau": 1.5},
        "`plateau` .delta. must be below `edge` .*got 1.5 and 1.5",
    ),
    "delta > delta'": ({"plateau": 2.0}, "must be below `edge` .*got 2.0 and 1.5"),
    "S = 1": ({"depth": 1.0}, r"`depth` must be at least 0 and below 1, got 1.0.*\[0, 1\)"),
    "S < 0": ({"depth": -0.1}, "`depth` must be at least 0 and below 1, got -0.1"),
    "mode": ({"mode": "fast"}, "`mode` must be one of .*'exploration'.*got 'fast'"),
    "order": ({"order": "printed"}, "`order` must be one of .*'as printed'.*got 'printed'"),
    "wall": ({"wall": 0.0}, "`wall` must be finite and positive, got 0.0"),
    "mass": ({"alpha_mass": -1.0}, "`alpha_mass` must be finite and positive"),
}


@pytest.mark.parametrize("what", BAD)
def test_numbers_and_choices(what):
    options, message = BAD[what]
    with pytest.raises(ValueError, match=message):
        tempering(**options)


BAD_BIASES = {
    "bins that cannot resolve a hill": ({"width": 0.04}, "cannot resolve.*Pass num_bins=75"),
    "hills wider than the grid": ({"width": 0.3}, "`width`=0.3 is too wide.*Pass 0.25 or less"),
    "no bins": ({"num_bins": 1}, "`num_bins` must be an integer of at least 2, got 1"),
    "half a bin": ({"num_bins": 60.5}, "`num_bins` must be an integer of at least 2, got 60.5"),
    "negative height": ({"height": -1.0}, "`height` must be finite and not negative, got -1.0"),
    "no width": ({"width": 0.0}, "`width` must be finite and positive, got 0.0"),
    "no stride": ({"stride": 0}, "`stride` must be an integer of at least 1, got 0"),
    "bias factor": ({"bias_factor": 1.0}, "`bias_factor` must be above 1, got 1.0.*Pass 10"),
    "endless bias factor": (
        {"bias_factor": math.inf},
        "`bias_factor` must be above 1, got inf.*finite",
    ),
    "freezing": ({"freeze_after": -1}, "`freeze_after` must be finite and not negative"),
}


@pytest.mark.parametrize("what", BAD_BIASES)
def test_hills(what):
    options, message = BAD_BIASES[what]
    with pytest.raises(ValueError, match=message):
        tempering(bias=to.metadynamics(**options))


def constant(count):
    return 3 * jnp.ones_like(count)


NO_SCHEDULES = {
    **{name: {name: constant} for name in ("plateau", "edge", "depth", "alpha_mass", "mass")},
    "width": lambda: to.metadynamics(width=constant),  # pyright: ignore[reportArgumentType]
    "bias_factor": lambda: to.metadynamics(bias_factor=constant),  # pyright: ignore
    "freeze_after": lambda: to.metadynamics(freeze_after=constant),  # pyright: ignore
    "memory": lambda: to.adaptive_biasing_force(memory=constant),  # pyright: ignore
    "sampling_steps": lambda: to.ctld(0.1, 0.1, sampling_steps=constant, key=0),  # pyright: ignore
    "adaptation_steps": lambda: to.psgld(1, 1, adaptation_steps=constant, key=0),  # pyright: ignore
}


@pytest.mark.parametrize("name", NO_SCHEDULES)
def test_what_no_schedule_can_give(name):
    make = NO_SCHEDULES[name]
    with pytest.raises(TypeError, match=f"`{name}` must be a number: .* not by a schedule"):
        make() if callable(make) else tempering(**make)


def test_mean_force_and_kinds_of_bias():
    with pytest.raises(ValueError, match="`memory` must be finite and positive, got 0"):
        to.adaptive_biasing_force(memory=0)
    with pytest.raises(TypeError, match="`bias` must be `metadynamics.*got 3"):
        tempering(bias=3)
    both = tempering(bias=[to.metadynamics(), to.adaptive_biasing_force()])
    assert len(jax.eval_shape(both.init, jnp.ones(3)).bias) == 2


def test_key():
    with pytest.raises(TypeError, match="`key` is required"):
        to.continuous_tempering(sampler(), 0.5, key=None)
    with pytest.raises(TypeError, match="`key` is required"):
        to.ctld(0.1, 0.1, sampling_steps=1, key=None)


def test_ctld():
    with pytest.raises(TypeError, match="missing 1 required keyword-only argument: 'sampling_ste"):
        to.ctld(0.1, 0.1, key=0)
    with pytest.raises(TypeError, match="`sampling_steps` must be a number"):
        to.ctld(0.1, 0.1, sampling_steps=None, key=0)
    with pytest.raises(TypeError, match="`temperature` is required"):
        to.ctld(0.1, sampling_steps=1, key=0)
    for wrong in ({}, {"step_size": 0.1}, {"learning_rate": 0.1, "friction": 1.0}):
        with pytest.raises(ValueError, match="Give either `learning_rate`.*or `step_size` and"):
            to.ctld(temperature=0.1, sampling_steps=1, key=0, **wrong)
    with pytest.raises(ValueError, match="`friction` must be at most 1, got 1.5"):
        to.ctld(temperature=0.1, sampling_steps=1, key=0, step_size=0.5, friction=3.0)
    with pytest.raises(ValueError, match="`friction` must be at most 1, got 1.5"):
        to.ctld(temperature=0.1, sampling_steps=1, key=0, step_size=0.5, friction=lambda t: 3.0)
    to.ctld(temperature=0.1, sampling_steps=1, key=0, step_size=0.5, friction=lambda t: 1.0)
    # A rest, no friction, and the most friction that there may be, which float32 rounds up.
    rest = optax.linear_schedule(0.0, 0.1, 100)
    for motion in ((rest, 1.0), (0.1, 0.0), (0.07, 1 / 0.07), (0.043, 1 / 0.043)):
        step_size, friction = motion
        to.ctld(temperature=0.1, sampling_steps=1, key=0, step_size=step_size, friction=friction)


@pytest.mark.parametrize("make", [tempering, lambda: to.ctld(0.1, 0.1, sampling_steps=9, key=0)])
def test_the_loss_is_needed(make):
    tx, x = make(), jnp.ones(3)
    state = quick(tx).init(x)
    for update in (tx.update, quick_jit(tx.update)):
        with pytest.raises(TypeError, match=r"`value` is required.*value_and_grad.*value=value\)"):
            update(x, state, x)
        for wrong in (x, jnp.ones((1,)), np.ones(2)):
            with pytest.raises(ValueError, match=r"`value` must be the loss, a single number, got"):
                update(x, state, x, value=wrong)
    with pytest.raises(ValueError, match="`value` must be the loss, a single number, got.*'low'"):
        tx.update(x, state, x, value="low")


@functools.cache
def programs(mode):
    return quick(tempering(mode=mode))


@pytest.mark.quick("paper")
@pytest.mark.parametrize("mode", ["paper", "exact", "exploration"])
@pytest.mark.parametrize("fault", [jnp.nan, jnp.inf, -jnp.inf])
def test_a_loss_that_is_known_not_to_be_finite(mode, fault):
    x = jnp.ones(3)
    state = programs(mode).init(x)
    with pytest.warns(UserWarning, match="`value` is .*field `faults`.*`optax.apply_if_finite`"):
        tempering(mode=mode).update(x, state, x, value=fault)


@pytest.mark.parametrize("mode", ["paper", "exact", "exploration"])
@pytest.mark.parametrize("fault", [jnp.nan, jnp.inf, -jnp.inf])
def test_a_loss_that_is_not_finite(mode, fault):
    """It is counted; alpha ignores it; the parameters move as they would."""
    tx, x = programs(mode), jnp.ones(3)
    state = tx.init(x)
    _, state = tx.update(x, state, x, value=1.0)
    updates, bad = tx.update(x, state, x, value=fault)
    assert bad.faults == 1 and bad.count == 2
    finite = [np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves((updates, bad))]
    assert all(finite)
    learnt = jax.tree.map(np.array_equal, bad.bias, state.bias)
    assert all(jax.tree.leaves(learnt)), "nothing is learnt from it"
    _, recovered = tx.update(x, bad, x, value=1.0)
    assert recovered.faults == 1
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(recovered))


def test_too_many_parameters_for_the_coupling_of_the_paper():
    """With the default hills it is cold again after 70,000 steps at 50, and not at 100."""
    for size in (51, 100, 1001):
        with pytest.warns(UserWarning, match=f'`mode`="paper" couples .* {size} .*mode="exact"'):
            jax.eval_shape(tempering().init, jnp.ones(size))
    jax.eval_shape(tempering().init, jnp.ones(50))
    for mode in ("exact", "exploration"):
        jax.eval_shape(tempering(mode=mode).init, jnp.ones(1001))


def test_readings_need_one_tempering():
    x = jnp.ones(3)
    with pytest.raises(ValueError, match="`state` holds 0 states of `continuous_tempering`"):
        to.tempering_state(quick(sampler()).init(x))
    with pytest.raises(ValueError, match="`state` holds 2 states"):
        to.tempering_state((programs("paper").init(x),) * 2)
    with pytest.raises(ValueError, match="`bias=None`: .*no bias to read"):
        to.tempering_profile(quick(tempering(bias=None)).init(x))
