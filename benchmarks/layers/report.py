"""Tables and files of a finished, or interrupted, comparison."""

import json
import pathlib
import shlex
import sys
from collections.abc import Sequence

import numpy as np

from benchmarks.engine import markdown, runtime
from benchmarks.layers.comparison import Result


def table(results: Sequence[Result], *, errors: bool = False) -> str:
    """A markdown table, one line per method; accuracies, or error rates, in percent."""
    columns = (
        "method",
        "steps",
        f"test {'error' if errors else 'accuracy'} %",
        "worst seed",
        "ms/step (networks)",
        "hidden temperature, measured / set",
        "setting",
    )
    return markdown.table(columns, [_row(result, errors) for result in results])


def save(output: pathlib.Path, title: str, results: Sequence[Result], *, errors=False) -> bool:
    """Prints the table; writes `table.md`, `results.json` and, for all curves, `curves.npz`.

    Returns whether there was anything to save.
    """
    if not results:
        print(f"{title}: nothing was finished")
        return False
    output.mkdir(parents=True, exist_ok=True)
    seeds = results[0].accuracy.size
    command = shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]])
    heading = (
        f"## {title}\n\n`{command}`, {seeds} seeds (mean ± standard deviation over seeds), "
        f"{runtime.versions()}, {runtime.machine()}\n"
    )
    body = table(results, errors=errors)
    print(f"\n{heading}\n{body}\n", flush=True)  # first of all, for a disk may be full
    (output / "table.md").write_text(f"{heading}\n{body}\n", encoding="utf-8")
    summary = {
        "title": title,
        "command": command,
        "versions": runtime.versions(),
        "machine": runtime.machine(),
        "methods": {result.method.label: _summary(result) for result in results},
    }
    (output / "results.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    np.savez_compressed(output / "curves.npz", allow_pickle=False, **_arrays(results))
    print(f"saved in {output}/", flush=True)
    return True


def _row(result: Result, errors: bool) -> tuple[str, ...]:
    scores = 100 * (1 - result.accuracy if errors else result.accuracy)
    digits = 2 if errors else 1
    worst = scores.max() if errors else scores.min()
    return (
        result.method.label,
        f"{result.steps:,}",
        f"{scores.mean():.{digits}f} ± {scores.std():.{digits}f}",
        f"{worst:.{digits}f}",
        f"{1e3 * result.seconds_per_step:.3g} ({result.networks})",
        _temperatures(result),
        _setting(result),
    )


def _setting(result: Result) -> str:
    """The best row of the grid, by the names of its hyperparameters."""
    row = ", ".join(
        f"{name.replace('_', ' ')} {value:g}"
        for name, value in result.method.settings[result.best].items()
    )
    count = len(result.method.settings)
    return row if count == 1 else f"{row} (best of {count})"


def _temperatures(result: Result) -> str:
    measured, target = result.temperature, result.set_temperature
    if measured is None:
        return "-"
    if not target:
        return f"{measured.mean():.3g} / {target:g}"
    return f"{measured.mean():.3e} / {target:.3g} ({measured.mean() / target:.3f})"


def _summary(result: Result) -> dict:
    """What `results.json` says of one method: every setting, and which was best."""
    last = result.chunks[-1]
    temperature = result.temperature
    return {
        "steps": result.steps,
        "seconds_per_step": result.seconds_per_step,
        "networks": result.networks,
        "best_setting": result.best,
        "hidden_temperature": None if temperature is None else temperature.tolist(),
        "set_temperature": result.set_temperature,
        "settings": [
            {
                "hyperparameters": dict(row),
                "test_accuracy": last.test_accuracy[index].tolist(),
                "test_loss": last.test_loss[index].tolist(),
                "train_loss": last.train_loss[index].tolist(),
            }
            for index, row in enumerate(result.method.settings)
        ],
    }


def _arrays(results: Sequence[Result]) -> dict[str, np.ndarray]:
    fields = ("step", "train_loss", "test_loss", "test_accuracy", "temperature")
    return {
        f"{result.method.label}/{field}": result.series(field)
        for result in results
        for field in fields
    }
