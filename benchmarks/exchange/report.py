"""Tables and files of one problem."""

import pathlib
from typing import NamedTuple

import numpy as np

import thermo_optax as to
from benchmarks.engine import report
from benchmarks.engine.report import with_spread
from benchmarks.exchange.arms import ARMS, FALLING, Arm, Plan, Record
from benchmarks.exchange.problems import DROPOUT, LEARNING_RATE, MOMENTUM, Experiment, Splits

NAMES = {DROPOUT: "dropout", LEARNING_RATE: "learning rate"}
LOSS, ERROR = 0, 1  # of the measurements
POINTS = 16  # of the record of the diffusion


class Outcome(NamedTuple):
    """All that was measured of one problem; lists go by seed."""

    title: str
    experiment: Experiment
    splits: Splits
    ladder: np.ndarray
    normalization: float
    plan: Plan
    runs: dict[str, list[Arm]]
    walks: np.ndarray  # distances from one network, [steps, seeds, replicas]

    def curve(self, arm: str) -> np.ndarray:
        """Test error of the replica with the lowest validation loss at each time, [times, seeds].

        The first time is that of the fork.
        """
        return np.array([[_best(record) for record in run.records] for run in self.runs[arm]]).T

    def at_the_end(self, arm: str) -> np.ndarray:
        """The last of these, [seeds]."""
        return self.curve(arm)[-1]

    def over_the_run(self, arm: str) -> np.ndarray:
        """The test error where and when the validation loss was the lowest, [seeds]."""
        lowest = [
            min(run.records, key=lambda record: np.min(record.validation[LOSS]))
            for run in self.runs[arm]
        ]
        return np.array([_best(record) for record in lowest])

    def of_all_replicas(self, arm: str) -> np.ndarray:
        """The mean test error at the end, [seeds]."""
        return np.array([np.mean(run.records[-1].test[ERROR]) for run in self.runs[arm]])

    def on_each_rung(self, arm: str) -> np.ndarray:
        """Test error at the end of whoever stands there, [seeds, rungs]."""
        last = [run.records[-1] for run in self.runs[arm]]
        return np.array([record.test[ERROR, np.argsort(record.rung)] for record in last])

    def acceptance(self) -> tuple[np.ndarray, np.ndarray]:
        """By pair of rungs: the mean over seeds and its standard error (NaN for one seed)."""
        rates = np.array([run.acceptance for run in self.runs[ARMS[0]]])
        if len(rates) == 1:
            return rates[0], np.full_like(rates[0], np.nan)
        return rates.mean(axis=0), rates.std(axis=0, ddof=1) / len(rates) ** 0.5

    def diffusion(self) -> to.diagnostics.DiffusionReading:
        """The reading, at some steps evenly spaced in their logarithm."""
        last = len(self.walks)
        steps = np.unique(np.geomspace(1, last, POINTS).astype(int))
        return to.diagnostics.diffusion(self.walks[steps - 1], self.ladder, steps)


def _best(record: Record) -> float:
    """The test error of the replica with the lowest validation loss."""
    return record.test[ERROR, np.argmin(record.validation[LOSS])]


_MEASURES = {
    "test error %, best replica": Outcome.at_the_end,
    "... and best time": Outcome.over_the_run,
    "test error %, mean of replicas": Outcome.of_all_replicas,
}


def save(output: pathlib.Path, outcome: Outcome) -> None:
    """Prints the report; writes `table.md` and `results.json`."""
    seeds = len(outcome.runs[ARMS[0]])
    parts = (
        report.heading(outcome.title, seeds, "standard error"),
        _notes(outcome),
        table(outcome),
        rung_table(outcome),
        f"```\n{outcome.diffusion()}\n```",
    )
    numbers = {
        "ladder": outcome.ladder.tolist(),
        "normalization": outcome.normalization,
        "arms": {arm: [_summary(run) for run in runs] for arm, runs in outcome.runs.items()},
        "diffusion": outcome.walks.tolist(),
    }
    report.save(output, parts, report.facts(outcome.title) | numbers, indent=None)


def table(outcome: Outcome) -> str:
    """One line for each arm, and one for their difference, paired by seed."""
    rows = [_row(outcome, arm) for arm in outcome.runs]
    differences = [
        measure(outcome, ARMS[0]) - measure(outcome, ARMS[1]) for measure in _MEASURES.values()
    ]
    cells = [with_spread(difference, 2, deviation=False) for difference in differences]
    rows.insert(len(ARMS), ("difference", *cells, "", "", ""))
    columns = ("replicas", *_MEASURES, "swaps", "round trips", "ms/step")
    return report.table(columns, rows)


def _row(outcome: Outcome, arm: str) -> tuple[str, ...]:
    runs = outcome.runs[arm]
    steps = outcome.plan.chunk * outcome.plan.chunks
    swaps = "-"
    if arm == ARMS[0]:
        mean = np.nanmean(outcome.acceptance()[0])
        swaps = f"{np.mean([run.swaps for run in runs]):.0f} ({mean:.0%} accepted)"
    trips = np.mean([run.round_trips for run in runs])
    return (
        f"with {arm}" if arm == ARMS[0] else arm,
        *(with_spread(measure(outcome, arm), 2, deviation=False) for measure in _MEASURES.values()),
        swaps,
        f"{trips:.1f}" if arm == ARMS[0] else "-",
        f"{1e3 * np.median([run.seconds for run in runs]) / steps:.0f}",
    )


def rung_table(outcome: Outcome) -> str:
    """The test error at the end by rung, for both arms."""
    name = NAMES[outcome.experiment.hyperparameter]
    rows = [
        (
            f"with {arm}" if arm == ARMS[0] else arm,
            *(f"{error:.1f}" for error in outcome.on_each_rung(arm).mean(axis=0)),
        )
        for arm in outcome.runs
    ]
    return report.table((f"{name}:", *(f"{value:.3g}" for value in outcome.ladder)), rows)


def _notes(outcome: Outcome) -> str:
    experiment, plan, splits = outcome.experiment, outcome.plan, outcome.splits
    counts = [f"{len(labels):,}" for _, labels in splits]
    rate = (
        f"learning rate {experiment.warmup_rate:g}, then {experiment.cold_rate:g}"
        if experiment.hyperparameter == DROPOUT
        else f"learning rate {experiment.warmup_rate:g}, then that of the rung; dropout "
        f"{experiment.dropout:g}"
    )
    return (
        f"{counts[0]} training, {counts[1]} validation and {counts[2]} test images; batches of "
        f"{experiment.batch_size}; SGD with momentum {MOMENTUM:g}, {rate}. {plan.warmup:,} steps "
        f"without swaps, then {plan.chunk * plan.chunks:,} with a round of swaps every "
        f"{plan.swap_period}, or without; C = {outcome.normalization:.3g}. Swaps are decided by "
        f"{plan.swap_images:,} of the validation images, which makes {_surplus(outcome):.0%} more "
        "passes through the networks (a gradient counted as three); the best replica is the one "
        "with the lowest loss on all of them."
        + (
            f' In the arm "{FALLING}" nothing is swapped, and each rate falls from that of its '
            "rung to 0, by half a cosine." * experiment.falling
        )
    )


def _surplus(outcome: Outcome) -> float:
    """The cost of swaps next to that of the gradients."""
    plan = outcome.plan
    gradients = plan.swap_period * outcome.experiment.batch_size
    return min(plan.swap_images, len(outcome.splits.validation[1])) / (3 * gradients)


def _summary(run: Arm) -> dict:
    return {
        "records": [
            {
                "step": record.step,
                "validation": record.validation.tolist(),
                "test": record.test.tolist(),
                "distance": record.distance.tolist(),
                "rung": record.rung.tolist(),
            }
            for record in run.records
        ],
        "paths": run.paths.tolist(),
        "acceptance": [None if np.isnan(rate) else float(rate) for rate in run.acceptance],
        "swaps": run.swaps,
        "round_trips": run.round_trips,
        "seconds": run.seconds,
    }
