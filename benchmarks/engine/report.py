"""Tables and files of a finished, or interrupted, run."""

import json
import pathlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.engine import runtime
from benchmarks.engine.comparison import CURVE_SPLITS, Tuned
from benchmarks.engine.options import TABLE
from benchmarks.engine.problem import Column, Problem

Columns = Sequence[tuple[str, Callable[[Any], str]]]


def save(
    output: pathlib.Path,
    parts: Iterable[str],
    numbers: Any = None,
    arrays: Mapping[str, np.ndarray] | None = None,
    *,
    name: str | None = None,
    curves: str = "curves",
    indent: int | None = 1,
) -> None:
    """Prints the parts that are not empty, and writes them to `table.md`.

    `numbers` go to `results.json`; with a `name`, table and numbers have that one instead. `arrays`
    go to an `.npz` file, whose name is `curves`.
    """
    output.mkdir(parents=True, exist_ok=True)
    text = "\n\n".join(part for part in parts if part)
    print(f"\n{text}\n", flush=True)  # first of all, for a disk may be full
    (output / (f"{name}.md" if name else TABLE)).write_text(f"{text}\n", encoding="utf-8")
    if numbers is not None:
        path = output / f"{name or 'results'}.json"
        path.write_text(json.dumps(numbers, indent=indent) + "\n", encoding="utf-8")
    if arrays is not None:
        np.savez_compressed(output / f"{curves}.npz", allow_pickle=False, **arrays)
    print(f"saved in {output}/", flush=True)


def facts(title: str) -> dict[str, Any]:
    """What `results.json` begins with."""
    return {
        "title": title,
        "command": runtime.command(),
        "versions": runtime.versions(),
        "machine": runtime.machine(),
    }


def heading(title: str, seeds: int = 0, spread: str = "") -> str:
    """The title, and what says how the numbers below it came about."""
    over = f"{seeds} seeds (mean ± {spread}), " if seeds else ""
    return f"## {title}\n\n`{runtime.command()}`, {over}{runtime.versions()}, {runtime.machine()}"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """In markdown, aligned, so that it can be read as text too."""
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    lines = [columns, ["-" * width for width in widths], *rows]
    padded = (map(str.ljust, line, widths) for line in lines)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in padded)


def table_of(columns: Columns, results: Iterable[Any]) -> str:
    """A row for each result; `columns` are headings, and what stands below them."""
    rows = [[cell(result) for _, cell in columns] for result in results]
    return table([heading for heading, _ in columns], rows)


def section(
    title: str,
    rows: str,
    *,
    before: str = "",
    after: str = "",
    level: int = 3,
) -> str:
    """A table with its heading, and sentences before and after it."""
    parts = (f"{'#' * level} {title}", before, rows, after)
    return "\n\n".join(part for part in parts if part)


def with_spread(values: np.ndarray, decimals: int, *, deviation: bool) -> str:
    """Mean and standard error, or deviation, over seeds; of one seed only the value."""
    mean = f"{np.mean(values):.{decimals}f}"
    if len(values) == 1:
        return mean
    spread = np.std(values, ddof=1) / (1 if deviation else np.sqrt(len(values)))
    return f"{mean} ± {spread:.{decimals}f}"


def save_comparison(
    output: pathlib.Path,
    problem: Problem,
    results: Sequence[Tuned],
    notes: str,
    remarks: Sequence[str] = (),
) -> bool:
    """Of methods at searched settings: `notes` go before the table, `remarks` after it.

    The scores of the search end it. Returns whether there was anything to save.
    """
    if not results:
        print(f"{problem.title}: nothing was finished")
        return False
    seeds = results[0].chunks[-1].loss.shape[1]
    spread = "standard deviation" if problem.deviations else "standard error"
    parts = (
        heading(problem.title, seeds, spread),
        notes,
        comparison_table(problem, results),
        *(stage_table(problem, results) if len(problem.stages) > 1 else ()),
        *remarks,
        *search_table(problem, results),
    )
    methods = {result.label: _summary(result) for result in results}
    save(output, parts, facts(problem.title) | {"methods": methods}, _arrays(results, problem))
    return True


def comparison_table(problem: Problem, results: Sequence[Tuned]) -> str:
    """A markdown table, one line per method and setting."""
    columns = (
        "method",
        "learning rate",
        *(column.heading for column in problem.columns),
        "gradients (search + run)",
        "ms/step",
    )
    return table(columns, [_row(problem, result) for result in results])


def stage_table(problem: Problem, results: Sequence[Tuned]) -> tuple[str, str]:
    """A sentence and a table: the score on test data at the end of each stage."""
    stages = range(len(problem.stages))
    decimals = problem.columns[0].decimals
    rows = [
        (
            result.label,
            *(
                with_spread(
                    result.stage_ends[stage]["test"][problem.score],
                    decimals,
                    deviation=problem.deviations,
                )
                if stage < len(result.stage_ends)
                else "-"
                for stage in stages
            ),
        )
        for result in results
    ]
    columns = ("method", *(f"after stage {stage + 1}" for stage in stages))
    return f"Test {problem.score}, stage by stage:", table(columns, rows)


def search_table(problem: Problem, results: Sequence[Tuned]) -> tuple[str, str]:
    """A sentence and a table: the validation score of every setting that was tried."""
    # Runs at the learning rate of another method share the search of their own.
    own = {result.name: result for result in reversed(results)}
    shown = [result for result in results if own[result.name] is result]
    decimals = problem.columns[0].decimals

    def cell(result: Tuned, number: int) -> str:
        if number >= len(result.search.rows):
            return ""
        score = f"{result.search.scores[number]:.{decimals}f}"
        mark = "**" if number == result.search.best else ""
        return f"{mark}{setting(result, result.search.rows[number])}: {score}{mark}"

    numbers = range(max(len(result.search.rows) for result in shown))
    rows = [(result.label, *(cell(result, number) for number in numbers)) for result in shown]
    steps = sorted({result.search.steps for result in shown})
    return (
        f"Validation {problem.score} after {' or '.join(f'{n:,}' for n in steps)} steps, by "
        "learning rate and what else was searched; the best is the one that was taken:",
        table(("method", *(f"setting {number + 1}" for number in numbers)), rows),
    )


def setting(result: Tuned, row: Mapping[str, float]) -> str:
    """The learning rate, and what else was searched, of one row of hyperparameters."""
    others = (f", {name.replace('_', ' ')} {row[name]:.2g}" for name in result.search.searched)
    return f"{row['learning_rate']:g}{''.join(others)}"


def _row(problem: Problem, result: Tuned) -> tuple[str, ...]:
    def cell(column: Column) -> str:
        values = result.values(problem, column)
        if values is None:
            return "-"
        return with_spread(values, column.decimals, deviation=problem.deviations)

    search = result.search
    chosen = result.row == search.rows[search.best]
    edge = " (edge of the grid)" if chosen and search.at_edge else ""
    spent = search.steps * len(search.rates)
    return (
        result.label,
        f"{setting(result, result.row)}{edge}",
        *(cell(column) for column in problem.columns),
        f"{spent:,} + {result.steps:,}",
        f"{1e3 * result.seconds_per_step:.3g}",
    )


def _summary(result: Tuned) -> dict:
    """What `results.json` says of one line of the table."""
    search = result.search
    return {
        "learning_rate": result.learning_rate,
        "setting": dict(result.row),
        "search": {
            "settings": [dict(row) for row in search.rows],
            "validation_scores": [_number(score) for score in search.scores],
            "steps": search.steps,
        },
        "steps": result.steps,
        "seconds_per_step": result.seconds_per_step,
        "milestones": {f"{s:g}": _numbers(found) for s, found in result.milestones.items()},
        "stage_ends": [_numbers(measured) for measured in result.stage_ends],
    }


def _numbers(measured: Mapping[str, Mapping[str, np.ndarray]]) -> dict:
    return {
        split: {metric: [_number(value) for value in values] for metric, values in metrics.items()}
        for split, metrics in measured.items()
    }


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None  # JSON has no other numbers


def _arrays(results: Sequence[Tuned], problem: Problem) -> dict[str, np.ndarray]:
    score = problem.score
    return {
        f"{result.label}/{name}": array
        for result in results
        for name, array in {
            "step": np.array([chunk.step for chunk in result.chunks]),
            "minibatch_loss": result.per_step("loss"),
            "temperature": result.per_step("temperature"),
            **{f"{split} {score}": result.curve(split, score) for split in CURVE_SPLITS},
        }.items()
    }
