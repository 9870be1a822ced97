"""The benchmark of replica exchange: its networks, its arms, what it leaves behind."""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

pytest.importorskip("tqdm")
pytest.importorskip("matplotlib")
pytest.importorskip("orbax.checkpoint")

from benchmarks import cli, data
from benchmarks.data import ImageData
from benchmarks.engine import runtime
from benchmarks.engine.resuming import Saves
from benchmarks.exchange import arms, lenet, problems, report, resnet
from benchmarks.exchange.arms import ARMS, ForkedRuns, Plan
from tests.benchmarks.resumed import Stopping
from tests.compiling import quick_jit

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 3, 120).astype(np.uint8)
# Every class has a pixel of its own, so that there is something to learn.
PICTURES = (RNG.integers(0, 99, (120, 2, 2)) + 150 * np.eye(4)[LABELS].reshape(-1, 2, 2)).astype(
    np.uint8
)
TINY = ImageData(PICTURES, LABELS, PICTURES[:40], LABELS[:40])
PLAN = Plan(warmup=5, chunk=6, chunks=2, swap_period=2, swap_images=40)


@pytest.fixture(autouse=True)
def _as_users_have_it(monkeypatch):
    monkeypatch.setattr(runtime, "configure", lambda: None)  # the tests have a cache already
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def linear(params, pictures, rate=0.0, key=None):
    x = pictures.reshape(len(pictures), -1)
    if key is not None:
        x = jnp.where(jax.random.bernoulli(key, 1 - rate, x.shape), x / (1 - rate), 0)
    return x @ params


def experiment(hyperparameter=problems.LEARNING_RATE, **options):
    init = functools.partial(jax.random.normal, shape=(4, 3))
    ends = (0.05, 0.4), (0.1, 0.2)
    return problems.Experiment(
        "tiny", init, linear, lambda: ("digits", TINY), hyperparameter, *ends, 0.1, **options
    )


def trainer(one, replicas=4, c=1.0, plan=PLAN, ends=None):
    ladder = arms.ladder_between(*(ends or one.ladder), replicas)
    return ForkedRuns(one, problems.split(TINY, 60, 40, 20), ladder, c, plan)


def both_arms(one):
    key, fork = one.fork(3)
    return {arm: one.arm(arm, key, fork, lambda: None) for arm in ARMS}


@pytest.mark.slow
@pytest.mark.parametrize("smooth", [True, False])
def test_lenet_is_what_its_name_says(smooth):
    """Against convolutions and poolings of XLA; and replicas at once, as one by one."""
    make = functools.partial(lenet.init, channels=3, classes=7)
    params = jax.vmap(make)(jax.random.split(jax.random.key(0), 2))
    pictures = jax.random.normal(jax.random.key(1), (2, 32, 32, 3))
    layout = ("NHWC", "HWIO", "NHWC")

    def reference(params, x):
        for name in ("C1", "C3"):
            kernel = params[name]["weights"].reshape(5, 5, x.shape[-1], -1)
            x = jax.lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=layout)
            x = x + params[name]["bias"]
            x = jnp.tanh(x) if smooth else jax.nn.relu(x)
            halves = x.reshape(len(x), x.shape[1] // 2, 2, x.shape[2] // 2, 2, -1)
            x = halves.mean((2, 4)) if smooth else halves.max((2, 4))
        x = x.transpose(0, 3, 1, 2).reshape(len(x), -1)  # channels first, then the rows
        for name in ("C5", "F6", "output"):
            x = x @ params[name]["weights"] + params[name]["bias"]
            if name != "output":
                x = jnp.tanh(x) if smooth else jax.nn.relu(x)
        return x

    found = jax.jit(jax.vmap(functools.partial(lenet.logits, smooth=smooth), (0, None)))(
        params, lenet.prepared(pictures)
    )
    assert found.shape == (2, 2, 7)
    wanted = jax.jit(lambda p: jax.lax.map(lambda one: reference(one, pictures), p))(params)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_lenet_pads_and_drops_out():
    params = lenet.init(jax.random.key(0), channels=1, classes=26)
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 63_066
    run = quick_jit(
        lambda params, x, *drop: lenet.logits(params, lenet.prepared(x), *drop, smooth=True)
    )
    small = jax.random.normal(jax.random.key(1), (3, 28, 28, 1))
    padded = jnp.pad(small, [(0, 0), (2, 2), (2, 2), (0, 0)])
    plain = run(params, small)
    np.testing.assert_allclose(plain, run(params, padded), rtol=1e-5)
    kept, *drawn = (
        run(params, small, r, jax.random.key(k)) for r, k in [(0.0, 2), (0.4, 2), (0.4, 3)]
    )
    np.testing.assert_allclose(kept, plain, rtol=1e-5)
    assert np.all(drawn[0] != drawn[1]) and np.all(drawn[0] != plain)


def test_resnet20():
    make = functools.partial(resnet.init, channels=3, classes=10)
    params = jax.eval_shape(make, jax.random.key(0))
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 269_722
    pictures = jax.ShapeDtypeStruct((4, 32, 32, 3), jnp.float32)
    assert jax.eval_shape(resnet.logits, params, pictures).shape == (4, 10)
    layer = {"kernel": jnp.ones([3, 3, 1, 1]), "scale": 2 * jnp.ones(1), "shift": jnp.ones(1)}
    x = resnet._normalized(layer, jax.random.normal(jax.random.key(0), (4, 8, 8, 1)), 2)
    assert x.shape == (4, 4, 4, 1)
    np.testing.assert_allclose([jnp.mean(x), jnp.std(x)], [1, 2], rtol=1e-4)


def test_augmentation_shifts_and_mirrors():
    picture = jnp.zeros([1, 32, 32, 1]).at[0, 16, 12].set(1.0)
    draw = jax.jit(jax.vmap(lambda key: resnet.augmented(key, picture)))
    drawn = np.asarray(draw(jax.random.split(jax.random.key(0), 500)))
    _, _, rows, columns, _ = np.nonzero(drawn)
    assert set(rows) == set(range(12, 21))
    assert set(columns) == set(range(8, 17)) | set(range(15, 24))  # 12 and, mirrored, 19


@pytest.fixture(scope="module")
def accepting():
    """Replicas on a ladder of learning rates, of which every swap is accepted."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield trainer(experiment(dropout=0.25), c=0.0)


@pytest.mark.slow
def test_arms_part_at_the_fork_by_their_swaps_only(accepting):
    arms = both_arms(accepting)
    swapping, still = arms.values()
    first = [arm.records[0] for arm in arms.values()]
    for before, same in zip(*first, strict=True):
        np.testing.assert_array_equal(before, same)
    assert still.swaps == 0 and len(still.paths) == 0 and np.all(np.isnan(still.acceptance))
    assert np.all([record.rung == range(4) for record in still.records])
    # Rounds before the updates 2, 4, ..., 10: the pairs (0 1) (2 3), and (1 2), by turns.
    assert len(swapping.paths) == 5 and swapping.swaps == 2 + 1 + 2 + 1 + 2
    np.testing.assert_array_equal(swapping.paths[0], [1, 0, 3, 2])
    np.testing.assert_allclose(swapping.acceptance, 1)
    assert [record.step for record in swapping.records] == [0, 6, 12]
    assert np.all(swapping.records[-1].distance > 0)
    assert not np.array_equal(swapping.records[-1].distance, still.records[-1].distance)


@pytest.mark.slow
@pytest.mark.parametrize("name", ARMS)
def test_an_arm_goes_on_from_a_save(accepting, name, tmp_path):
    key, fork = accepting.fork(3)
    whole = accepting.arm(name, key, fork)
    make = functools.partial(accepting.arm, name, key, fork, lambda: None)
    with pytest.raises(KeyboardInterrupt), (stopped := Stopping(tmp_path, 1)).opened({}, {}):
        stopped.result_of(name, make)
    with (saves := Saves(tmp_path)).opened({}, {}):
        again = saves.result_of(name, make)
    assert f"({name}, step {PLAN.chunk};" in (tmp_path / "resume.log").read_text()
    for found, wanted in zip(again.records, whole.records, strict=True):
        jax.tree.map(np.testing.assert_array_equal, found, wanted)
    np.testing.assert_array_equal(again.paths, whole.paths)
    np.testing.assert_array_equal(again.acceptance, whole.acceptance)
    assert (again.swaps, again.round_trips) == (whole.swaps, whole.round_trips)


@pytest.mark.slow
def test_weights_that_do_not_move_are_sorted_by_their_validation_loss():
    """With a large C; the lowest loss comes to the coldest rung."""
    plan = PLAN._replace(chunk=20, swap_period=1)
    frozen = trainer(experiment(), c=1e4, plan=plan, ends=(1e-12, 1e-11))
    exchange = both_arms(frozen)[ARMS[0]]
    record = exchange.records[-1]
    assert np.all(np.diff(record.validation[report.LOSS][np.argsort(record.rung)]) > 0)
    np.testing.assert_array_equal(record.validation, exchange.records[0].validation)


@pytest.mark.slow
def test_dropout_belongs_to_the_rung():
    """From one network, each replica goes as far as a run at its rate alone takes it."""
    one = trainer(experiment(problems.DROPOUT))
    key, fork = one.fork(0)
    distances = one.diffusion(key, fork)
    assert distances.shape == (6, 4)
    np.testing.assert_allclose(one._rates(one._transformation(2, key).init(fork)), one.ladder)
    assert len(set(distances[-1])) == 4


@pytest.mark.slow
def test_dropout_is_constant_on_a_ladder_of_learning_rates(accepting):
    key, fork = accepting.fork(0)
    rates = accepting._rates(accepting._transformation(2, key).init(fork))
    np.testing.assert_allclose(rates, 0.25)
    assert np.all(np.diff(accepting.diffusion(key, fork)[0]) > 0)  # in the order of the ladder


def test_what_is_measured(accepting):
    one = accepting
    params = jax.random.normal(jax.random.key(0), (4, 4, 3))
    validation, test, distance = one._measure(params, 0 * params, one._validation, one._test)
    np.testing.assert_allclose(distance, np.linalg.norm(params.reshape(4, -1), axis=1), rtol=1e-5)
    for found, (pictures, labels) in ((validation, one._validation), (test, one._test)):
        scores = np.asarray(problems.as_numbers(pictures)).reshape(len(labels), -1) @ params
        wrong = 100 * np.mean(np.argmax(scores, -1) != np.asarray(labels), axis=1)
        np.testing.assert_allclose(found[report.ERROR], wrong, rtol=1e-5)
    logs = scores - np.log(np.sum(np.exp(scores), -1, keepdims=True))
    loss = -np.mean(logs[:, np.arange(len(labels)), labels], axis=1)
    np.testing.assert_allclose(test[report.LOSS], loss, rtol=1e-4)


def outcome(validation, test):
    """Of one seed, two replicas and three times, for both arms."""
    records = [
        arms.Record(10 * k, np.array([v, v]), np.array([t, t]), np.zeros(2), np.array([1, 0]))
        for k, (v, t) in enumerate(zip(validation, test, strict=True))
    ]
    run = arms.Arm(records, np.zeros([0, 2], int), np.array([0.5]), 3, 1, 1.0)
    return report.Outcome("", experiment(), None, None, 1.0, PLAN, {a: [run] for a in ARMS}, None)


def test_the_best_replica_is_chosen_by_validation():
    one = outcome([[5, 4], [1, 3], [2, 3]], [[50, 40], [30, 10], [20, 15]])
    np.testing.assert_array_equal(one.curve(ARMS[0]), [[40], [30], [20]])
    assert one.at_the_end(ARMS[0]) == 20  # not 15, which validation does not know of
    assert one.over_the_run(ARMS[0]) == 30
    assert one.of_all_replicas(ARMS[0]) == 17.5
    np.testing.assert_array_equal(one.on_each_rung(ARMS[0]), [[15, 20]])


def test_splits_share_no_image_and_take_test_images_from_all_classes():
    numbered = ImageData(*(np.arange(n) for n in (100, 100, 50, 50)))
    train, validation, test = problems.split(numbered, 60, 40, 10)
    assert not set(train[1]) & set(validation[1]) and len(train[1]) == 60
    np.testing.assert_array_equal(test[1], np.arange(0, 50, 5))
    np.testing.assert_array_equal(test[0], test[1])
    with pytest.raises(problems.UnfitOptionsError, match="--train 70 and --validation 40.*100"):
        problems.split(numbered, 70, 40, 10)
    with pytest.raises(problems.UnfitOptionsError, match="--test 51.*50"):
        problems.split(numbered, 60, 40, 51)


def test_normalization_makes_the_median_pair_thermal():
    one = experiment()
    ladder = np.array([0.01, 0.02, 0.05, 0.1])  # 1 / value: gaps of 50, 30 and 10
    assert one.normalization(ladder) * 30 * one.loss_scale == pytest.approx(1)
    dropout = experiment(problems.DROPOUT)
    np.testing.assert_allclose(dropout.inverse_temperatures(np.array([0.2, 0.5])), [4, 1])


ARGUMENTS = ["exchange", "--problems", "cifar-lr", "--seeds", "2", "--replicas", "4", "--warmup"]
ARGUMENTS += ["3", "--steps", "8", "--chunks", "2", "--swap-period", "2", "--train", "60"]
ARGUMENTS += ["--validation", "40", "--test", "20"]


@pytest.mark.slow
def test_the_command_leaves_a_table_numbers_and_a_picture(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(problems.EXPERIMENTS, "cifar-lr", experiment())
    assert cli.main([*ARGUMENTS, "--output", str(tmp_path)]) == 0
    folder = tmp_path / "cifar-lr"
    text = (folder / "table.md").read_text()
    assert text in capsys.readouterr().out.replace("\r", "\n")
    assert "## tiny, digits, learning rate" in text and "2 seeds" in text
    for line in ("| with exchange", "| no swaps", "| difference", "eligible for exchange"):
        assert line in text
    numbers = json.loads((folder / "results.json").read_text())
    assert set(numbers["arms"]) == set(ARMS)
    runs = numbers["arms"][ARMS[0]]
    assert len(runs) == 2 and len(runs[0]["records"]) == 3 and runs[0]["swaps"] > 0
    assert np.shape(numbers["diffusion"]) == (4, 2, 4)
    assert (folder / "overview.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_runs_of_one_seed_each_end_with_the_numbers_of_one_run(monkeypatch, tmp_path):
    monkeypatch.setitem(problems.EXPERIMENTS, "cifar-lr", experiment())

    def results(name, *options):
        assert cli.main([*ARGUMENTS, "--output", str(tmp_path / name), *options]) == 0
        numbers = json.loads((tmp_path / name / "cifar-lr" / "results.json").read_text())
        arms = [[{**run, "seconds": 0} for run in runs] for runs in numbers["arms"].values()]
        return numbers["diffusion"], arms

    whole = results("whole")
    for seed in ("0", "1"):
        results(seed, "--first-seed", seed, "--seeds", "1", "--resume")
    monkeypatch.setattr(ForkedRuns, "arm", lambda *_: pytest.fail("trained again"))
    assert results("joined", "--resume", "--join", *(str(tmp_path / n) for n in "01")) == whole


def test_rates_of_the_third_arm_fall_by_half_a_cosine_to_zero():
    one = trainer(experiment(falling=True))
    assert one.arms == (*ARMS, arms.FALLING)
    steps = PLAN.chunk * PLAN.chunks
    tx = one._transformation(arms.NEVER, jax.random.key(0), falls=True)
    fork = jnp.ones((4, 4, 3))
    state, found = tx.init(fork), []
    update = quick_jit(lambda state: tx.update(fork, state, fork, value_fn=jnp.sum))
    for _ in range(steps):
        updates, state = update(state)
        found.append(np.asarray(updates)[:, 0, 0])
    n = np.arange(steps)
    sums = (1 - 0.9 ** (n + 1)) / (1 - 0.9)  # of a gradient of 1, by momentum
    fall = np.cos(np.pi * n / steps / 2) ** 2
    np.testing.assert_allclose(found, -np.outer(sums * fall, one.ladder), rtol=1e-5)


@pytest.mark.slow
def test_an_interrupted_run_keeps_the_seeds_that_are_done(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(problems.EXPERIMENTS, "cifar-lr", experiment())
    arm = ForkedRuns.arm

    def interrupted(self, name, key, *arguments):
        if name == ARMS[1] and key == jax.random.key(1):
            raise KeyboardInterrupt
        return arm(self, name, key, *arguments)

    monkeypatch.setattr(ForkedRuns, "arm", interrupted)
    assert cli.main([*ARGUMENTS, "--output", str(tmp_path)]) == cli.INTERRUPTED
    numbers = json.loads((tmp_path / "cifar-lr" / "results.json").read_text())
    assert [len(runs) for runs in numbers["arms"].values()] == [1, 1]


def test_too_few_images_end_the_run_with_one_line(monkeypatch):
    monkeypatch.setitem(problems.EXPERIMENTS, "cifar-lr", experiment())
    with pytest.raises(SystemExit, match="error: --train 60 and --validation 400"):
        cli.main([*ARGUMENTS, "--validation", "400"])


@pytest.mark.slow
def test_cifar10_falls_back_on_lossy_copies_and_says_so(monkeypatch):
    def missing():
        raise data.MissingDataError("not here")

    monkeypatch.setattr(data, "load_cifar10", missing)
    monkeypatch.setattr(data, "load_cifar10_jpeg", lambda: TINY)
    assert problems.EXPERIMENTS["cifar-lr"].load() == ("CIFAR-10 (JPEG copy)", TINY)
    monkeypatch.setattr(data, "load_cifar10_jpeg", missing)
    with pytest.raises(data.MissingDataError, match="not here"):
        problems.EXPERIMENTS["cifar-lr"].load()
