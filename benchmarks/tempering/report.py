"""Tables and files of a finished, or interrupted, comparison at searched learning rates."""

import json
import pathlib
import shlex
import sys
from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks import markdown, runtime
from benchmarks.tempering.comparison import CURVE_SPLITS, Result
from benchmarks.tempering.methods import CTLD_LIKE_SGD, SGD
from benchmarks.tempering.problem import Column, Problem

TOLERANCE = 0.1  # of CTLD against SGD with momentum, at its learning rate


def save(output: pathlib.Path, problem: Problem, results: Sequence[Result], notes: str) -> bool:
    """Prints the table; writes `table.md`, `results.json` and, for all curves, `curves.npz`.

    Returns whether there was anything to save.
    """
    if not results:
        print(f"{problem.title}: nothing was finished")
        return False
    output.mkdir(parents=True, exist_ok=True)
    seeds = results[0].chunks[-1].loss.shape[1]
    command = shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]])
    text = "\n\n".join(
        part
        for part in (
            f"## {problem.title}",
            f"`{command}`, {seeds} seeds (mean ± standard error), "
            f"{runtime.versions()}, {runtime.machine()}",
            notes,
            table(problem, results),
            *(stage_table(problem, results) if len(problem.stages) > 1 else ()),
            comparison_with_sgd(problem, results),
        )
        if part
    )
    (output / "table.md").write_text(f"{text}\n", encoding="utf-8")
    summary = {
        "title": problem.title,
        "command": command,
        "versions": runtime.versions(),
        "machine": runtime.machine(),
        "methods": {result.label: _summary(result) for result in results},
    }
    (output / "results.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    np.savez_compressed(
        output / "curves.npz", allow_pickle=False, **_arrays(results, problem.score)
    )
    print(f"\n{text}\n\nsaved in {output}/", flush=True)
    return True


def table(problem: Problem, results: Sequence[Result]) -> str:
    """A markdown table, one line per method and learning rate."""
    columns = (
        "method",
        "learning rate",
        *(column.heading for column in problem.columns),
        "gradients (search + run)",
        "ms/step",
    )
    return markdown.table(columns, [_row(problem, result) for result in results])


def stage_table(problem: Problem, results: Sequence[Result]) -> tuple[str, str]:
    """A sentence and a table: the score on test data at the end of each stage."""
    stages = range(len(problem.stages))
    decimals = problem.columns[0].decimals
    rows = [
        (
            result.label,
            *(
                mean_and_error(result.stage_ends[stage]["test"][problem.score], decimals)
                if stage < len(result.stage_ends)
                else "-"
                for stage in stages
            ),
        )
        for result in results
    ]
    columns = ("method", *(f"after stage {stage + 1}" for stage in stages))
    return f"Test {problem.score}, stage by stage:", markdown.table(columns, rows)


def comparison_with_sgd(problem: Problem, results: Sequence[Result]) -> str:
    """How CTLD ends next to SGD with momentum at the same learning rate; empty without both."""
    sgd = next((result for result in results if result.name == SGD), None)
    ctld = next((result for result in results if result.label == CTLD_LIKE_SGD), None)
    if sgd is None or ctld is None or not (sgd.finished(problem) and ctld.finished(problem)):
        return ""
    sentences = []
    for column in problem.columns:
        rival = sgd.final(column.split, column.metric).mean()
        change = ctld.final(column.split, column.metric).mean() / rival - 1
        verdict = "within" if abs(change) <= TOLERANCE else "not within"
        if np.isfinite(change) and column.transform is np.asarray:
            sentences.append(f"{column.heading} {change:+.1%} ({verdict} {TOLERANCE:.0%})")
    rate = f"learning rate {sgd.learning_rate:g}"
    return f"CTLD against SGD with momentum, both at {rate}: {'; '.join(sentences)}."


def mean_and_error(values: np.ndarray, decimals: int) -> str:
    """Mean and standard error over seeds; of one seed only the value."""
    mean = f"{np.mean(values):.{decimals}f}"
    if len(values) == 1:
        return mean
    return f"{mean} ± {np.std(values, ddof=1) / np.sqrt(len(values)):.{decimals}f}"


def _row(problem: Problem, result: Result) -> tuple[str, ...]:
    def cell(column: Column) -> str:
        if not result.finished(problem):
            return "-"
        values = column.transform(result.final(column.split, column.metric))
        return mean_and_error(values, column.decimals)

    search = result.search
    chosen = result.learning_rate == search.rates[search.best]
    edge = " (edge of the grid)" if chosen and search.at_edge else ""
    spent = search.steps * len(search.rates)
    return (
        result.label,
        f"{result.learning_rate:g}{edge}",
        *(cell(column) for column in problem.columns),
        f"{spent:,} + {result.steps:,}",
        f"{1e3 * result.seconds_per_step:.3g}",
    )


def _summary(result: Result) -> dict:
    """What `results.json` says of one line of the table."""
    search = result.search
    return {
        "learning_rate": result.learning_rate,
        "search": {
            "learning_rates": list(search.rates),
            "validation_scores": [_number(score) for score in search.scores],
            "steps": search.steps,
        },
        "steps": result.steps,
        "seconds_per_step": result.seconds_per_step,
        "stage_ends": [_numbers(measured) for measured in result.stage_ends],
    }


def _numbers(measured: Mapping[str, Mapping[str, np.ndarray]]) -> dict:
    return {
        split: {metric: [_number(value) for value in values] for metric, values in metrics.items()}
        for split, metrics in measured.items()
    }


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None  # JSON has no other numbers


def _arrays(results: Sequence[Result], score: str) -> dict[str, np.ndarray]:
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
