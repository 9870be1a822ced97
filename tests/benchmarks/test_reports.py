"""What a run leaves behind, also when Ctrl-C ends it; the training itself is played here."""

import json
import os
import signal

import jax
import numpy as np
import pytest

pytest.importorskip("tqdm")
pytest.importorskip("matplotlib")

from benchmarks import cli
from benchmarks.engine import figures, networks, runtime
from benchmarks.engine.training import Chunk, Meter, Trainer
from benchmarks.entropy.methods import LABELS
from benchmarks.layers import comparison
from benchmarks.layers.settings import PROBLEMS
from benchmarks.tempering.methods import CTLD_LIKE_SGD, PLAIN

SEEDS = 3


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Runs the spiral benchmark with two methods, calling `between` after each of their chunks."""
    init, _ = networks.functional((2, 100, 1))

    def play(between=lambda method, chunk: None, methods=("adam", "adlala")):
        accuracies = []

        def pretend(self, rows, seeds, *, chunks, examples, **_):
            for chunk in range(chunks):
                # The second setting is the best one, and every step helps.
                accuracy = 0.5 + 0.1 * chunk + 0.01 * np.arange(SEEDS) - np.zeros((len(rows), 1))
                accuracy[1:2] += 0.05
                accuracies.append(accuracy)
                params = jax.vmap(jax.vmap(lambda _: init(jax.random.key(0))))(accuracy)
                yield Chunk(
                    stage=0,
                    step=(chunk + 1) * self.chunk_steps,
                    seconds_per_step=1e-3,
                    loss=1 - accuracy[None],
                    temperature=np.full_like(accuracy[None], 1.01e-3),
                    params=(params,),
                )
                between(self.method, chunk)

        def measured(*_, **__):
            return {"test": {"accuracy": accuracies[-1], "loss": 1 - accuracies[-1]}}

        monkeypatch.setattr(Trainer, "train", pretend)
        monkeypatch.setattr(Meter, "__call__", measured)
        monkeypatch.setattr(runtime, "configure", lambda: None)  # the tests have a cache already
        options = ["--seeds", str(SEEDS), "--steps", "400", "--chunks", "4"]
        options += ["--methods", *methods, "--output", str(tmp_path)]
        return cli.main(["spiral", *options])

    return play


def summary(folder):
    return json.loads((folder / "results.json").read_text())["methods"]


def test_a_run_leaves_table_numbers_and_pictures(run, tmp_path, capsys):
    assert run() == 0
    printed = capsys.readouterr().out
    table = (tmp_path / "table.md").read_text()
    assert table.strip() in printed
    assert "learning rate 0.002, beta1 0.9, beta2 0.999 (best of 6)" in table
    assert "86.0 ± 0.8" in table  # Adam's second setting: 85, 86, 87 %
    assert "85.0" in table  # its worst seed
    assert "1.010e-03 / 0.001 (1.010)" in table
    methods = summary(tmp_path)
    assert methods["Adam, default betas"]["best_setting"] == 1
    assert methods["AdLaLa"]["steps"] == 400
    assert methods["AdLaLa"]["set_temperature"] == 1e-3
    curves = np.load(tmp_path / "curves.npz")
    assert curves["Adam, default betas/test_accuracy"].shape == (4, 6, SEEDS)
    for picture in ("accuracy.png", "level_sets.png"):
        assert (tmp_path / picture).read_bytes().startswith(b"\x89PNG")


def test_a_second_run_keeps_the_results_of_the_first(run, tmp_path, capsys):
    run()
    files = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert run(methods=["adam"]) == 0
    assert {path: path.read_bytes() for path in files} == files
    assert list(summary(tmp_path)) == ["Adam, default betas", "AdLaLa"]
    assert list(summary(tmp_path / "run-2")) == ["Adam, default betas"]
    assert "earlier run" in capsys.readouterr().out


def ctrl_c(method, chunk):
    """Presses Ctrl-C in the second method, after two of its four chunks."""
    if method.label == "AdLaLa" and chunk == 1:
        os.kill(os.getpid(), signal.SIGINT)


def exception(method, chunk):
    if method.label == "AdLaLa" and chunk == 1:
        raise KeyboardInterrupt


@pytest.mark.parametrize("interrupt", [ctrl_c, exception])
def test_an_interrupted_run_keeps_what_is_done(run, tmp_path, capsys, interrupt):
    assert run(interrupt) == 130
    captured = capsys.readouterr()
    assert "Traceback" not in captured.out + captured.err
    assert "| AdLaLa" in captured.out
    methods = summary(tmp_path)
    assert methods["Adam, default betas"]["steps"] == 400
    assert methods["AdLaLa"]["steps"] in (200, 300)
    assert (tmp_path / "level_sets.png").exists()


def test_an_interruption_before_the_first_chunk_says_so(run, tmp_path, capsys, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(comparison, "Best", interrupt)
    assert run() == 130
    assert "nothing was finished" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_ctrl_c_is_given_back_afterwards(run):
    before = signal.getsignal(signal.SIGINT)
    run(ctrl_c)
    assert signal.getsignal(signal.SIGINT) is before


def test_help_lists_every_benchmark_with_its_options(capsys):
    with pytest.raises(SystemExit) as exit_:
        cli.main(["--help"])
    assert exit_.value.code == 0
    text = capsys.readouterr().out
    for name, (_, line) in cli.BENCHMARKS.items():
        assert f"options of {name}:" in text
        assert line.split(",")[0] in text
    for option in ("--seeds", "--steps", "--dataset", "--output"):
        assert option in text


@pytest.mark.parametrize(
    "arguments", [["spiral", "--seeds", "0"], ["mnist", "--dataset", "imagenet"], ["nosuch"]]
)
def test_wrong_options_are_errors_without_a_traceback(arguments, capsys):
    with pytest.raises(SystemExit) as exit_:
        cli.main(arguments)
    assert exit_.value.code == 2
    assert "error: argument" in capsys.readouterr().err


def test_an_unknown_method_lists_the_known_ones():
    with pytest.raises(SystemExit, match="no method is called 'adan'; known: sgd, rmsprop"):
        cli.main(["trig", "--methods", "adan", "--seeds", "1"])


def test_images_that_cannot_be_had_end_the_run_with_one_line(monkeypatch, tmp_path):
    from benchmarks.data import MissingDataError
    from benchmarks.layers import mnist

    def missing(_):
        raise MissingDataError("the data set 'mnist' is neither here nor could it be downloaded")

    monkeypatch.setattr(runtime, "configure", lambda: None)
    monkeypatch.setattr(mnist, "image_problem", missing)
    with pytest.raises(SystemExit, match="error: the data set 'mnist' is neither here"):
        cli.main(["mnist", "--output", str(tmp_path)])


@pytest.mark.slow
def test_the_demonstration_goes_on_without_images(run, monkeypatch, tmp_path, capsys):
    from benchmarks import demo
    from benchmarks.data import MissingDataError
    from benchmarks.layers import mnist

    def missing(_):
        raise MissingDataError("nowhere")

    run()  # plays the training
    monkeypatch.setattr(mnist, "image_problem", missing)
    monkeypatch.setattr(demo, "PLANAR_STEPS", {"spiral": 80})
    assert cli.main(["demo", "--seeds", "3", "--output", str(tmp_path / "demo")]) == 0
    assert "No run on MNIST: nowhere" in capsys.readouterr().out
    assert (tmp_path / "demo" / "spiral" / "table.md").exists()


@pytest.mark.parametrize(
    "labels",
    [
        [method.label for method in PROBLEMS["spiral"].methods.values()],
        [*PLAIN, "AnnealSGD", "Santa", "CTLD", CTLD_LIKE_SGD],
        LABELS.values(),
    ],
)
def test_methods_of_one_picture_are_told_apart(labels):
    styles = [tuple(style.values()) for style in figures.styles(labels, ()).values()]
    assert len(set(styles)) == len(labels)
    assert figures.colour_of("Adam, tuned betas") == figures.colour_of("Adam")
