"""Runs the comparison and keeps every result as soon as it is there."""

import argparse
import functools
import json
import pathlib
import time
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from benchmarks.engine import runtime, workers
from benchmarks.posteriors import chains, errors, grid, gym, nuts, peers, predictions
from benchmarks.posteriors.problem import BATCHES, Method, problems_of
from benchmarks.posteriors.samplers import OURS
from benchmarks.posteriors.targets import TARGETS, Target, named

METHODS: dict[str, Method | None] = {**OURS, **peers.PEERS, peers.NUTS: None}
FINALISTS = 3  # settings that run a second time, with all chains divided among them
REPORTED = 108  # chains of what chooses its own setting, and so differs more between chains
NUTS_CHAINS, NUTS_DRAWS = 8, 800
SHORTER = 10  # the division of budgets in the quick mode
QUICK_TARGETS, QUICK_CHAINS = ("logistic", "schools", "mixture"), 8
QUICK_METHODS = ("sgld", "langevin", "santa", "warm_up", "blackjax.mclmc")


class Job(NamedTuple):
    """One cell of the tables."""

    target: str
    batches: str
    method: str

    def file(self, output: pathlib.Path) -> pathlib.Path:
        """Where its result is kept."""
        name = "-".join(self).replace(", ", "_").replace(" ", "_")
        return output / "measured" / f"{name}.json"


class Result(NamedTuple):
    """What is kept of a method on a target; numbers that may be infinite are None in JSON."""

    setting: list[float]  # step and friction, in the units of the grid; empty without a grid
    budget: int
    near: list[float]  # gradients to 10 %, of each chain
    final: list[float]  # the larger rms error of each chain at the end of the budget
    largest: list[float]  # the largest error of any observable there, of each chain
    gradients: list[float]  # of the curves
    curves: dict[str, list[float]]  # of "mean" and "deviation": median over chains
    microseconds: float  # a gradient, of one chain among all
    seconds: float  # of the whole job
    predictive: dict[str, list[float]]  # metrics of each chain; empty where nothing is predicted


def jobs(options: argparse.Namespace) -> list[Job]:
    """What the options ask for, as far as what it needs is installed."""
    wanted = options.targets or (QUICK_TARGETS if options.quick else tuple(TARGETS))
    methods = options.methods or (QUICK_METHODS if options.quick else tuple(METHODS))
    found = []
    if "item_response" in wanted and not gym.installed():
        print("inference_gym is not installed: item_response is left out", flush=True)
        wanted = [name for name in wanted if name != "item_response"]
    for batches in options.batches or (("full",) if options.quick else BATCHES):
        for name in wanted:
            target = named(name)
            if batches == "full" or target.data is not None:
                found += [Job(name, batches, m) for m in methods if _runs(m, target, batches)]
    return found


def _runs(name: str, target: Target, batches: str) -> bool:
    if name.startswith("blackjax.") and not peers.installed():
        return False
    method = METHODS[name]
    if method is None:
        return batches == "full"
    return (method.batches or batches == "full") and (target.multimodal or not method.multimodal)


def run(options: argparse.Namespace, output: pathlib.Path) -> None:
    """Measures what is not there yet, then reports on all that is."""
    from benchmarks.posteriors import report

    wanted = jobs(options)
    if options.again:
        for job in wanted:
            job.file(output).unlink(missing_ok=True)
    left = [job for job in wanted if not job.file(output).exists()]
    if len(left) < len(wanted):
        print(f"{len(wanted) - len(left)} results are in {output}/ already", flush=True)
    with runtime.interruptible(lambda: report.save(options, output)) as check:
        one = functools.partial(measure, options=options)
        done = workers.results(one, left, workers.number(options.workers), check)
        bar = tqdm(done, total=len(left), unit="job")
        for job, result in bar:
            job.file(output).write_text(json.dumps(_plain(result._asdict())), encoding="utf-8")
            bar.set_description(" ".join(job))


def measure(job: Job, options: argparse.Namespace) -> Result:
    """Searches a setting on two seeds, and reports on chains of a third."""
    began = time.perf_counter()
    target, method = named(job.target), METHODS[job.method]
    budget = target.budget // (SHORTER if options.quick else 1)
    if method is None:
        draws = NUTS_DRAWS // (SHORTER if options.quick else 1)
        keys = chains.keys_of(options.seed + 2, NUTS_CHAINS)
        setting, sums = [], nuts.run(target, keys, draws)
    else:
        setting, sums = _searched(method, target, job.batches, budget, options)
    found = errors.errors(sums)
    near = errors.gradients_until(errors.both(found), sums.gradients)
    every = float(np.sum(sums.gradients[:, -1]))
    return Result(
        setting=setting,
        budget=int(np.median(sums.gradients[:, -1])) if method is None else budget,
        near=near.tolist(),
        final=errors.both(found)[:, -1].tolist(),
        largest=found.largest[:, -1].tolist(),
        gradients=np.median(sums.gradients, 0).tolist(),
        curves={name: _median(getattr(found, name)) for name in ("mean", "deviation")},
        microseconds=1e6 * sums.seconds / every,
        seconds=time.perf_counter() - began,
        predictive=predictions.metrics(job.target, target, sums.predictive),
    )


def _searched(
    method: Method, target: Target, batches: str, budget: int, options: argparse.Namespace
) -> tuple[list[float], chains.Sums]:
    steps = budget // method.cost
    run = chains.program(method, target, problems_of(target, batches), steps)
    rows = grid.rows(method, target)
    reported = QUICK_CHAINS if options.quick else REPORTED
    if method.searched == "nothing":
        settings = chains.settings_of(np.repeat(rows, reported, 0))
        run(settings, chains.keys_of(options.seed, reported))  # compiles
        return [], run(settings, chains.keys_of(options.seed + 2, reported))
    count = len(rows) * (1 if options.quick else target.chains)
    for seed, kept in ((options.seed, FINALISTS), (options.seed + 1, 1)):
        each = count // len(rows)
        settings = chains.settings_of(np.repeat(rows, each, 0))
        sums = run(settings, chains.keys_of(seed, count))
        rows = rows[errors.ranking(errors.errors(sums), sums.gradients, each)[:kept]]
    settings = chains.settings_of(np.repeat(rows, count, 0))
    multiples = rows[0] / grid.units(method, target)
    return multiples.tolist(), run(settings, chains.keys_of(options.seed + 2, count))


def _median(curves: np.ndarray) -> list[float]:
    return np.quantile(curves, 0.5, axis=0, method="higher").tolist()


def _plain(value: Any) -> Any:
    """JSON has no infinity."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return float(f"{value:.5g}") if np.isfinite(value) else None
    return value


def load(output: pathlib.Path) -> dict[Job, Result]:
    """Everything that is measured, in the order of the tables."""

    def numbers(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: numbers(one) for name, one in value.items()}
        if isinstance(value, list):
            return [numbers(one) for one in value]
        return np.inf if value is None else value

    every = [Job(t, b, m) for t in TARGETS for b in BATCHES for m in METHODS]
    return {
        job: Result(**numbers(json.loads(job.file(output).read_text(encoding="utf-8"))))
        for job in every
        if job.file(output).exists()
    }
