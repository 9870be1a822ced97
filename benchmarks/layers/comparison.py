"""Runs one method after the other, with a progress bar, and keeps what each of them measured."""

from collections.abc import Callable, Sequence

import numpy as np
from tqdm import tqdm

from benchmarks.engine.interruption import Interruption
from benchmarks.layers.training import Chunk, Method, Task, train


class Result:
    """The chunks of one method, and what they say about its best setting."""

    def __init__(self, method: Method):
        """Nothing measured yet."""
        self.method = method
        self.chunks: list[Chunk] = []

    def series(self, field: str) -> np.ndarray:
        """One field of all chunks: [chunks, settings, seeds], or [chunks] for the scalar ones."""
        return np.array([getattr(chunk, field) for chunk in self.chunks])

    @property
    def steps(self) -> int:
        """Gradient evaluations spent by each network."""
        return self.chunks[-1].step

    @property
    def best(self) -> int:
        """The setting with the highest mean test accuracy at the end."""
        return int(np.argmax(np.mean(self.chunks[-1].test_accuracy, axis=-1)))

    @property
    def curves(self) -> np.ndarray:
        """Test accuracy of the best setting, [chunks, seeds]."""
        return self.series("test_accuracy")[:, self.best]

    @property
    def accuracy(self) -> np.ndarray:
        """Test accuracy of the best setting at the end, [seeds]."""
        return self.curves[-1]

    @property
    def networks(self) -> int:
        """How many networks were trained at once."""
        return self.chunks[-1].test_accuracy.size

    @property
    def seconds_per_step(self) -> float:
        """Of all networks together; the median forgives a chunk that other programs disturbed."""
        return float(np.median(self.series("seconds_per_step")))

    @property
    def temperature(self) -> np.ndarray | None:
        """Of the hidden layers under the best setting, over the run's second half; [seeds]."""
        if self.method.thermometer is None:
            return None
        readings = self.series("temperature")[:, self.best]
        return readings[len(readings) // 2 :].mean(axis=0)

    @property
    def set_temperature(self) -> float | None:
        """What the bath of the hidden layer was set to."""
        name = self.method.set_temperature
        return None if name is None else self.method.settings[self.best][name]


def compare(
    task: Task,
    methods: Sequence[Method],
    *,
    seeds: Sequence[int],
    steps: int,
    chunks: int,
    report: Callable[[list[Result]], None],
) -> None:
    """Trains with every method, then reports; after Ctrl-C it reports what there is."""
    results: list[Result] = []
    width = max(len(method.label) for method in methods)
    with Interruption() as interruption:
        try:
            for method in methods:
                result = Result(method)
                with tqdm(total=steps, desc=method.label.ljust(width), unit="step") as bar:
                    bar.set_postfix_str("compiling")
                    for chunk in train(task, method, seeds=seeds, steps=steps, chunks=chunks):
                        if not result.chunks:
                            results.append(result)
                        result.chunks.append(chunk)
                        _show(bar, result)
                        interruption.check()
        finally:
            report(results)
        interruption.check()


def _show(bar: tqdm, result: Result) -> None:
    """Moves the progress bar to the end of the last chunk."""
    loss = np.mean(result.chunks[-1].train_loss[result.best])
    accuracy = np.mean(result.accuracy)
    bar.set_postfix_str(f"loss {loss:.3f}, test accuracy {accuracy:.1%}", refresh=False)
    bar.total = max(bar.total, result.steps)  # steps are rounded up to whole chunks
    bar.update(result.steps - bar.n)
