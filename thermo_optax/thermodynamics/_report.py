"""What the chains around trained weights say, in numbers and in words."""

import dataclasses
import math
from typing import Any

import numpy as np

from ._around import FAR, Center, Traces
from ._statistics import Mean, mean_of
from ._task import Task

NEAR_ONE = 0.8, 1.25  # where ratios that should be 1 may lie
MIXED = 1.05  # the largest R-hat that does not warn


@dataclasses.dataclass(frozen=True, eq=False)
class LearningCoefficient:
    """The result of `learning_coefficient`; prints as a few lines."""

    value: float  # (<L> - L(w*)) / T
    standard_error: float
    from_variance: float  # Var(L) / T^2, which needs no loss at the centre
    from_variance_error: float
    chains: np.ndarray  # float[num_chains], the value of each; nan for one that was left out
    rhat: float  # of the loss
    effective_sample_size: float  # of the loss, over all chains
    temperature: float  # configurational, in units of the set one
    losses: np.ndarray  # float32[num_chains, num_steps], minus the loss at the centre
    settings: dict[str, Any]  # what the value belongs to
    warnings: tuple[str, ...]  # what is wrong, in words; empty if nothing is known to be

    @property
    def is_minimum(self) -> bool:
        """False where the chains found a lower loss by more than two standard errors.

        Then params are a saddle or a slope, and `value` is no learning coefficient.
        """
        return not self.value + 2 * self.standard_error < 0

    def __str__(self) -> str:
        """The value, how it was checked, its settings, and one line for each warning."""
        shown = ", ".join(f"{name} {_shown(value)}" for name, value in self.settings.items())
        lines = [
            f"learning coefficient {self.value:.4g} +- {self.standard_error:.2g}, "
            f"from the variance {self.from_variance:.4g} +- {self.from_variance_error:.2g}"
            if self.is_minimum
            else f"no learning coefficient: {self.in_words}, so (<L> - L(w*)) / T = "
            f"{self.value:.4g} says nothing",
            f"{len(self.chains)} chains: {' '.join(f'{one:.4g}' for one in self.chains)}; R-hat "
            f"{self.rhat:.3f}, effective sample size {self.effective_sample_size:.0f}, measured "
            f"temperature {self.temperature:.2f} of the set one",
            shown,
        ]
        return "\n".join([*lines, *(f"warning: {text}" for text in self.warnings)])

    @property
    def in_words(self) -> str:
        """Value and error, or what is there instead."""
        if math.isnan(self.value):
            return "all chains left"
        if self.is_minimum:
            return f"{self.value:.4g} +- {self.standard_error:.2g}"
        fall = -self.value * self.settings["temperature"]
        return f"not a minimum (the loss falls by {fall:.3g})"


def results_of(
    task: Task, center: Center, traces: Traces, temperature: float, precisions: list[float]
) -> list[LearningCoefficient]:
    """One for each row of chains, each with a precision of its own."""
    found = []
    for row, precision in enumerate(precisions):
        rises, heats, weights, curvature = (np.asarray(trace[row]) for trace in traces)
        base, slope = (np.ravel(x)[row % np.size(x)] for x in (center.loss, center.gradient_norm))
        settings = {
            "temperature": temperature,
            "precision": precision,
            "num_examples": task.num_examples,
            "num_steps": task.plan.num_steps,
            "num_burn_in": task.plan.num_burn_in,
            "num_weights": task.num_weights,
            "loss": float(base),
            "gradient_norm": float(slope),
            "curvature": float(np.nanmin(curvature)),
            "paired_batches": task.plan.batches is not None,
        }
        found.append(summary(rises, heats, weights, temperature, settings, task.rounding))
    return found


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def summary(
    rises: np.ndarray,
    heats: np.ndarray,
    weights: np.ndarray,
    temperature: float,
    settings: dict[str, Any],
    rounding: float = float(np.finfo(np.float32).eps),
) -> LearningCoefficient:
    """From the traces [chain, step], of which some may be bad; steps may differ in length.

    `rounding` is the relative one of the loss.
    """
    shares = weights / np.mean(weights, axis=1, keepdims=True, dtype=np.float64)
    high = FAR * settings["num_weights"] * temperature
    good = np.all(np.isfinite(rises), axis=1) & np.all(np.isfinite(heats), axis=1)
    means = np.mean(shares * np.where(good[:, None], rises, 0), axis=1, dtype=np.float64)
    good &= means < high
    chains = np.where(good, means / temperature, np.nan)
    if not good.any():
        text = "all chains left the neighbourhood or are not finite: there is no value."
        nan = math.nan
        return LearningCoefficient(
            nan, nan, nan, nan, chains, nan, 0, nan, rises, settings, (text,)
        )
    units, shares = rises[good].astype(np.float64) / temperature, shares[good]
    shared = settings["paired_batches"]  # all chains have the same batch in a step
    mean = _weighted(shares, units, shared)
    variance = _weighted(shares, np.square(units - mean.value), shared)
    heat = float(np.mean(shares * heats[good], dtype=np.float64))
    found = LearningCoefficient(
        value=mean.value,
        standard_error=mean.standard_error,
        from_variance=variance.value,
        from_variance_error=variance.standard_error,
        chains=chains,
        rhat=mean.rhat,
        effective_sample_size=mean.effective_sample_size,
        temperature=heat,
        losses=rises,
        settings=settings,
        warnings=(),
    )
    left = int(np.sum(~good))
    texts = _texts(found, left, rounding)
    if np.any(heats[good]) and len(np.unique(heats[good], axis=0)) < len(units):
        texts.append(
            "some chains are equal to the last bit, so they count as one, and the standard error "
            "is too small. Build the `sampler` with the `key` that it is given."
        )
    return dataclasses.replace(found, warnings=tuple(texts))


def _weighted(shares: np.ndarray, series: np.ndarray, shared: bool) -> Mean:
    """The mean at weights whose mean is 1; its error is that of the weighted deviations."""
    center = np.mean(shares * series)
    return mean_of(center + shares * (series - center), shared=shared)


def _texts(found: LearningCoefficient, left_out: int, rounding: float) -> list[str]:
    low, high = NEAR_ONE
    settings, value, variance = found.settings, found.value, found.from_variance
    ratio = variance / value if value > 0 else math.inf
    # Two numbers that may be 0 have no ratio to speak of, as of layers that hardly matter.
    is_seen = not (value <= 2 * found.standard_error and variance <= 2 * found.from_variance_error)
    texts = []
    if left_out:
        texts.append(
            f"{left_out} of {len(found.chains)} chains left the neighbourhood or are not finite, "
            "and are left out. Take a smaller step_size or a larger precision."
        )
    if not found.is_minimum:
        texts.append(
            "the value is negative by more than two errors: the chains found a lower loss than the "
            "centre's, so params are not a minimum. Train on, or do not read this number as a "
            "learning coefficient."
        )
    elif is_seen and not low <= ratio <= high and settings["paired_batches"] is False:
        texts.append(
            f"the variance of the loss gives {ratio:.2f} times the value, where 1 is right for a "
            "regular model and nearly so for others: the chains may have left their law, or "
            "the tether holds the weights as much as the loss does."
        )
    if found.temperature > high:
        texts.append(
            f"the measured temperature is {found.temperature:.2f} times the set one, and the value "
            "is too large by about as much. Take a smaller step_size or larger batches."
        )
    if found.temperature < low:
        texts.append(
            f"the measured temperature is {found.temperature:.2f} times the set one: along flat "
            "directions the chains have not spread to the width of the tether yet. The value "
            "belongs to a smaller neighbourhood. Take more steps or a larger precision."
        )
    if found.rhat > MIXED:
        texts.append(f"R-hat is {found.rhat:.2f}: the chains disagree. Take more steps.")
    if settings["gradient_norm"] ** 2 > 0.2 * settings["temperature"] * settings["curvature"]:
        texts.append(
            f"the gradient at params has the norm {settings['gradient_norm']:.2g}: they are not a "
            "minimum to the accuracy of this temperature. Train on."
        )
    if rounding * abs(settings["loss"]) > 0.1 * settings["temperature"]:
        texts.append(
            f"a loss of {settings['loss']:.3g} is rounded by {rounding:.1g} of itself, which hides "
            "differences of the size of the temperature. Compute the loss in a wider dtype: in "
            "float32, or in float64 (`jax.enable_x64`)."
        )
    return texts
