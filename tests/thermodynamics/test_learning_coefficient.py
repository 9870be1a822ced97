"""Learning coefficients against values that are known exactly, with the defaults."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.thermodynamics import linear_networks as networks
from thermo_optax.thermodynamics._chains import run_chains
from thermo_optax.thermodynamics._report import summary

CURVATURES = np.logspace(-2, 0, 200).astype(np.float32)
HEAT = 1e-3
measure = functools.partial(to.learning_coefficient, num_examples=1_000, key=0)


def quadratic(w):
    return jnp.sum(jnp.asarray(CURVATURES[-w.size :]) * jnp.square(w)) / 2


def exact(size, power=1, precision=1.0):
    shares = CURVATURES[-size:] / (CURVATURES[-size:] + precision * HEAT)
    return float(np.sum(shares**power) / 2)


@pytest.mark.parametrize("precision", [0.0, 1.0, 300.0])
def test_quadratic(precision):
    """Half of the weights count, without those that the tether holds."""
    found = measure(quadratic, jnp.zeros(200), temperature=HEAT, precision=precision)
    value, second = (exact(200, power, precision) for power in (1, 2))
    assert abs(found.value / value - 1) < 0.02
    assert abs(found.value - value) < 4 * found.standard_error < 0.02 * value
    assert abs(found.from_variance - second) < 4 * found.from_variance_error < 0.1 * 4 * second
    assert abs(found.temperature - 1) < 0.03
    assert len(found.warnings) == (precision > 1)  # most of the force is the tether's there


@pytest.mark.slow
def test_the_error_covers_in_ninety_of_a_hundred_seeds():
    size = 50
    found = measure(*(quadratic, jnp.zeros(size)), temperature=HEAT, num_chains=400)
    traces = found.losses.reshape(100, 4, -1)
    ones = np.ones_like(traces[0])
    one = [summary(trace, ones, ones, HEAT, found.settings) for trace in traces]
    off = [abs(one.value - exact(size)) / one.standard_error for one in one]
    off_variance = [abs(o.from_variance - exact(size, 2)) / o.from_variance_error for o in one]
    for deviations in (off, off_variance):
        assert np.mean(np.array(deviations) < 1.96) >= 0.9
        assert np.mean(np.array(deviations) < 1) <= 0.85  # 0.68: the error is not too large either


def test_known_limits():
    assert networks.limit([5, 10, 10, 5], 3) == 12.5
    assert networks.limit([3, 7, 4], 4 - 1) == 3 * 4 / 2  # wide: regular in the map
    assert networks.limit([2, 1, 2], 1) == 1.5  # all rank-1 maps, of 3 dimensions


SHAPES = {"reduced rank": ([5, 4, 5], 2), "deep": ([5, 10, 10, 5], 3)}


@pytest.mark.slow
@pytest.mark.parametrize("name", SHAPES)
def test_linear_networks(name):
    widths, rank = SHAPES[name]
    center = networks.weights(widths, rank)
    value = networks.gibbs(center, 1e-4, 1.0, 6_000)
    assert abs(value / networks.limit(widths, rank) - 1) < 0.05
    found = measure(networks.loss_of(center), center, temperature=1e-4)
    assert abs(found.value / value - 1) < 0.03


@pytest.mark.slow
@pytest.mark.parametrize(("temperature", "value"), [(1e-4, 0.41051), (1e-6, 0.43662)])
def test_a_singularity_without_curvature(temperature, value):
    """(w1 w2)^2 on the box [-1, 1]^2, whose walls are mirrors; the value is by quadrature."""

    def loss(u):
        w = 1 - jnp.abs(jnp.mod(u + 1, 4.0) - 2)
        return jnp.square(w[0] * w[1])

    found = measure(
        *(loss, jnp.zeros(2)), temperature=temperature, precision=0.0, num_steps=200_000
    )
    assert abs(found.value / value - 1) < 0.05


def regression(size):
    random = np.random.default_rng(0)
    inputs = random.normal(size=(4_096, 20)) * np.logspace(-0.5, 0, 20)
    outputs = inputs @ random.normal(size=20) + random.normal(size=len(inputs))
    fit = jnp.asarray(np.linalg.lstsq(inputs, outputs, rcond=None)[0], jnp.float32)
    curvatures = np.linalg.eigvalsh(inputs.T @ inputs / len(inputs))
    data = jnp.asarray(inputs, jnp.float32), jnp.asarray(outputs, jnp.float32)

    def batches(step):
        rows = jax.random.randint(jax.random.fold_in(jax.random.key(7), step), (size,), 0, 4_096)
        return data[0][rows], data[1][rows]

    def loss(w, batch):
        return jnp.mean(jnp.square(batch[0] @ w - batch[1])) / 2

    value = np.sum(curvatures / (curvatures + 1 / 3_000)) / 2
    return loss, fit, batches, float(value)


@pytest.mark.slow
@pytest.mark.parametrize("size", [512, 64])
def test_minibatches(size):
    """Residuals of 1 are noise in each gradient and loss, and none of it is left."""
    loss, fit, batches, value = regression(size)
    found = measure(loss, fit, batches=batches, temperature=1 / 3_000)
    assert abs(found.value / value - 1) < 0.06
    assert abs(found.temperature - 1) < 0.06
    assert found.warnings == ()


@pytest.mark.slow
def test_a_gradient_that_is_not_noise_stays():
    """Tilted: the chains go down the slope, and the value says so."""
    loss, fit, batches, _ = regression(512)

    def tilted(w, batch):
        return loss(w, batch) + 0.5 * w[-1]

    found = measure(tilted, fit, batches=batches, temperature=1 / 3_000)
    assert abs(found.settings["gradient_norm"] - 0.5) < 0.02
    assert found.value < 0
    assert "negative" in found.warnings[0]
    assert "norm 0.5" in " ".join(found.warnings)


@pytest.mark.slow
def test_frozen_arrays_rest():
    params = {"first": jnp.zeros(20), "last": {"w": jnp.zeros(30)}}

    def loss(tree):
        return quadratic(jnp.concatenate([tree["last"]["w"], tree["first"]]))

    whole = measure(loss, params, temperature=HEAT)
    part = measure(loss, params, temperature=HEAT, free={"first": True, "last": False})
    assert abs(whole.value - exact(50)) < 4 * whole.standard_error
    assert abs(part.value - exact(20)) < 4 * part.standard_error
    assert part.settings["num_weights"] == 20


def poisoned(chance, spoil):
    """Chains of which some are spoilt: those whose key says so."""

    def sampler(step_size, temperature, key):
        bad = jax.random.uniform(jax.random.fold_in(key, 1)) < chance
        spoilt = optax.stateless(lambda updates, _: spoil(bad, updates))
        tx = to.langevin(step_size, temperature, friction=0.1 / step_size, key=key)
        return optax.chain(tx, spoilt)

    return sampler


SPOILT = {
    "not finite": lambda bad, updates: [jnp.where(bad, jnp.nan, u) for u in updates],
    "far": lambda bad, updates: [jnp.where(bad, u + 30, u) for u in updates],
}


@pytest.mark.quick("far")
@pytest.mark.parametrize("kind", SPOILT)
def test_one_bad_chain_does_not_poison_the_others(kind):
    sampler = poisoned(0.6, SPOILT[kind])
    found = measure(*(quadratic, jnp.zeros(50)), temperature=HEAT, sampler=sampler, num_chains=8)
    left = int(np.sum(np.isnan(found.chains)))
    assert 1 <= left <= 7  # by their keys
    assert abs(found.value - exact(50)) < 4 * found.standard_error < 0.05 * exact(50)
    assert f"{left} of 8 chains left the neighbourhood or are not finite" in found.warnings[0]
    lost = measure(
        *(quadratic, jnp.zeros(50)), temperature=HEAT, sampler=poisoned(2.0, SPOILT[kind])
    )
    assert np.isnan(lost.value) and "all chains" in lost.warnings[0]


@pytest.mark.slow
def test_it_says_what_is_wrong():
    hot = measure(
        *(quadratic, jnp.zeros(50)),
        temperature=HEAT,
        sampler=lambda h, T, key: to.sgld(jnp.square(h), T, key=key),
        step_size=1.2,
    )
    assert hot.value > 1.3 * exact(50)
    assert "measured temperature is 1." in " ".join(hot.warnings)
    slope = measure(lambda w: quadratic(w + 1), jnp.zeros(50), temperature=HEAT)
    assert "negative" in slope.warnings[0] and "norm" in " ".join(slope.warnings)
    rounded = measure(lambda w: quadratic(w) + 1e4, jnp.zeros(50), temperature=HEAT)
    assert "float32" in " ".join(rounded.warnings)
    loose = measure(*(lambda w: quadratic(w[:20]), jnp.zeros(50)), temperature=1e-7, num_steps=500)
    assert "have not spread to the width" in " ".join(loose.warnings)
    text = str(loose)
    assert "learning coefficient" in text and "precision 1" in text and "warning: " in text


def test_a_sweep_is_one_program():
    measure(quadratic, jnp.zeros(3), temperature=HEAT, num_steps=100)
    before = run_chains._cache_size()
    measure(quadratic, jnp.ones(3), temperature=2 * HEAT, precision=3.0, num_steps=100)
    measure(quadratic, jnp.ones(3), temperature=HEAT, step_size=0.1, num_steps=100)
    assert run_chains._cache_size() == before


def test_the_temperature_of_n_examples():
    found = measure(quadratic, jnp.zeros(3), num_examples=100, num_steps=100)
    assert found.settings["temperature"] == pytest.approx(np.log(100) / 100)


def test_bad_input():
    x = jnp.zeros(3)
    with pytest.raises(ValueError, match=r"`loss` must be finite at `params`, got nan"):
        measure(lambda w: jnp.sum(w) * jnp.nan, x)
    with pytest.raises(ValueError, match="`num_examples` must be an integer of at least 2, got 1"):
        measure(quadratic, x, num_examples=1)
    with pytest.raises(ValueError, match="`num_chains` must be .* at least 2, got 1. One chain"):
        measure(quadratic, x, num_chains=1)
    with pytest.raises(ValueError, match="`num_steps` must be an integer of at least 100, got 5"):
        measure(quadratic, x, num_steps=5)
    with pytest.raises(ValueError, match="`num_burn_in` must be an integer of at least 1, got 0"):
        measure(quadratic, x, num_burn_in=0)
    with pytest.raises(ValueError, match="`temperature` must be finite and positive, got 0"):
        measure(quadratic, x, temperature=0.0)
    with pytest.raises(ValueError, match="`precision` must be finite and not negative, got -1"):
        measure(quadratic, x, precision=-1.0)
    with pytest.raises(ValueError, match="`step_size` must be finite and positive, got -1"):
        measure(quadratic, x, step_size=-1.0)
    with pytest.raises(ValueError, match="must return a single number, got an array of shape"):
        measure(lambda w: w, x)
    with pytest.raises(ValueError, match="`free` must leave some array of `params` free"):
        measure(quadratic, x, free=False)
    with pytest.raises(ValueError, match="`free` must be a tree of bools like `params`"):
        measure(quadratic, x, free={"a": True})
    with pytest.raises(TypeError, match="heat moves only real floating-point"):
        measure(quadratic, jnp.zeros(3, jnp.int32))
    with pytest.raises(ValueError, match="`params` has no arrays"):
        measure(quadratic, {})


def test_a_loss_in_half_precision_is_told():
    """Its rounding hides the heat, whatever the dtype in which the chains are computed."""
    half = jnp.bfloat16
    loss = lambda w: (0.5 + jnp.sum(w**2) / 2).astype(half)  # noqa: E731
    found = to.learning_coefficient(
        loss, jnp.zeros(3), num_examples=1_000, key=0, num_steps=100, num_burn_in=1
    )
    assert found.losses.dtype == np.float32
    assert any("is rounded by 0.008 of itself" in text for text in found.warnings)


def test_calls_that_cannot_be_measured():
    measure = functools.partial(to.learning_coefficient, num_examples=100, key=0)
    with pytest.raises(TypeError, match="`params` are traced.*outside of `jax.jit`"):
        jax.jit(lambda w: measure(lambda w: jnp.sum(w**2), w).value)(jnp.zeros(3))
    with pytest.raises(TypeError, match="`loss` must return a real floating-point number, got int"):
        measure(lambda w: jnp.argmax(w), jnp.zeros(3))
    with pytest.raises(ValueError, match="`loss` must have a finite gradient at `params`"):
        measure(jnp.linalg.norm, jnp.zeros(3))
    with pytest.raises(ValueError, match="`devices` is empty"):
        measure(lambda w: jnp.sum(w**2), jnp.zeros(3), devices=np.array([]))
