"""The settings of a ladder: checks, and the inverse temperature that belongs to a name."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from thermo_optax._base import check_integer, check_nonnegative, known


class Inverse(NamedTuple):
    """From the values of a hyperparameter to inverse temperatures."""

    beta: Callable[[jax.Array], jax.Array]
    value: Callable[[jax.Array], jax.Array] | None  # back again, where that is known


def _reciprocal(value: jax.Array) -> jax.Array:
    return 1 / value


# The variance of inverted dropout is rate / (1 - rate), in units of the squared activation.
_DROPOUT = Inverse(lambda rate: (1 - rate) / rate, lambda beta: 1 / (1 + beta))
_KEPT = Inverse(lambda keep: keep / (1 - keep), lambda beta: beta / (1 + beta))
_OTHERS = Inverse(_reciprocal, _reciprocal)
_KNOWN = {
    "dropout": _DROPOUT,
    "dropout_rate": _DROPOUT,
    "keep": _KEPT,
    "keep_rate": _KEPT,
    "keep_probability": _KEPT,
}


def inverse_of(name: str, own: Callable[[jax.Array], jax.Array] | None) -> Inverse:
    """What the authors of the method define for a name, or what the user does."""
    return _KNOWN.get(name, _OTHERS) if own is None else Inverse(own, None)


def moved(inverse: Inverse, values: jax.Array, old: jax.Array, new: jax.Array) -> jax.Array:
    """The values of a ladder whose rungs move from `old` to `new` on any monotone scale."""
    falling = old[0] > old[-1]
    order = jnp.where(falling, jnp.arange(len(old))[::-1], jnp.arange(len(old)))
    if inverse.value is None:
        between = jnp.interp(new, old[order], values[order])
    else:
        between = inverse.value(jnp.interp(new, old[order], inverse.beta(values)[order]))
    ends = jnp.arange(len(old)) % (len(old) - 1) == 0
    return jnp.where(ends, values, between)  # the ends stay where they are, to the bit


TEMPERATURE = "temperature"
FIRST_MOVE = 32  # rounds of swaps before a ladder that adapts moves for the first time


def checked_ladder(ladder: Any) -> dict[str, Any]:
    """The values by name: NumPy arrays, float32[num_rungs], or traced ones."""
    if not isinstance(ladder, Mapping) or not ladder:
        raise TypeError(
            f"`ladder` must map names of hyperparameters to values, one for each rung, got "
            f"{ladder!r}. For example {{'temperature': [1.0, 2.0, 4.0]}}."
        )
    for name, value in ladder.items():
        if callable(value):
            raise TypeError(
                f"`ladder[{name!r}]` must be numbers, one for each rung, got {value!r}. To heat or "
                "cool all rungs in time, pass a `temperature_scale` to `update`."
            )
    values = {name: _numbers(f"ladder[{name!r}]", value) for name, value in ladder.items()}
    lengths = {name: np.shape(value) for name, value in values.items()}
    first = next(iter(lengths.values()))
    if any(len(shape) != 1 or shape != first for shape in lengths.values()) or first[0] < 2:
        raise ValueError(
            "`ladder` must have one value for each rung under every name, equally many and at "
            f"least two, got the shapes {lengths}."
        )
    for name, value in values.items():
        if not isinstance(value, Tracer) and not np.all(np.isfinite(value)):
            raise ValueError(
                f"`ladder[{name!r}]` must be finite, and strictly monotone if it decides on swaps, "
                f"got {value}. For a rung at infinite temperature, a flat law, put a power of the "
                "likelihood on the ladder instead: `betas={'power': lambda power: power}` and 0."
            )
    return values


def as_array(numbers: Any) -> Any:
    """A list of numbers as an array: of a tree of single numbers nothing could be split.

    Known numbers as NumPy's, in float64, since JAX would round them.
    """
    if not isinstance(numbers, (list, tuple)):
        return numbers
    traced = any(isinstance(number, Tracer) for number in numbers)
    return jnp.asarray(numbers) if traced else np.asarray(numbers)


def _numbers(name: str, value: Any) -> Any:
    """A NumPy array, float32, or a traced one."""
    value = as_array(value)
    if isinstance(value, Tracer):
        return value
    array = np.asarray(value)
    # By dtype: NumPy would read numbers from texts, and take truth values for some.
    if not (jnp.issubdtype(array.dtype, jnp.floating) or jnp.issubdtype(array.dtype, jnp.integer)):
        raise TypeError(f"`{name}` must be numbers, one for each rung, got {value!r}.")
    return array.astype(np.float32)


def checked_weights(normalization: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """The normalization C of each name."""
    if isinstance(normalization, Mapping):
        check_known("normalization", normalization, values)
        weights = {name: normalization.get(name, 0.0) for name in values}
    elif normalization is None:
        only = TEMPERATURE in values
        weights = {name: float(name == TEMPERATURE or not only) for name in values}
    else:
        weights = dict.fromkeys(values, normalization)
    for name, weight in weights.items():
        check_nonnegative(**{f"normalization of {name!r}": weight})
    return weights


def check_known(argument: str, names: Iterable[str], values: Mapping[str, Any]) -> None:
    """An argument about names must name those of the ladder."""
    unknown = [name for name in names if name not in values]
    if unknown:
        raise ValueError(f"`{argument}` names {unknown}, but the ladder has {list(values)} only.")


def check_not_of_model(argument: str, names: Mapping[str, Any], of_model: tuple[str, ...]) -> None:
    """Groups are of the transformation, and so are their hyperparameters."""
    both = [name for name in names if name in of_model]
    if both:
        raise ValueError(
            f"`{argument}` names {both}, which are in `model_hyperparams` too: momenta know the "
            "hyperparameters of the transformation only. Name them in one of the two."
        )


def deciding(weights: Mapping[str, Any]) -> list[str]:
    """The names that decide on swaps: those whose C is not known to be 0."""
    return [name for name, weight in weights.items() if known(weight) != 0]


def moves_after(rounds: jax.Array) -> jax.Array:
    """Whether an adapting ladder moves: after 32, 64, 128... rounds of swaps."""
    return (rounds >= FIRST_MOVE) & (rounds & (rounds - 1) == 0)


def check_adaptation(steps: Any, period: Any, warmup: Any, weights: Mapping[str, Any]) -> None:
    """Raises where a ladder shall adapt, but no swap is ever rejected, or too few are tried."""
    check_integer(0, "0 leaves the ladder as it is.", adaptation_steps=steps)
    if known(steps) == 0:
        return
    if not deciding(weights):
        raise ValueError(
            f"`adaptation_steps`={steps} needs rungs that reject swaps, but with the "
            "`normalization` 0 every swap is accepted. Give one name a C above 0."
        )
    if period is None:
        raise ValueError(
            f"`adaptation_steps`={steps} needs swaps, but `swap_period` is None. Pass 10, say."
        )
    if any(isinstance(number, Tracer) for number in (steps, period, warmup)):
        return
    first = FIRST_MOVE * int(period) + int(warmup)
    if steps <= first:
        raise ValueError(
            f"`adaptation_steps`={steps} end before the ladder moves for the first time, after "
            f"{FIRST_MOVE} rounds of swaps. Pass more than {first}: the `warmup_steps` and "
            f"{FIRST_MOVE} times the `swap_period`."
        )


def check_values(name: str, values: jax.Array, *, least: float) -> None:
    """Raises for values of the replicas that are not finite or below the least one."""
    if isinstance(values, Tracer) or jnp.issubdtype(values.dtype, jax.dtypes.extended):
        return
    if values.dtype == bool and least == 0:
        raise TypeError(f"`{name}` must be numbers, got the truth values {values}.")
    numbers = np.asarray(values, float)
    bad = numbers[~(np.isfinite(numbers) & (numbers >= least))]
    if len(bad):
        condition = "finite and not negative" if least == 0 else "finite"
        raise ValueError(f"`{name}` must be {condition}, got {bad[0]}.")


def check_positive_values(names: Iterable[str], values: Mapping[str, Any]) -> None:
    """Temperatures and masses, to whose roots momenta are rescaled."""
    for name in names:
        value = values[name]
        if not isinstance(value, Tracer) and not np.all(value > 0):
            raise ValueError(
                f"`ladder[{name!r}]` must be above 0 on every rung, since momenta are rescaled to "
                f"it, got {value}."
            )


def check_betas(
    values: Mapping[str, Any],
    inverses: Mapping[str, Inverse],
    weights: Mapping[str, Any],
    own: Iterable[str],
) -> None:
    """Inverse temperatures must put the rungs in an order, the coldest first."""
    names = deciding(weights)
    betas = {name: known_beta(inverses[name], values[name]) for name in names}
    for name, beta in betas.items():
        if beta is None:
            continue
        value = values[name]
        if not np.all(np.isfinite(beta)) or (name not in own and not np.all(beta > 0)):
            raise ValueError(
                f"`ladder[{name!r}]` must have an inverse temperature above 0 and finite on "
                f"every rung, but {value} gives {beta}. Keep temperatures and rates above 0, "
                "and dropout between 0 and 1; or define another by `betas`."
            )
        if not (_falls(beta) or _falls(-beta)):
            raise ValueError(
                f"`ladder[{name!r}]` must be strictly monotone, so that neighbours on the ladder "
                f"are alike, got {value} of inverse temperatures {beta}. Sort it, the coldest rung "
                "first; or give it the `normalization` 0, if it does not decide on swaps."
            )
    heat = values.get(TEMPERATURE)
    if heat is not None and not isinstance(heat, Tracer) and np.any(np.diff(heat) < 0):
        raise ValueError(
            f"`ladder['temperature']` must begin with the coldest rung, got {heat}. Reverse the "
            "values of every name: the law at the first rung is what `by_rung(...)[0]` samples."
        )
    total = np.zeros(np.shape(next(iter(values.values()))))
    for name, beta in betas.items():
        weight = known(weights[name])
        if beta is None or weight is None:
            return
        total += weight * beta
    if names and not _falls(total):
        raise ValueError(
            f"`ladder` must begin with the coldest rung, the one of the largest inverse "
            f"temperature, and each rung must be hotter than the one before, but C beta, summed "
            f"over {names}, is {total}. Reverse the values of every name."
        )


def known_beta(inverse: Inverse, value: Any) -> np.ndarray | None:
    """The inverse temperatures of a name; None where they are traced."""
    if isinstance(value, Tracer):
        return None
    with np.errstate(all="ignore"):
        beta = inverse.beta(value)
    return None if isinstance(beta, Tracer) else np.asarray(beta, np.float32)


def _falls(beta: np.ndarray) -> bool:
    return bool(np.all(np.diff(beta) < 0))
