"""The benchmark of learning coefficients: its exact values, and that all parts run and are kept."""

import json
import math

import numpy as np
import pytest

pytest.importorskip("tqdm")
pytest.importorskip("matplotlib")

from benchmarks import cli
from benchmarks.coefficients import measurement, mnist, models, peers
from benchmarks.data import ImageData
from benchmarks.engine import runtime


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setattr(runtime, "configure", lambda: None)

    def with_parts(*parts):
        command = ["coefficients", "--quick", "--output", str(tmp_path), "--parts", *parts]
        assert cli.main(command) == 0
        text = (tmp_path / "table.md").read_text()
        return text, json.loads((tmp_path / "results.json").read_text())

    return with_parts


def test_exact_values():
    """Those of draws are near the limits of small temperatures."""
    assert models.quadratic(1.0).exact() == pytest.approx(97.94, abs=0.01)
    assert models.linear_network((5, 4, 5), 2, sweeps=500).exact() == pytest.approx(10.5, rel=0.05)
    names = [model.title for model in [*models.small(), *models.large()]]
    assert len(set(names)) == len(names) == 9


@pytest.mark.slow
def test_calibration_has_a_row_for_each_model(run, tmp_path):
    text, numbers = run("calibration")
    (quadratic,) = numbers["calibration"]
    assert abs(quadratic["value"] / quadratic["exact"] - 1) < 0.2
    assert quadratic["model"] in text and "closed form" in text
    assert (tmp_path / "calibration.png").stat().st_size > 1_000


def test_peers_that_are_missing_are_said(run, monkeypatch):
    monkeypatch.setattr(peers.importlib.util, "find_spec", lambda name: None)
    text, numbers = run("peers")
    assert "torch and devinterp not installed" in text and numbers["peers"] is None


def test_the_best_of_several_runs_counts():
    """One that diverged is never the best."""
    assert peers._distance(math.nan, 1.0) == math.inf
    assert peers._percent(1e9, 1.0) == peers._percent(math.nan, 1.0) == "diverged"
    assert peers._percent(1.1, 1.0) == "+10.0 %"


@pytest.mark.slow
@pytest.mark.usefixtures("standard_promotion")  # cosine schedules need it
def test_a_network_is_trained_and_measured(run, monkeypatch, tmp_path):
    random = np.random.default_rng(0)
    labels = random.integers(0, 10, 512).astype(np.uint8)
    images = random.integers(0, 50, (512, 28, 28)).astype(np.uint8)
    images[np.arange(512), labels] = 255  # the row is the class
    data = ImageData(images, labels, images, labels)
    monkeypatch.setattr(mnist, "load_images", lambda name: data)
    text, numbers = run("mnist")
    assert numbers["mnist"]["copies"] > 1 and "copies of the parameters" in text
    assert (tmp_path / "mnist.png").exists()


def test_a_part_that_fails_keeps_the_others(run, monkeypatch, tmp_path):
    def fails(options, output):
        raise RuntimeError("a part has failed")

    monkeypatch.setattr(measurement.peers, "run", lambda options, output: ("done", 1))
    monkeypatch.setattr(measurement.mnist, "run", fails)
    with pytest.raises(RuntimeError, match="a part has failed"):
        run("peers", "mnist")
    assert json.loads((tmp_path / "results.json").read_text())["peers"] == 1
