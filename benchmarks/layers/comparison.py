"""Trains perceptrons with every row of each method's settings; keeps what the best one measured."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.engine import networks, runtime
from benchmarks.engine.comparison import Result, Runs, settings_of
from benchmarks.engine.problem import Grid, Method, Problem, Stage
from benchmarks.engine.resuming import Saves
from benchmarks.engine.training import Meter, Trainer


def classification(
    title: str,
    data: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    sizes: Sequence[int],
    loss: Callable[[jax.Array, jax.Array], jax.Array],
    accuracy: Callable[[jax.Array, jax.Array], jax.Array],
    *,
    batch_size: int,
    data_per_seed: bool,
    prepare: Callable[[jax.Array], jax.Array] = lambda inputs: inputs,
) -> Problem:
    """A perceptron learns labels; `data` are the inputs and labels of training, then of testing.

    With `data_per_seed` these arrays have a leading axis over seeds. `prepare` is for inputs.
    """
    init, apply = networks.functional(sizes)
    train_inputs, train_labels, test_inputs, test_labels = map(jnp.asarray, data)

    def descended(params, frozen, batch, key):
        del frozen, key
        inputs, labels = batch
        return loss(apply(params, prepare(inputs)), labels)

    def measure(params, frozen, examples):
        del frozen
        inputs, labels = examples
        logits = apply(params, prepare(inputs))
        return {"loss": loss(logits, labels), "accuracy": accuracy(logits, labels)}

    return Problem(
        title=title,
        stages=[Stage(init, descended, measure)],
        data=(train_inputs, train_labels),
        batch=lambda data, index: (data[0][index], data[1][index]),
        batch_size=batch_size,
        examples=train_labels.shape[-1],
        splits={"test": [(test_inputs, test_labels)]},
        score="accuracy",
        layout=Grid(data_per_seed),
    )


class Best(Result):
    """What the networks of one method measured, [settings, seeds], and its best setting."""

    def __init__(self, method: Method, keep: int | None = 0):
        """Nothing measured yet; `keep` of the networks are kept, the last ones."""
        super().__init__(method.label, keep)
        self.method = method

    @property
    def accuracies(self) -> np.ndarray:
        """On test data, of all settings: [chunks, settings, seeds]."""
        return self.curve("test", "accuracy")

    @property
    def best(self) -> int:
        """The setting with the highest mean test accuracy at the end."""
        return int(np.argmax(np.mean(self.accuracies[-1], axis=-1)))

    @property
    def accuracy_curve(self) -> np.ndarray:
        """Test accuracy of the best setting, [chunks, seeds]."""
        return self.accuracies[:, self.best]

    @property
    def accuracy(self) -> np.ndarray:
        """Test accuracy of the best setting at the end, [seeds]."""
        return self.accuracy_curve[-1]

    def means(self, field: str) -> np.ndarray:
        """Of what has one value per step, over the steps of each chunk: [chunks, ...]."""
        return np.array([_mean_over_steps(getattr(chunk, field)) for chunk in self.chunks])

    @property
    def temperature(self) -> np.ndarray | None:
        """Of the hidden layers under the best setting, over the run's second half; [seeds]."""
        if self.method.thermometer is None:
            return None
        readings = self.means("temperature")[:, self.best]
        return readings[len(readings) // 2 :].mean(axis=0)

    @property
    def set_temperature(self) -> float | None:
        """What the bath of the hidden layer was set to."""
        name = self.method.set_temperature
        return None if name is None else self.method.settings[self.best][name]


@jax.jit
def _mean_over_steps(values: jax.Array) -> jax.Array:
    return jnp.mean(values, axis=0)


def compare(
    problem: Problem,
    methods: Sequence[Method],
    *,
    seeds: Sequence[int],
    steps: int,
    chunks: int,
    report: Callable[[list[Best]], None],
    keep: int | None = 0,
    saves: Saves | None = None,
) -> None:
    """Trains with every method, then reports; after Ctrl-C it reports what there is.

    The steps are rounded up to a multiple of `chunks`; `keep` says of how many of them results keep
    the networks.
    """
    results: list[Best] = []
    saves, chunk_steps = saves or Saves(), -(-steps // chunks)
    by_label = {method.label: method for method in methods}
    settings = settings_of(problem, by_label, seeds, chunk_steps, chunks)
    plan = dict.fromkeys(by_label, chunks * chunk_steps)
    with (
        runtime.interruptible(lambda: report(results)) as check,
        saves.opened(settings, plan),
    ):
        train = Runs(Meter(problem), results, seeds, chunks, check, saves)
        for method in methods:
            train(Trainer(problem, method, chunk_steps), Best(method, keep), method.settings)
