"""The sampling benchmarks: how they count and estimate, and that a short run leaves its report."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

pytest.importorskip("tqdm")
pytest.importorskip("matplotlib")

import thermo_optax as to
from benchmarks import cli
from benchmarks.engine import runtime
from benchmarks.sampling import chains, crossing, estimates, exploration, hopping, mixture
from benchmarks.sampling.estimates import Estimate


@pytest.fixture
def command(monkeypatch, tmp_path):
    """Runs a benchmark and returns its numbers and its folder."""
    monkeypatch.setattr(runtime, "configure", lambda: None)  # the tests have a cache already

    def run(*arguments):
        assert cli.main([*arguments, "--output", str(tmp_path)]) == 0
        return json.loads((tmp_path / "results.json").read_text()), tmp_path

    return run


def is_picture(path):
    return path.read_bytes().startswith(b"\x89PNG")


def test_ratio_and_its_error_against_those_of_many_repetitions():
    rng = np.random.default_rng(0)
    below = rng.uniform(1, 3, (4_000, 64))
    above = 2 * below + rng.normal(size=below.shape)
    repeated = [estimates.ratio(*pair) for pair in zip(above, below, strict=True)]
    values, errors = np.transpose(repeated)
    spread = values.std(ddof=1)
    assert abs(values.mean() - 2) < 5 * spread / np.sqrt(4_000)
    assert abs(errors.mean() / spread - 1) < 0.06  # 5 standard errors of a spread


def test_mean_and_quotient():
    samples = np.array([1.0, 2.0, 4.0])
    one = estimates.mean(samples)
    np.testing.assert_allclose(one, (7 / 3, samples.std(ddof=1) / np.sqrt(3)))
    value, error = Estimate(6, 0.3).over(Estimate(2, 0.2))
    np.testing.assert_allclose((value, error), (3, 3 * np.hypot(0.05, 0.1)))
    assert Estimate(1.25, 0.1).off(1) == pytest.approx(2.5)
    assert (Estimate(1.25, 0.1).text(1), Estimate(np.nan, 0.1).text(1)) == ("1.2 ± 0.1", "-")
    assert estimates.mean([3.0]).text(0) == "3"


def test_hops_are_from_core_to_core():
    a, b, between = (0.0, 0.0), (4.0, 0.9), (2.0, 0.0)
    points = np.array([[a, between, a, between, b, b, (4, 1.1), a], [between, b, b, b, b, b, b, b]])
    visits = mixture.modes(points)
    assert visits.tolist() == [[12, -1, 12, -1, 17, 17, -1, 12], [-1] + 7 * [17]]
    assert mixture.hops(visits).tolist() == [2, 0]
    assert mixture.distinct(visits).tolist() == [2, 1]
    cold = np.array([[1, 1, 1, 1, 0, 0, 0, 1], 8 * [0]], bool)
    assert mixture.hops(mixture.modes(points, cold)).tolist() == [0, 0]
    assert mixture.distinct(mixture.modes(points, cold)).tolist() == [1, 0]


def test_the_mixture_is_the_law_that_it_draws_from():
    x = jax.jit(jax.vmap(mixture.draw))(jax.random.split(jax.random.key(0), 20_000))
    squares = np.mean((np.asarray(x) - mixture.nearest(np.asarray(x))) ** 2, axis=-1)
    assert abs(estimates.mean(squares).off(mixture.DEVIATION**2)) < 5
    occupied = np.bincount(mixture.modes(np.asarray(x)) + 1, minlength=26)[1:]
    share = (1 - np.exp(-2)) / 25  # of a mode's core
    assert np.all(abs(occupied / 20_000 - share) < 5 * np.sqrt(share / 20_000))
    # E |grad L|^2 = E laplacian L, for the loss of this very law only.
    grads = jax.jit(jax.vmap(jax.grad(mixture.loss)))(x)
    hessian = jax.jit(jax.vmap(jax.hessian(mixture.loss)))(x)
    excess = np.sum(grads**2, axis=-1) - np.trace(hessian, axis1=1, axis2=2)
    assert abs(estimates.mean(excess).off(0)) < 5


def test_chunks_do_not_change_the_chains():
    assert chains.chunk_lengths(10, 4) == [3, 3, 3, 1]
    keys = chains.keys_of(0, seeds=2, chains=3)
    assert jnp.all(keys[3:] == chains.keys_of(1, seeds=1, chains=3))

    def run(chunks):
        return chains.simulate(
            lambda key: to.sgld(0.1, 1.0, key=key),
            lambda x: jnp.sum(x**2),
            lambda x, state: (x, state.count),
            jnp.zeros((6, 2)),
            keys,
            7,
            chunks=chunks,
        )

    (x, count), state = run(1)
    assert x.shape == (6, 7, 2)
    assert count[0].tolist() == list(range(1, 8))
    assert len(np.unique(x[:, -1])) == 12
    (again, _), _ = run(3)
    # To rounding: of a chunk of a single step XLA makes a program without a loop.
    np.testing.assert_allclose(x, again, rtol=1e-5)
    assert state.count.tolist() == 6 * [7]


def exact_trace(bias=0.0, chains=64, steps=2_000, dimension=10):
    """Independent draws of the law that mode "exact" should have, or of one too hot where hot."""
    rng = np.random.default_rng(1)
    alphas = rng.uniform(-1.6, 1.6, (chains, steps))
    g = np.asarray(to.temperature_scaling(jnp.asarray(alphas, jnp.float32)))
    squares = rng.chisquare(dimension, alphas.shape) / dimension / g * (1 + bias * (g < 0.5))
    return crossing.Trace(alphas, squares)


@pytest.mark.slow
def test_the_reading_of_a_law_finds_an_exact_one_exact_and_another_one_not():
    size = crossing.Size(10, 64, 2_000)
    right = crossing.measure(size, exact_trace(), 1.0)
    assert max(map(abs, right.deviations)) < 5
    assert abs(right.least.off(1)) < 5
    assert abs(right.inside.off(1.5 / 1.6)) < 5
    wrong = crossing.measure(size, exact_trace(bias=0.1), 1.0)
    assert max(map(abs, wrong.deviations)) > 5
    assert wrong.hottest_law.value > 1.05


def test_the_exponent_of_a_power_law():
    def result(dimension, steps):
        blank = Estimate(1.0, 0.1)
        size = crossing.Size(dimension, 8, 100)
        return crossing.Result(
            size,
            100,
            Estimate(steps, 0.1 * steps),
            *([blank] * 5),
            deviations=[0.0],
            milliseconds=1,
        )

    results = [result(d, 7 * d**0.8) for d in (10, 100, 1000)]
    fitted = crossing.exponent(results)
    np.testing.assert_allclose(fitted.value, 0.8, rtol=1e-6)
    np.testing.assert_allclose(fitted.error, 0.1 / (np.log(10) * np.sqrt(2)), rtol=1e-6)
    assert "; reached)" in crossing.section(results)
    results = [result(d, 7 * d**1.2) for d in (10, 100, 1000)]
    assert "; NOT REACHED)" in crossing.section(results)


def test_the_range_is_covered_once_both_edges_were_reached():
    def result(*alphas):
        alphas = np.array(alphas)
        return exploration.Result(10, "equilibrium", 0, alphas, np.ones(alphas.shape), 1.0)

    assert result(0, 1.6, 0, -1.5, 0).steps_to_cover == 4
    one_sided = result(0, 1.6, 0, -1.4, 1.7)
    assert one_sided.steps_to_cover is None
    text = exploration.section([one_sided])
    assert "not covered" in text
    assert "0 of 1 runs" in text


@pytest.mark.slow
def test_gaussians_leaves_table_numbers_and_pictures(command, capsys):
    # Enough for the chains to come back to the cold plateau.
    arguments = ["--steps", "4000", "--chains", "4", "--seeds", "1"]
    numbers, folder = command("gaussians", *arguments, "--methods", "langevin", "mirrored")
    table = (folder / "table.md").read_text()
    assert table.strip() in capsys.readouterr().out
    assert "mirrored hills, height 0.003 (default)" in table
    assert set(numbers["samplers"]) == {"langevin", "mirrored"}
    assert numbers["samplers"]["langevin"]["time_at_t"][0] == 1
    assert 0 < numbers["samplers"]["mirrored"]["variance"][0] < 5
    for picture in ("samples.png", "tempering-mirrored.png"):
        assert is_picture(folder / picture)


def test_every_sampler_of_the_mixture_can_be_made():
    for sampler in mixture.SAMPLERS.values():
        tx = sampler.make(jax.random.key(0), 100)
        trace = hopping.recorder(sampler)(jnp.zeros(2), tx.init(jnp.zeros(2)))
        assert trace.alphas == 0


@pytest.mark.slow
def test_dimensions_leaves_tables_numbers_and_pictures(command, monkeypatch):
    sizes = (crossing.Size(3, 4, 400), crossing.Size(6, 4, 400, slow=True))
    monkeypatch.setattr(crossing, "SIZES", sizes)
    options = ["--explored", "40", "--exploration-steps", "120", "--seeds", "1", "--slow"]
    numbers, folder = command("dimensions", *options)
    assert [row["dimension"] for row in numbers["exact"]] == [3, 6]
    assert len(numbers["exploration"]) == 2  # starts
    assert "Steps per crossing grow like" in (folder / "table.md").read_text()
    for picture in ("crossings.png", "exploration.png"):
        assert is_picture(folder / picture)
