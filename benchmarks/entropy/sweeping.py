"""One learning rate for the steps with a gradient, of SGD and of the inner loop of Entropy-SGD.

Every rate of the sweep is used by both, with all else as in the comparison (the decay of SGD's rate
too, which lets it recover), and none is chosen.
"""

import argparse
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from tqdm import tqdm

from benchmarks.engine import figures, report, runtime
from benchmarks.engine.options import seeds_of, within_budget
from benchmarks.engine.resuming import Saves
from benchmarks.engine.training import Meter, Trainer
from benchmarks.entropy import BUDGETS, SWEEP, SWEPT
from benchmarks.entropy.methods import ENTROPY_SGD, LABELS, SGD, make_methods
from benchmarks.entropy.problems import ERROR, EXPERIMENTS, LOSS

CHUNKS = 5


class Sweep(NamedTuple):
    """What is tried on one problem."""

    steps: int
    rates: Sequence[float]


SWEEPS = {  # by problem
    "small-mnistfc": Sweep(1_000, (0.1, 0.2, 0.32, 0.45, 0.6, 0.8, 1.0)),
    "mnistfc": Sweep(300, (0.1, 0.32, 1.0, 3.2)),
    "few-images": Sweep(4_000, (0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6)),
}
RATES_SHOWN = (0.1, 0.2, 0.3, 0.4, 0.6, 1.0, 3.0)  # of the axis, on which more would overlap


class Swept(NamedTuple):
    """What one method made of all rates on one problem; arrays are [rates, seeds]."""

    problem: str
    title: str
    method: str
    steps: int
    rates: Sequence[float]
    error: np.ndarray  # on test data, in percent
    loss: np.ndarray  # on training data


def run(name: str, options: argparse.Namespace, output: pathlib.Path) -> None:
    """Trains with every rate, then reports; after Ctrl-C, on what there is."""
    options = within_budget(options, BUDGETS)
    chosen = name.removeprefix(f"{SWEEP}-")
    problems = SWEPT if chosen == SWEEP else (chosen,)
    found: list[Swept] = []
    seeds, saves = seeds_of(options), Saves.of(options, output, name)
    chunk_steps = {name: -(-(options.steps or SWEEPS[name].steps) // CHUNKS) for name in problems}
    settings = {
        "seeds": list(seeds),
        "steps of a chunk": chunk_steps,
        "rates": {name: list(SWEEPS[name].rates) for name in problems},
    }
    plan = {
        _part(name, LABELS[method]): CHUNKS * chunk_steps[name]
        for name in problems
        for method in (SGD, ENTROPY_SGD)
    }
    with (
        runtime.interruptible(lambda: _report(output, found, len(seeds))) as check,
        saves.opened(settings, plan),
    ):
        for name in problems:
            _sweep(name, chunk_steps[name], seeds, SWEEPS[name].rates, found, check, saves)


def _part(name: str, label: str) -> str:
    return f"{name}, {label}"


def _sweep(name, chunk_steps, seeds, rates, found, check, saves) -> None:
    experiment = EXPERIMENTS[name]
    problem = experiment.build()
    methods = make_methods(experiment.choices, 1)
    meter = Meter(problem)
    for method in (methods[SGD], methods[ENTROPY_SGD]):
        trainer = Trainer(problem, method, chunk_steps)
        rows = [{**method.settings[0], "learning_rate": rate} for rate in rates for _ in seeds]
        label = _part(name, method.label)

        def measured(part, trainer=trainer, rows=rows, label=label):
            runs = trainer.train(
                rows,
                [*seeds] * len(rates),
                chunks=CHUNKS,
                examples=problem.examples,
                part=part,
            )
            params = None
            for chunk in tqdm(runs, desc=label, total=CHUNKS, unit="chunk"):
                params = chunk.params
                check()
            assert params is not None
            return meter(params, ("train", "test"))

        scores = saves.result_of(label, measured)
        shape = len(rates), len(seeds)
        error, loss = scores["test"][ERROR], scores["train"][LOSS]
        found.append(
            Swept(
                *(name, problem.title, method.label, chunk_steps * CHUNKS, rates),
                *(error.reshape(shape), loss.reshape(shape)),
            )
        )


def _report(output, found: Sequence[Swept], seeds: int) -> None:
    if not found:
        print("sweep: nothing was finished")
        return
    parts = (
        report.heading("Sweep of the learning rate", seeds, "standard deviation"),
        "SGD with Nesterov momentum and the inner loop of Entropy-SGD at the same learning "
        "rate. Test error in percent; in brackets the worst seed. A network that knows nothing "
        "is at 90.",
        *(
            _table([one for one in found if one.problem == name])
            for name in dict.fromkeys(one.problem for one in found)
        ),
    )
    arrays = {
        f"{one.problem}/{one.method}/{field}": getattr(one, field)
        for one in found
        for field in ("rates", "error", "loss")
    }
    report.save(output, parts, arrays=arrays, curves="sweep")
    _picture(output / "sweep.png", found)


def _table(found: Sequence[Swept]) -> str:
    """Of one problem, one line per rate."""
    rows = []
    for number, rate in enumerate(found[0].rates):
        errors = [one.error[number] for one in found]
        cells = (f"{report.with_spread(e, 2, deviation=True)} ({e.max():.2f})" for e in errors)
        rows.append((f"{rate:g}", *cells))
    title = f"{found[0].title}, after {found[0].steps:,} steps"
    return f"{title}:\n\n{report.table(('rate', *(one.method for one in found)), rows)}"


def _picture(path: pathlib.Path, found: Sequence[Swept]) -> None:
    names = list(dict.fromkeys(one.problem for one in found))
    figure, panels = plt.subplots(
        1, len(names), figsize=(5.2 * len(names), 4), layout="constrained", squeeze=False
    )
    for axes, name in zip(panels[0], names, strict=True):
        rates = next(one.rates for one in found if one.problem == name)
        for one in (one for one in found if one.problem == name):
            colour = figures.colour_of(one.method)
            mean = one.error.mean(axis=1)
            axes.plot(one.rates, mean, "o-", color=colour, zorder=3, label=one.method)
            axes.plot(one.rates, one.error, ".", color=colour, alpha=0.5)
            axes.set_title(f"{one.title}\nafter {one.steps:,} gradient evaluations", fontsize=10)
        axes.axhline(90, color="0.6", linewidth=0.8, linestyle=":")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_yticks([2, 5, 10, 20, 50, 90], labels=["2", "5", "10", "20", "50", "90"])
        ticks = [rate for rate in RATES_SHOWN if rates[0] <= rate <= rates[-1]]
        axes.set_xticks(ticks, labels=[f"{rate:g}" for rate in ticks], minor=False)
        axes.set_xticks(rates, labels=[""] * len(rates), minor=True)
        axes.set_xlabel("learning rate of the steps with a gradient")
        axes.grid(alpha=0.3)
    panels[0, 0].set_ylabel("test error %, mean and every seed")
    panels[0, 0].legend(frameon=False)
    figures.save(figure, path)
