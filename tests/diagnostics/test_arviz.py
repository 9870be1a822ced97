"""Samples as ArviZ has them, and its numbers of the samples of a known law."""

import functools
import sys
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from thermo_optax.diagnostics._arviz import require_arviz

OLD = "InferenceData" in vars(require_arviz())  # before 1.0
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
    assert type(data).__name__ == ("InferenceData" if OLD else "DataTree")
    assert set(posterior.data_vars) == {"hidden.kernel", "output.0"}
    assert posterior["hidden.kernel"].dims == ("chain", "draw", "input", "unit")
    picked = posterior["hidden.kernel"].sel(chain=1, draw=7, unit="c", input=1)
    assert float(picked) == float(CHAINS["hidden"]["kernel"][1, 7, 1, 2])
    assert posterior["output.0"].dtype == np.float32
    np.testing.assert_array_equal(posterior["output.0"], CHAINS["output"][0])
    assert data.sample_stats["lp"].dims == ("chain", "draw")


def test_one_chain_of_one_array():
    data = to.diagnostics.to_arviz(jnp.arange(12.0).reshape(6, 2), sample_stats={"lp": np.ones(6)})
    assert dict(data.posterior.sizes) == {"chain": 1, "draw": 6, "params_dim_0": 2}
    assert data.sample_stats["lp"].shape == (1, 6)


def test_a_prior_may_have_other_draws():
    data = to.diagnostics.to_arviz(jnp.ones(50), prior={"params": jnp.ones(20)})
    assert data["prior"]["params"].shape == (1, 20)


def test_groups_of_data_have_no_draws():
    data = to.diagnostics.to_arviz(
        jnp.ones((6, 2)), observed_data={"y": np.arange(5.0)}, log_likelihood={"y": np.ones((6, 5))}
    )
    assert data.observed_data["y"].shape == (5,)
    assert data.log_likelihood["y"].shape == (1, 6, 5)


NESTED = {
    "linen": {"params": {"Dense_0": {"kernel": jnp.ones((6, 3, 2)), "bias": jnp.zeros((6, 2))}}},
    "Haiku": {"net/~/linear_0": {"w": jnp.ones((6, 3, 2))}},
    "list": [(jnp.ones((6, 3)), {"a": jnp.zeros(6)})],
    "half precision": {"a": {"b": jnp.ones((6, 2), jnp.bfloat16)}},
    "one array": jnp.ones((6, 2)),
}


@pytest.mark.parametrize("tree", NESTED)
def test_saved_and_read_again(tree, tmp_path):
    """Files admit no slashes in names; the names are the same after a round trip."""
    import xarray

    data = to.diagnostics.to_arviz(NESTED[tree])
    assert not any("/" in name for name in data.posterior.variables)
    data.to_netcdf(tmp_path / "samples.nc")
    with xarray.open_dataset(tmp_path / "samples.nc", group="posterior", engine="h5netcdf") as read:
        names = [name for name in data.posterior.data_vars]
        assert list(read.data_vars) == names
        leaves = jax.tree.leaves(NESTED[tree])
        for name, leaf in zip(names, leaves, strict=True):
            np.testing.assert_array_equal(read[name].values[0], leaf)


def test_two_arrays_of_one_name_are_refused():
    for tree in (
        {"a/b": jnp.ones(9), "a": {"b": jnp.zeros(9)}},
        {"a.b": jnp.ones(9), "a": {"b": jnp.zeros(9)}},
    ):
        for read in (to.diagnostics.to_arviz, to.diagnostics.effective_sample_size):
            with pytest.raises(ValueError, match=r"both be named 'a.b'.*Rename"):
                read(tree)


CHAIN_READERS = {
    "to_arviz": lambda x, **how: to.diagnostics.to_arviz(x, **how).posterior["params"].shape,
    "effective_sample_size": lambda x, **how: to.diagnostics.effective_sample_size(x, **how).shape,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CHAIN_READERS)
def test_chains_that_are_not_said_to_be_chains(name):
    """Without `has_chains` they are draws, as documented, and never silently."""
    read = CHAIN_READERS[name]
    chains = jnp.asarray(RNG.normal(size=(4, 500, 3)))
    said = read(chains, has_chains=True)
    assert said == ((4, 500, 3) if name == "to_arviz" else (3,))
    for samples in (chains, {"params": chains, "other": chains[..., 0]}):
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            to.diagnostics.to_arviz(samples)
            unsaid = read(chains)
        words = [str(warning.message) for warning in seen]
        assert sum("one chain of 4 draws" in w and "`has_chains=True`" in w for w in words) == 2
    assert unsaid == read(chains, has_chains=False) != said
    read(chains[0])  # of 500 draws: nothing to warn of


@pytest.mark.parametrize("name", ["chain", "draw"])
def test_variables_named_like_the_axes_are_refused(name):
    """ArviZ leaves out the whole group without a word."""
    draws = RNG.normal(size=(4, 50))
    said = to.diagnostics
    for act in (
        lambda: said.to_arviz({name: draws, "w": draws}, has_chains=True),
        lambda: said.rhat({name: draws}),
        lambda: said.to_arviz(draws, has_chains=True, sample_stats={name: draws}),
    ):
        with pytest.raises(ValueError, match=f"variable of the name '{name}'.*Rename it"):
            act()
    data = said.to_arviz(draws, has_chains=True, observed_data={name: np.zeros(3)})
    assert data.observed_data[name].shape == (3,)


def test_draws_that_are_all_equal():
    """What ArviZ says of a parameter that never moves."""
    still = np.ones((4, 50))
    with np.errstate(invalid="ignore"):
        assert np.isnan(to.diagnostics.rhat(still))
    assert to.diagnostics.effective_sample_size(still, has_chains=True) == 200


def test_few_samples_of_a_network_are_no_chains():
    """Arrays whose second axes differ cannot be chains of draws."""
    network = {"kernel": jnp.ones((5, 30, 20)), "bias": jnp.ones((5, 20))}
    assert to.diagnostics.to_arviz(network).posterior.sizes["draw"] == 5


def test_rhat_takes_the_same_argument():
    chains = jnp.asarray(RNG.normal(size=(4, 500, 3)))
    found = to.diagnostics.rhat(chains, has_chains=True)
    np.testing.assert_array_equal(found, to.diagnostics.rhat(chains))
    with pytest.raises(ValueError, match="`has_chains` must be True for R-hat"):
        to.diagnostics.rhat(chains, has_chains=False)


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


@pytest.mark.parametrize("unit", [1e-30, 1e30])
@pytest.mark.parametrize("method", ["mean", "sd", "bulk"])
def test_effective_number_in_any_unit(unit, method):
    """Each entry in its own: beside it there may be others of any size."""
    draws = np.random.default_rng(0).normal(size=(2, 100, 1)).cumsum(axis=1)
    size = functools.partial(to.diagnostics.effective_sample_size, has_chains=True, method=method)
    found = size(np.concatenate([draws, unit * (100 + draws)], axis=-1))
    np.testing.assert_allclose(found[1], size(draws)[0], rtol=1e-6)
    assert size(draws)[0] < 100


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


@pytest.mark.slow
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
    "different chains": (
        lambda: to.diagnostics.rhat({"a": jnp.ones((2, 9)), "b": jnp.ones((9, 3))}),
        r"same numbers of chains and draws in every array, got \[\(2, 9\), \(9, 3\)\]",
    ),
    "other draws in a group": (
        lambda: to.diagnostics.to_arviz(
            {"a": jnp.ones((50, 2))}, sample_stats={"lp": jnp.ones(49)}
        ),
        r"`sample_stats` must have the chains and draws of `samples`, \(1, 50\), got \(1, 49\)",
    ),
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
