"""The ladder of an exchange: what is on its rungs, and how a replica comes to feel it."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from thermo_optax._base import bath_places, check_positive, is_schedule, known

from ._barrier import adapted_ladder
from ._energies_by_rung import differs
from ._hyperparams import check_kept, check_names, injected_names, injections
from ._momenta import (
    EVERYWHERE,
    Scale,
    can_rest,
    check_not_tempered,
    factors,
    group_labels,
    has_tether,
)
from ._records import ReplicaExchangeState, SwapRecord, forgotten
from ._settings import (
    TEMPERATURE,
    Inverse,
    check_adaptation,
    check_betas,
    check_known,
    check_not_of_model,
    check_positive_values,
    checked_ladder,
    checked_weights,
    deciding,
    inverse_of,
    known_beta,
    moved,
)

MASS = "mass"
_SCHEDULE = "a schedule"
Values = dict[str, jax.Array]  # name -> float32[num_rungs]


class Ladders:
    """Values by rung of one or several hyperparameters that move together."""

    def __init__(
        self, ladder, normalization, betas, model_hyperparams, heated_groups, mass_groups, reference
    ):
        """Checks what is known before there are parameters."""
        self._values = checked_ladder(ladder)
        self.size = len(next(iter(self._values.values())))
        self._of_model = (
            (model_hyperparams,) if isinstance(model_hyperparams, str) else tuple(model_hyperparams)
        )
        groups = {"heated_groups": heated_groups or {}, "mass_groups": mass_groups or {}}
        about = {"betas": betas or {}, "model_hyperparams": self._of_model, **groups}
        for argument, names in about.items():
            check_known(argument, names, self._values)
        for argument, names in groups.items():
            check_not_of_model(argument, names, self._of_model)
        self._weights = checked_weights(normalization, self._values)
        self._inverse = {
            name: _usable(inverse_of(name, (betas or {}).get(name)), value)
            for name, value in self._values.items()
        }
        self._groups = {
            label: argument for argument, names in groups.items() for label in names.values()
        }
        self._heated = groups["heated_groups"]
        self._baths = {TEMPERATURE, *self._heated} - {*self._of_model}
        named = {TEMPERATURE: EVERYWHERE, MASS: EVERYWHERE}
        for names in groups.values():
            named |= names
        self._scales = [
            Scale(name, label)
            for name, label in named.items()
            if name in self._values and name not in self._of_model
        ]
        if reference is not None:
            check_positive(reference_temperature=reference)
        self._reference = reference
        check_betas(self._values, self._inverse, self._weights, betas or {})
        check_positive_values([scale.name for scale in self._scales], self._values)

    def check_adaptation(self, steps: Any, period: Any, warmup: Any) -> None:
        """Raises where a ladder shall adapt, but would not."""
        self._adapts = known(steps) != 0
        check_adaptation(steps, period, warmup, self._weights)

    def values(self) -> Values:
        """New arrays with the values at the start."""
        return {name: jnp.array(value, jnp.float32) for name, value in self._values.items()}

    def check(self, state: Any, temperatures: Callable[[], list[Any]]) -> None:
        """Raises if the transformation does not have, or cannot hold, what the settings name."""
        by_bath = self.by_bath(state)
        there = [TEMPERATURE] if by_bath else []
        check_names([name for name in self._values if name not in (*self._of_model, *there)], state)
        ours = {name: self._values[name] for name in self._values if name not in self._of_model}
        exactly = {*deciding(self._weights), *(scale.name for scale in self._scales)}
        check_kept(ours, state, exactly=exactly, moving=self._adapts)
        self._check_all_heated(state, temperatures)
        check_not_tempered(sorted(self._baths & {*deciding(self._weights)}), state)
        labels = group_labels(state)
        for label, argument in self._groups.items():
            if label not in labels:
                raise ValueError(
                    f"`{argument}` names the group {label!r}, but `inner` has the groups {labels}: "
                    "name one of the labels of its partition"
                    + ("." if labels else ", which it does not have: leave the argument out.")
                )
        if by_bath and TEMPERATURE in self._heated:
            raise ValueError(
                f"`heated_groups` names 'temperature', that of the group "
                f"{self._heated[TEMPERATURE]!r}, but rungs would heat all of `inner`: put "
                "`optax.inject_hyperparams` around the sampler of that group, so that it alone has "
                "a temperature to be set; or leave the argument out."
            )
        if self._reference is not None and not by_bath:
            raise ValueError(
                f"`reference_temperature`={self._reference} has no effect, because no rung heats "
                "through `temperature_scale`: the ladder has no 'temperature', or "
                "`optax.inject_hyperparams` sets it. Leave the argument out."
            )

    def resumed(
        self, exchange: ReplicaExchangeState, reference: jax.Array
    ) -> tuple[Values, jax.Array]:
        """The ladder to go on with, and whether it is not the one of the state: settings win.

        A ladder that adaptation has moved is that of the state, as long as the settings from which
        it began are the same.
        """
        self._check_resumed(exchange)
        given = self.values()
        others = [differs(exchange.given_ladder[name], value) for name, value in given.items()]
        other = jnp.any(jnp.stack(others))
        values = {
            name: jnp.where(other, value, exchange.ladder[name]) for name, value in given.items()
        }
        return values, other | differs(exchange.reference_temperature, reference)

    def reference(self, state: Any, temperatures: Callable[[], list[Any]]) -> jax.Array:
        """float32[], the temperature that `temperature_scale` multiplies; 1 if it is not used."""
        if not self.by_bath(state):
            return jnp.ones([], jnp.float32)
        if self._reference is not None:
            return jnp.array(self._reference, jnp.float32)  # a copy: the state may be donated
        names, found = injected_names(state), temperatures()
        if not found:
            raise ValueError(
                "the ladder has a 'temperature', but `inner` has no bath to be heated: it is none "
                f"of our samplers. It has the hyperparameters {names}; exchange one of those, or "
                "give a `reference_temperature` if it reads `temperature_scale`."
            )
        different = {number for temperature in found for number in _numbers(temperature)}
        (one, *_), (number, *others) = found, different
        several = len(found) > 1 or one.ndim
        if others or (number is None and several) or (number is not None and number <= 0):
            shown = [_SCHEDULE if is_schedule(number) else number for number in different]
            raise ValueError(
                "the rungs of 'temperature' are absolute, so `inner` must have one temperature "
                f"above 0, but it has {shown}. Pass `reference_temperature`: a rung "
                "then multiplies all of them by its value over that."
            )
        # A copy: the state may be donated, and later calls read what was found.
        return jnp.array(one if number is None else number, jnp.float32)

    def beta(self, values: Values, temperature_scale: Any) -> jax.Array:
        """float32[num_rungs], C beta summed over the names; hotter if all baths are scaled."""
        total = jnp.zeros(self.size, jnp.float32)
        for name in deciding(self._weights):
            heat = temperature_scale if name in self._baths else 1.0
            beta = self._weights[name] * self._inverse[name].beta(values[name]) / heat
            total += jnp.asarray(beta, jnp.float32)
        return total

    def heat(self, values: Values, rung: jax.Array, reference: jax.Array) -> Any:
        """The temperature of each replica's bath, up to a factor that stays; 1 without one."""
        if TEMPERATURE not in values:
            return 1.0
        return self.in_units(values[TEMPERATURE][rung], reference)

    def in_units(self, temperature: jax.Array, reference: jax.Array) -> jax.Array:
        """Absolute, or in units of the bath of `inner` where only those are known."""
        return temperature if self._reference is None else temperature / reference

    def factors(self, before: Any, after: Any, old: Any, new: Any) -> list[jax.Array]:
        """Of all momenta, from one state of `inner` to another, and from old to new `heat`."""
        heat = new / old if self.by_bath(before) else 1.0
        return factors(self._scales, before, after, heat)

    def rests(self, state: Any) -> bool:
        """Whether samplers must rest for a swap: for more than the variance of their momenta.

        A tether tells by two temperatures how a swap rescales momenta; not where masses move too.
        """
        scales = {scale.name for scale in self._scales}
        return can_rest(state) and (
            not scales >= set(self._values)
            # Some of the scales are temperatures, and some are not.
            or (
                has_tether(state)
                and not scales <= self._baths
                and not scales.isdisjoint(self._baths)
            )
        )

    def injected(self, state: Any) -> Values:
        """Name -> value of each replica, of those hyperparameters that are in the state."""
        found = {name: list(injections(state, name).values()) for name in self._values}
        return {name: values[0] for name, values in found.items() if values}

    def placed(self, injected: Values, values: Values, rung: jax.Array) -> Values:
        """The same, where the replicas stand on these rungs."""
        return {name: values[name][rung].astype(old.dtype) for name, old in injected.items()}

    def scale(
        self, state: Any, values: Values, rung: jax.Array, reference: jax.Array, scale: Any
    ) -> Any:
        """What multiplies the temperature of each replica's bath, with the caller's `scale`."""
        if not self.by_bath(state):
            return scale
        return scale * values[TEMPERATURE][rung] / reference

    def moved(self, values: Values, swaps: SwapRecord) -> tuple[Values, SwapRecord]:
        """Rungs that reject equally often by what is recorded; the record of pairs begins anew."""
        # A pair that was not tried gives NaN, which counts as the mean of the others.
        rejected = 1 - swaps.probability / swaps.attempts.astype(jnp.float32)
        old = self.beta(values, 1.0)
        # By ratios of temperatures; by differences where a rung has the inverse temperature 0.
        positive = jnp.all(old > 0)
        scale = jnp.where(positive, jnp.log(jnp.where(positive, old, 1)), old)
        new = adapted_ladder(scale, jnp.clip(rejected, 0, 1))
        new = jnp.where(positive, jnp.exp(new), new)
        values = {
            name: moved(self._inverse[name], value, old, new).astype(value.dtype)
            for name, value in values.items()
        }
        return values, forgotten(swaps)

    def by_bath(self, state: Any) -> bool:
        """Whether rungs heat by `temperature_scale`: where the temperature is not in the state."""
        elsewhere = (*self._of_model, *injected_names(state))
        return TEMPERATURE in self._values and TEMPERATURE not in elsewhere

    def _check_all_heated(self, state: Any, temperatures: Callable[[], list[Any]]) -> None:
        """Raises if some samplers are heated by their rung, and others have none to follow."""
        if Scale(TEMPERATURE, EVERYWHERE) not in self._scales or self.by_bath(state):
            return
        places = list(injections(state, TEMPERATURE))
        built = zip(bath_places(state), temperatures(), strict=True)
        for path, temperature in built:
            moves = any(path[: len(place)] == place for place in places)
            if not moves and any(number != 0 for number in _numbers(temperature)):
                raise ValueError(
                    f"`ladder['temperature']` does not reach the sampler at "
                    f"{jax.tree_util.keystr(path)}: rungs move the temperature that "
                    "`optax.inject_hyperparams` holds elsewhere in `inner`. Put that around all "
                    "samplers, or around none (rungs then heat through `temperature_scale`); if "
                    "only a group is to be exchanged, `heated_groups={'temperature': label}`."
                )

    def _check_resumed(self, exchange: ReplicaExchangeState) -> None:
        size, names = len(exchange.rung), set(exchange.ladder)
        if size != self.size or names != set(self._values):
            raise ValueError(
                f"the state has {size} rungs of {sorted(names)}, but `ladder` has {self.size} of "
                f"{sorted(self._values)}: values may change when a run goes on, but not the names "
                "and the number of rungs. Call `init` for the new ladder."
            )


def _numbers(temperature: Any) -> list[Any]:
    """One temperature, or those of the replicas within a rung; None where they are traced."""
    return [None] if isinstance(temperature, Tracer) else np.ravel(temperature).tolist()


def _usable(inverse: Inverse, value: Any) -> Inverse:
    """The inverse with its way back, unless the values have no finite inverse temperatures."""
    beta = known_beta(inverse, value)
    if beta is None or np.all(np.isfinite(beta)):
        return inverse
    return inverse._replace(value=None)
