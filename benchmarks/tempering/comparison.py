"""Every method finds its learning rate on validation data, then trains on fresh seeds.

The search spends the same on every method: as many learning rates, each on one short run with the
same seed, chosen by the same validation score. So does the training that is reported.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from tqdm import tqdm

from benchmarks.interruption import Interruption
from benchmarks.tempering.engine import Chunk, Meter, Trainer
from benchmarks.tempering.methods import CTLD, CTLD_LIKE_SGD, SGD
from benchmarks.tempering.problem import Problem
from benchmarks.training import Method

SEARCH_SEED = 1_000_003  # far from the seeds that are reported
CURVE_SPLITS = ("train", "test")


class Search:
    """The learning rates of one method, and how each of them did."""

    def __init__(self, rates: Sequence[float], scores: np.ndarray, steps: int):
        """`scores` of the short runs on validation data; `steps` of each of them."""
        self.rates, self.steps = rates, steps
        self.scores = np.where(np.isfinite(scores), scores, np.inf)
        self.best = int(np.argmin(self.scores))

    @property
    def at_edge(self) -> bool:
        """Whether a rate outside the candidates may have been better."""
        return len(self.rates) > 1 and self.best in (0, len(self.rates) - 1)


class Result:
    """The runs of one method at one learning rate."""

    def __init__(
        self, name: str, label: str, search: Search, row: Mapping[str, float], stage_steps: int
    ):
        """Nothing measured yet; `name` is the method's, which two labels may share."""
        self.name, self.label, self.search, self.row = name, label, search, row
        self.stage_steps = stage_steps  # that every stage is to have
        self.chunks: list[Chunk] = []
        self.curves: list[dict[str, dict[str, np.ndarray]]] = []  # one measurement per chunk
        self.stage_ends: list[dict[str, dict[str, np.ndarray]]] = []  # on whole splits

    @property
    def learning_rate(self) -> float:
        """Of all its runs."""
        return self.row["learning_rate"]

    def copy_runs(self, other: "Result") -> "Result":
        """This result, with the runs of another."""
        self.chunks, self.curves, self.stage_ends = other.chunks, other.curves, other.stage_ends
        return self

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

    def curve(self, split: str, metric: str) -> np.ndarray:
        """Of the first block of a split, [chunks, seeds]."""
        return np.array([measured[split][metric] for measured in self.curves])

    def per_step(self, field: str) -> np.ndarray:
        """A field of the chunks that has one value per step, [steps, seeds]."""
        return np.concatenate([getattr(chunk, field) for chunk in self.chunks])

    def finished(self, problem: Problem) -> bool:
        """Whether all stages were trained to their end."""
        return len(self.stage_ends) == len(problem.stages)

    def final(self, split: str, metric: str) -> np.ndarray:
        """At the end of the last stage that was finished, [seeds]."""
        return self.stage_ends[-1][split][metric]


def compare(
    problem: Problem,
    methods: Mapping[str, Method],
    *,
    seeds: Sequence[int],
    chunk_steps: int,
    chunks: int,
    search_chunks: int,
    report: Callable[[list[Result]], None],
) -> None:
    """Searches and trains with every method, then reports; after Ctrl-C, on what there is."""
    results: list[Result] = []
    meter = Meter(problem)
    with Interruption() as interruption:
        try:
            for name, method in methods.items():
                trainer = Trainer(problem, method, chunk_steps)
                found = search(trainer, meter, len(seeds), search_chunks, interruption.check)
                own = Result(
                    name, method.label, found, method.settings[found.best], chunks * chunk_steps
                )
                _train(trainer, meter, own, results, seeds, chunks, interruption.check)
                sgd = next((result for result in results if result.name == SGD), None)
                if name != CTLD or sgd is None:
                    continue
                row = {**own.row, "learning_rate": sgd.learning_rate}
                like_sgd = Result(name, CTLD_LIKE_SGD, found, row, own.stage_steps)
                if like_sgd.learning_rate == own.learning_rate:  # these runs are done already
                    results.append(like_sgd.copy_runs(own))
                else:
                    _train(trainer, meter, like_sgd, results, seeds, chunks, interruption.check)
        finally:
            report(results)
        interruption.check()


def search(
    trainer: Trainer, meter: Meter, width: int, chunks: int, check: Callable[[], None]
) -> Search:
    """One short run per learning rate, `width` at once: the shape of the runs that follow."""
    rows = trainer.method.settings
    scores, problem = [], trainer.problem
    label = f"{trainer.method.label}, learning rates"
    batches = [rows[first : first + width] for first in range(0, len(rows), width)]
    with tqdm(total=len(batches) * len(problem.stages) * chunks, desc=label, unit="chunk") as bar:
        for batch in batches:
            padded = [*batch, *[batch[-1]] * (width - len(batch))]
            params = None
            for chunk in trainer.train(
                padded, [SEARCH_SEED] * width, chunks=chunks, examples=problem.search_examples
            ):
                params = chunk.params
                bar.update()
                check()
            assert params is not None
            measured = meter(params, ("validation",))["validation"][problem.score]
            scores.extend(measured[: len(batch)])
    steps = chunks * trainer.chunk_steps * len(problem.stages)
    return Search([row["learning_rate"] for row in rows], np.array(scores), steps)


def _train(trainer, meter, result, results, seeds, chunks, check) -> None:
    problem = trainer.problem
    total = chunks * len(problem.stages)
    with tqdm(total=total, desc=result.label, unit="chunk") as bar:
        for number, chunk in enumerate(
            trainer.train(
                [result.row] * len(seeds), seeds, chunks=chunks, examples=problem.examples
            ),
            start=1,
        ):
            if not result.chunks:
                results.append(result)
            result.curves.append(meter(chunk.params, CURVE_SPLITS, blocks=1))
            if number % chunks == 0:
                result.stage_ends.append(meter(chunk.params, tuple(problem.splits)))
            # The networks themselves are not reported: they would fill the memory.
            result.chunks.append(chunk._replace(params=None))
            score = np.mean(result.curves[-1]["test"][problem.score])
            bar.set_postfix_str(f"test {problem.score} {score:.4g}", refresh=False)
            bar.update()
            check()
