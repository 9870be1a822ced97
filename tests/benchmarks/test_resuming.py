"""Runs go on after a kill with the same numbers; a failing disk ends them with one clear line."""

import argparse
import errno
import json
import os
import pathlib
import shutil
import subprocess
import sys

import jax
import numpy as np
import pytest

pytest.importorskip("orbax.checkpoint")
pytest.importorskip("tqdm")
pytest.importorskip("matplotlib")

import orbax.checkpoint as ocp

from benchmarks import cli
from benchmarks.engine import status
from benchmarks.engine.options import LOG, SAVES, claim
from benchmarks.engine.resuming import Part, Saves
from tests.benchmarks import resumed

ROOT = pathlib.Path(cli.__file__).parents[1]
SETTINGS, PLAN = {"title": "numbers", "seeds": [0]}, {"one": 10, "two": 10, "three": 10}
STATE = {"weights": np.arange(6, dtype=np.float32).reshape(2, 3), "none": np.zeros(0, np.float32)}


@pytest.fixture(autouse=True)
def _promotion_as_users_have_it():
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


@pytest.fixture(scope="module")
def uninterrupted():
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield resumed.run(Saves())


def assert_same(found, wanted):
    """To the bit."""
    same = jax.tree.map(lambda a, b: np.array_equal(a, b, equal_nan=True), found, wanted)
    assert len(jax.tree.leaves(same)) > 20 and all(jax.tree.leaves(same))


@pytest.mark.slow
def test_a_kill_changes_no_number(tmp_path, uninterrupted):
    arguments = [sys.executable, "-m", "tests.benchmarks.resumed", str(tmp_path)]
    with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout
        seen = 0
        for text in run.stdout:
            seen += text == "saved\n"
            if seen == resumed.SAVES_OF_A_RUN - 3:  # within the second stage
                run.kill()
                break
    assert run.returncode == -9
    assert_same(resumed.run(Saves(tmp_path)), uninterrupted)
    log = (tmp_path / LOG).read_text()
    for words in ("started: ", "the run before was killed", "resumed from save", "finished"):
        assert words in log
    # Once more, and nothing is left to do.
    assert_same(resumed.run(Saves(tmp_path)), uninterrupted)


@pytest.mark.parametrize(
    "saves",
    [
        1,
        resumed.SEARCHES * resumed.STAGES,
        *(
            pytest.param(n, marks=pytest.mark.slow)
            for n in range(resumed.SEARCHES * resumed.STAGES + 1, resumed.SAVES_OF_A_RUN)
        ),
    ],
)
def test_it_goes_on_from_any_save(tmp_path, uninterrupted, saves):
    """Within the search, at the end of a part, within a stage, between two stages."""
    with pytest.raises(KeyboardInterrupt):
        resumed.run(resumed.Stopping(tmp_path, saves))
    assert "stopped: KeyboardInterrupt" in (tmp_path / LOG).read_text()
    assert_same(resumed.run(Saves(tmp_path)), uninterrupted)


def write(folder, *, settings=SETTINGS):
    """Three saves: two of finished parts, then one in the middle of the third part."""
    saves = Saves(folder)
    with pytest.raises(KeyboardInterrupt), saves.opened(settings, PLAN):
        for name, value in (("one", 1.5), ("two", 2.5)):
            saves.result_of(name, lambda part, value=value: value)

        def third(part: Part):
            part.offer(4, STATE, lambda: ["a record"])
            raise KeyboardInterrupt

        saves.result_of("three", third)


def read(folder, *, settings=SETTINGS):
    """The results that are there, and the step, record and state of the third part."""
    saves, found = Saves(folder, 1000.0), {}
    with pytest.raises(KeyboardInterrupt), saves.opened(settings, PLAN):
        for name in ("one", "two"):
            found[name] = saves.result_of(name, lambda part: None)

        def third(part: Part):
            state = part.restore(jax.eval_shape(lambda: STATE)) if part.step else None
            found["three"] = part.step, part.record, state
            raise KeyboardInterrupt

        saves.result_of("three", third)
    return found


def damage(folder, kind):
    """Of one save."""
    data = max((folder / "state").rglob("d/*"), key=lambda path: path.stat().st_size)
    text = data.read_bytes()
    if kind == "truncated":
        data.write_bytes(text[: len(text) // 2])
    elif kind == "flipped":
        data.write_bytes(text[:-9] + bytes([text[-9] ^ 255]) + text[-8:])
    elif kind == "emptied":
        for path in folder.rglob("*"):
            if path.is_file():
                path.write_bytes(b"")
    else:
        shutil.rmtree(folder / "state")


def test_a_state_comes_back_as_it_was(tmp_path):
    write(tmp_path)
    found = read(tmp_path)
    assert (found["one"], found["two"]) == (1.5, 2.5)
    step, record, state = found["three"]
    assert (step, record) == (4, ["a record"])
    np.testing.assert_array_equal(state["weights"], STATE["weights"])
    assert state["none"].shape == (0,)


# Orbax reads all arrays at once, and drops the errors of all but the first.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", ["truncated", "flipped", "emptied", "without state"])
def test_a_damaged_save_is_named_and_the_one_before_taken(tmp_path, kind, capsys):
    write(tmp_path)
    damage(tmp_path / SAVES / "3", kind)
    assert read(tmp_path) == {"one": 1.5, "two": 2.5, "three": (0, None, None)}
    log = (tmp_path / LOG).read_text()
    assert "save 3 is damaged" in log and "resumed from save 2" in log
    assert "save 3 is damaged" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_when_all_saves_are_damaged_it_says_so(tmp_path):
    write(tmp_path)
    for number in "123":
        damage(tmp_path / SAVES / number, "emptied")
    with pytest.raises(SystemExit, match="no save in .*saves can be read: delete this folder"):
        read(tmp_path)


def test_a_damaged_description_is_named(tmp_path):
    write(tmp_path)
    (tmp_path / SAVES / "run.json").write_text("{")
    with pytest.raises(SystemExit, match="run.json is damaged"):
        read(tmp_path)
    assert "is damaged" in status.describe(tmp_path)


def test_other_settings_are_refused_by_name(tmp_path):
    write(tmp_path)
    with pytest.raises(SystemExit, match=r"saves holds a run.*seeds was \[0\], now \[0, 1\]"):
        read(tmp_path, settings={**SETTINGS, "seeds": [0, 1]})
    assert read(tmp_path)["two"] == 2.5


def test_a_state_of_another_program_is_refused(tmp_path):
    write(tmp_path)
    saves = Saves(tmp_path, 1000.0)
    message = "'three' in .*saves is not one of this program"
    with pytest.raises(SystemExit, match=message), saves.opened(SETTINGS, PLAN):
        saves.result_of("three", lambda part: part.restore({"weights": np.zeros(5)}))
    assert read(tmp_path)["three"][0] == 4


def test_two_runs_do_not_share_a_folder(tmp_path):
    message, other = "another run is using .*saves", Saves(tmp_path)
    with Saves(tmp_path).opened(SETTINGS, PLAN):
        assert "running" in status.describe(tmp_path)
        with pytest.raises(SystemExit, match=message), other.opened(SETTINGS, PLAN):
            pass


@pytest.mark.parametrize("where", ["save", "check_for_errors"])
def test_a_full_disk_ends_the_run_with_one_line(tmp_path, monkeypatch, where):
    """When a save begins, or while it goes on in the background."""
    write(tmp_path)

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    saves, message = Saves(tmp_path), "saves.*No space left.*free space.*same command"
    with monkeypatch.context() as patch:
        patch.setattr(ocp.CheckpointManager, where, full)
        with pytest.raises(SystemExit, match=message), saves.opened(SETTINGS, PLAN):
            saves.result_of("three", lambda part: 3.5)
    assert read(tmp_path)["three"][0] == 4


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / SAVES).touch()
    message, saves = "cannot be saved in .*saves.*make the folder writable", Saves(tmp_path)
    with pytest.raises(SystemExit, match=message), saves.opened(SETTINGS, PLAN):
        pass


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_results_that_cannot_be_written_end_the_run_with_one_line(code, monkeypatch, tmp_path):
    def failing(options):
        raise OSError(code, os.strerror(code), "table.md")

    monkeypatch.setattr(status, "run", failing)
    with pytest.raises(SystemExit, match="error: table.md cannot be written .*free space.*same"):
        cli.main(["status", "--output", str(tmp_path)])


def test_folders_of_saves_are_found_again_and_left_alone_by_others(tmp_path):
    folder = tmp_path / "run"
    assert claim(folder, resume=True) == folder
    write(folder)
    (folder / "table.md").write_text("after Ctrl-C")
    assert claim(folder, resume=True) == folder
    assert claim(folder) == folder / "run-2"
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "table.md").write_text("a table")
    assert claim(tmp_path / "old", resume=True) == tmp_path / "old" / "run-2"


def test_status_says_what_is_done_and_what_is_left(tmp_path, capsys):
    write(tmp_path / "a")
    with Saves(tmp_path / "b").opened(SETTINGS, PLAN):
        pass
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "table.md").write_text("a table")
    assert cli.main(["status", "--output", str(tmp_path)]) == 0
    first, second, third = capsys.readouterr().out.strip().split("\n\n")
    for words in ("numbers, 1 seeds, not running", "step 24 of 30", "done: one, two"):
        assert words in first
    assert "now: three, step 4 of 10" in first and "left: nothing" in first
    assert "b: numbers, 1 seeds, finished" in second
    assert "c: finished" in third
    assert cli.main(["status", "--output", str(tmp_path / "none")]) == 0
    assert "no runs in" in capsys.readouterr().out


def test_without_the_option_nothing_is_saved(tmp_path):
    options = argparse.Namespace(resume=False, join=())
    resumed_nothing = Saves.of(options, tmp_path)
    with resumed_nothing.opened(SETTINGS, PLAN):
        assert resumed_nothing.result_of("one", lambda part: part.step) == 0
    assert not list(tmp_path.iterdir())


BY_SEED = {"seed 0": 10, "seed 1": 10}


def one_seed(folder, seed, **settings):
    """A finished run of one seed, which saw one of two methods."""
    saves = Saves(folder)
    with saves.opened({**SETTINGS, "seeds": [seed], **settings}, {f"seed {seed}": 10}):
        saves.result_of(f"seed {seed}", lambda part: (seed, "trained"))


def joined(tmp_path, *, by_seed=True, **settings):
    """What a run of both seeds finds in those of one each."""
    saves = Saves(tmp_path / "both", 0, [tmp_path / "0", tmp_path / "1"])
    with saves.opened({**SETTINGS, "seeds": [0, 1], **settings}, BY_SEED, by_seed=by_seed):
        return [saves.result_of(name, lambda part: None) for name in BY_SEED]


def test_runs_of_one_seed_each_are_joined(tmp_path):
    for seed in (0, 1):
        one_seed(tmp_path / str(seed), seed, rates={str(seed): 0.1, "both": 1.0})
    before = [(tmp_path / str(seed) / LOG).read_text() for seed in (0, 1)]
    wanted = [(0, "trained"), (1, "trained")]
    assert joined(tmp_path, rates={"0": 0.1, "1": 0.1, "both": 1.0}) == wanted
    log = (tmp_path / "both" / LOG).read_text()
    assert "joined" in log and "1: seed 1" in log and log.endswith("finished\n")
    assert [(tmp_path / str(seed) / LOG).read_text() for seed in (0, 1)] == before
    # They are its own now.
    shutil.rmtree(tmp_path / "0" / SAVES / "1")
    assert joined(tmp_path, rates={"0": 0.1, "1": 0.1, "both": 1.0}) == wanted


def test_only_runs_of_the_same_settings_are_joined(tmp_path):
    with pytest.raises(SystemExit, match="error: --join .*0 holds no saves: name the --output"):
        joined(tmp_path)
    shutil.rmtree(tmp_path / "both")
    for seed in (0, 1):
        one_seed(tmp_path / str(seed), seed, rates={"both": 1.0}, chunks=5)
    with pytest.raises(SystemExit, match="chunks was 5, now 6"):
        joined(tmp_path, rates={"both": 1.0}, chunks=6)
    shutil.rmtree(tmp_path / "both")
    with pytest.raises(SystemExit, match="rates was {'both': 1.0}, now {'both': 2.0}"):
        joined(tmp_path, rates={"both": 2.0}, chunks=5)
    shutil.rmtree(tmp_path / "both")
    with pytest.raises(SystemExit, match=r"seeds was \[0\], now \[0, 1\]"):
        joined(tmp_path, rates={"both": 1.0}, chunks=5, by_seed=False)
    with pytest.raises(SystemExit, match="error: --join needs --resume"):
        Saves.of(argparse.Namespace(resume=False, join=[tmp_path]), tmp_path)


def test_options_are_not_abbreviated(capsys):
    """`--seed 1` is not `--seeds 1`, the seed 0."""
    for benchmark in cli.BENCHMARKS:
        with pytest.raises(SystemExit):
            cli.main([benchmark, "--outpu", "nowhere"])
        assert "unrecognized arguments: --outpu nowhere" in capsys.readouterr().err


@pytest.mark.slow
def test_a_benchmark_that_is_killed_ends_with_the_same_numbers(tmp_path):
    arguments = [sys.executable, "-m", "benchmarks", "spiral", "--steps", "2000", "--chunks", "40"]
    arguments += ["--seeds", "2", "--methods", "adam-tuned", "adlala", "--output"]
    environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "cache")}

    def command(name, *options):
        whole = [*arguments, str(tmp_path / name), *options]
        return subprocess.Popen(whole, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)

    assert command("whole").wait() == 0
    killed = command("killed", "--resume", "--save-every", "0")
    saves = tmp_path / "killed" / SAVES
    while not any(int(path.name) >= 5 for path in saves.glob("*[0-9]")):
        assert killed.poll() is None
    killed.kill()
    assert killed.wait() == -9
    assert command("killed", "--resume", "--save-every", "0").wait() == 0
    assert "was killed" in (tmp_path / "killed" / LOG).read_text()
    whole, again = (dict(np.load(tmp_path / name / "curves.npz")) for name in ("whole", "killed"))
    assert whole.keys() == again.keys()
    for name, values in whole.items():
        np.testing.assert_array_equal(again[name], values)
    found = [json.loads((tmp_path / n / "results.json").read_text()) for n in ("whole", "killed")]
    assert found[0]["title"] == found[1]["title"]
