"""Predictions over samples: means and spreads by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.compiling import quick_jit
from tests.samples.walks import counting, walk, walk_inside

SAMPLES = {
    "w": jnp.asarray(np.random.default_rng(0).normal(size=(7, 3, 2)), jnp.float32),
    "b": jnp.asarray(np.random.default_rng(1).normal(size=(7, 2)), jnp.float32),
}
INPUTS = jnp.asarray(np.random.default_rng(2).normal(size=(5, 3)), jnp.float32)


def network(params, inputs):
    outputs = jnp.tanh(inputs @ params["w"] + params["b"][None])
    return {"outputs": outputs, "class": jnp.argmax(outputs, axis=-1)}


@pytest.mark.parametrize("batch_size", [None, 1, 3, 7, 20])
def test_mean_and_spread(batch_size):
    each = np.tanh(np.einsum("nd,sdk->snk", INPUTS, SAMPLES["w"]) + SAMPLES["b"][:, None])
    found = quick_jit(lambda s: to.ensemble_predict(network, s, INPUTS, batch_size=batch_size))(
        SAMPLES
    )
    np.testing.assert_allclose(found.predictions["outputs"], each, atol=1e-6)
    np.testing.assert_allclose(found.mean["outputs"], each.mean(0), atol=1e-6)
    np.testing.assert_allclose(found.standard_deviation["outputs"], each.std(0, ddof=1), atol=1e-6)
    np.testing.assert_allclose(found.mean["class"], each.argmax(-1).mean(0), atol=1e-6)


@quick_jit
def predicted(samples, weights=None):
    return to.ensemble_predict(network, samples, INPUTS, weights=weights)


def test_weights():
    """Whole weights are samples that occur so often; a mask leaves samples out, NaN or not."""
    often = np.array([0, 2, 1, 0, 0, 3, 0])
    repeated = np.repeat(np.arange(7), often)
    samples = jax.tree.map(np.asarray, SAMPLES)
    found = predicted(samples, often)
    expected = predicted(jax.tree.map(lambda x: x[repeated], samples))
    np.testing.assert_allclose(found.mean["outputs"], expected.mean["outputs"], atol=1e-6)
    mask = np.array([1, 1, 1, 0, 1, 1, 1], bool)
    masked = {
        name: np.where(mask.reshape(7, *(1,) * (x.ndim - 1)), x, np.nan)
        for name, x in samples.items()
    }
    found = predicted(masked, mask)
    expected = predicted(jax.tree.map(lambda x: x[mask], samples))
    for field in ("mean", "standard_deviation"):
        actual, wanted = getattr(found, field), getattr(expected, field)
        np.testing.assert_allclose(actual["outputs"], wanted["outputs"], atol=1e-6)


WITHOUT_MEANING = {
    "all 0": [0.0, 0.0, 0.0],
    "an empty mask": [False, False, False],
    "not a number": [1.0, jnp.nan, 1.0],
    "infinite": [1.0, jnp.inf, 0.0],
    "negative": [2.0, -1.0, 1.0],
    "all negative": [-1.0, -1.0, -1.0],
}


def times_one(weights):
    samples = jnp.array([1.0, 2.0, 3.0])
    return to.ensemble_predict(lambda x, y: x * y, samples, jnp.ones(2), weights=weights)


WITHIN_A_PROGRAM = quick_jit(times_one)


@pytest.mark.parametrize("case", WITHOUT_MEANING)
def test_weights_without_meaning(case):
    """An error where it is known, and else not a number: never a mean of nothing."""
    weights = jnp.asarray(WITHOUT_MEANING[case])
    with pytest.raises(ValueError, match="`weights` must be finite numbers >= 0"):
        times_one(weights)
    found = WITHIN_A_PROGRAM(weights)
    assert np.all(np.isnan(found.mean)) and np.all(np.isnan(found.standard_deviation))


@quick_jit
def of_two(weights):
    samples = jnp.array([1.0, 3.0])
    return to.ensemble_predict(lambda x, _: x, samples, None, weights=weights)


@pytest.mark.parametrize("weights", [[1.0, 1e-9], [3e38, 3e38], [2e-38, 2e-38], [0.0, 1.0]])
def test_weights_of_any_size(weights):
    """One that is nearly all leaves 1 - sum of squares no digit, and large ones have no sum."""
    shares = np.array(weights) / np.sum(weights)
    values = np.array([1.0, 3.0])
    mean = np.sum(shares * values)
    away = np.sum(shares * (values - mean) ** 2)
    freedom = 2 * shares[0] * shares[1]
    found = of_two(np.array(weights, np.float32))
    np.testing.assert_allclose(found.mean, mean, rtol=1e-6)
    spread = np.sqrt(away / freedom) if freedom else np.nan
    np.testing.assert_allclose(found.standard_deviation, spread, rtol=1e-5)


def test_predictions_in_any_unit():
    """Side by side, and beside a sample that does not count."""
    units = np.array([1e-25, 1.0, 1e25], np.float32)
    samples, weights = jnp.array([1.0, 2.0, jnp.nan, 3.0]), [1.0, 1.0, 0.0, 1.0]

    @quick_jit
    def predict(samples):
        return to.ensemble_predict(lambda x, _: x * units, samples, None, weights=weights)

    found = predict(samples)
    np.testing.assert_allclose(found.mean, 2 * units, rtol=1e-6)
    np.testing.assert_allclose(found.standard_deviation, units, rtol=1e-6)


def test_inside_jit_with_a_mask():
    @quick_jit
    def run(x):
        tx = to.collect_samples(counting(), 10)
        _, state, _ = walk_inside(tx, x, 4)
        samples, mask = to.samples_and_mask(state)
        return to.ensemble_predict(lambda x, y: x * y, samples, 2.0, weights=mask)

    found = run(jnp.float32(0))
    np.testing.assert_allclose(found.mean, 5.0)
    np.testing.assert_allclose(found.standard_deviation, np.std([2, 4, 6, 8], ddof=1), rtol=1e-6)


def test_half_precision_is_averaged_in_float32():
    samples = jnp.ones(1_000, jnp.bfloat16)

    @quick_jit
    def predict(samples):
        return to.ensemble_predict(lambda x, y: x * y, samples, jnp.bfloat16(1), batch_size=100)

    found = predict(samples)
    assert found.mean.dtype == jnp.float32
    np.testing.assert_allclose(found.mean, 1.0, rtol=1e-6)
    assert found.standard_deviation < 1e-3


def test_one_batch_of_samples_at_a_time():
    """The memory is that of a batch of networks at work, not of all."""
    samples = jnp.ones((64, 8))
    inputs = jnp.ones((2_000, 8))

    def wide(weights, inputs):
        hidden = jnp.sin(inputs @ weights[:, None] * jnp.arange(50.0)[None])
        return jnp.sum(jnp.sort(hidden, axis=-1)[:, :3])

    def memory(batch_size):
        run = jax.jit(lambda s: to.ensemble_predict(wide, s, inputs, batch_size=batch_size).mean)
        return run.lower(samples).compile().memory_analysis().temp_size_in_bytes

    assert 8 * memory(4) < memory(64)


REFUSED = {
    "different numbers": ({"w": jnp.ones((3, 2)), "b": jnp.ones(4)}, {}, "axis in front"),
    "no axis": (jnp.float32(1), {}, "axis in front"),
    "weights": (jnp.ones(3), {"weights": jnp.ones(2)}, r"for each of the 3 samples.*\(2,\)"),
    "none": (jnp.ones((0, 3)), {}, "`samples` has none in it"),
    "batch": (jnp.ones(3), {"batch_size": 0}, "`batch_size` must be an integer of at least 1"),
}


ONE = jnp.ones(1)


@pytest.mark.parametrize(
    "call",
    [
        lambda n: to.ensemble_predict(lambda x, y: y, jnp.ones(3), jnp.ones(2), batch_size=n),
        lambda n: to.draw_posterior(to.running_moments(optax.sgd(1.0)).init(ONE), ONE, n, key=0),
        lambda n: to.diagnostics.calibration_error(jnp.ones((3, 1)), jnp.zeros(3, int), num_bins=n),
        lambda n: to.batch_order(n, 2, key=0),
        lambda n: to.batch_order(10, n, key=0),
    ],
)
def test_lengths_of_arrays_are_not_traced(call):
    with pytest.raises(TypeError, match="must be a Python integer, got a traced value"):
        jax.jit(call)(2)


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    samples, options, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        to.ensemble_predict(lambda x, y: y, samples, jnp.ones(2), **options)


def test_a_partition_of_trained_and_fixed_layers():
    tree = {"w": jnp.zeros((3, 2)), "b": jnp.full(2, 0.5)}
    tx = optax.partition(
        {"a": to.collect_samples(counting(), 3), "b": optax.set_to_zero()}, {"w": "a", "b": "b"}
    )
    params, state, visited = walk(tx, tree, 3)
    found = predicted(to.collected_samples(state, params))
    expected = predicted(visited)
    np.testing.assert_allclose(found.mean["outputs"], expected.mean["outputs"], atol=1e-6)


def test_complex_predictions_keep_their_imaginary_part():
    samples = jnp.array([1 + 1j, 3 - 1j])

    @quick_jit
    def predict(samples):
        return to.ensemble_predict(lambda z, x: z * x, samples, jnp.ones(2, jnp.complex64))

    found = predict(samples)
    np.testing.assert_allclose(found.mean, [2, 2])
    np.testing.assert_allclose(found.standard_deviation, np.full(2, 2.0))  # sqrt(1^2 + 1^2) twice
    assert found.standard_deviation.dtype.kind == "f"
