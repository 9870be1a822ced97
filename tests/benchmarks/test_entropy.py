"""The benchmark of local entropy: where it evaluates, what it compares, what it leaves behind."""

import argparse
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

pytest.importorskip("tqdm")
pytest.importorskip("matplotlib")
pytest.importorskip("matfree")

import thermo_optax as to
from benchmarks import cli, data
from benchmarks.data import images
from benchmarks.engine import networks, runtime
from benchmarks.engine.comparison import Search, Tuned
from benchmarks.engine.problem import Pairs
from benchmarks.engine.training import Trainer
from benchmarks.entropy import (
    SWEPT,
    classifiers,
    comparison,
    curvature,
    methods,
    problems,
    sweeping,
)

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 10, 60).astype(np.uint8)
# Every class has a pixel of its own, so that there is something to learn.
PICTURES = (
    RNG.integers(0, 99, (60, 28, 28)) + 150 * np.eye(784)[LABELS].reshape(-1, 28, 28)
).astype(np.uint8)
DIGITS = images.ImageData(PICTURES, LABELS, PICTURES[:40], LABELS[:40])
TINY = classifiers.perceptron((784, 5, 10), normalized=True, dropout=0.5)
TINY_PLAIN = classifiers.perceptron((784, 5, 10), normalized=False, dropout=0)


@pytest.fixture(autouse=True)
def _as_users_have_it(monkeypatch):
    monkeypatch.setattr(runtime, "configure", lambda: None)  # the tests have a cache already
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def tiny_problem(build=TINY, **options):
    return problems.image_problem("tiny", build, DIGITS, block=20, validation=20, **options)


def size_of(build):
    init, _ = networks.pure(build)
    return sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(init, jax.random.key(0))))


def test_the_networks_have_the_sizes_of_the_paper():
    assert size_of(problems.SMALL_FULLY_CONNECTED) == 50_890
    assert size_of(problems.SMALL_LENET) == 47_658
    plain = 784 * 1024 + 1024 + 1024 * 1024 + 1024 + 1024 * 10 + 10
    assert size_of(problems.FULLY_CONNECTED) == plain + 4 * 1024  # with scales and shifts


def test_a_convolution_is_what_its_name_says():
    @jax.jit
    def both(inputs):
        layer = classifiers.Convolution(3, 4, 5, rngs=classifiers.nnx.Rngs(0))
        bias = layer.product.bias
        assert bias is not None
        kernel = layer.product.kernel[...].reshape(5, 5, 3, 4)
        layout = ("NHWC", "HWIO", "NHWC")
        wanted = jax.lax.conv_general_dilated(
            inputs, kernel, (1, 1), "VALID", dimension_numbers=layout
        )
        return layer(inputs), wanted + bias[...]

    found, wanted = both(RNG.normal(size=(2, 9, 8, 3)).astype(np.float32))
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("build", "shape"), [(problems.LENET, (6, 28, 28, 1)), (classifiers.all_cnn(), (6, 32, 32, 3))]
)
def test_convolutional_classifiers_have_logits_and_statistics(build, shape):
    init, module = networks.pure(build)
    pictures = jax.ShapeDtypeStruct(shape, jnp.float32)
    logits, statistics = jax.eval_shape(
        lambda pictures: module(init(jax.random.key(0)))(pictures), pictures
    )
    assert logits.shape == (6, 10)
    assert all(mean.shape == variance.shape for mean, variance in statistics)


def test_classifiers_normalize_and_drop_out():
    init, module = networks.pure(TINY)

    @jax.jit
    def outputs(pictures):
        model = module(init(jax.random.key(0)))
        logits, statistics = model(pictures)
        return {
            "batch": logits,
            "given": model(pictures, statistics)[0],
            "alone": model(pictures[:1], statistics)[0],
            "others": model(pictures[:2])[0],
            "thinned": model(pictures, key=jax.random.key(1))[0],
        }

    found = outputs(RNG.normal(size=(6, 28, 28, 1)).astype(np.float32))
    # The statistics of the batch, but as given ones: with them every image is on its own.
    np.testing.assert_allclose(found["given"], found["batch"], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(found["alone"], found["batch"][:1], rtol=1e-3, atol=1e-4)
    assert not np.allclose(found["others"], found["batch"][:2], atol=1e-3)
    assert not np.allclose(found["thinned"], found["batch"], atol=1e-3)


def test_what_is_measured_and_what_is_descended():
    problem = tiny_problem()
    (plain,), (decayed,) = problem.stages, tiny_problem(weight_decay=0.1).stages
    block, other = problem.splits["train"][0], problem.splits["test"][1]
    settle = plain.settle
    assert settle is not None

    @jax.jit
    def numbers():
        params = plain.init(jax.random.key(0))
        points = [settle(params, examples) for examples in (block, other)]
        losses = [stage.loss(params, (), block, None) for stage in (plain, decayed)]
        square = sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(params))
        return [plain.measure(point, (), block)["loss"] for point in points], losses, square

    (settled, elsewhere), (loss, with_decay), square = jax.tree.map(float, numbers())
    assert settled == pytest.approx(loss, rel=1e-5)  # statistics of these very images
    assert abs(elsewhere - settled) > 1e-4
    assert with_decay - loss == pytest.approx(0.05 * square, rel=1e-3)


def test_few_images_are_means_of_four_pixels():
    few = problems.pooled(DIGITS, 50)
    assert few.train_images.shape == (50, 14, 14)
    assert few.test_images.shape == (40, 14, 14)
    assert few.train_images[7, 3, 5] == pytest.approx(np.mean(PICTURES[7, 6:8, 10:12]))
    np.testing.assert_array_equal(few.train_labels, LABELS[:50])


def test_every_method_has_as_many_settings():
    for experiment in problems.EXPERIMENTS.values():
        made = methods.make_methods(experiment.choices, 4)
        assert {len(method.settings) for method in made.values()} == {4}
        assert {"sgd", "adam", "sgld"} < set(made)
        for method in made.values():
            rows = [tuple(row.items()) for row in method.settings]
            assert len(set(rows)) == len(rows)


def test_rates_of_the_rivals_decay_twice():
    rates = methods.decaying(2.0, 100.0)(np.array([0, 59, 61, 84, 86, 99]))
    np.testing.assert_allclose(rates, [2, 2, 0.4, 0.4, 0.08, 0.08], rtol=1e-6)


def trained(problem, name, steps, chunks=1, seeds=(0, 1)):
    method = methods.make_methods(problems.EXPERIMENTS["mnistfc"].choices, 1)[name]
    trainer = Trainer(problem, method, steps)
    rows = [method.settings[0]] * len(seeds)
    return list(trainer.train(rows, seeds, chunks=chunks, examples=problem.examples))


@pytest.mark.slow
def test_local_entropy_is_evaluated_at_the_outer_point():
    problem = tiny_problem(TINY_PLAIN)
    before, after = trained(problem, "entropy-sgd", methods.INNER_STEPS["entropy-sgd"] - 1, 2)
    init = jax.jit(problem.stages[0].init)
    keys = (jax.random.split(jax.random.fold_in(jax.random.key(s), 0))[0] for s in (0, 1))
    starts = [init(key) for key in keys]
    for run, start in enumerate(starts):  # the inner loop has moved, the outer point has not
        for leaf, first in zip(*map(jax.tree.leaves, (before.params, start)), strict=True):
            np.testing.assert_array_equal(leaf[run], first)
    assert len(set(np.round(before.loss[:, 0], 6))) > 10
    kernels = (np.asarray(c.params[0]["output"]["kernel"][...]) for c in (before, after))
    assert np.all(np.any(next(kernels) != next(kernels), axis=(1, 2)))


@pytest.mark.slow
def test_networks_in_turn_train_as_they_do_at_once():
    in_turn = tiny_problem(TINY_PLAIN)
    (one,) = trained(in_turn, "sgd", 3)
    (other,) = trained(in_turn._replace(layout=Pairs()), "sgd", 3)
    np.testing.assert_allclose(one.loss, other.loss, rtol=1e-5)
    assert one.loss.shape == (3, 2)


def test_near_zero_is_counted_by_weight():
    nodes = jnp.array([[-1.0, 0.005, 3.0]] * 2)
    weights = jnp.array([[0.1, 0.7, 0.2], [0, 0.9, 0.1]])
    spectrum = to.diagnostics.HessianSpectrum(nodes, weights, jnp.int32(9))
    one = curvature.Solution("", "", 0, 0, 0.0, None, 0.0, spectrum, None)  # type: ignore
    assert one.near_zero == pytest.approx(0.8)


def test_solutions_are_matched_where_every_run_has_come():
    results = []
    curves = {"A": [[3, 3], [1, 2], [0.2, 0.1]], "B": [[2, 0.9], [0.5, 0.8], [0.6, 0.7]]}
    for label, losses in curves.items():
        search = Search([{"learning_rate": 1.0}], np.zeros(1), 1)
        result = Tuned(label, label, search, search.rows[0], 3)
        result.curves = [{"train": {"loss": np.array(loss)}} for loss in losses]
        results.append(result)
    solutions = curvature.Solutions(tiny_problem(), results)
    assert solutions.level() == pytest.approx(0.7)
    assert [(run, chunk) for label, place, run, chunk in solutions.choice() if label == "A"] == [
        *((0, 2), (1, 2)),
        *((0, 2), (1, 2)),
    ]
    matched = [
        c for label, place, _, c in solutions.choice() if (label, place) == ("B", curvature.MATCHED)
    ]
    assert matched == [1, 2]


@pytest.fixture
def tiny_experiments(monkeypatch):
    monkeypatch.setattr(data, "load_images", lambda _: DIGITS)
    choices = problems.EXPERIMENTS["mnistfc"].choices
    spent = problems.Spent(40, 4)
    tiny = {
        "mnistfc": problems.Experiment(spent, tiny_problem, choices, normalized=True),
        "small-mnistfc": problems.Experiment(
            spent, lambda: tiny_problem(TINY_PLAIN), choices, curvature=True
        ),
    }
    for module in (comparison, sweeping):
        monkeypatch.setattr(module, "EXPERIMENTS", tiny)
    for name, value in (("LANCZOS", 4), ("MOST_PRODUCTS", 20), ("DRAWS", 2)):
        monkeypatch.setattr(curvature, name, value)


@pytest.mark.slow
def test_a_comparison_leaves_tables_numbers_and_pictures(tiny_experiments, tmp_path, capsys):
    arguments = ["--problems", "small-mnistfc", "--methods", "sgd", "entropy-sgd"]
    arguments += ["--seeds", "2", "--search", "2", "--output", str(tmp_path)]
    assert cli.main(["entropy", *arguments]) == 0
    folder, printed = tmp_path / "small-mnistfc", capsys.readouterr().out
    for name in ("table.md", "curvature.md"):
        text = (folder / name).read_text()
        assert text.strip() in printed
        assert "\n| SGD, Nesterov " in text
        assert "\n| Entropy-SGD " in text
    summary = json.loads((folder / "results.json").read_text())["methods"]
    for result in summary.values():
        assert result["steps"] == 40
        assert result["search"]["steps"] == 10  # a whole chunk, though a fifth is less
        assert set(result["milestones"]) == {"0.5"}  # a tenth is not among these four
        errors = result["stage_ends"][0]["test"]["error"]
        assert len(errors) == 2
        assert all(0 <= error <= 100 for error in errors)
    looked_at = json.loads((folder / "curvature.json").read_text())
    assert len(looked_at) == 2 * 2 * 2  # methods, places, seeds
    level = max(one["loss"] for one in looked_at if one["place"] == curvature.MATCHED)
    losses = np.load(folder / "curves.npz")["SGD, Nesterov/train error"]
    assert losses.shape == (4, 2)
    assert level < np.log(10)
    for picture in ("curves.png", "curvature.png"):
        assert (folder / picture).read_bytes().startswith(b"\x89PNG")


def test_every_sweep_has_its_rates():
    assert set(SWEPT) == set(sweeping.SWEEPS) <= set(problems.EXPERIMENTS)


@pytest.mark.slow
def test_the_sweep_shows_every_rate_to_both(tiny_experiments, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sweeping, "SWEEPS", {"mnistfc": sweeping.Sweep(40, (0.1, 1e6))})
    options = argparse.Namespace(first_seed=0, seeds=2, steps=None, resume=False, join=())
    options.budget = "default"
    sweeping.run("sweep-mnistfc", options, tmp_path)
    found = np.load(tmp_path / "sweep.npz")
    table = (tmp_path / "table.md").read_text()
    assert table.strip() in capsys.readouterr().out
    assert "\n| 0.1 " in table
    assert "\n| 1e+06 " in table
    for label in ("SGD, Nesterov", "Entropy-SGD"):
        assert f"| {label} " in table
        assert found[f"mnistfc/{label}/error"].shape == (2, 2)
    assert np.all(found["mnistfc/SGD, Nesterov/loss"][0] < 2)
    assert (tmp_path / "sweep.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_an_interrupted_run_keeps_what_is_done(tiny_experiments, interrupt_after_adam, tmp_path):
    arguments = ["--problems", "mnistfc", "--seeds", "1", "--search", "1", "--steps", "4"]
    assert cli.main(["entropy", *arguments, "--output", str(tmp_path)]) == cli.INTERRUPTED
    summary = json.loads((tmp_path / "mnistfc" / "results.json").read_text())["methods"]
    assert list(summary) == ["SGD, Nesterov", "Adam"]


def test_missing_data_end_the_run_with_one_line(monkeypatch, tmp_path):
    def missing(_):
        raise data.MissingDataError("nowhere")

    monkeypatch.setattr(data, "load_images", missing)
    with pytest.raises(SystemExit, match="error: nowhere"):
        cli.main(["entropy", "--problems", "mnistfc", "--output", str(tmp_path)])
