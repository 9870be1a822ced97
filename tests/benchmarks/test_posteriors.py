"""The benchmark of posteriors: how it counts, what it compares with, and that results are kept."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

pytest.importorskip("tqdm")
pytest.importorskip("matplotlib")

from benchmarks import cli
from benchmarks import posteriors as command_line
from benchmarks.engine import runtime
from benchmarks.posteriors import (
    chains,
    errors,
    grid,
    measurement,
    noise,
    nuts,
    peers,
    references,
    seeds,
    stationary,
    targets,
)
from benchmarks.posteriors.problem import BATCHES, problems_of
from benchmarks.posteriors.samplers import OURS
from benchmarks.posteriors.targets import TARGETS, Target, Truth


def small_target() -> Target:
    """Two independent Gaussians, of standard deviations 1 and 1/2, around 1."""
    precisions, deviations = jnp.array([1.0, 4.0]), np.array([1.0, 0.5])
    return Target(
        "two Gaussians",
        lambda x: 0.5 * jnp.sum(precisions * (x - 1) ** 2),
        2,
        1.0,
        lambda key: 1 + 2 * jax.random.normal(key, (2,)),
        4_000,
        truth=Truth(np.ones(2), deviations, np.zeros(2), np.zeros(2), 4.0, 1.0),
        multimodal=True,  # so that every method runs on it
    )


def sums_of(blocks) -> chains.Sums:
    """One chain of one observable, given as what it is in each sample of each block."""
    blocks = np.asarray(blocks, float)[None, :, :, None]
    gradients = np.arange(1, blocks.shape[1] + 1)[None] * blocks.shape[2]
    weight = np.full(blocks.shape[:2], float(blocks.shape[2]))
    return chains.Sums(
        weight, blocks.sum(2), (blocks**2).sum(2), np.zeros((1, 0, 0)), gradients, 1.0
    )


def test_gradients_count_from_the_start_and_until_the_error_stays_small():
    gradients = np.array([[10, 20, 30, 40]] * 4)
    error = np.array(
        [
            [0.5, 0.05, 0.2, 0.05],  # was small before, but did not stay so
            [0.05, 0.05, 0.05, 0.05],
            [0.5, 0.05, 0.05, 0.1],
            [0.5, 0.05, np.inf, 0.05],
        ]
    )
    np.testing.assert_array_equal(errors.gradients_until(error, gradients), [40, 10, np.inf, 40])
    assert errors.quartiles(np.array([1, 2, 3, np.inf, np.inf])) == (3, 2, np.inf)


def test_errors_leave_out_the_first_fifth():
    """Samples of 1 and -1 have the mean 0 and the deviation 1; the first block is far off."""
    blocks = [[50.0, 50.0]] + [[1.0, -1.0]] * 4
    found = errors.errors(sums_of(blocks))
    assert found.mean[0, -1] == 0 and found.deviation[0, -1] == 0 and found.largest[0, -1] == 0
    assert found.mean[0, 3] == pytest.approx(100 / 8)  # of four blocks none is thrown away
    shifted = errors.errors(sums_of([[1.5, -0.5]] * 5))
    assert shifted.mean[0, -1] == pytest.approx(0.5)
    assert shifted.deviation[0, -1] == pytest.approx(0, abs=1e-12)


def test_a_counted_warm_up_takes_the_place_of_the_first_fifth():
    """As that of NUTS: blocks end at 110, 120... gradients, so that no sample is thrown away."""
    sums = sums_of([[3.0, -1.0]] + [[1.0, -1.0]] * 4)
    found = errors.errors(sums._replace(gradients=100 + 10 * np.arange(1, 6)[None]))
    assert found.mean[0, -1] == pytest.approx(0.2)


def test_chains_that_diverge_are_infinitely_wrong():
    found = errors.errors(sums_of([[1.0, -1.0], [np.nan, np.inf], [1.0, -1.0]]))
    assert np.all(np.isinf(found.mean[0, 1:]))


def test_the_best_setting_is_best_for_its_chains_together():
    gradients = np.array([[10, 20]] * 4)
    mean = np.array([[0.01, 0.01], [0.5, 0.5], [0.5, 0.09], [0.5, 0.09]])
    found = errors.Errors(mean, 0 * mean, mean)
    # One lucky chain of the first setting does not count.
    assert errors.ranking(found, gradients, 2).tolist() == [1, 0]
    nobody = errors.Errors(*[10 * mean] * 3)
    assert errors.ranking(nobody, gradients, 2).tolist() == [1, 0]


def test_the_option_lists_are_those_of_the_benchmark():
    assert tuple(command_line.TARGETS) == tuple(TARGETS)
    assert command_line.BATCHES == BATCHES


def test_schools_are_one_law_in_two_coordinates():
    """exp(-loss) changes by the determinant of the map, tau^8."""
    points = jax.vmap(targets.schools().start)(jax.random.split(jax.random.key(0), 20)) / 2
    plain = jax.vmap(targets.schools().loss)(points)
    centred = jax.vmap(targets.schools_centred().loss)(jax.vmap(targets.to_centred)(points))
    np.testing.assert_allclose(centred - plain, 8 * points[:, 1], atol=2e-2, rtol=1e-4)


def test_the_mixture_has_the_moments_that_it_says():
    mixture = targets.mixture()
    places = np.linspace(-9, 9, 181)
    x = jnp.asarray(np.stack(np.meshgrid(places, places), -1).reshape(-1, 2), jnp.float32)
    weights = np.exp(-np.asarray(jax.vmap(mixture.loss)(x), float))
    weights /= weights.sum()
    mean = weights @ np.asarray(x)
    np.testing.assert_allclose(mean, mixture.truth.mean, atol=1e-4)
    spread = np.sqrt(weights @ (np.asarray(x) - mean) ** 2)
    np.testing.assert_allclose(spread, mixture.truth.deviation, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["logistic", "network", "digits"])
def test_batches_add_up_to_the_loss_and_references_fit(name):
    pytest.importorskip("sklearn")
    target = targets.named(name)
    x = 0.3 * jax.random.normal(jax.random.key(0), (target.size,))
    problem = problems_of(target, "reshuffled")(jax.random.key(1))
    losses = jax.vmap(problem.loss, (None, 0))(x, jnp.arange(10))
    assert jnp.mean(losses) == pytest.approx(float(target.loss(x)), rel=1e-3)
    assert target.observe(x).shape == target.truth.mean.shape
    if target.test is not None:
        assert target.test.predict(x).shape == references.predictive(name).shape


def test_references_are_small_and_sound():
    assert references.FILE.stat().st_size < 300_000
    for name in (*references.RUNS, *references.VIEWS.values()):
        truth = references.truth(name)
        assert all(np.all(np.isfinite(field)) for field in truth)
        assert np.sqrt(np.mean((truth.mean_error / truth.deviation) ** 2)) < 0.02
        assert np.sqrt(np.mean((truth.deviation_error / truth.deviation) ** 2)) < 0.04


def test_noise_has_mean_0_and_variance_1():
    key, shape = jax.random.key(0), (200_000,)
    draw = jax.jit(noise.unit_variates, static_argnums=2)
    for number, fourth in enumerate((3, 6, 9)):  # of Gauss, Laplace, Student with 5 degrees
        drawn = np.asarray(draw(key, number, shape), float)
        error = np.sqrt((fourth - 1) / shape[0])
        assert abs(drawn.mean()) < 5 / np.sqrt(shape[0])
        assert abs((drawn**2).mean() - 1) < 5 * error


def test_kinds_of_noise_have_one_total_variance():
    target = noise.banana()
    totals = {float(jnp.sum(kind.factor**2)) for _, _, kind in noise.kinds(target)}
    np.testing.assert_allclose(list(totals), target.size * target.truth.curvature / 4, rtol=1e-5)


def _errors_of(name: str, steps: int, count: int) -> errors.Errors:
    method, target = {**OURS, **peers.PEERS}[name], small_target()
    run = chains.program(method, target, problems_of(target, "full"), steps)
    row = np.array([0.3, 1.0]) * grid.units(method, target)
    return errors.errors(
        run(chains.settings_of(np.tile(row, (count, 1))), chains.keys_of(0, count))
    )


@pytest.mark.parametrize("name", ["langevin", "blackjax.mclmc"])
def test_a_method_finds_the_moments_of_a_small_law(name):
    if name.startswith("blackjax"):
        pytest.importorskip("blackjax")
    found = _errors_of(name, 4_000, 8)
    assert np.median(errors.both(found)[:, -1]) < 0.15


@pytest.mark.slow
@pytest.mark.parametrize("name", [*OURS, *peers.PEERS])
def test_every_method_finds_the_moments_of_a_small_law(name):
    if name.startswith("blackjax"):
        pytest.importorskip("blackjax")
    # At equal settings BlackJAX's Euler schemes and an energy histogram are farther off.
    loose = name in ("blackjax.sghmc", "blackjax.sgnht", "blackjax.csgld")
    found = _errors_of(name, 20_000, 8)
    assert np.median(errors.both(found)[:, -1]) < (0.5 if loose else 0.12)


@pytest.mark.slow
def test_nuts_counts_its_warm_up():
    pytest.importorskip("blackjax")
    with jax.numpy_dtype_promotion("standard"):  # which its adaptation relies on
        sums = nuts.run(small_target(), chains.keys_of(0, 4), 400)
    assert np.all(sums.gradients[:, 0] > nuts.WARM_UP)
    assert np.median(errors.both(errors.errors(sums))[:, -1]) < 0.2


@pytest.fixture
def command(monkeypatch, tmp_path):
    """Runs the benchmark on the small law, and returns its folder."""
    monkeypatch.setattr(runtime, "configure", lambda: None)  # the tests have a cache already
    for module in (measurement, stationary):
        monkeypatch.setattr(module, "named", lambda name: small_target())

    def run(*arguments):
        given = ["posteriors", "--quick", "--workers", "1", "--targets", "schools", *arguments]
        assert cli.main([*given, "--output", str(tmp_path)]) == 0
        return tmp_path

    return run


@pytest.mark.slow
def test_results_are_kept_and_measured_again_on_demand(command, capsys, monkeypatch):
    methods = "--parts", "posteriors", "--batches", "full", "--methods"
    folder = command(*methods, "langevin", "warm_up")
    files = {path.stem: path.read_text() for path in (folder / "measured").glob("*.json")}
    assert set(files) == {"schools-full-langevin", "schools-full-warm_up"}
    assert "`langevin`" in (folder / "table.md").read_text()
    numbers = json.loads((folder / "results.json").read_text())["results"]
    assert [row["method"] for row in numbers] == ["langevin", "warm_up"]
    assert (folder / "posteriors-full.png").read_bytes().startswith(b"\x89PNG")

    measured = []
    measure = measurement.measure
    monkeypatch.setattr(
        measurement, "measure", lambda job, options: measured.append(job) or measure(job, options)
    )
    capsys.readouterr()
    command(*methods, "langevin", "warm_up", "--resume")
    assert measured == [] and "2 results are in" in capsys.readouterr().out
    command(*methods, "warm_up", "--again")
    assert [job.method for job in measured] == ["warm_up"]


def test_intervals_hold_the_median_as_often_as_they_say():
    draws = np.random.default_rng(0).exponential(size=(4_000, 24))
    held = [low <= np.log(2) <= high for low, high in map(seeds.interval, draws)]
    assert 0.95 < np.mean(held) < 0.985  # by ranks it is 97.7 %, of 24
    assert seeds.interval([1.0, 2.0, 3.0, np.inf]) == (1.0, np.inf)
    assert seeds.agree([np.inf] * 8, [np.inf] * 8)
    assert not seeds.agree([1.0] * 8, [2.0] * 8)


def test_two_runs_are_compared_cell_by_cell(tmp_path, capsys):
    """Where a median is infinite in one of them, by the errors at the end."""
    result = measurement.Result([0.5, 3.0], 900, [700.0] * 8, [0.1] * 8, [], [], {}, 1.0, 1.0, {})
    never = {"near": [None] * 8, "final": [0.3] * 8}
    runs = {
        "one": {"langevin": {}, "sgld": {}, "santa": never, "psgld": {}},
        "two": {
            "langevin": {"near": [720.0] * 4 + [690.0] * 4},
            "sgld": {"near": [900.0] * 8},
            "santa": never | {"near": [700.0] * 8, "setting": [0.25, 3.0]},
        },
    }
    for name, methods in runs.items():
        (tmp_path / name / "measured").mkdir(parents=True)
        for method, changes in methods.items():
            file = measurement.Job("schools", "full", method).file(tmp_path / name)
            file.write_text(json.dumps(result._asdict() | changes))
    folders = ["--output", str(tmp_path / "one"), "--against", str(tmp_path / "two")]
    assert cli.main(["posteriors", *folders]) == 0
    text = (tmp_path / "one" / "seeds.md").read_text()
    assert "1 of 2 agree where both runs chose the same setting, 1 of 1 where they did not" in text
    rows = [line.split("|")[1:3] for line in text.split("\n") if line.startswith("| `")]
    cells = {name.strip(" `"): cell.strip() for name, cell in rows}
    stars = r"700, 900\*\*"
    assert cells == {"langevin": "700, 720", "sgld": stars, "santa": "0.30, 0.30"}


@pytest.mark.slow
def test_noise_and_long_runs_leave_tables(command, monkeypatch):
    monkeypatch.setattr(noise, "DRAWS", 10_000)
    monkeypatch.setattr(noise, "TARGETS", {"banana": noise.banana})
    folder = command("--parts", "noise", "check", "--methods", "langevin")
    assert "### banana" in (folder / "noise.md").read_text()
    ((deviation, error, lost),) = json.loads((folder / "stationary.json").read_text()).values()
    assert deviation < stationary.ALLOWED and error < 0.1 and lost == 0


def test_missing_data_of_another_package_leave_a_target_out(monkeypatch, capsys):
    monkeypatch.setattr(measurement.gym, "installed", lambda: False)
    options = cli._parser().parse_args(["posteriors", "--targets", "item_response"])
    assert measurement.jobs(options) == []
    assert "item_response is left out" in capsys.readouterr().out


@pytest.mark.slow
def test_references_are_made_anew_by_nuts(tmp_path, monkeypatch):
    """Two seconds of NUTS agree with the stored moments, within the errors of both."""
    pytest.importorskip("blackjax")
    monkeypatch.setattr(references, "RUNS", {"schools": (4, 300, 1_000)})
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        references.make(tmp_path / "references.npz", ["schools"])
    monkeypatch.setattr(references, "FILE", tmp_path / "references.npz")
    short = references.truth("schools_centred")
    monkeypatch.undo()
    stored = references.truth("schools_centred")
    error = np.hypot(short.mean_error, stored.mean_error)
    assert np.max(np.abs(short.mean - stored.mean) / error) < 4.5


SMALL_STEPS = [
    name
    for name, method in OURS.items()
    if not method.multimodal and method.searched != "nothing"  # what it chooses is not small
]


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL_STEPS)
def test_long_runs_with_a_small_step_are_right(name):
    target = targets.named("schools")
    budget = stationary.LONGER * target.budget
    deviation, error, lost = stationary.deviations(OURS[name], target, budget, seed=0)
    assert deviation < stationary.ALLOWED and error < 0.1 and lost == 0
