"""What chains on the 25 Gaussians say of a sampler: does it hop, and is its law the right one?"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

import thermo_optax as to
from benchmarks.engine import report
from benchmarks.sampling import estimates, mixture
from benchmarks.sampling.estimates import Estimate

NUM_BINS = 30
PER = 100_000  # steps that hops are counted in
INSIDE = 1 / (1 + 1 / (mixture.WALL * mixture.EDGE))
VARIANCE = mixture.DEVIATION**2
AT_T = mixture.PLATEAU / (mixture.EDGE + 1 / mixture.WALL)


class Trace(NamedTuple):
    """What is recorded after each step."""

    points: Any  # [..., 2]
    alphas: Any  # [...]; 0 without tempering


class Result(NamedTuple):
    """A row of the table, and one chain for the pictures."""

    sampler: mixture.Sampler
    hops: Estimate
    hops_at_t: Estimate
    modes: Estimate
    variance: Estimate
    inside: Estimate
    least: Estimate
    largest: Estimate
    time_at_t: Estimate
    example: Trace  # of the first chain, all steps
    state: Any  # of the first chain, at the end

    def numbers(self) -> dict:
        """All estimates, with their standard errors."""
        values = self._asdict().items()
        return {name: value.numbers() for name, value in values if isinstance(value, Estimate)}


def recorder(sampler: mixture.Sampler):
    """The function that records a `Trace`."""

    def record(x, state):
        alpha = to.tempering_state(state).alpha if sampler.tempered else np.float32(0)
        return Trace(x, alpha)

    return record


def measure(sampler: mixture.Sampler, trace: Trace, states: Any) -> Result:
    """Reads the second half of the chains: in the first one the biases learn."""
    points, alphas = (np.asarray(part)[:, part.shape[1] // 2 :] for part in trace)
    steps = alphas.shape[1]
    at_t = np.abs(alphas) < mixture.PLATEAU
    visits, visits_at_t = mixture.modes(points), mixture.modes(points, at_t)
    squares = np.mean((points - mixture.nearest(points)) ** 2, axis=-1)
    histogram = to.diagnostics.alpha_histogram(alphas, edge=mixture.EDGE, num_bins=NUM_BINS)
    least, largest = estimates.extremes(histogram.ratio)
    return Result(
        sampler=sampler,
        hops=estimates.mean(mixture.hops(visits) * PER / steps),
        hops_at_t=estimates.mean(mixture.hops(visits_at_t) * PER / steps),
        modes=estimates.mean(mixture.distinct(visits_at_t)),
        variance=estimates.ratio(np.sum(squares * at_t, axis=1), np.sum(at_t, axis=1)),
        inside=estimates.mean(histogram.inside),
        least=least,
        largest=largest,
        time_at_t=estimates.mean(np.mean(at_t, axis=1)),
        example=Trace(*(np.asarray(part[0]) for part in trace)),
        state=jax.tree.map(lambda leaf: leaf[0], states),
    )


def section(results: Sequence[Result], before: str) -> str:
    """The table of all results."""
    plain = next((result for result in results if result.sampler is _PLAIN), None)

    def over_langevin(one: Result) -> str:
        return "-" if plain is None or one is plain else one.hops.over(plain.hops).text(0)

    def tempered(text: Callable[[Result], str]) -> Callable[[Result], str]:
        return lambda one: text(one) if one.sampler.tempered else "-"

    columns: report.Columns = [
        ("sampler", lambda one: one.sampler.label),
        ("hops per 1e5 steps", lambda one: one.hops.text(1)),
        ("over Langevin", over_langevin),
        ("hops seen at T", lambda one: one.hops_at_t.text(1)),
        ("modes a chain saw at T", lambda one: one.modes.text(1)),
        (f"variance at T (exact {VARIANCE:g})", lambda one: one.variance.text(4)),
        ("off by s.e.", lambda one: estimates.signed(one.variance.off(VARIANCE))),
        (f"inside (flat: {INSIDE:.4f})", tempered(lambda one: one.inside.text(4))),
        ("histogram, least", tempered(lambda one: one.least.text(2))),
        ("largest", tempered(lambda one: one.largest.text(2))),
        (f"time at T (flat: {AT_T:.3f})", tempered(lambda one: one.time_at_t.text(3))),
    ]
    return report.section("Hops and laws", report.table_of(columns, results), before=before)


_PLAIN = mixture.SAMPLERS["langevin"]
