"""One problem of the command: its runs, seed by seed, and the report on those that are done."""

import argparse
import functools
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from benchmarks.engine import runtime
from benchmarks.engine.options import seeds_of, within_budget
from benchmarks.engine.resuming import Saves
from benchmarks.exchange import BUDGETS, figures, report
from benchmarks.exchange.arms import Arm, ForkedRuns, Plan, ladder_between
from benchmarks.exchange.problems import EXPERIMENTS, split

START, DIFFUSION = "start", "diffusion"  # parts of the run of a seed, before its arms
VALIDATION = 1_000


def run(name: str, options: argparse.Namespace, output: pathlib.Path) -> None:
    """Trains with and without exchange from every seed, then reports; also after Ctrl-C."""
    experiment = EXPERIMENTS[name]
    data, images = experiment.load()
    rest = len(images.train_labels) - (options.validation or VALIDATION)
    own = {"train": rest, "test": len(images.test_labels), "batch_size": experiment.batch_size}
    options = within_budget(options, BUDGETS, **own)
    experiment = experiment._replace(batch_size=options.batch_size)
    splits = split(images, options.train, options.validation, options.test)
    ends = experiment.ladder if options.ladder == "wide" else experiment.paper
    ladder = ladder_between(*ends, options.replicas)
    c = options.normalization
    c = experiment.normalization(ladder) if c is None else c
    chunk = -(-options.steps // options.chunks)
    plan = Plan(options.warmup, chunk, options.chunks, options.swap_period, options.swap_images)
    forked = ForkedRuns(experiment, splits, ladder, c, plan)
    arms = forked.arms
    runs: dict[str, list[Arm]] = {arm: [] for arm in arms}
    walks: list[np.ndarray] = []
    seeds, saves = seeds_of(options), Saves.of(options, output, name)
    settings = {
        "network": experiment.network,
        "images": [len(labels) for _, labels in splits],
        "batch size": experiment.batch_size,
        "ladder": ladder.tolist(),
        "normalization": c,
        "plan": plan._asdict(),
        "seeds": list(seeds),
    }
    arm_steps = chunk * options.chunks
    lengths = {START: options.warmup, DIFFUSION: chunk, **dict.fromkeys(arms, arm_steps)}
    steps = {f"seed {seed}, {part}": n for seed in seeds for part, n in lengths.items()}

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

    with (
        runtime.interruptible(save) as check,
        saves.opened(settings, steps, by_seed=True),
    ):
        for seed in tqdm(seeds, desc=name, unit="seed"):
            key = jax.random.key(seed)

            def result_of(part, make, seed=seed):
                return saves.result_of(f"seed {seed}, {part}", make)

            fork = result_of(START, lambda _, seed=seed: jax.device_get(forked.fork(seed)[1]))
            fork = jax.tree.map(jnp.asarray, fork)
            check()
            walk = result_of(DIFFUSION, lambda _, key=key, fork=fork: forked.diffusion(key, fork))
            check()
            both = {}
            for arm in arms:
                train = functools.partial(forked.arm, arm, key, fork, check)
                both[arm] = result_of(arm, train)
            walks.append(walk)
            for arm, done in both.items():
                runs[arm].append(done)
