"""One method after the other trains and is measured; before that, it may search its settings.

The search spends the same on every method: as many settings (learning rates, and for some methods
one more number), each on one short run with the same seed, chosen by the same validation score. So
does the training that is reported.
"""

import functools
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from benchmarks.engine import runtime
from benchmarks.engine.problem import Column, Method, Problem
from benchmarks.engine.progress import bar
from benchmarks.engine.resuming import Part, Saves
from benchmarks.engine.training import Chunk, Meter, Trainer

SEARCH_SEED = 1_000_003  # far from the seeds that are reported
CURVE_SPLITS = ("train", "test")


class Search:
    """The settings of one method, and how each of them did."""

    def __init__(self, rows: Sequence[Mapping[str, float]], scores: np.ndarray, steps: int):
        """`scores` of the short runs on validation data; `steps` of each of them."""
        self.rows, self.steps = rows, steps
        self.scores = np.where(np.isfinite(scores), scores, np.inf)
        self.best = int(np.argmin(self.scores))

    @property
    def rates(self) -> list[float]:
        """The learning rate of every setting."""
        return [row["learning_rate"] for row in self.rows]

    @property
    def searched(self) -> list[str]:
        """The hyperparameters of which there was a choice, besides the learning rate."""
        others = (name for name in self.rows[0] if name != "learning_rate")
        return [name for name in others if len({row[name] for row in self.rows}) > 1]

    @property
    def at_edge(self) -> bool:
        """Whether a rate outside the candidates may have been better."""
        ends = min(self.rates), max(self.rates)
        return ends[0] < ends[1] and self.rates[self.best] in ends


class Result:
    """What the networks of one method measured; [networks] is [rows, seeds] in a grid."""

    def __init__(self, label: str, keep: int | None = 0):
        """Nothing measured yet; `keep` of the networks, the last ones, are kept, or all of them."""
        self.label = label
        self.chunks: list[Chunk] = []
        self.curves: list[dict[str, dict[str, np.ndarray]]] = []  # one measurement per chunk
        self.stage_ends: list[dict[str, dict[str, np.ndarray]]] = []  # on whole splits
        self.milestones: dict[float, dict[str, dict[str, np.ndarray]]] = {}  # and on the way
        self.networks: deque[Any] = deque(maxlen=keep)  # of the last stage, one tree per chunk

    def record(self) -> dict[str, Any]:
        """All that was measured so far, for a save."""
        names = ("chunks", "curves", "stage_ends", "milestones", "networks")
        return {name: getattr(self, name) for name in names}

    def restore(self, record: Mapping[str, Any]) -> None:
        """Takes what another result has measured, or this one before a kill."""
        vars(self).update(record)

    @property
    def steps(self) -> int:
        """Gradient evaluations spent by each network."""
        return self.chunks[-1].step

    @property
    def seconds_per_step(self) -> float:
        """Of all networks together, averaged over the stages; medians forgive disturbed chunks."""
        stages = {chunk.stage for chunk in self.chunks}
        times = [[c.seconds_per_step for c in self.chunks if c.stage == s] for s in stages]
        return float(np.mean([np.median(stage) for stage in times]))

    def series(self, field: str) -> np.ndarray:
        """One number of each chunk, [chunks]."""
        return np.array([getattr(chunk, field) for chunk in self.chunks])

    def curve(self, split: str, metric: str) -> np.ndarray:
        """Of the first block of a split, [chunks, networks]."""
        return np.array([measured[split][metric] for measured in self.curves])

    def per_step(self, field: str) -> np.ndarray:
        """A field of the chunks that has one value per step, [steps, networks]."""
        return np.concatenate([getattr(chunk, field) for chunk in self.chunks])


class Tuned(Result):
    """The runs of one method at one setting, which a search has found."""

    def __init__(
        self,
        name: str,
        label: str,
        search: Search,
        row: Mapping[str, float],
        stage_steps: int,
        keep: int | None = 0,
    ):
        """`name` is the method's, which two labels may share; `stage_steps` are to be done."""
        super().__init__(label, keep)
        self.name, self.search, self.row, self.stage_steps = name, search, row, stage_steps

    @property
    def learning_rate(self) -> float:
        """Of all its runs."""
        return self.row["learning_rate"]

    def finished(self, problem: Problem) -> bool:
        """Whether all stages were trained to their end."""
        return len(self.stage_ends) == len(problem.stages)

    def final(self, split: str, metric: str) -> np.ndarray:
        """At the end of the last stage that was finished, [seeds]."""
        return self.stage_ends[-1][split][metric]

    def values(self, problem: Problem, column: Column) -> np.ndarray | None:
        """The numbers of a column, [seeds]; None if these runs did not come so far."""
        if column.milestone is not None:
            measured = self.milestones.get(column.milestone)
        else:
            measured = self.stage_ends[-1] if self.finished(problem) else None
        if measured is None:
            return None
        return column.transform(measured[column.split][column.metric])


class Runs(NamedTuple):
    """What trains the networks that are reported."""

    meter: Meter
    results: list[Any]
    seeds: Sequence[int]
    chunks: int
    check: Callable[[], None]  # called between chunks
    saves: Saves

    def __call__(
        self, trainer: Trainer, result: Result, rows: Sequence[Mapping[str, float]]
    ) -> None:
        """Trains and measures them; `result` is one of the results from its first chunk on."""

        def train(part):
            if part.record:
                result.restore(part.record)
                self.results.append(result)
            self._train(trainer, result, rows, part)
            return result.record()

        record = self.saves.result_of(result.label, train)
        if result not in self.results:  # these runs were done before a kill
            result.restore(record)
            self.results.append(result)

    def _train(self, trainer, result, rows, part) -> None:
        problem, meter = trainer.problem, self.meter
        # Those that do not fall between two chunks.
        shares = {round(n / self.chunks, 6): n for n in range(1, self.chunks + 1)}
        due = {shares[share]: share for share in problem.milestones if share in shares}
        drawn = [split for split in CURVE_SPLITS if split in problem.splits]
        runs = trainer.train(
            rows,
            self.seeds,
            chunks=self.chunks,
            examples=problem.examples,
            part=part,
            record=result.record,
        )
        total, before = self.chunks * len(problem.stages), len(result.chunks)
        with bar(total=total, initial=before, desc=result.label, unit="chunk") as progress:
            for number, chunk in enumerate(runs, start=before + 1):
                if not result.chunks:
                    self.results.append(result)
                result.curves.append(meter(chunk.params, drawn, blocks=1))
                if number in due:
                    result.milestones[due[number]] = meter(chunk.params, tuple(problem.splits))
                if number % self.chunks == 0:
                    result.stage_ends.append(meter(chunk.params, tuple(problem.splits)))
                if result.networks.maxlen != 0:
                    result.networks.append(jax.tree.map(np.asarray, chunk.params[-1]))
                # Not those of every chunk: they would fill the memory.
                result.chunks.append(chunk._replace(params=None))
                score = np.mean(result.curves[-1]["test"][problem.score])
                progress.set_postfix_str(f"test {problem.score} {score:.4g}", refresh=False)
                progress.update()
                self.check()


def compare(
    problem: Problem,
    methods: Mapping[str, Method],
    *,
    seeds: Sequence[int],
    chunk_steps: int,
    chunks: int,
    search_chunks: int,
    report: Callable[[list[Tuned]], None],
    repeats: Mapping[str, tuple[str, str]] | None = None,
    keep: int | None = 0,
    saves: Saves | None = None,
) -> None:
    """Searches and trains with every method, then reports; after Ctrl-C, on what there is.

    `repeats` names methods that also run at the learning rate of another: that one's name, and the
    label of these runs. `keep` says of how many of their chunks results keep the networks.
    """
    results: list[Tuned] = []
    meter, saves, repeats = Meter(problem), saves or Saves(), repeats or {}
    plan, run_steps = {}, chunks * chunk_steps * len(problem.stages)
    for name, method in methods.items():
        for label in _search_labels(method, len(seeds)):
            plan[label] = search_chunks * chunk_steps * len(problem.stages)
        plan[method.label] = run_steps
        if name in repeats and repeats[name][0] in methods:
            plan[repeats[name][1]] = run_steps
    settings = {
        **settings_of(problem, methods, seeds, chunk_steps, chunks),
        "search chunks": search_chunks,
    }
    with (
        runtime.interruptible(lambda: report(results)) as check,
        saves.opened(settings, plan),
    ):
        train = Runs(meter, results, seeds, chunks, check, saves)
        for name, method in methods.items():
            trainer = Trainer(problem, method, chunk_steps)
            found = search(trainer, meter, len(seeds), search_chunks, check, saves)
            best = method.settings[found.best]
            own = Tuned(name, method.label, found, best, chunks * chunk_steps, keep)
            train(trainer, own, [own.row] * len(seeds))
            rival, label = repeats.get(name, (None, ""))
            other = next((result for result in results if result.name == rival), None)
            if other is None:
                continue
            row = {**own.row, "learning_rate": other.learning_rate}
            again = Tuned(name, label, found, row, own.stage_steps, keep)
            if again.learning_rate == own.learning_rate:  # these runs are done already
                again.restore(own.record())
                results.append(again)
            else:
                train(trainer, again, [row] * len(seeds))


def settings_of(
    problem: Problem,
    methods: Mapping[str, Method],
    seeds: Sequence[int],
    chunk_steps: int,
    chunks: int,
) -> dict[str, Any]:
    """What decides the numbers of a comparison, for its saves."""
    return {
        "title": problem.title,
        "examples": problem.examples,
        "batch size": problem.batch_size,
        "seeds": list(seeds),
        "chunks": chunks,
        "steps of a chunk": chunk_steps,
        "methods": {name: list(map(dict, method.settings)) for name, method in methods.items()},
    }


def search(
    trainer: Trainer,
    meter: Meter,
    width: int,
    chunks: int,
    check: Callable[[], None],
    saves: Saves | None = None,
) -> Search:
    """One short run per setting, `width` at once: the shape of the runs that follow."""
    saves = saves or Saves()
    rows = trainer.method.settings
    scores, problem = [], trainer.problem
    labels = _search_labels(trainer.method, width)
    stages = len(problem.stages)

    def score(part: Part, progress: Any, batch: Sequence[Mapping[str, float]]) -> np.ndarray:
        progress.update(part.step // trainer.chunk_steps)
        padded = [*batch, *[batch[-1]] * (width - len(batch))]
        params = None
        for chunk in trainer.train(
            padded,
            [SEARCH_SEED] * width,
            chunks=chunks,
            examples=problem.search_examples,
            part=part,
        ):
            params = chunk.params
            progress.update()
            check()
        assert params is not None
        measured = meter(params, ("validation",))["validation"][problem.score]
        return measured[: len(batch)]

    for number, label in enumerate(labels):
        batch = rows[number * width : (number + 1) * width]
        with bar(total=stages * chunks, desc=label, unit="chunk") as progress:
            scored = functools.partial(score, progress=progress, batch=batch)
            scores.extend(saves.result_of(label, scored))
    steps = chunks * trainer.chunk_steps * stages
    return Search(rows, np.array(scores), steps)


def _search_labels(method: Method, width: int) -> list[str]:
    """A part of the run for every `width` settings."""
    count = -(-len(method.settings) // width)
    return [f"{method.label}, search {number + 1} of {count}" for number in range(count)]
