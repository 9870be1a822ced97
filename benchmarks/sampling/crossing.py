"""Mode "exact" of continuous tempering on Gaussian targets of growing dimension."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

import thermo_optax as to
from benchmarks.engine import report
from benchmarks.sampling import chains, estimates
from benchmarks.sampling.estimates import Estimate

T, STEP_SIZE, FRICTION = 1.0, 0.5, 1.0
PLATEAU, HOT, EDGE = 0.4, 1.4, 1.5
HISTOGRAM_BINS, LAW_BINS = 30, 15
CHUNKS = 20
LARGEST_EXPONENT = 1.1


class Size(NamedTuple):
    """How long a dimension runs: its chains cross some dozens of times in all, or far more."""

    dimension: int
    chains: int
    steps: int
    slow: bool = False


SIZES = (
    Size(10, 64, 100_000),
    Size(100, 64, 200_000),
    Size(1_000, 16, 200_000),
    Size(10_000, 8, 600_000, slow=True),
)


class Trace(NamedTuple):
    """What is recorded after each step."""

    alphas: Any  # [...]
    squares: Any  # [...], the mean of x_i^2


class Result(NamedTuple):
    """A row of the table."""

    size: Size
    steps: int  # per chain, of which the second half counts
    crossing: Estimate  # steps from the cold plateau to the hot end, or back
    least: Estimate  # of the histogram, as a ratio to the uniform law
    largest: Estimate
    inside: Estimate
    coldest_law: Estimate  # the least of g Var / T over the bins along alpha; 1 if exact
    hottest_law: Estimate  # the largest
    deviations: list[float]  # of g Var / T from 1 in every bin, in standard errors
    milliseconds: float  # per step of all chains

    def numbers(self) -> dict:
        """All that the row says, and the rest."""
        values = self._asdict().items()
        return {
            "dimension": self.size.dimension,
            "chains": self.size.chains,
            "steps": self.steps,
            "milliseconds_per_step": self.milliseconds,
        } | {name: value.numbers() for name, value in values if isinstance(value, Estimate)}


def run(
    sizes: Sequence[Size], divisor: int, first_seed: int, check: Callable[[], None]
) -> Iterator[Result]:
    """One result for each size, of runs that are `divisor` times shorter; `check` may end them."""
    for size in sizes:
        steps = max(size.steps // divisor, 2 * CHUNKS)
        keys = chains.keys_of(first_seed, 1, size.chains)
        starts = jax.vmap(lambda key: jax.random.normal(key, (size.dimension,)))(keys)  # noqa: B023
        with tqdm(total=steps, desc=f"{size.dimension:,} dimensions", unit="step") as bar:

            def done(length, bar=bar):
                bar.update(length)
                check()

            trace, _ = chains.simulate(
                _tempered, _loss, _record, starts, keys, steps, chunks=CHUNKS, done=done
            )
            yield measure(size, trace, 1e3 * bar.format_dict["elapsed"] / steps)


def _tempered(key):
    sampler = to.langevin(STEP_SIZE, T, friction=FRICTION, key=key)
    return to.continuous_tempering(
        sampler, T, mode="exact", plateau=PLATEAU, edge=EDGE, key=jax.random.fold_in(key, 1)
    )


def _loss(x):
    return jnp.sum(jnp.square(x)) / 2


def _record(x, state):
    return Trace(to.tempering_state(state).alpha, jnp.mean(jnp.square(x)))


def measure(size: Size, trace: Trace, milliseconds: float) -> Result:
    """Reads the second half of the chains: in the first one the mean force is learnt."""
    alphas, squares = (np.asarray(part)[:, part.shape[1] // 2 :] for part in trace)
    crossings = to.diagnostics.tempering_crossings(alphas, plateau=PLATEAU, hot=HOT)
    histogram = to.diagnostics.alpha_histogram(alphas, edge=EDGE, num_bins=HISTOGRAM_BINS)
    least, largest = estimates.extremes(histogram.ratio)
    # Every coordinate's variance at alpha is T / g(alpha).
    law = squares * np.asarray(to.temperature_scaling(alphas, plateau=PLATEAU, edge=EDGE)) / T
    bins = np.digitize(alphas, np.linspace(-EDGE, EDGE, LAW_BINS + 1))
    laws = [
        estimates.ratio(np.sum(law * (bins == k), axis=1), np.sum(bins == k, axis=1))
        for k in range(1, LAW_BINS + 1)
    ]
    return Result(
        size=size,
        steps=trace.alphas.shape[1],
        crossing=estimates.ratio(np.full(len(alphas), alphas.shape[1]), crossings.count),
        least=least,
        largest=largest,
        inside=estimates.mean(histogram.inside),
        coldest_law=min(laws, key=lambda estimate: estimate.value),
        hottest_law=max(laws, key=lambda estimate: estimate.value),
        deviations=[float(estimate.off(1)) for estimate in laws],
        milliseconds=milliseconds,
    )


def exponent(results: Sequence[Result]) -> Estimate:
    """p of the law steps = c d^p, by least squares of the logarithms.

    Every dimension has the same weight: the law holds for many only, and the few of them know their
    number of steps best.
    """
    d = np.log([result.size.dimension for result in results])
    steps = np.log([result.crossing.value for result in results])
    errors = np.array([result.crossing.error / result.crossing.value for result in results])
    weights = (d - d.mean()) / np.sum((d - d.mean()) ** 2)
    return Estimate(weights @ steps, np.sqrt(weights**2 @ errors**2))


def section(results: Sequence[Result]) -> str:
    """The table of all dimensions, with the verdict on the exponent."""
    before = (
        f"Gaussian target, the same settings for every d: step size {STEP_SIZE:g}, friction "
        f"{FRICTION:g}, defaults of `continuous_tempering`. The second half of each run counts; ± "
        f"is the standard error over chains. A crossing goes from |alpha| < {PLATEAU:g} to "
        f"|alpha| > {HOT:g} or back. g Var / T is measured in {LAW_BINS} bins along alpha, and 1 "
        "in each if the law is exact; of its deviations the largest is given in standard errors."
    )
    table = report.table_of(_COLUMNS, results)
    return report.section('Mode "exact"', table, before=before, after=_fit(results))


def _fit(results: Sequence[Result]) -> str:
    if len(results) < 2:
        return ""
    fitted = exponent(results)
    steps = ", ".join(exponent(pair).text(2) for pair in itertools.pairwise(results))
    verdict = "reached" if fitted.value <= LARGEST_EXPONENT else "NOT REACHED"
    return (
        f"Steps per crossing grow like d^p with p = {fitted.text(2)} (target: at most "
        f"{LARGEST_EXPONENT:g}; {verdict}); from row to row p = {steps}."
    )


_COLUMNS: report.Columns = [
    ("d", lambda one: f"{one.size.dimension:,}"),
    ("chains x steps", lambda one: f"{one.size.chains} x {one.steps:,}"),
    ("steps per crossing", lambda one: one.crossing.text(0)),
    ("histogram, least", lambda one: one.least.text(3)),
    ("largest", lambda one: one.largest.text(3)),
    ("inside (flat: 0.9375)", lambda one: one.inside.text(4)),
    ("g Var / T, least", lambda one: one.coldest_law.text(4)),
    ("largest", lambda one: one.hottest_law.text(4)),
    ("off by s.e.", lambda one: estimates.signed(max(one.deviations, key=abs))),
    ("ms/step", lambda one: f"{one.milliseconds:.3g}"),
]
