"""`python -m benchmarks barriers`: does heat that wanders help where barriers matter?

On the spiral constant heat in the first layer takes AdLaLa over barriers that stop optimizers
without heat. So this is where wandering heat should show what it can do: each arm of `wandering`
has as many gradients, chooses from as many settings on other seeds, and is compared seed by seed.
"""

import argparse
import functools
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import thermo_optax as to
from benchmarks.engine import figures, report, runtime
from benchmarks.engine.options import begin, seeds_of, within_budget
from benchmarks.engine.problem import select_names
from benchmarks.engine.progress import bar
from benchmarks.engine.resuming import Part, Saves
from benchmarks.engine.training import timed
from benchmarks.layers import BARRIER_BUDGETS, planar, settings
from benchmarks.layers.wandering import ARMS, HEATED, PLAIN, Arm, Run, programs

TITLE = "4-turn spiral, heat that wanders"
SEARCH_SEED = 1_000  # and those after it


class Trained(NamedTuple):
    """What runs measured."""

    accuracy: np.ndarray  # on test points, [chunks, runs]
    alphas: np.ndarray  # of each step where there is one, else zeros; [steps, runs]
    round_trips: np.ndarray | None  # through all rungs, of all replicas together; [runs]


class Outcome(NamedTuple):
    """An arm at the setting that its search has found."""

    arm: Arm
    searched: np.ndarray  # mean test accuracy of each setting on the seeds of the search
    gradients: np.ndarray  # spent at the end of each chunk
    trained: Trained

    @property
    def setting(self) -> Mapping[str, float]:
        """The best of the search."""
        return self.arm.settings[int(np.argmax(self.searched))]

    @property
    def trips(self) -> np.ndarray | None:
        """From cold to hot and back, [runs]; None where the heat is constant."""
        if self.trained.round_trips is not None or not self.trained.alphas.any():
            return self.trained.round_trips
        return np.asarray(to.diagnostics.tempering_crossings(self.trained.alphas.T).count) / 2


def run(options: argparse.Namespace) -> None:
    """Searches and trains every arm, then reports; after Ctrl-C, on those that are done."""
    output = begin(options)
    options = within_budget(options, BARRIER_BUDGETS)
    arms = [ARMS[name] for name in select_names(ARMS, options.methods)]
    seeds, searching = seeds_of(options), range(SEARCH_SEED, SEARCH_SEED + options.search_seeds)
    outcomes: list[Outcome] = []
    saves, chunks = Saves.of(options, output), options.chunks
    decided = {
        "seeds": [*seeds, *searching],
        "chunks": chunks,
        "gradients": options.steps,
        "arms": {arm.label: list(map(dict, arm.settings)) for arm in arms},
    }
    plan = {
        part: arm.steps(options.steps, chunks) * chunks
        for arm in arms
        for part in (_search(arm), arm.label)
    }
    with (
        runtime.interruptible(lambda: save(output, outcomes)) as check,
        saves.opened(decided, plan),
    ):
        for arm in arms:
            length = arm.steps(options.steps, chunks)

            def trained(rows, seeds, part, arm=arm, length=length):
                return _trained(arm, rows, seeds, length, chunks, part, check)

            tried = saves.result_of(
                _search(arm), functools.partial(trained, arm.settings, searching)
            )
            scores = tried.accuracy[-1].reshape(len(arm.settings), -1).mean(axis=1)
            best = [arm.settings[int(np.argmax(scores))]]
            found = saves.result_of(arm.label, functools.partial(trained, best, seeds))
            spent = arm.replicas * arm.cost * length * np.arange(1, chunks + 1)
            outcomes.append(Outcome(arm, scores, spent, found))


def _search(arm: Arm) -> str:
    """The name of that part of the run."""
    return f"{arm.label}, search"


def _trained(
    arm: Arm,
    rows: Sequence[Mapping[str, float]],
    seeds: Sequence[int],
    length: int,
    chunks: int,
    part: Part,
    check: Any,
) -> Trained:
    """Every row with every seed, chunk after chunk."""
    pairs = [(row, number) for row in rows for number in range(len(seeds))]
    points = planar.draw(settings.PROBLEMS["spiral"], seeds)
    own = np.array([number for _, number in pairs])
    runs = Run(
        {name: jnp.asarray([row[name] for row, _ in pairs]) for name in rows[0]},
        jax.vmap(jax.random.key)(jnp.asarray(seeds)[own]),
        jax.tree.map(lambda array: jnp.asarray(array[own]), points),
    )
    start, advance, measure = programs(arm, length * chunks, length)
    record: list[tuple[np.ndarray, np.ndarray]] = list(part.record or ())
    carry: Any = part.restore(jax.eval_shape(start, runs)) if part.step else start(runs)
    label = part.name or arm.label
    with bar(total=chunks, initial=len(record), desc=label, unit="chunk") as progress:
        left = range(len(record), chunks)
        for chunk, carry, alphas, _ in timed(lambda c, n: advance(runs, c, chunk=n), carry, left):  # noqa: B020
            accuracy = np.asarray(measure(runs, carry))
            record.append((accuracy, np.asarray(alphas).T))
            progress.set_postfix_str(f"test accuracy {accuracy.mean():.3f}", refresh=False)
            progress.update()
            check()
            if chunk + 1 < chunks:
                part.offer((chunk + 1) * length, carry, lambda: record)
    swaps = getattr(carry[1], "swaps", None)
    trips = None if swaps is None else np.asarray(swaps.round_trips).sum(axis=1)
    accuracy, alphas = zip(*record, strict=True)
    return Trained(np.stack(accuracy), np.concatenate(alphas), trips)


def save(output: pathlib.Path, outcomes: Sequence[Outcome]) -> None:
    """Prints the tables, writes them and the numbers, and draws the picture."""
    if not outcomes:
        print(f"{TITLE}: nothing was finished")
        return
    seeds = outcomes[0].trained.accuracy.shape[1]
    gradients = max(one.gradients[-1] for one in outcomes)
    notes = (
        f"At most {gradients:,.0f} gradients of 25 points a run, those of all replicas together. "
        f"The last {1 - HEATED:.0%} of the steps have no heat. The difference pairs the arms by "
        "seed (mean ± standard error). A round trip goes from cold to hot and back, and the heat "
        "ratio is that of the hottest temperature to the coldest."
    )
    numbers = {
        one.arm.label: {
            "settings": list(map(dict, one.arm.settings)),
            "searched": one.searched.tolist(),
            "setting": dict(one.setting),
            "gradients": one.gradients.tolist(),
            "test_accuracy": one.trained.accuracy.tolist(),
            "round_trips": None if one.trips is None else one.trips.tolist(),
        }
        for one in outcomes
    }
    before = "Mean test accuracy % of every setting on the seeds of the search:"
    report.save(
        output,
        (
            report.heading(TITLE, seeds, "standard deviation over seeds"),
            notes,
            table(outcomes),
            before,
            searches(outcomes),
        ),
        report.facts(TITLE) | {"arms": numbers},
    )
    picture(outcomes, output / "accuracy.png")


def table(outcomes: Sequence[Outcome]) -> str:
    """A markdown table, one line an arm."""
    plain = next((one for one in outcomes if one.arm.label == PLAIN), None)

    def ends(one: Outcome) -> np.ndarray:
        return 100 * one.trained.accuracy[-1]

    def difference(one: Outcome) -> str:
        if plain is None or one is plain:
            return "-"
        gain = ends(one) - ends(plain)
        error = gain.std(ddof=1) / np.sqrt(gain.size) if gain.size > 1 else np.nan
        return f"{gain.mean():+.1f} ± {error:.1f}"

    columns: report.Columns = [
        ("method", lambda one: one.arm.label),
        ("test accuracy %", lambda one: f"{ends(one).mean():.1f} ± {ends(one).std():.1f}"),
        ("worst seed", lambda one: f"{ends(one).min():.1f}"),
        (f"minus {PLAIN}", difference),
        ("round trips a run", lambda one: "-" if one.trips is None else f"{one.trips.mean():.1f}"),
        ("steps", lambda one: f"{_steps(one):,}"),
        ("setting (best of those below)", lambda one: _words(one.setting)),
    ]
    return report.table_of(columns, outcomes)


def searches(outcomes: Sequence[Outcome]) -> str:
    """A markdown table: what every setting reached on the seeds of the search."""

    def cell(one: Outcome, number: int) -> str:
        if number >= len(one.searched):
            return ""
        mark = "**" if number == np.argmax(one.searched) else ""
        return f"{mark}{_words(one.arm.settings[number])}: {100 * one.searched[number]:.1f}{mark}"

    numbers = range(max(len(one.searched) for one in outcomes))
    rows = [(one.arm.label, *(cell(one, number) for number in numbers)) for one in outcomes]
    return report.table(("method", *(f"setting {number + 1}" for number in numbers)), rows)


def _steps(one: Outcome) -> int:
    return round(one.gradients[-1] / one.arm.replicas / one.arm.cost)


def _words(setting: Mapping[str, float]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in setting.items())


def picture(outcomes: Sequence[Outcome], path: pathlib.Path) -> None:
    """Test accuracy against gradients: mean over seeds, and a band of +- one standard deviation."""
    figure, axes = plt.subplots(figsize=(8.5, 4.6), layout="constrained")
    for one in outcomes:
        scores = 100 * one.trained.accuracy
        label = f"{one.arm.label}, {scores[-1].mean():.1f} %"
        look = {"label": label, "linewidth": 2, "color": figures.colour_of(one.arm.kind)}
        figures.band(axes, one.gradients, scores, deviation=True, alpha=0.1, **look)
    axes.axvline(HEATED * outcomes[0].gradients[-1], color="0.6", linestyle=":", linewidth=0.8)
    axes.set_title(f"{TITLE}; without heat after the dotted line")
    axes.set_ylabel("test accuracy (%), mean ± std over seeds")
    figures.over_steps(axes, ", all replicas together")
    figure.legend(loc="outside lower center", frameon=False, ncols=2)
    figures.save(figure, path, dpi=120)
