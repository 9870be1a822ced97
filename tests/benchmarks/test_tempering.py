"""The autoencoder, the language model, and the comparison at searched learning rates."""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

pytest.importorskip("tqdm")
pytest.importorskip("matplotlib")

from benchmarks import cli, data
from benchmarks.data import images, text
from benchmarks.engine import comparison, networks, problem, runtime
from benchmarks.engine.problem import half_decades
from benchmarks.engine.training import Meter, Trainer
from benchmarks.tempering import charlm, methods, recurrent, sda
from tests.selection import each

SEEDS = (0, 1)
CENTRES = dict.fromkeys(charlm.CENTRES, 0.1)
NOVEL = text.encode("the prince said that the count knew what the general had said. " * 40)
PIXELS = np.random.default_rng(0).integers(0, 256, (120, 28, 28)).astype(np.uint8)
TINY_STACK = functools.partial(sda.problem, sizes=(784, 6, 5), block=20, validation=40)


@pytest.fixture(autouse=True)
def _as_users_have_it(monkeypatch):
    monkeypatch.setattr(runtime, "configure", lambda: None)  # the tests have a cache already
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


@pytest.fixture(scope="module")
def line():
    """A straight line through points: the engine does not need a network."""

    def loss(slope, frozen, batch, key):
        del frozen, key
        x, y = batch
        return jnp.mean((x @ slope - y) ** 2)

    x = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    y = x @ np.array([1.0, -2.0, 0.5], np.float32)
    return problem.Problem(
        title="line",
        stages=[
            problem.Stage(
                lambda key: jax.random.normal(key, (3,)),
                loss,
                lambda slope, frozen, block: {"error": loss(slope, frozen, block, None)},
            )
        ],
        data=(jnp.asarray(x), jnp.asarray(y)),
        batch=lambda data, index: (data[0][index], data[1][index]),
        batch_size=5,
        examples=60,
        search_examples=40,
        splits={"validation": [(x[40:], y[40:])]},
        score="error",
        unit="error",
        columns=[],
        stage_steps="the steps",
    )


@pytest.mark.slow
def test_a_model_of_text_sees_only_the_past():
    novel = charlm.problem(NOVEL, "novel", units=4, layers=2, batch_size=3, length=7)
    (stage,) = novel.stages
    model = recurrent.CharacterModel(20, 6, 2, rngs=recurrent.nnx.Rngs(0))
    sentence = np.arange(10).reshape(2, 5)
    logits = model(sentence)
    assert logits.shape == (5, 2, 20)
    sentence[:, 3] += 7
    changed = np.any(np.asarray(model(sentence) != logits), axis=-1)
    np.testing.assert_array_equal(changed, np.repeat([[0, 0, 0, 1, 1]], 2, axis=0).T)
    params = stage.init(jax.random.key(0))
    kernels = [leaf for leaf in jax.tree.leaves(params) if leaf.ndim == 2]
    size = len(NOVEL.alphabet)
    assert sorted(kernel.shape for kernel in kernels) == sorted(
        [(size, 16), (4, 16), (4, 16), (4, 16), (4, size)]
    )
    assert max(np.max(np.abs(kernel)) for kernel in kernels) <= recurrent.BOUND
    # A network that knows nothing is at chance.
    loss = stage.measure(params, (), novel.splits["test"][0])["cross-entropy"]
    assert loss == pytest.approx(np.log(size), rel=0.02)


def test_pieces_of_text_are_evenly_spaced_and_whole():
    pieces = problem.streams(np.arange(41, dtype=np.uint8), blocks=2, count=2, length=10)
    assert [piece.shape for piece in pieces] == [(2, 11)] * 2
    np.testing.assert_array_equal(np.concatenate(pieces)[:, 0], [0, 10, 20, 30])
    np.testing.assert_array_equal(np.diff(np.concatenate(pieces), axis=1), 1)


@pytest.mark.slow
def test_a_layer_of_the_stack_restores_the_clean_code_of_those_below():
    stack = TINY_STACK(PIXELS, PIXELS)
    keys = jax.random.split(jax.random.key(0), len(stack.stages))
    params = tuple(stage.init(key) for stage, key in zip(stack.stages, keys, strict=True))
    shapes = [(784, 6), (6, 5)]
    for number, (stage, shape) in enumerate(zip(stack.stages, shapes, strict=True)):
        kernel = params[number]["encoder"]["kernel"][...]
        assert kernel.shape == shape
        assert np.max(np.abs(kernel)) <= np.sqrt(6 / sum(shape))  # Xavier
        batch = stack.batch(stack.data, jnp.arange(8))
        losses = [stage.loss(params[number], params[:number], batch, key) for key in keys]
        measured = stage.measure(params[number], params[:number], PIXELS[:8])
        if number:  # corrupted: the noise is that of the key
            assert len(set(map(float, losses))) == len(keys)
            assert measured["layer MSE"] != measured["pixel MSE"]
        else:
            assert len(set(map(float, losses))) == 1
            assert float(losses[0]) == pytest.approx(784 * float(measured["pixel MSE"]), rel=1e-5)
            assert measured["layer MSE"] == measured["pixel MSE"]


def test_dropout_keeps_the_mean():
    dropped = networks.dropout(jax.random.key(0), jnp.ones(100_000), 0.2)
    assert set(np.unique(dropped)) == {0, np.float32(1.25)}
    assert np.mean(dropped) == pytest.approx(1, abs=5 * 1.25 * 0.4 / 100_000**0.5)


@pytest.mark.slow
def test_the_greedy_schedule_switches_layers():
    stack = TINY_STACK(PIXELS, PIXELS)
    method = methods.all_methods(1e-3, 0.5, CENTRES, 1)["sgd"]
    trainer = Trainer(stack, method, chunk_steps=3)
    chunks = list(trainer.train(method.settings * 2, SEEDS, chunks=2, examples=80))
    assert [chunk.stage for chunk in chunks] == [0, 0, 1, 1]
    assert [chunk.step for chunk in chunks] == [3, 6, 9, 12]
    for before, after in zip(chunks, chunks[1:], strict=False):
        frozen = after.params[: after.stage]
        kept = before.params if after.stage > before.stage else before.params[:-1]
        jax.tree.map(np.testing.assert_array_equal, frozen, kept)
        if after.stage == before.stage:
            for old, new in zip(*map(jax.tree.leaves, (before, after)), strict=True):
                assert np.shape(old) == np.shape(new)
            kernels = (c.params[-1]["encoder"]["kernel"][...] for c in (before, after))
            assert np.all(np.any(np.asarray(next(kernels) != next(kernels)), axis=(1, 2)))
    measured = Meter(stack)(chunks[-1].params, ("test",))["test"]
    assert measured["pixel MSE"].shape == (2,)


def losses(line, name, temperature, steps=6):
    method = methods.all_methods(temperature, 0.5, CENTRES, 1)[name]
    trainer = Trainer(line, method, chunk_steps=steps // 2)
    alike = [method.settings[0]] * len(SEEDS)
    chunks = list(trainer.train(alike, SEEDS, chunks=2, examples=line.examples))
    return tuple(
        np.concatenate([getattr(c, field) for c in chunks]) for field in ("loss", "temperature")
    )


@pytest.fixture(scope="module")
def sgd_losses(line):
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        return losses(line, "sgd", 0.0)[0]


@each(methods.all_methods(1, 1, CENTRES, 1), "adam", "rmsprop", "annealsgd", "santa", "ctld-cold")
def test_every_method_trains(line, sgd_losses, name):
    loss, noise = losses(line, name, 1e-2)
    assert loss.shape == (6, 2)
    assert np.all(np.isfinite(loss))
    np.testing.assert_allclose(loss[0], sgd_losses[0], rtol=1e-6)  # same start, same minibatch
    if name != "sgd":
        assert np.all(np.abs(loss[1:] - sgd_losses[1:]).max(axis=0) > 1e-5)
    if name.startswith("ctld"):
        assert np.all((noise >= 1) & (noise <= 1 / 0.15))
        np.testing.assert_array_equal(noise[3:], noise[2:-1])  # at rest after the sampling
    else:
        assert np.all(np.isnan(noise))


@pytest.mark.parametrize("name", ["annealsgd", "ctld"])
def test_without_heat_they_are_sgd_with_momentum(line, sgd_losses, name):
    np.testing.assert_allclose(losses(line, name, 0.0)[0], sgd_losses, rtol=1e-4)


def test_learning_rates_are_half_decades():
    assert half_decades(0.1, 5) == [0.01, 0.032, 0.1, 0.32, 1.0]
    assert half_decades(3, 2) == [0.95, 3.0]


def rows(*rates):
    return [{"learning_rate": rate} for rate in rates]


def test_a_search_never_takes_what_diverged():
    found = comparison.Search(rows(0.1, 1, 10), np.array([2.0, 1.0, np.nan]), steps=5)
    assert found.best == 1
    assert not found.at_edge
    assert comparison.Search(rows(0.1, 1), np.array([np.nan, 3.0]), steps=5).at_edge


def test_search_and_runs_share_one_program(line):
    method = methods.all_methods(1e-3, 0.5, CENTRES, 3)["adam"]
    traced = []

    def counted(**hyperparameters):
        traced.append(hyperparameters)
        return method.make(**hyperparameters)

    trainer = Trainer(line, method._replace(make=counted), chunk_steps=2)
    found = comparison.search(trainer, Meter(line), len(SEEDS), 1, lambda: None)
    assert len(found.scores) == len(found.rows) == 3
    before = len(traced)
    list(trainer.train(method.settings[:2], SEEDS, chunks=2, examples=line.examples))
    assert len(traced) == before


def play(command, monkeypatch, tmp_path, *options):
    """Runs a command on tiny data for three steps per stage."""
    monkeypatch.setattr(data, "load_text", lambda _: NOVEL)
    pieces = images.ImageData(PIXELS, PIXELS[:, 0, 0], PIXELS[:40], PIXELS[:40, 0, 0])
    monkeypatch.setattr(data, "load_images", lambda _: pieces)
    monkeypatch.setattr(sda, "problem", TINY_STACK)
    tiny = ["--steps", "3", "--chunks", "1", "--seeds", "2", "--search", "2"]
    return cli.main([command, *tiny, "--output", str(tmp_path), *options])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("sda", ()),
        ("charlm", ("--units", "4", "--batch-size", "3", "--length", "5")),
    ],
)
def test_a_run_leaves_tables_numbers_and_pictures(command, options, monkeypatch, tmp_path, capsys):
    chosen = ("--methods", "sgd", "ctld")
    assert play(command, monkeypatch, tmp_path, *options, *chosen) == 0
    table = (tmp_path / "table.md").read_text()
    assert table.strip() in capsys.readouterr().out
    for label in ("SGD with momentum", "CTLD", methods.CTLD_LIKE_SGD):
        assert f"\n| {label} " in table
    assert "CTLD against SGD with momentum, both at learning rate" in table
    summary = json.loads((tmp_path / "results.json").read_text())["methods"]
    stages = 2 if command == "sda" else 1
    for result in summary.values():
        assert result["steps"] == 3 * stages
        assert len(result["search"]["validation_scores"]) == 2
        assert len(result["stage_ends"]) == stages
    rates = [summary[n]["learning_rate"] for n in ("SGD with momentum", methods.CTLD_LIKE_SGD)]
    assert rates[0] == rates[1]
    assert ("after stage 2" in table) == (command == "sda")
    searched = table.split("the best is the one that was taken:")[1]
    assert searched.count("**") == 2 * 2  # one setting of each method, not one more for the rerun
    assert searched.count("\n| CTLD ") == 1
    curves = np.load(tmp_path / "curves.npz")
    assert curves["CTLD/temperature"].shape == (3 * stages, 2)
    for picture in ("curves.png", "noise.png"):
        assert (tmp_path / picture).read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_an_interrupted_run_keeps_what_is_done(interrupt_after_adam, monkeypatch, tmp_path):
    options = ("--units", "4", "--batch-size", "3", "--length", "5", "--methods", "sgd", "adam")
    assert play("charlm", monkeypatch, tmp_path, *options, "ctld") == 130
    summary = json.loads((tmp_path / "results.json").read_text())["methods"]
    assert list(summary) == ["SGD with momentum", "Adam"]
    assert not (tmp_path / "noise.png").exists()
    assert (tmp_path / "curves.png").exists()


@pytest.mark.parametrize(("command", "load"), [("sda", "load_images"), ("charlm", "load_text")])
def test_missing_data_end_the_run_with_one_line(command, load, monkeypatch, tmp_path):
    def missing(_):
        raise data.MissingDataError("nowhere")

    monkeypatch.setattr(data, load, missing)
    with pytest.raises(SystemExit, match="error: nowhere"):
        cli.main([command, "--output", str(tmp_path)])


def test_numbers_out_of_range_are_refused(capsys):
    for option, value in (("--sampling", "1.5"), ("--temperature", "-1")):
        with pytest.raises(SystemExit):
            cli.main(["sda", option, value])
        assert "must be from 0 to" in capsys.readouterr().err
