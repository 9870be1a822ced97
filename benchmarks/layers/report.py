"""The table and the numbers of methods at their best settings."""

import pathlib
from collections.abc import Sequence

import numpy as np

from benchmarks.engine import report
from benchmarks.layers.comparison import Best


def save(output: pathlib.Path, title: str, results: Sequence[Best], *, errors=False) -> bool:
    """Prints and writes them; returns whether there was anything to save."""
    if not results:
        print(f"{title}: nothing was finished")
        return False
    seeds = results[0].accuracy.size
    heading = report.heading(title, seeds, "standard deviation over seeds")
    methods = {result.label: _summary(result) for result in results}
    report.save(
        output,
        (heading, table(results, errors=errors)),
        report.facts(title) | {"methods": methods},
        _arrays(results),
    )
    return True


def table(results: Sequence[Best], *, errors: bool = False) -> str:
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
    return report.table(columns, [_row(result, errors) for result in results])


def _row(result: Best, errors: bool) -> tuple[str, ...]:
    scores = 100 * (1 - result.accuracy if errors else result.accuracy)
    digits = 2 if errors else 1
    worst = scores.max() if errors else scores.min()
    return (
        result.label,
        f"{result.steps:,}",
        f"{scores.mean():.{digits}f} ± {scores.std():.{digits}f}",
        f"{worst:.{digits}f}",
        f"{1e3 * result.seconds_per_step:.3g} ({result.accuracies[-1].size})",
        _temperatures(result),
        _setting(result),
    )


def _setting(result: Best) -> str:
    """The best row of the grid, by the names of its hyperparameters."""
    row = ", ".join(
        f"{name.replace('_', ' ')} {value:g}"
        for name, value in result.method.settings[result.best].items()
    )
    count = len(result.method.settings)
    return row if count == 1 else f"{row} (best of {count})"


def _temperatures(result: Best) -> str:
    measured, target = result.temperature, result.set_temperature
    if measured is None:
        return "-"
    if not target:
        return f"{measured.mean():.3g} / {target:g}"
    return f"{measured.mean():.3e} / {target:.3g} ({measured.mean() / target:.3f})"


def _summary(result: Best) -> dict:
    """What `results.json` says of one method: every setting, and which was best."""
    temperature = result.temperature
    lasts = {name: array[-1] for name, array in _curves(result).items()}
    return {
        "steps": result.steps,
        "seconds_per_step": result.seconds_per_step,
        "networks": result.accuracies[-1].size,
        "best_setting": result.best,
        "hidden_temperature": None if temperature is None else temperature.tolist(),
        "set_temperature": result.set_temperature,
        "settings": [
            {
                "hyperparameters": dict(row),
                **{
                    name: lasts[name][index].tolist()
                    for name in ("test_accuracy", "test_loss", "train_loss")
                },
            }
            for index, row in enumerate(result.method.settings)
        ],
    }


def _curves(result: Best) -> dict[str, np.ndarray]:
    return {
        "step": result.series("step"),
        "train_loss": result.means("loss"),
        "test_loss": result.curve("test", "loss"),
        "test_accuracy": result.accuracies,
        "temperature": result.means("temperature"),
    }


def _arrays(results: Sequence[Best]) -> dict[str, np.ndarray]:
    return {
        f"{result.label}/{name}": array
        for result in results
        for name, array in _curves(result).items()
    }
