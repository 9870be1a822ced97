"""One picture for each problem: the errors, the diffusion, and what the swaps did."""

import pathlib

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator

import thermo_optax as to
from benchmarks.engine import figures
from benchmarks.exchange.arms import ARMS, FALLING
from benchmarks.exchange.report import NAMES, Outcome


def overview(outcome: Outcome, path: pathlib.Path) -> None:
    """Test error against steps, diffusion, paths of the replicas of the first seed, acceptance."""
    figure = plt.figure(figsize=(12, 8), layout="constrained")
    ((errors, walks), (paths, swaps)) = figure.subplots(2, 2)
    name = NAMES[outcome.experiment.hyperparameter]
    _errors(errors, outcome)
    to.plot.diffusion(outcome.diffusion(), label=name, ax=walks)
    walks.set_title(f"From one network, {walks.get_title()}", fontsize=10)
    first = outcome.runs[ARMS[0]][0]
    rungs = np.concatenate([np.arange(len(outcome.ladder))[None], first.paths, first.paths[-1:]])
    rounds = outcome.plan.swap_period * np.arange(1 + len(first.paths))
    # The last row says how long the one before stayed.
    steps = np.append(rounds, first.records[-1].step)[: len(rungs)]
    to.plot.replica_paths(rungs, values=outcome.ladder, steps=steps, ax=paths)
    paths.set_ylabel(name)
    paths.set_title("Replicas of the first seed", fontsize=10)
    mean, error = outcome.acceptance()
    to.plot.acceptance(mean, None if np.all(np.isnan(error)) else error, ax=swaps)
    swaps.set_title("Mean probability of a swap", fontsize=10)
    figure.suptitle(outcome.title)
    figures.save(figure, path)


def _errors(axes, outcome: Outcome) -> None:
    steps = [record.step for record in outcome.runs[ARMS[0]][0].records]
    methods = {ARMS[0]: "replica_exchange", ARMS[1]: "replicate", FALLING: "sgd"}
    for arm, method in ((arm, methods[arm]) for arm in outcome.runs):
        figures.band(
            axes,
            steps,
            outcome.curve(arm),
            color=figures.colour_of(method),
            alpha=0.2,
            linewidth=2,
            linestyle={ARMS[0]: "-", ARMS[1]: "--"}.get(arm, ":"),
            label=f"with {arm}" if arm == ARMS[0] else arm,
        )
    low, high = axes.get_ylim()
    if high > 2 * low > 0:
        figures.log_scores(axes)
    axes.set_xlabel("steps since the fork")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel("test error %, mean and range over seeds")
    axes.set_title("Best replica by validation loss", fontsize=10)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
