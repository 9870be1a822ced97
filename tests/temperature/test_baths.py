"""Whoever heats says so if there is nothing to heat, or if the bath is at another temperature."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from thermo_optax.temperature._coupling import check_same_temperature


def cooling(start):
    return lambda count: start / (1 + jnp.float32(count))


SAME = [
    ([0.1], 0.1),
    ([np.float64(0.1)], jnp.float32(0.1)),
    ([jnp.bfloat16(0.1)], 0.1),
    ([0.1, 1e-7], 0.1),  # a partition: one group is at this temperature
    ([0.1, 1e-7], 1e-7),
    ([0.0], 0.0),
    ([-1.0], 0.1),  # a schedule, which is not known
    ([1.0], cooling(1.0)),  # also of `inject_hyperparams`, which shows the first value
    ([], 0.1),
]
OTHER = [
    ([1.0], 100.0),
    ([0.1, 1e-7], 1e-3),
    ([0.0], 0.1),
    ([0.1], 0.0),
    ([2.0], cooling(1.0)),
]


@pytest.mark.parametrize("under_jit", [False, True])
@pytest.mark.parametrize("case", range(len(SAME) + len(OTHER)))
def test_same_temperature(case, under_jit):
    found, temperature = [*SAME, *OTHER][case]
    found = [jnp.float32(number) for number in found]

    def check():
        check_same_temperature(found, temperature)
        return 0

    if case < len(SAME):
        (jax.jit(check) if under_jit else check)()
    else:
        with pytest.raises(ValueError, match="`temperature` must be the one that the sampler in"):
            (jax.jit(check) if under_jit else check)()


def test_a_traced_temperature_is_not_known():
    def check(temperature):
        check_same_temperature([jnp.float32(1.0)], temperature)
        check_same_temperature([temperature], 5.0)
        return temperature

    jax.jit(check)(2.0)


X = jnp.ones(3)


@pytest.mark.parametrize("mode", ["paper", "exact", "exploration"])
def test_another_temperature_is_refused_at_init(mode):
    for inner in (
        to.langevin(0.1, 1.0, friction=1.0, key=0),
        optax.chain(optax.clip(1.0), to.sgld(0.1, 1.0, key=0)),
        optax.masked(to.adaptive_langevin(0.1, 1.0, key=0), True),
    ):
        tx = to.continuous_tempering(inner, temperature=100.0, mode=mode, key=1)
        for init in (tx.init, jax.jit(tx.init)):
            with pytest.raises(ValueError, match="`temperature` must be .* got 100 for .* at 1"):
                init(X)


NO_BATH = {"sgd": optax.sgd(0.1), "adam": optax.adam(0.1), "clip": optax.clip(1.0)}


@pytest.mark.parametrize("name", NO_BATH)
def test_no_bath_is_refused_at_init(name):
    inner = NO_BATH[name]
    for wrapped in (inner, optax.chain(inner), optax.masked(inner, True)):
        for tx in (
            to.continuous_tempering(wrapped, 1.0, key=0),
            to.explore_then_refine(wrapped, 3),
        ):
            with pytest.raises(ValueError, match="`inner` has no bath that could be heated.*`sgld"):
                tx.init(X)


def test_a_sampler_of_ones_own_has_a_bath():
    def update(updates, state, params=None, *, temperature_scale=1.0, **extra_args):
        return jax.tree.map(lambda g: temperature_scale * g, updates), state

    own = optax.GradientTransformationExtraArgs(lambda params: optax.EmptyState(), update)
    assert to.explore_then_refine(own, 3).init(X).count == 0
    assert to.continuous_tempering(own, 1.0, key=0).init(X).count == 0


def test_the_temperatures_inside_reach_whoever_stands_around():
    tempered = to.continuous_tempering(to.sgld(0.1, 1.0, key=0), 1.0, key=1)
    tx = to.continuous_tempering(to.explore_then_refine(tempered, 3), 2.0, key=2)
    with pytest.raises(ValueError, match="got 2 for a sampler at 1"):
        tx.init(X)


@pytest.mark.parametrize(
    "loss", [True, np.True_, jnp.asarray(True), 1j, jnp.complex64(1), np.complex128(2)], ids=repr
)
def test_a_complex_or_boolean_loss(loss):
    tx = to.continuous_tempering(to.sgld(0.1, 1.0, key=0), 1.0, key=1)
    with pytest.raises(TypeError, match="`value` must be the loss, a real number, got .* dtype"):
        tx.update(X, tx.init(X), X, value=loss)


@pytest.mark.parametrize("loss", [2, np.int64(2), jnp.int32(2), np.float16(2), jnp.bfloat16(2)])
def test_any_real_number_is_a_loss(loss):
    tx = to.continuous_tempering(to.sgld(0.1, 1.0, key=0), 1.0, key=1)
    state = tx.update(X, tx.init(X), X, value=loss)[1]
    np.testing.assert_array_equal(state.losses.baseline, [2, 0])
