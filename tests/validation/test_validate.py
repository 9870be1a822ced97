"""`validate` passes what leaves the law invariant, and nothing else."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import optax
import pytest

import thermo_optax as to
from tests.selection import each

FEW: dict[str, Any] = dict(num_chains=2**12)
ADAPTIVE: dict[str, Any] = dict(noise_amplitude=1.0, coupling=0.02, initial_friction=0.5)

SAMPLERS = {
    "sgld": lambda key: to.sgld(0.05, 1.0, key=key),
    "leimkuhler_matthews": lambda key: to.leimkuhler_matthews(0.2, 1.0, key=key),
    "langevin": lambda key: to.langevin(0.7, 1.0, friction=1.0, key=key),
    "langevin OBABO": lambda key: to.langevin(
        0.2, 1.0, friction=1.0, splitting="OBABO", mass=0.7, key=key
    ),
    "sghmc": lambda key: to.sghmc(0.05, 1.0, momentum=0.7, key=key),
    "adaptive_langevin": lambda key: to.adaptive_langevin(0.2, 1.0, key=key, **ADAPTIVE),
    "thermostat per tensor": lambda key: to.adaptive_langevin(
        0.2, 1.0, thermostat="tensor", splitting="BADODAB", key=key, **ADAPTIVE
    ),
    "covariance_controlled_langevin": lambda key: to.covariance_controlled_langevin(
        0.2, 1.0, key=key, **ADAPTIVE
    ),
    "psgld": lambda key: to.psgld(0.05, 1.0, damping=0.5, adaptation_steps=100, key=key),
    "partition": lambda key: to.adlala(
        0.3,
        adaptive_groups={"adaptive": 1.0},
        langevin_groups={"langevin": 1.0},
        friction=1.0,
        key=key,
        **ADAPTIVE,
    ),
    "chain with extra arguments": lambda key: optax.chain(
        optax.clip(1e6), to.sgld(0.05, 1.0, key=key)
    ),
}


@pytest.mark.quick("langevin", "partition")
@each(SAMPLERS, "langevin OBABO", "thermostat per tensor", "chain with extra arguments", "sghmc")
def test_samplers_pass(name):
    report = to.validate(SAMPLERS[name], burn_in=100, num_steps=300, **FEW)
    assert report, report


NOT_SAMPLERS = {
    "gradient descent": lambda key: optax.sgd(0.1),
    "noisy_sgd": lambda key: optax.noisy_sgd(0.1, key=key),
    "no motion": lambda key: optax.set_to_zero(),
    "divergence": lambda key: optax.scale(2.5),
    "half the temperature": lambda key: to.langevin(0.5, 0.5, friction=1.0, key=key),
    "learning rate behind the sampler": lambda key: optax.chain(
        to.langevin(0.5, 1.0, friction=1.0, key=key), optax.scale(0.8)
    ),
    "weight decay": lambda key: optax.chain(
        optax.add_decayed_weights(0.2), to.sgld(0.05, 1.0, key=key)
    ),
    "clipped gradient": lambda key: optax.chain(optax.clip(0.5), to.sgld(0.05, 1.0, key=key)),
    "one key for all chains": lambda key: to.sgld(0.05, 1.0, key=0),
}


@pytest.mark.slow
@each(NOT_SAMPLERS, "divergence", "half the temperature", "clipped gradient", "gradient descent")
@pytest.mark.usefixtures("standard_promotion")
def test_others_fail(name):
    report = to.validate(NOT_SAMPLERS[name], num_steps=300, **FEW)
    assert not report, report
    assert report.failures


def langevin_by_hand(
    key, spread=1.0, sign=-1.0, share=lambda z: z, advance=True, drift=lambda p: 0.0
):
    """SGLD in ten lines, to be broken in one place at a time; `share` alters the noise."""
    eta = 0.05

    def init(params):
        return jnp.zeros([], jnp.int32)

    def update(updates, state, params=None):
        step_key = jax.random.fold_in(key, state)
        z = share(optax.tree.random_like(step_key, updates, jax.random.normal))
        size = spread * (2 * eta) ** 0.5
        moved = jax.tree.map(
            lambda g, z, p: sign * eta * g + size * z + eta * drift(p), updates, z, params
        )
        return moved, state + 1 if advance else state

    return optax.GradientTransformation(init, update)


def one_noise(z):
    """The same numbers for every leaf, as one key for all of them gives."""
    return jax.tree.map(lambda _: jax.tree.leaves(z)[0], z)


DEFECTS = {
    "factor sqrt(2) missing": dict(spread=0.5**0.5),
    "lr instead of sqrt(lr)": dict(spread=0.05**0.5),
    "8 % too little noise": dict(spread=0.92),
    "uphill": dict(sign=1.0),
    "one noise for all leaves": dict(share=one_noise),
    "the same noise at each step": dict(advance=False),
    "a drift that does not belong": dict(drift=lambda p: 0.15),
    "a drift in the tails": dict(drift=lambda p: -0.15 * jnp.tanh(p)),
}


@pytest.mark.slow  # as are the defects: other sound samplers pass in between
def test_langevin_by_hand_passes():
    assert to.validate(langevin_by_hand, num_steps=300, **FEW)


@pytest.mark.slow
@each(DEFECTS, "factor sqrt(2) missing", "lr instead of sqrt(lr)", "uphill", "a drift in the tails")
def test_defects_are_seen(name):
    report = to.validate(lambda key: langevin_by_hand(key, **DEFECTS[name]), num_steps=300, **FEW)
    assert not report, report


def test_noise_shared_between_leaves_shows_in_correlations():
    report = to.validate(lambda key: langevin_by_hand(key, share=one_noise), num_steps=300, **FEW)
    assert "correlation" in {check.statistic for check in report.failures}


THERMOSTAT: dict[str, Any] = dict(noise_amplitude=0.5, coupling=0.05, initial_friction=0.2)


def counting_motion(key, share=1.0):
    """A thermostat that takes the change of exact gradients for their noise, and damps it.

    Stiff coordinates are damped most, so that they are too cold, and the others too hot.
    """
    inner = to.adaptive_langevin(0.6, 1.0, splitting="BADODAB", key=key, **THERMOSTAT)

    def init(params):
        return inner.init(params), params, jax.tree.map(jnp.zeros_like, params)

    def update(updates, state, params=None, **extra_args):
        state, last, noise = state
        noise = jax.tree.map(
            lambda n, g, old: 0.9 * n + 0.1 * (g - old) ** 2 / 2, noise, updates, last
        )
        damped = jax.tree.map(
            lambda g, n, p: g + share * 0.3 * n * p, updates, noise, state.momentum
        )
        moved, state = inner.update(damped, state, params, **extra_args)
        return moved, (state, updates, noise)

    return optax.GradientTransformationExtraArgs(init, update)


@pytest.mark.slow
def test_what_treats_stiff_coordinates_differently_is_seen():
    """In modes across all coordinates every one is alike, so only the stiff law shows it."""
    options: dict[str, Any] = dict(burn_in=100, num_steps=300, **FEW)
    report = to.validate(counting_motion, **options)
    assert {check.law for check in report.failures} == {"stiff gaussian"}, report
    assert "coordinate" in report.failures[0].where
    sound = to.validate(lambda key: counting_motion(key, share=0.0), **options)
    assert sound, sound


def test_a_slow_coordinate_need_not_forget():
    """Of curvature 1/100, in a time in which others have forgotten where they began."""
    report = to.validate(SAMPLERS["leimkuhler_matthews"], num_steps=100, **FEW)
    assert report, report
    slow = [check for check in report.checks if "curvature 0.01" in check.where]
    assert {check.statistic for check in slow} == {"mean", "variance"}


def test_units_of_temperature_and_curvature():
    """As for a posterior: T = 1 / N, a small learning rate, and losses curved to match it."""
    options: dict[str, Any] = dict(temperature=1e-3, curvature=50.0, num_steps=300, **FEW)
    assert to.validate(lambda key: to.sgld(1e-3, 1e-3, key=key), **options)
    assert not to.validate(lambda key: to.sgld(1e-3, 1.5e-3, key=key), **options)


@pytest.mark.slow
def test_gradient_noise_heats_whom_it_may():
    options: dict[str, Any] = dict(gradient_noise=2.0, burn_in=100, num_steps=300, **FEW)
    assert to.validate(SAMPLERS["adaptive_langevin"], **options)
    assert not to.validate(SAMPLERS["langevin"], **options)


def test_extra_arguments_reach_update():
    def make(key):
        inner = to.sgld(0.05, 1.0, key=key)

        def update(updates, state, params=None, *, value=None, **extra_args):
            assert value is not None and value.shape == ()
            return inner.update(updates, state, params, **extra_args)

        return optax.GradientTransformationExtraArgs(inner.init, update)

    assert to.validate(make, num_steps=300, **FEW)
    hot = to.validate(make, num_steps=300, update_kwargs={"temperature_scale": 1.5}, **FEW)
    assert not hot


def test_params_give_the_structure():
    params = {"hidden": {"w": jnp.ones((2, 2)), "b": jnp.ones(2)}, "output": jnp.ones(())}
    seen = []

    def make(key):
        inner = to.langevin(0.7, 1.0, friction=1.0, key=key)

        def init(params):
            seen.append(jax.tree.map(jnp.shape, params))
            return inner.init(params)

        return optax.GradientTransformationExtraArgs(init, inner.update)

    report = to.validate(make, params=params, num_steps=60, **FEW)
    assert report, report
    assert seen[0] == jax.tree.map(jnp.shape, params)
    assert {check.where for check in report.checks if check.statistic == "mean"} >= {
        *("hidden/w", "hidden/b", "output", "mode 0", "mode 6")
    }


def test_report():
    report = to.validate(SAMPLERS["langevin"], num_steps=60, **FEW)
    again = to.validate(SAMPLERS["langevin"], num_steps=60, **FEW)
    other = to.validate(SAMPLERS["langevin"], num_steps=60, key=1, **FEW)
    assert report == again != other
    assert report.passed and bool(report) and not report.failures
    assert all(abs(check.z) < 6 for check in report.checks)
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.checks = ()  # pyright: ignore[reportAttributeAccessIssue]

    lines = str(report).splitlines()
    assert lines[0].startswith("passed: ")
    assert len({len(line.rstrip()) for line in lines[2:]}) <= 2
    diverged = str(to.validate(lambda key: optax.scale(2.5), num_steps=300, **FEW))
    assert diverged.startswith("FAILED") and "NOT FINITE" in diverged
    still = str(to.validate(lambda key: optax.set_to_zero(), num_steps=3, **FEW))
    assert "REMEMBERS" in still and "`num_steps`" in still


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(temperature=0.0), "`temperature` must be finite and positive"),
        (dict(curvature=-1.0), "`curvature` must be finite and positive"),
        (dict(num_steps=0), "`num_steps` must be a whole number of steps of at least 1"),
        (dict(num_steps=20.5), "`num_steps` must be a whole number of steps of at least 1"),
        (dict(burn_in=0.5), "`burn_in` must be a whole number of steps of at least 0"),
        (dict(num_chains=10), "`num_chains` must be an integer of at least 100"),
        (dict(num_chains=200.0), "`num_chains` must be an integer of at least 100"),
        (dict(tolerance=-0.1), "`tolerance` must be finite and not negative"),
        (dict(params={}), "`params` has no arrays"),
        (dict(params={"w": jnp.zeros((300,))}), "`params` must have 1 to 256 coordinates"),
        (dict(params={"w": jnp.zeros((0,))}), "`params` must have 1 to 256 coordinates"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        to.validate(SAMPLERS["sgld"], **options)


@pytest.mark.parametrize("name", ["temperature", "curvature", "gradient_noise", "num_steps"])
def test_no_number_is_a_schedule(name):
    with pytest.raises(TypeError, match=f"`{name}` must be a number: .* not by a schedule"):
        to.validate(SAMPLERS["sgld"], **{name: lambda count: 1.0})


def test_what_is_no_function():
    with pytest.raises(TypeError, match="`make_transformation` must be a function of a key"):
        to.validate(to.sgld(0.1, 1.0, key=0))  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="`collect_if` must be a function of a state, got True"):
        to.validate(SAMPLERS["sgld"], collect_if=True)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"`collect_if` must return one bool.* shape \(2,\)"):
        to.validate(SAMPLERS["sgld"], collect_if=lambda state: jnp.ones(2, bool))


def test_what_is_no_transformation():
    with pytest.raises(TypeError, match="`make_transformation` must return an optax"):
        to.validate(lambda key: key)  # pyright: ignore[reportArgumentType]
