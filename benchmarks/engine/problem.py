"""What is trained and how: the methods, the stages of a network, its data, what is reported."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

_BATCHES = 0xBA7C4  # keeps the keys of the minibatches apart from those of networks and noise
_CORRUPTION = 0xD209  # and these, of the noise within a loss


class Method(NamedTuple):
    """A way to train: how its transformation is made, and with which hyperparameters."""

    label: str
    make: Callable[..., optax.GradientTransformationExtraArgs]  # make(key=..., **setting)
    settings: Sequence[Mapping[str, float]]  # one row per setting, all with the same names
    thermometer: Callable[[Any], jax.typing.ArrayLike] | None = None  # temperature from the state
    set_temperature: str | None = None  # the hyperparameter that the thermometer should read
    point: Callable[[Any, Any], Any] | None = None  # point(state, params): where to evaluate
    planned: bool = False  # whether `make` takes `steps` too, the number that its run will have


def grid(**values: Iterable[float]) -> list[dict[str, float]]:
    """Every combination of the values, as rows."""
    return [dict(zip(values, row, strict=True)) for row in itertools.product(*values.values())]


def half_decades(centre: float, count: int) -> list[float]:
    """As many learning rates, half a decade apart, about `centre`."""
    return [float(f"{centre * 10 ** ((i - count // 2) / 2):.2g}") for i in range(count)]


def select(methods: Mapping[str, Method], names: Sequence[str] | None) -> list[Method]:
    """The methods of these names, or all."""
    return [methods[name] for name in select_names(methods, names)]


def select_names(known: Iterable[str], names: Sequence[str] | None) -> list[str]:
    """These names, all of them known, or all that are known."""
    known = list(known)
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise SystemExit(f"no method is called {unknown[0]!r}; known: {', '.join(known)}")
    return list(names or known)


class Stage(NamedTuple):
    """Parameters that are trained together; those of the stages before stay as they are."""

    init: Callable[[jax.Array], Any]  # init(key) -> params
    loss: Callable[..., jax.Array]  # loss(params, frozen, batch, key), what the method descends
    measure: Callable[..., Mapping[str, jax.Array]]  # measure(point, frozen, block), without noise
    # settle(params, calibration) -> the point that is measured: with statistics of normalisation,
    # which belong to these parameters. Without, it is the parameters.
    settle: Callable[[Any, Any], Any] | None = None


class Pairs(NamedTuple):
    """Network i has row i of the settings and seed i, and draws minibatches of its own."""

    one_by_one: bool = False  # they train in turn: a batch of convolutions is slow on a CPU

    def keys(self, seeds: Sequence[int], stage: int) -> jax.Array:
        """A key for each seed, another one for each stage."""
        return jax.vmap(lambda key: jax.random.fold_in(key, stage))(_keys(seeds))

    def draws(self, keys: jax.Array, chunk: jax.Array, shape: tuple[int, int], examples: jax.Array):
        """Indices of minibatches, int[keys, *shape], and keys for the noise within the loss."""

        def one(key):
            batches, corruption = (
                jax.random.fold_in(jax.random.fold_in(key, chunk), purpose)
                for purpose in (_BATCHES, _CORRUPTION)
            )
            indices = jax.random.randint(batches, shape, 0, examples)
            return indices, jax.random.split(corruption, shape[0])

        return jax.vmap(one)(keys)

    def over(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """fn(setting, network, of a seed, data), of one network, as that of all of them."""
        if not self.one_by_one:
            return jax.vmap(fn, (0, 0, 0, None))
        return lambda *args: jax.lax.map(lambda run: fn(*run, args[-1]), args[:-1])


class Grid(NamedTuple):
    """Every row of the settings with every seed; all rows of a seed see the same minibatches."""

    data_per_seed: bool  # whether the arrays of the data have a leading axis over seeds

    def keys(self, seeds: Sequence[int], stage: int) -> jax.Array:
        """A key for each seed; there is but one stage."""
        del stage
        return _keys(seeds)

    def draws(self, keys: jax.Array, chunk: jax.Array, shape: tuple[int, int], examples: jax.Array):
        """Indices of minibatches, int[keys, *shape]; losses have no noise, so there are no keys."""
        key = jax.random.fold_in(jax.random.fold_in(keys[0], _BATCHES), chunk)
        together = (shape[0], len(keys), shape[1])
        return jnp.moveaxis(jax.random.randint(key, together, 0, examples), 1, 0), None

    def over(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """fn(setting, network, of a seed, data), of one network, as that of all of them."""
        data = 0 if self.data_per_seed else None
        return jax.vmap(jax.vmap(fn, (None, 0, 0, data)), (0, 0, None, None))


class Column(NamedTuple):
    """One number of the table, from a measurement at the end of the last stage, or before."""

    heading: str
    split: str
    metric: str
    decimals: int
    transform: Callable[[np.ndarray], np.ndarray] = np.asarray
    milestone: float | None = None  # share of the steps of a single stage; None: at the end


class Problem(NamedTuple):
    """A task with data of its own; every method sees the same data."""

    title: str
    stages: Sequence[Stage]
    data: Any  # arrays that `batch` takes examples from
    batch: Callable[[Any, jax.Array], Any]  # batch(data, int32[examples]) -> what `loss` takes
    batch_size: int
    examples: int  # training draws from as many, from the first one on
    splits: Mapping[str, Sequence[Any]]  # blocks that `measure` takes, all of one shape
    score: str  # the metric that chooses the settings, on the split "validation"
    layout: Pairs | Grid = Pairs()
    search_examples: int = 0  # the search for settings draws from as many
    unit: str = ""  # of the score, for pictures
    columns: Sequence[Column] = ()
    stage_steps: str = "the steps"  # what a stage's number of steps is called in the headings
    calibration: Any = None  # the block that `settle` takes, of training data
    deviations: bool = False  # tables give standard deviations over seeds, not the mean's error

    @property
    def milestones(self) -> list[float]:
        """The shares of a single stage's steps after which the columns want a measurement."""
        shares = {column.milestone for column in self.columns if column.milestone is not None}
        return sorted(shares)


def streams(text: np.ndarray, blocks: int, count: int, length: int) -> list[np.ndarray]:
    """Pieces of a text for `measure`: [blocks][count, length + 1], evenly spaced over it."""
    starts = np.linspace(0, len(text) - length - 1, blocks * count).astype(int)
    pieces = text[starts[:, None] + np.arange(length + 1)]
    return list(pieces.reshape(blocks, count, length + 1))


def _keys(seeds: Sequence[int]) -> jax.Array:
    return jax.vmap(jax.random.key)(jnp.asarray(seeds, jnp.uint32))
