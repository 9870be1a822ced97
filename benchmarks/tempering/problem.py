"""What a comparison trains: the stages of a network, its data, and what is reported of it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np


class Stage(NamedTuple):
    """Parameters that are trained together; those of the stages before stay as they are."""

    init: Callable[[jax.Array], Any]  # init(key) -> params
    loss: Callable[..., jax.Array]  # loss(params, frozen, batch, key), what the method descends
    measure: Callable[..., Mapping[str, jax.Array]]  # measure(params, frozen, block), without noise


class Column(NamedTuple):
    """One number of the table, from a measurement at the end of the last stage."""

    heading: str
    split: str
    metric: str
    decimals: int
    transform: Callable[[np.ndarray], np.ndarray] = np.asarray


class Problem(NamedTuple):
    """A task with data of its own; every seed and every method sees the same data."""

    title: str
    stages: Sequence[Stage]
    data: Any  # arrays that `batch` takes examples from
    batch: Callable[[Any, jax.Array], Any]  # batch(data, int32[examples]) -> what `loss` takes
    batch_size: int
    examples: int  # training draws from as many, from the first one on
    search_examples: int  # and the search for a learning rate from as many
    splits: Mapping[str, Sequence[Any]]  # blocks that `measure` takes, all of one shape
    score: str  # the metric that chooses the learning rate, on the split "validation"
    unit: str  # of the score, for pictures
    columns: Sequence[Column]
    stage_steps: str  # what a stage's number of steps is called in the headings


def streams(text: np.ndarray, blocks: int, count: int, length: int) -> list[np.ndarray]:
    """Pieces of a text for `measure`: [blocks][count, length + 1], evenly spaced over it."""
    starts = np.linspace(0, len(text) - length - 1, blocks * count).astype(int)
    pieces = text[starts[:, None] + np.arange(length + 1)]
    return list(pieces.reshape(blocks, count, length + 1))
