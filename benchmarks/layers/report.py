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
    digits, word, worst = (2, "error", np.max) if errors else (1, "accuracy", np.min)

    def scores(one: Best) -> np.ndarray:
        return 100 * (1 - one.accuracy if errors else one.accuracy)

    def mean(one: Best) -> str:
        return f"{scores(one).mean():.{digits}f} ± {scores(one).std():.{digits}f}"

    columns: report.Columns = [
        ("method", lambda one: one.label),
        ("steps", lambda one: f"{one.steps:,}"),
        (f"test {word} %", mean),
        ("worst seed", lambda one: f"{worst(scores(one)):.{digits}f}"),
        ("ms/step (networks)", _speed),
        ("hidden temperature, measured / set", _temperatures),
        ("setting", _setting),
    ]
    return report.table_of(columns, results)


def _speed(result: Best) -> str:
    return f"{1e3 * result.seconds_per_step:.3g} ({result.accuracies[-1].size})"


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
