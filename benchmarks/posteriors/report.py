"""Tables: one for each target, and the summary, in gradients until the error is below 10 %."""

import argparse
import pathlib

import numpy as np

from benchmarks.engine import report
from benchmarks.posteriors import errors, grid, predictions
from benchmarks.posteriors.measurement import METHODS, NUTS_CHAINS, Job, Result, load
from benchmarks.posteriors.problem import BATCHES, SHARE
from benchmarks.posteriors.targets import TARGETS, named

WORDS = {
    "full": "full batches",
    "replacement": "tenths, with replacement",
    "reshuffled": "tenths, reshuffled",
    "symmetric": "tenths, forward and back",
}
RULES = (
    "Gradients of a single chain until the root mean square errors of means and of standard "
    "deviations, in standard deviations of the truth, both stay below 10 %: median over chains "
    "and quartiles. The first fifth of a chain and all warm-ups are thrown away, but counted. "
    f"Settings are the best of {len(grid.ALONE)} by the same rule on two other seeds. "
    "Of NUTS the gradients of the warm-up are given beside."
)


def save(options: argparse.Namespace, output: pathlib.Path) -> None:
    """Prints and writes the tables of all that is in the folder; draws the pictures."""
    from benchmarks.posteriors import figures

    results = load(output)
    if not results:
        print("posteriors: nothing was finished")
        return
    parts = [report.heading("Gradients until the posterior is right"), RULES]
    for batches in BATCHES:
        parts.append(_summary(results, batches))
    for name in TARGETS:
        parts += [_of_target(results, name), _predictive(results, name)]
    numbers = report.facts("posteriors") | {
        "results": [job._asdict() | _short(result) for job, result in results.items()]
    }
    report.save(output, parts, numbers)
    for batches in BATCHES:
        figures.curves(results, output / f"posteriors-{batches}.png", batches)


def _short(result: Result) -> dict:
    middle, low, high = errors.quartiles(np.array(result.near))
    final = errors.quartiles(np.array(result.final))[0]
    finite = (None if not np.isfinite(n) else n for n in (middle, low, high, final))
    names = "gradients", "lower_quartile", "upper_quartile", "final"
    return dict(zip(names, finite, strict=True)) | {"setting": result.setting}


def reached(result: Result, method: str) -> str:
    """Gradients to 10 %, or the error that was left."""
    if METHODS[method] is None:
        return f"{_reached(result)}, warm-up {result.gradients[0]:,.0f}"
    return _reached(result)


def _reached(result: Result) -> str:
    middle, low, high = errors.quartiles(np.array(result.near))
    if not np.isfinite(middle):
        return f"never ({_error(errors.quartiles(np.array(result.final))[0])})"
    above = f"{high:,.0f}" if np.isfinite(high) else "never"
    return f"{middle:,.0f} [{low:,.0f}, {above}]"


def _error(value: float) -> str:
    return f"{value:.2f}" if value < 100 else "diverged"


def _summary(results: dict[Job, Result], batches: str) -> str:
    """A row for each method, a column for each target: the number and its ratio to the best."""
    names = [n for n in TARGETS if any(j.target == n and j.batches == batches for j in results)]
    if not names:
        return ""
    best = {
        name: min(
            errors.quartiles(np.array(result.near))[0]
            for job, result in results.items()
            if (job.target, job.batches) == (name, batches)
        )
        for name in names
    }
    rows = []
    for method in METHODS:
        cells = []
        for name in names:
            result = results.get(Job(name, batches, method))
            if result is None:
                cells.append("-")
                continue
            middle = errors.quartiles(np.array(result.near))[0]
            if np.isfinite(middle):
                cells.append(f"{middle:,.0f} ({middle / best[name]:.1f})")
            else:
                cells.append(f"never, {_error(errors.quartiles(np.array(result.final))[0])}")
        if any(cell != "-" for cell in cells):
            rows.append([f"`{method}`", *cells])
    note = "In brackets the ratio to the best; after `never` the error at the end of the budget."
    if batches != "full":
        note += f" A gradient of a batch costs 1 / {SHARE} of a full one."
    table = report.table(["gradients to 10 %", *names], rows)
    return report.section(f"Summary, {WORDS[batches]}", table, before=note)


def _of_target(results: dict[Job, Result], name: str) -> str:
    """All that was measured on one target."""
    mine = {job: result for job, result in results.items() if job.target == name}
    if not mine:
        return ""
    several = any(job.batches != "full" for job in mine)
    columns = (
        ("method", lambda row: f"`{row[0].method}`"),
        *([("gradients of", lambda row: WORDS[row[0].batches])] if several else []),
        ("to 10 % [quartiles]", lambda row: reached(row[1], row[0].method)),
        ("rms error at the end", lambda row: _error(errors.quartiles(np.array(row[1].final))[0])),
        ("largest", lambda row: _error(errors.quartiles(np.array(row[1].largest))[0])),
        ("step, friction", lambda row: _setting(row[0], row[1])),
        ("us a gradient", lambda row: f"{row[1].microseconds:.1f}"),
    )
    target = named(name)
    truth = target.truth
    assert truth is not None
    budget = max(result.budget for job, result in mine.items() if job.method != "blackjax.nuts")
    counts = {len(result.near) for job, result in mine.items() if job.method != "blackjax.nuts"}
    chains = " or ".join(str(count) for count in sorted(counts, reverse=True))
    before = (
        f"{target.size} parameters, {len(truth.mean)} observables. Chains of {budget:,} "
        f"gradients, {chains} of each method ({NUTS_CHAINS} of NUTS, as long as its draws take). "
        "Steps in units of the fastest motion, frictions in those of "
        "the slowest. Times are those of all chains together, on the cores of one worker."
    )
    table = report.table_of(columns, list(mine.items()))
    return report.section(target.title, table, before=before)


def _setting(job: Job, result: Result) -> str:
    if not result.setting:
        return "its own"
    method = METHODS[job.method]
    step, friction = result.setting
    return f"{step:.2g}" if method and method.searched == "step" else f"{step:.2g}, {friction:.2g}"


def _predictive(results: dict[Job, Result], name: str) -> str:
    """Metrics of the predictive, mean over chains."""
    mine = [
        (job, result)
        for job, result in results.items()
        if job.target == name and result.predictive and job.batches in ("full", "symmetric")
    ]
    if not mine:
        return ""
    columns = [
        ("method", lambda row: f"`{row[0].method}`"),
        ("gradients of", lambda row: WORDS[row[0].batches]),
        *(
            (title, lambda row, key=key: f"{np.mean(row[1].predictive[key]):.4f}")
            for key, title in predictions.COLUMNS.items()
        ),
    ]
    exact = predictions.of_reference(name)
    said = ", ".join(f"{predictions.COLUMNS[key]} {value:.4f}" for key, value in exact.items())
    before = (
        f"Of the mean probabilities of a chain, mean over chains. The reference itself: {said}."
    )
    title = f"{named(name).title}: the predictive on test images"
    return report.section(title, report.table_of(columns, mine), before=before)
