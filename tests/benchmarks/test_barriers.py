"""Heat that wanders on the spiral: equal gradients, what is chosen, and what a run leaves."""

import json

import jax
import numpy as np
import pytest

pytest.importorskip("tqdm")
pytest.importorskip("matplotlib")
pytest.importorskip("orbax.checkpoint")

from benchmarks import cli
from benchmarks.engine import runtime
from benchmarks.engine.resuming import Saves
from benchmarks.layers import barriers
from benchmarks.layers.wandering import ARMS, CONSTANT, PLAIN, WANDERING
from tests.benchmarks.resumed import Stopping

QUICK = ["barriers", "--steps", "160", "--chunks", "2", "--seeds", "2", "--search-seeds", "1"]


@pytest.fixture(autouse=True)
def _as_users_have_it(monkeypatch):
    monkeypatch.setattr(runtime, "configure", lambda: None)  # the tests have a cache already
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


@pytest.mark.parametrize("name", ARMS)
def test_all_arms_spend_the_same(name):
    """Gradients of all replicas, and passes for swaps; and they choose from as many settings."""
    arm = ARMS[name]
    spent = arm.steps(40_000, 40) * 40 * arm.replicas * arm.cost
    assert 0.99 * 40_000 < spent <= 40_000
    assert len(arm.settings) == len(CONSTANT) == len(WANDERING)


def outcome(name, ends, searched=(0.5, 0.9, 0.7), trips=None, alphas=0.0):
    accuracy = np.stack([np.full(len(ends), 0.5), np.array(ends)])
    trained = barriers.Trained(accuracy, np.full((8, len(ends)), alphas), trips)
    return barriers.Outcome(ARMS[name], np.array(searched), np.array([20.0, 40.0]), trained)


def test_the_table_pairs_by_seed_and_marks_what_was_chosen():
    plain = outcome("adlala", [0.80, 0.90])
    other = outcome("exchanged", [0.83, 0.91], trips=np.array([3.0, 4.0]))
    assert other.setting == WANDERING[1]
    rows = barriers.table([plain, other]).splitlines()
    assert rows[2].startswith(f"| {PLAIN} ") and "85.0 ± 5.0" in rows[2] and "| 80.0 " in rows[2]
    assert "+2.0 ± 1.0" in rows[3] and "| 3.5 " in rows[3]
    assert barriers.searches([plain, other]).count("**") == 4
    assert "**hidden temperature 0.00025, heat ratio 4: 90.0**" in barriers.searches([other])


def test_round_trips_of_alpha_are_pairs_of_crossings():
    tempered = outcome("tempered", [0.8], alphas=0.1)
    tempered.trained.alphas[2:4] = 1.45
    np.testing.assert_array_equal(tempered.trips, [1.0])
    assert outcome("adlala", [0.8]).trips is None


@pytest.mark.slow
def test_the_command_leaves_a_table_numbers_and_a_picture(tmp_path):
    assert cli.main([*QUICK, "--output", str(tmp_path)]) == 0
    text = (tmp_path / "table.md").read_text()
    for arm in ARMS.values():
        assert text.count(f"\n| {arm.label} ") == 2
    numbers = json.loads((tmp_path / "results.json").read_text())["arms"]
    assert np.shape(numbers[PLAIN]["test_accuracy"]) == (2, 2)
    assert numbers["CTLD"]["round_trips"] is not None
    assert (tmp_path / "accuracy.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tempered", "exchanged"])
def test_a_run_that_was_stopped_ends_with_the_same_numbers(name, monkeypatch, tmp_path):
    def numbers(folder, saves):
        monkeypatch.setattr(Saves, "of", lambda options, output: saves)
        command = [*QUICK, "--methods", name, "--resume", "--output", str(folder)]
        code = cli.main(command)
        return code, json.loads((folder / "results.json").read_text()) if code == 0 else None

    code, whole = numbers(tmp_path / "whole", Saves(tmp_path / "whole"))
    assert code == 0 and whole
    part = tmp_path / "part"
    part.mkdir()
    code, _ = numbers(part, Stopping(part, 3))  # within the run that follows the search
    assert code == cli.INTERRUPTED
    code, found = numbers(part, Saves(part))
    assert code == 0 and found and found["arms"] == whole["arms"]
