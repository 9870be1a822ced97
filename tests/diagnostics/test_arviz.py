"""Samples as ArviZ has them, and its numbers of the samples of a known law."""

import sys
import types

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from thermo_optax.diagnostics._arviz import require_arviz

RNG = np.random.default_rng(0)
CHAINS = {
    "hidden": {"kernel": jnp.asarray(RNG.normal(size=(3, 50, 2, 4)), jnp.float32)},
    "output": [jnp.asarray(RNG.normal(size=(3, 50)), jnp.bfloat16)],
}


def test_chains_and_draws():
    data = to.diagnostics.to_arviz(
        CHAINS,
        has_chains=True,
        dims={"hidden/kernel": ["input", "unit"]},
        coords={"unit": list("abcd")},
        sample_stats={"lp": np.zeros((3, 50))},
    )
    posterior = data.posterior
    assert isinstance(data, require_arviz().InferenceData)
    assert set(posterior.data_vars) == {"hidden/kernel", "output/0"}
    assert posterior["hidden/kernel"].dims == ("chain", "draw", "input", "unit")
    picked = posterior["hidden/kernel"].sel(chain=1, draw=7, unit="c", input=1)
    assert float(picked) == float(CHAINS["hidden"]["kernel"][1, 7, 1, 2])
    assert posterior["output/0"].dtype == np.float32
    np.testing.assert_array_equal(posterior["output/0"], CHAINS["output"][0])
    assert data.sample_stats["lp"].dims == ("chain", "draw")


def test_one_chain_of_one_array():
    data = to.diagnostics.to_arviz(jnp.arange(12.0).reshape(6, 2), sample_stats={"lp": np.ones(6)})
    assert dict(data.posterior.sizes) == {"chain": 1, "draw": 6, "params_dim_0": 2}
    assert data.sample_stats["lp"].shape == (1, 6)


def autoregressive(correlation, chains, draws, seed):
    """Draws of N(0, 1) whose correlation falls by a factor from one to the next."""
    noise = np.random.default_rng(seed).normal(size=(draws, chains))
    x = [noise[0]]
    for z in noise[1:]:
        x.append(correlation * x[-1] + np.sqrt(1 - correlation**2) * z)
    return jnp.asarray(np.stack(x, 1), jnp.float32)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9, -0.5])
def test_effective_number_of_an_autoregressive_chain(correlation):
    """The closed form is C N (1 - a) / (1 + a), and the estimate is known to some per cent."""
    samples = {"x": autoregressive(correlation, 8, 8_000, seed=1)}
    expected = 8 * 8_000 * (1 - correlation) / (1 + correlation)
    for method in ("bulk", "mean"):
        found = to.diagnostics.effective_sample_size(samples, has_chains=True, method=method)
        np.testing.assert_allclose(found["x"], expected, rtol=0.12)


def test_rhat_of_chains_apart():
    """The split formula in NumPy; near 1 for chains of one law."""
    alike = {"x": autoregressive(0.5, 4, 1_000, seed=2)}
    apart = {"x": alike["x"] + jnp.arange(4.0)[:, None]}
    assert to.diagnostics.rhat(alike)["x"] < 1.01
    halves = np.asarray(apart["x"], np.float64).reshape(8, 500)
    within, between = halves.var(1, ddof=1).mean(), 500 * halves.mean(1).var(ddof=1)
    expected = np.sqrt((499 / 500 * within + between / 500) / within)
    found = to.diagnostics.rhat(apart, method="split")["x"]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert expected > 1.2


def test_every_coordinate_has_its_own_number():
    slow, fast = autoregressive(0.9, 4, 2_000, 3), autoregressive(0.0, 4, 2_000, 4)
    samples = {"layer": {"w": jnp.stack([slow, fast, fast], -1).reshape(4, 2_000, 1, 3)}}
    size = to.diagnostics.effective_sample_size(samples, has_chains=True)["layer"]["w"]
    assert size.shape == (1, 3)
    assert 4 * size[0, 0] < size[0, 1] == size[0, 2]
    single = to.diagnostics.effective_sample_size(slow[0])
    assert single.shape == () and single < 2_000


def test_moments_of_a_sampled_gaussian():
    """The whole way of a user: sample, collect, read, and know the standard errors."""
    precision = jnp.array([[2.0, 0.6], [0.6, 0.5]])
    temperature, mean = 0.5, jnp.array([1.0, -2.0])

    @jax.jit
    @jax.vmap
    def run(key):
        inner = to.langevin(0.15, temperature, friction=1.0, key=key)
        tx = to.collect_samples(inner, 4_000, burn_in=200, thinning=5)

        def step(carry, _):
            x, state = carry
            updates, state = tx.update(precision @ (x - mean), state, x)
            return (optax.apply_updates(x, updates), state), None

        start = (mean, tx.init(mean))
        return jax.lax.scan(step, start, length=200 + 5 * 4_000)[0][1]

    samples = to.collected_samples(run(jax.random.split(jax.random.key(0), 8)))
    assert samples.shape == (8, 4_000, 2)
    assert np.all(to.diagnostics.rhat(samples) < 1.01)
    covariance = temperature * np.linalg.inv(precision)
    away = np.asarray(samples, np.float64) - np.asarray(mean)
    for i, j in ((0, 0), (0, 1), (1, 1)):
        product = away[..., i] * away[..., j]
        assert_within_errors(product, covariance[i, j])
    for i in (0, 1):
        assert_within_errors(away[..., i], 0.0)


def assert_within_errors(series, expected):
    size = to.diagnostics.effective_sample_size(series, has_chains=True, method="mean")
    error = np.std(series) / np.sqrt(size)
    assert size > 1_000
    assert abs(np.mean(series) - expected) < 5 * error


REFUSED = {
    "no draws": (lambda: to.diagnostics.to_arviz(jnp.float32(1)), r"must be arrays \[draws"),
    "no chains": (
        lambda: to.diagnostics.to_arviz(jnp.ones(9), has_chains=True),
        r"must be arrays \[chains, draws, ...\], got shape \(9,\) for 'params'",
    ),
    "nothing": (lambda: to.diagnostics.to_arviz({}), "no arrays in it"),
    "one chain": (lambda: to.diagnostics.rhat(jnp.ones((1, 9))), "at least 2 chains and 4 draws"),
    "few draws": (lambda: to.diagnostics.effective_sample_size(jnp.ones(3)), "4 draws, got 1 and"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    act, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        act()


def test_without_arviz(monkeypatch):
    monkeypatch.setitem(sys.modules, "arviz", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'thermo_optax\[samples\]'"):
        to.diagnostics.to_arviz(jnp.ones(9))


def test_an_arviz_without_inference_data(monkeypatch):
    newer = types.ModuleType("arviz")
    monkeypatch.setattr(newer, "__version__", "1.0.0", raising=False)
    monkeypatch.setitem(sys.modules, "arviz", newer)
    with pytest.raises(ImportError, match="arviz 1.0.0 has no `InferenceData`"):
        to.diagnostics.rhat(jnp.ones((2, 9)))
