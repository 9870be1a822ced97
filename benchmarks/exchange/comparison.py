"""One problem of the command: its runs, seed by seed, and the report on those that are done."""

import argparse
import pathlib

import numpy as np
from tqdm import tqdm

from benchmarks.engine import runtime
from benchmarks.engine.options import seeds_of
from benchmarks.exchange import figures, report
from benchmarks.exchange.arms import ARMS, Arm, ForkedRuns, Plan, ladder_between
from benchmarks.exchange.problems import EXPERIMENTS, split


def run(name: str, options: argparse.Namespace, output: pathlib.Path) -> None:
    """Trains with and without exchange from every seed, then reports; also after Ctrl-C."""
    experiment = EXPERIMENTS[name]
    data, images = experiment.load()
    splits = split(images, options.train, options.validation, options.test)
    ends = experiment.ladder if options.ladder == "wide" else experiment.paper
    ladder = ladder_between(*ends, options.replicas)
    c = options.normalization
    c = experiment.normalization(ladder) if c is None else c
    chunk = -(-options.steps // options.chunks)
    plan = Plan(options.warmup, chunk, options.chunks, options.swap_period, options.swap_images)
    forked = ForkedRuns(experiment, splits, ladder, c, plan)
    runs: dict[str, list[Arm]] = {arm: [] for arm in ARMS}
    walks: list[np.ndarray] = []
    seeds = seeds_of(options)

    def save():
        if not walks:
            print(f"{name}: nothing was finished")
            return
        outcome = report.Outcome(
            f"{experiment.network}, {data}, {report.NAMES[experiment.hyperparameter]}",
            experiment,
            splits,
            ladder,
            c,
            plan,
            runs,
            np.stack(walks, axis=1),
        )
        report.save(output, outcome)
        figures.overview(outcome, output / "overview.png")

    with runtime.interruptible(save) as check:
        for seed in tqdm(seeds, desc=name, unit="seed"):
            key, fork = forked.fork(seed)
            check()
            walk = forked.diffusion(key, fork)
            check()
            both = {arm: forked.arm(arm, key, fork, check) for arm in ARMS}
            walks.append(walk)
            for arm, done in both.items():
                runs[arm].append(done)
