"""The benchmark of updates: its arithmetic, and a small run of each of its parts."""

import json

import numpy as np
import pytest

pytest.importorskip("tqdm")

from benchmarks import cli
from benchmarks.updates import (
    clock,
    contenders,
    cost,
    efficiency,
    measurement,
    replicas,
    results,
    training,
)
from benchmarks.updates.targets import LEAST, TARGETS, Target


@pytest.mark.parametrize("precision", [1.0, 30.0])
def test_autocorrelation_of_euler_is_known(precision):
    # x' = (1 - rate k) x + sqrt(2 rate) z, of which rho(n) = (1 - rate k)^n.
    rate = 1e-3
    change, noise = np.array([[[-rate * precision]]]), np.array([[np.sqrt(2 * rate)]])
    variance, tau, tau_of_squares = efficiency.autocorrelation(change, noise)
    rho = 1 - rate * precision
    np.testing.assert_allclose(variance, 1 / precision / (1 - rate * precision / 2), rtol=1e-10)
    np.testing.assert_allclose(tau, (1 + rho) / (1 - rho), rtol=1e-10)
    np.testing.assert_allclose(tau_of_squares, (1 + rho**2) / (1 - rho**2), rtol=1e-10)


def test_autocorrelation_is_the_sum_over_lags():
    matrix, noise = np.array([[0.5, 0.3], [-0.4, 0.6]]), np.array([0.2, 1.0])
    heat = np.outer(noise, noise)
    powers = [np.linalg.matrix_power(matrix, n) for n in range(200)]
    covariance = np.sum([power @ heat @ power.T for power in powers], axis=0)
    rho = np.array([(power @ covariance)[0, 0] for power in powers]) / covariance[0, 0]
    found = efficiency.autocorrelation(matrix - np.eye(2), noise)
    wanted = covariance[0, 0], 2 * rho.sum() - 1, 2 * (rho**2).sum() - 1
    np.testing.assert_allclose(found, wanted, rtol=1e-10)


@pytest.mark.parametrize(
    ("name", "setting", "bias"),
    [
        ("sgld", {"learning_rate": 0.01}, 1 / (1 - 0.005) - 1),
        ("baoab", {"step_size": 0.3, "friction": 2.0}, 0.0),
    ],
)
def test_a_sampler_shows_its_own_law(name, setting, bias):
    """The bias of Euler's method is known, and BAOAB has none in a harmonic well."""
    sampler = efficiency.SAMPLERS[name]
    one = sampler._replace(grid={key: np.array([value]) for key, value in setting.items()})
    best = efficiency.best(one, np.ones(1, np.float32), allowed=0.02)
    assert best.bias == pytest.approx(bias, abs=1e-6)
    tau, error = efficiency.measured_tau(one, best, replicas=512, lengths=20)
    assert abs(tau - best.tau) < 5 * error


def test_ratios_are_taken_within_rounds():
    base = np.array([1.0, 10.0, 1.0])  # another program disturbed the second round
    assert clock.ratio(2 * base, base) == (2, 2, 2)


def test_a_turn_is_long_enough_to_be_timed():
    calls = []

    def program(number):
        calls.append(number)
        return (number + 1,)

    turn = clock.advancing(program, (0,), units=10, period=7)
    assert turn() * 10 * (len(calls) - 2) == pytest.approx(clock.SHORTEST, rel=2)
    assert (len(calls) - 2) % 7 == 0
    assert calls == list(range(len(calls)))


def test_targets_tell_reached_from_not_reached_and_not_measured():
    nothing = results.Results(1)
    assert {target.verdict(nothing) for target in TARGETS} == {"not measured"}
    for value, verdict in ((2.0, "reached"), (1.9, "NOT REACHED"), (None, "not measured")):
        target = Target("", "", lambda results, value=value: value, LEAST, 2.0)
        assert target.verdict(nothing) == verdict
    assert len({(target.topic, target.meaning) for target in TARGETS}) == len(TARGETS)


def test_targets_name_methods_that_exist():
    """With numbers for every contender, every target is measured."""
    names = contenders.CONTENDERS
    times = dict.fromkeys([*names, *(f"posteriors.{m}, 1 thread" for m in ("sgld", "baoa"))])
    times = {name: np.ones(3) for name in times}
    builds = {name: cost.Build(np.ones(3), np.ones(3), 0, 0) for name in names}
    law = results.Efficiency(efficiency.Best({}, 0.0, 1.0, "x", 1.0), 1.0, 0.1)
    generators = ("jax.random.normal", "threefry", "inverse_cdf")
    full = results.Results(
        3,
        costs={
            tree: cost.UpdateCosts(tree, 10, 1, builds, times)
            for tree in ("mlp1.7M", "flat10M", "tfm10M")
        },
        noise={name: np.ones(3) for name in generators},
        trainings=dict.fromkeys(("mlp", "logistic", "gaussian"), times),
        replicas=dict.fromkeys((replicas.ALONE, *replicas.WAYS), np.ones(3)),
        efficiency=dict.fromkeys(efficiency.SAMPLERS, law),
    )
    assert "not measured" not in {target.verdict(full) for target in TARGETS}


@pytest.mark.slow  # it compiles every program anew, to time that too
@pytest.mark.usefixtures("standard_promotion")
def test_a_small_run(monkeypatch, tmp_path, capsys):
    def installed(name):
        return contenders.library(name) in ("thermo_optax", "optax")

    for module in (training, measurement):
        monkeypatch.setattr(module, "installed", installed)
    monkeypatch.setattr(cost, "COPY_SIZE", 1000)
    monkeypatch.setattr(measurement, "REPLICAS", 64)
    for name in ("BATCH", "STEPS", "REPLICAS"):
        monkeypatch.setattr(replicas, name, 2)
    monkeypatch.setattr(training, "NAMES", ("sgld", "baoab", "blackjax.sgld"))
    sampler = efficiency.SAMPLERS["sgld"]._replace(grid={"learning_rate": np.array([1e-4])})
    monkeypatch.setattr(efficiency, "SAMPLERS", {"sgld": sampler})
    command = "updates --rounds 2 --trees tiny --methods sgld optax.adam blackjax.sgld"
    command += " --noise-size 100 --problems gaussian --output"
    assert cli.main([*command.split(), str(tmp_path)]) == 0

    printed = capsys.readouterr().out
    assert printed.count("is not installed") == 2  # blackjax and posteriors, in a line each
    table = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert table in printed
    for section in (
        "Targets",
        "Updates of tiny",
        "Noise",
        "Whole steps",
        "Replicas",
        "Sampling efficiency",
    ):
        assert f"## {section}" in table
    saved = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert set(saved["updates"]["tiny"]["builds"]) == {"sgld", "optax.adam"}
    assert len(saved["updates"]["tiny"]["seconds per update"]["sgld"]) == 2
    assert len(saved["environment"]["load average at start and end"].split(",")) == 2


def test_an_unknown_method_is_named():
    with pytest.raises(SystemExit, match=r"'sgdl'; known: .*sgld"):
        cli.main(["updates", "--methods", "sgdl"])
