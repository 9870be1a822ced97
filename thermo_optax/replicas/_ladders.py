"""The ladder of an exchange: what is on its rungs, and how a replica comes to feel it."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from thermo_optax._base import check_nonnegative, check_positive, known

from ._barrier import adapted_ladder
from ._hyperparams import check_names, injected_names, injected_values
from ._inverse import inverse_of, moved
from ._momenta import EVERYWHERE
from ._records import ReplicaExchangeState, SwapRecord

TEMPERATURE = "temperature"
_SCHEDULE = "a schedule"
Values = dict[str, jax.Array]  # name -> float32[num_rungs]


class Ladders:
    """Values by rung of one or several hyperparameters that move together."""

    def __init__(self, ladder, normalization, betas, model_hyperparams, groups, reference):
        """Checks what is known before there are parameters."""
        self._values = _checked(ladder)
        self.size = len(next(iter(self._values.values())))
        self._inverse = {name: inverse_of(name, (betas or {}).get(name)) for name in self._values}
        self._weights = _weights(normalization, self._values)
        self._of_model = (
            (model_hyperparams,) if isinstance(model_hyperparams, str) else tuple(model_hyperparams)
        )
        self._groups: dict[str, str | None] = {TEMPERATURE: EVERYWHERE, **(groups or {})}
        _check_known("betas", betas or {}, self._values)
        _check_known("model_hyperparams", self._of_model, self._values)
        _check_known("heated_groups", groups or {}, self._values)
        if reference is not None:
            check_positive(reference_temperature=reference)
        self._reference = reference
        self._check_betas()

    def values(self) -> Values:
        """New arrays with the values at the start."""
        return {name: jnp.array(value, jnp.float32) for name, value in self._values.items()}

    def check(self, state: Any) -> None:
        """Raises if the transformation does not have what the ladder names."""
        heated = self.by_bath(state)
        there = [TEMPERATURE] if heated else []
        check_names([name for name in self._values if name not in (*self._of_model, *there)], state)

    def reference(self, state: Any, found: list[Any]) -> jax.Array:
        """float32[], the temperature that `temperature_scale` multiplies; 1 if it is not used."""
        if not self.by_bath(state):
            return jnp.ones([], jnp.float32)
        if self._reference is not None:
            return jnp.asarray(self._reference, jnp.float32)
        names = injected_names(state)
        if not found:
            raise ValueError(
                "the ladder has a 'temperature', but `inner` has no bath to be heated: it is none "
                f"of our samplers. It has the hyperparameters {names}; exchange one of those, or "
                "give a `reference_temperature` if it reads `temperature_scale`."
            )
        different = {known(temperature) for temperature in found}
        (one, *_), (number, *others) = found, different
        if others or (number is None and len(found) > 1) or (number is not None and number <= 0):
            shown = [_SCHEDULE if number == -1 else number for number in different]
            raise ValueError(
                "the rungs of 'temperature' are absolute, so `inner` must have one temperature "
                f"above 0, but it has {shown}. Pass `reference_temperature`: a rung "
                "then multiplies all of them by its value over that."
            )
        return one

    def beta(self, values: Values, temperature_scale: Any) -> jax.Array:
        """float32[num_rungs], C beta summed over the names; hotter if all baths are scaled."""
        terms = []
        for name, value in values.items():
            heat = temperature_scale if name in self._groups else 1.0
            terms.append(self._weights[name] * self._inverse[name].beta(value) / heat)
        return jnp.asarray(sum(terms[1:], terms[0]), jnp.float32)

    def temperatures(self, values: Values, rung: jax.Array) -> dict[str | None, jax.Array]:
        """Group (or all) -> temperature of each replica, for the names that are temperatures."""
        return {label: values[name][rung] for name, label in self._groups.items() if name in values}

    def heat(self, state: Any, values: Values, reference: jax.Array) -> dict[str | None, jax.Array]:
        """Group -> factor of the momenta that `init` drew at the temperature of `inner`."""
        factors = {}
        for name, label in self._groups.items():
            if name in values:
                drawn = injected_values(state, name)
                base = drawn[0].astype(jnp.float32) if drawn else reference
                factors[label] = jnp.sqrt(values[name] / jnp.where(base > 0, base, values[name]))
        return factors

    def injected(self, state: Any) -> Values:
        """Name -> value of each replica, of those hyperparameters that are in the state."""
        found = {name: injected_values(state, name) for name in self._values}
        return {name: values[0] for name, values in found.items() if values}

    def placed(self, injected: Values, values: Values, rung: jax.Array) -> Values:
        """The same, where the replicas stand on these rungs."""
        return {name: values[name][rung].astype(old.dtype) for name, old in injected.items()}

    def scale(self, exchange: ReplicaExchangeState, temperature_scale: Any) -> Any:
        """What multiplies the temperature of each replica's bath."""
        if not self.by_bath(exchange.inner_state):
            return temperature_scale
        heat = exchange.ladder[TEMPERATURE][exchange.rung]
        return temperature_scale * heat / exchange.reference_temperature

    def moved(self, values: Values, swaps: SwapRecord) -> tuple[Values, SwapRecord]:
        """Rungs that reject equally often by what is recorded; the record of pairs begins anew."""
        # A pair that was not tried gives NaN, which counts as the mean of the others.
        rejected = 1 - swaps.probability / swaps.attempts.astype(jnp.float32)
        old = self.beta(values, 1.0)
        new = jnp.exp(adapted_ladder(jnp.log(old), jnp.clip(rejected, 0, 1)))
        values = {
            name: moved(self._inverse[name], value, old, new).astype(value.dtype)
            for name, value in values.items()
        }
        return values, swaps._replace(
            attempts=jnp.zeros_like(swaps.attempts),
            acceptances=jnp.zeros_like(swaps.acceptances),
            probability=jnp.zeros_like(swaps.probability),
        )

    def by_bath(self, state: Any) -> bool:
        """Whether rungs heat by `temperature_scale`: where the temperature is not in the state."""
        elsewhere = (*self._of_model, *injected_names(state))
        return TEMPERATURE in self._values and TEMPERATURE not in elsewhere

    def _check_betas(self) -> None:
        for name, inverse in self._inverse.items():
            value = self._values[name]
            with np.errstate(all="ignore"):
                beta = inverse.beta(value)
            if isinstance(beta, Tracer):
                continue
            if not np.all(np.isfinite(beta) & (beta > 0)):
                raise ValueError(
                    f"`ladder[{name!r}]` must have an inverse temperature above 0 and finite on "
                    f"every rung, but {value} gives {beta}. Keep temperatures and rates above 0, "
                    "and dropout between 0 and 1; or define another by `betas`."
                )


def _checked(ladder: Any) -> dict[str, Any]:
    if not isinstance(ladder, Mapping) or not ladder:
        raise TypeError(
            f"`ladder` must map names of hyperparameters to values, one for each rung, got "
            f"{ladder!r}. For example {{'temperature': [1.0, 2.0, 4.0]}}."
        )
    values = {
        name: value if isinstance(value, Tracer) else np.asarray(value, np.float32)
        for name, value in ladder.items()
    }
    lengths = {name: np.shape(value) for name, value in values.items()}
    first = next(iter(lengths.values()))
    if any(len(shape) != 1 or shape != first for shape in lengths.values()) or first[0] < 2:
        raise ValueError(
            "`ladder` must have one value for each rung under every name, equally many and at "
            f"least two, got the shapes {lengths}."
        )
    for name, value in values.items():
        if isinstance(value, Tracer):
            continue
        steps = np.diff(value)
        if not (np.all(np.isfinite(value)) and (np.all(steps > 0) or np.all(steps < 0))):
            raise ValueError(
                f"`ladder[{name!r}]` must be strictly monotone, so that neighbours on the ladder "
                f"are alike, got {value}. Sort it, the coldest rung first."
            )
    return values


def _weights(normalization: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(normalization, Mapping):
        _check_known("normalization", normalization, values)
        weights = {name: normalization.get(name, 0.0) for name in values}
    elif normalization is None:
        only = TEMPERATURE in values
        weights = {name: float(name == TEMPERATURE or not only) for name in values}
    else:
        weights = dict.fromkeys(values, normalization)
    for name, weight in weights.items():
        check_nonnegative(**{f"normalization of {name!r}": weight})
    return weights


def _check_known(argument: str, names: Any, values: Mapping[str, Any]) -> None:
    unknown = [name for name in names if name not in values]
    if unknown:
        raise ValueError(f"`{argument}` names {unknown}, but the ladder has {list(values)} only.")
