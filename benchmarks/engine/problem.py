"""What a comparison trains: the stages of a network, its data, and what is reported of it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
import optax


class Method(NamedTuple):
    """A way to train: how its transformation is made, and with which hyperparameters."""

    label: str
    make: Callable[..., optax.GradientTransformationExtraArgs]  # make(key=..., **setting)
    settings: Sequence[Mapping[str, float]]  # one row per setting, all with the same names
    thermometer: Callable[[Any], jax.typing.ArrayLike] | None = (
        None  # hidden temperature from the state
    )
    set_temperature: str | None = None  # the hyperparameter that the thermometer should read
    point: Callable[[Any, Any], Any] | None = None  # point(state, params): where to evaluate


class Stage(NamedTuple):
    """Parameters that are trained together; those of the stages before stay as they are."""

    init: Callable[[jax.Array], Any]  # init(key) -> params
    loss: Callable[..., jax.Array]  # loss(params, frozen, batch, key), what the method descends
    measure: Callable[..., Mapping[str, jax.Array]]  # measure(point, frozen, block), without noise
    # settle(params, calibration) -> the point that is measured: with statistics of normalisation,
    # which belong to these parameters. Without, it is the parameters.
    settle: Callable[[Any, Any], Any] | None = None


class Column(NamedTuple):
    """One number of the table, from a measurement at the end of the last stage, or before."""

    heading: str
    split: str
    metric: str
    decimals: int
    transform: Callable[[np.ndarray], np.ndarray] = np.asarray
    milestone: float | None = None  # share of the steps of a single stage; None: at the end


class Problem(NamedTuple):
    """A task with data of its own; every seed and every method sees the same data."""

    title: str
    stages: Sequence[Stage]
    data: Any  # arrays that `batch` takes examples from
    batch: Callable[[Any, jax.Array], Any]  # batch(data, int32[examples]) -> what `loss` takes
    batch_size: int
    examples: int  # training draws from as many, from the first one on
    search_examples: int  # and the search for settings from as many
    splits: Mapping[str, Sequence[Any]]  # blocks that `measure` takes, all of one shape
    score: str  # the metric that chooses the settings, on the split "validation"
    unit: str  # of the score, for pictures
    columns: Sequence[Column]
    stage_steps: str  # what a stage's number of steps is called in the headings
    calibration: Any = None  # the block that `settle` takes, of training data
    one_by_one: bool = False  # networks train in turn: a batch of convolutions is slow on a CPU
    deviations: bool = False  # tables give standard deviations over seeds, not the mean's error

    @property
    def milestones(self) -> list[float]:
        """The shares of a single stage's steps after which the columns want a measurement."""
        shares = {column.milestone for column in self.columns if column.milestone is not None}
        return sorted(shares)

    def over_runs(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """The function of one network as that of several, along the first axis of all arguments."""
        return (
            (lambda *args: jax.lax.map(lambda run: fn(*run), args))
            if self.one_by_one
            else (jax.vmap(fn))
        )


def streams(text: np.ndarray, blocks: int, count: int, length: int) -> list[np.ndarray]:
    """Pieces of a text for `measure`: [blocks][count, length + 1], evenly spaced over it."""
    starts = np.linspace(0, len(text) - length - 1, blocks * count).astype(int)
    pieces = text[starts[:, None] + np.arange(length + 1)]
    return list(pieces.reshape(blocks, count, length + 1))
