"""Two runs side by side, such as those of two seeds: do their tables agree?"""

import pathlib

import numpy as np
from scipy import stats

from benchmarks.engine import report
from benchmarks.posteriors.errors import quartiles
from benchmarks.posteriors.measurement import METHODS, Job, Result, load
from benchmarks.posteriors.problem import BATCHES
from benchmarks.posteriors.report import WORDS
from benchmarks.posteriors.targets import TARGETS

CHANCE = 0.025  # that a median lies below its interval; as much that it lies above


def interval(numbers: list[float]) -> tuple[float, float]:
    """Between which two of the sorted numbers the median of their law lies, with 95 % or more."""
    ordered = np.sort(numbers)
    below = max(int(stats.binom.ppf(CHANCE, len(ordered), 0.5)) - 1, 0)
    return float(ordered[below]), float(ordered[-1 - below])


def agree(one: list[float], other: list[float]) -> bool:
    """Whether the intervals of the two medians overlap; two that are infinite are one."""
    (low, high), (other_low, other_high) = interval(one), interval(other)
    return low <= other_high and other_low <= high


def save(output: pathlib.Path, against: pathlib.Path) -> None:
    """Prints and writes what the two folders have in common."""
    here, there = load(output), load(against)
    both = {job: (here[job], there[job]) for job in here if job in there}
    if not both:
        print(f"posteriors: {output} and {against} have nothing in common")
        return
    parts = [
        report.heading("Two runs side by side"),
        "Gradients to 10 % in both runs, medians over chains; where one of them does not get "
        "there, the errors at the end of the budget. A star where the 95 % intervals of the two "
        "medians (by the ranks of the chains) do not overlap; two stars if both runs chose the "
        "same setting all the same.",
        _counts(both),
        *(_table(both, batches) for batches in BATCHES),
    ]
    report.save(output, parts, name="seeds")


def _numbers(pair: tuple[Result, Result]) -> tuple[list[float], list[float]]:
    """Gradients of each chain of both; errors, if a median is infinite."""
    one, other = pair
    if all(np.isfinite(quartiles(np.array(result.near))[0]) for result in pair):
        return one.near, other.near
    return one.final, other.final


def _chose_one(pair: tuple[Result, Result]) -> bool:
    return np.allclose(*(result.setting for result in pair), rtol=1e-3)


def _counts(both: dict[Job, tuple[Result, Result]]) -> str:
    lines = []
    for batches in BATCHES:
        pairs = [pair for job, pair in both.items() if job.batches == batches]
        if not pairs:
            continue
        same = [agree(*_numbers(pair)) for pair in pairs if _chose_one(pair)]
        others = [agree(*_numbers(pair)) for pair in pairs if not _chose_one(pair)]
        lines.append(
            f"- {WORDS[batches]}: {sum(same)} of {len(same)} agree where both runs chose the same "
            f"setting, {sum(others)} of {len(others)} where they did not."
        )
    return "\n".join(lines)


def _table(both: dict[Job, tuple[Result, Result]], batches: str) -> str:
    names = [n for n in TARGETS if any(j.target == n and j.batches == batches for j in both)]
    if not names:
        return ""
    rows = []
    for method in METHODS:
        cells = [_cell(both.get(Job(name, batches, method))) for name in names]
        if any(cell != "-" for cell in cells):
            rows.append([f"`{method}`", *cells])
    return report.section(f"Both, {WORDS[batches]}", report.table(["method", *names], rows))


def _cell(pair: tuple[Result, Result] | None) -> str:
    if pair is None:
        return "-"
    numbers = _numbers(pair)
    medians = [quartiles(np.array(each))[0] for each in numbers]
    shown = [_shown(median) for median in medians]
    star = "" if agree(*numbers) else "**" if _chose_one(pair) else "*"
    return f"{shown[0]}, {shown[1]}" + star.replace("*", "\\*")


def _shown(median: float) -> str:
    if median < 100:
        return f"{median:.2f}"
    return f"{median:,.0f}" if np.isfinite(median) else "diverged"
