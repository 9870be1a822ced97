"""Budgets give values to options that the command does not give."""

import pytest

pytest.importorskip("tqdm")

from benchmarks import cli, entropy, exchange, layers, tempering
from benchmarks.engine.options import within_budget
from benchmarks.entropy.problems import EXPERIMENTS

BUDGETS = {
    "spiral": layers.PLANAR_BUDGETS,
    "trig": layers.PLANAR_BUDGETS,
    "barriers": layers.BARRIER_BUDGETS,
    "mnist": layers.MNIST_BUDGETS,
    "sda": tempering.BUDGETS["sda"],
    "charlm": tempering.BUDGETS["charlm"],
    "entropy": entropy.BUDGETS,
    "exchange": exchange.BUDGETS,
}


@pytest.mark.parametrize("benchmark", BUDGETS)
def test_every_training_has_three_budgets_and_can_go_on(benchmark):
    budgets = BUDGETS[benchmark]
    assert list(budgets) == ["quick", "default", "paper"]
    for name, values in budgets.items():
        options = cli._parser().parse_args([benchmark, "--budget", name, "--resume"])
        assert values.keys() <= vars(options).keys()  # each value belongs to an option
        assert options.resume and options.save_every == 5
        chosen = within_budget(options, budgets, steps=7)
        assert values.items() <= vars(chosen).items()
        assert chosen.steps == values.get("steps", 7)
    assert cli._parser().parse_args([benchmark]).budget == "default"


def test_given_options_win():
    options = cli._parser().parse_args(
        ["sda", "--budget", "paper", "--steps", "5", "--seeds", "4", "--methods", "adam"]
    )
    chosen = within_budget(options, tempering.BUDGETS["sda"])
    assert (chosen.steps, chosen.seeds, chosen.methods) == (5, 4, ["adam"])
    assert chosen.chunks == tempering.BUDGETS["sda"]["paper"]["chunks"]


def test_milestones_fall_between_chunks_at_the_budget_of_the_paper():
    for experiment in EXPERIMENTS.values():
        assert experiment.paper.chunks % 10 == 0
        assert experiment.paper.steps >= experiment.default.steps
    spent = EXPERIMENTS["mnistfc"].paper
    assert spent.steps % spent.chunks == 0
    assert 100 <= spent.steps * 128 / 60_000 < 100.1  # passes over the images
