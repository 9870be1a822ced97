"""Long runs with a small step: is any sampler's law wrong beyond what its docstring says?"""

import argparse
import functools
import json
import pathlib

import numpy as np
from tqdm import tqdm

from benchmarks.engine import report, runtime, workers
from benchmarks.posteriors import chains, grid, gym
from benchmarks.posteriors.problem import Method, problems_of
from benchmarks.posteriors.samplers import OURS
from benchmarks.posteriors.targets import TARGETS, Target, named

LONGER, CHAINS = 6, 32
STEP, STEP_ALONE = 0.25, 0.1  # in units of the grid, with momenta and without
ALLOWED = 4.0  # standard errors


def deviations(
    method: Method, target: Target, budget: int, seed: int, multiple: float | None = None
) -> tuple[float, float, int]:
    """The largest error of a mean or a mean square: in standard errors, and as it is.

    Chains that diverged are left out, and counted.
    """
    step, friction = grid.units(method, target)
    step *= multiple or (STEP_ALONE if method.searched == "step" else STEP)
    settings = chains.settings_of(np.tile([step, friction], (CHAINS, 1)))
    run = chains.program(method, target, problems_of(target, "full"), budget // method.cost)
    sums = run(settings, chains.keys_of(seed, CHAINS))
    late = sums.weight.shape[1] // chains.THROWN
    weight = sums.weight[:, late:].sum(1)[:, None]
    truth = target.truth
    assert truth is not None
    with np.errstate(invalid="ignore", over="ignore"):
        means, squares = (part[:, late:].sum(1) / weight for part in (sums.first, sums.second))
    sound = np.all(np.isfinite(means) & np.isfinite(squares), axis=1)
    errors = (
        (means[sound], truth.mean_error / truth.deviation),
        (squares[sound] - 1, 2 * truth.deviation_error / truth.deviation),
    )
    found = []
    for of_chains, reference in errors:
        spread = of_chains.std(0, ddof=1) / np.sqrt(len(of_chains))
        found.append((of_chains.mean(0), np.hypot(spread, reference)))
    off, error = (np.concatenate(part) for part in zip(*found, strict=True))
    lost = int(CHAINS - sound.sum())
    return float(np.max(np.abs(off) / error)), float(np.max(np.abs(off))), lost


def _measured(job: tuple[str, str], options: argparse.Namespace) -> tuple[float, float, int]:
    target, name = job
    budget = named(target).budget * (1 if options.quick else LONGER)
    return deviations(OURS[name], named(target), budget, options.seed, options.step)


def run(options: argparse.Namespace, output: pathlib.Path) -> None:
    """Measures what is not there yet, and prints a table."""
    names = [name for name in options.targets or TARGETS]
    if not gym.installed():
        names = [name for name in names if name != "item_response"]
    methods = [name for name in OURS if options.methods is None or name in options.methods]
    file = output / "measured" / "stationary.json"
    found = json.loads(file.read_text()) if file.exists() else {}
    with runtime.interruptible(lambda: _save(output, found, options.step)) as check:
        left = [
            (t, m)
            for t in names
            for m in methods
            if named(t).multimodal or not OURS[m].multimodal
            if f"{t} {m}" not in found or options.again
        ]
        one = functools.partial(_measured, options=options)
        done = workers.results(one, left, workers.number(options.workers), check)
        for job, result in tqdm(done, total=len(left), unit="job", desc="stationary"):
            found[" ".join(job)] = result
            file.write_text(json.dumps(found))


def _save(output: pathlib.Path, found: dict, step: float | None) -> None:
    targets = [t for t in TARGETS if any(key.split()[0] == t for key in found)]
    rows = [
        [f"`{name}`", *(_cell(found.get(f"{target} {name}")) for target in targets)]
        for name in OURS
        if any(f"{target} {name}" in found for target in targets)
    ]
    small = f"step {STEP:g} ({STEP_ALONE:g} without momenta)"
    used = small if step is None else f"step {step:g}"
    parts = (
        report.heading("Long runs with a small step" if step is None else "Long runs"),
        f"{CHAINS} chains, each {LONGER} times as long as the budget above, {used}, friction 1 in "
        "units of the grid. The largest deviation of any mean or mean square from the truth, in "
        "standard errors of both; in brackets the largest error, in standard deviations or "
        "variances. Chains that diverged are left out, and counted.",
        report.table(["method", *targets], rows),
    )
    report.save(output, parts, found, name="stationary")


def _cell(value) -> str:
    if value is None:
        return "-"
    deviation, error, lost = value
    return f"{deviation:.1f} ({error:.3f})" + (f", {lost} diverged" if lost else "")
