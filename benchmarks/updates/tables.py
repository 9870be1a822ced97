"""The results as markdown."""

from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks.engine import report, runtime
from benchmarks.updates import clock, lookups, noise, replicas
from benchmarks.updates.contenders import INNER_STEPS
from benchmarks.updates.cost import COPY, UpdateCosts
from benchmarks.updates.results import Results, environment
from benchmarks.updates.targets import TARGETS

RATIOS = "Ratios are medians over rounds, with their quartiles in brackets."


def parts(results: Results) -> Iterator[str]:
    """All tables that there is something to say in, the verdicts first."""
    facts = "; ".join(f"{name}: {value}" for name, value in environment(results).items())
    yield f"# What updates cost\n\n`{runtime.command()}`"
    yield f"{facts}; {results.rounds} rounds. {RATIOS}"
    yield _targets(results)
    yield from map(_costs, results.costs.values())
    if results.noise:
        yield _noise(results)
    yield from (_training(title, times) for title, times in results.trainings.items())
    if results.replicas:
        yield _replicas(results.replicas)
    if results.efficiency:
        yield _efficiency(results)


def _section(title: str, text: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return report.section(title, report.table(columns, rows), before=text, level=2)


def _targets(results: Results) -> str:
    rows = [
        (
            target.topic,
            target.meaning,
            _cell(target.value(results)),
            f"{target.relation} {target.bound:g} {target.unit}",
            target.verdict(results),
        )
        for target in TARGETS
    ]
    count = sum(row[-1] == "reached" for row in rows)
    text = f"{count} of {len(rows)} reached."
    return _section("Targets", text, ("topic", "what", "measured", "target", "verdict"), rows)


def _costs(costs: UpdateCosts) -> str:
    pace = clock.quartiles(costs.seconds[COPY])
    text = (
        f"{costs.size:,} parameters, {costs.leaves} array{'s' if costs.leaves > 1 else ''}. "
        "The memory moves "
        f"{1e-9 / pace.median:.1f} [{1e-9 / pace.high:.1f}, {1e-9 / pace.low:.1f}] GB/s when an "
        "array far beyond the caches is read and written in place; the limit is the time in which "
        "it moves the gradients once, the parameters and the state twice. Local entropy's time is "
        f"the mean over a loop, its outer step included: one in {INNER_STEPS}."
    )
    columns = (
        *("method", "ns/param", "over adam", "over SGHMC", "over noisy_sgd", "limit ns/param"),
        *("share of limit", "temporary MB", "state B/param", "trace + compile s", "over adam's"),
    )
    return _section(
        f"Updates of {costs.tree}", text, columns, [_cost(costs, n) for n in costs.builds]
    )


def _cost(costs: UpdateCosts, name: str) -> tuple[str, ...]:
    build, seconds = costs.builds[name], float(np.median(costs.seconds[name]))
    results = Results(0, costs={costs.tree: costs})
    compiling = lookups.build(costs.tree, name, "optax.adam")(results)
    return (
        name,
        f"{1e9 * seconds / costs.size:.2f}",
        *(
            _cell(lookups.update(costs.tree, name, base)(results))
            for base in ("optax.adam", "sghmc", "optax.noisy_sgd")
        ),
        f"{1e9 * costs.limit(name) / costs.size:.2f}",
        f"{costs.limit(name) / seconds:.0%}",
        f"{build.temporary_bytes / 1e6:.1f}",
        f"{build.state_bytes / costs.size:.1f}",
        f"{np.median(build.trace_seconds):.2f} + {np.median(build.compile_seconds):.2f}",
        _cell(compiling),
    )


def _noise(results: Results) -> str:
    rows = [
        (
            name,
            f"{1e9 * np.median(seconds):.2f}",
            _cell(lookups.noise_speed(name)(results)),
        )
        for name, seconds in results.noise.items()
    ]
    text = "Drawn and used in x <- a x + s z."
    return _section("Noise", text, ("generator", "ns/number", f"faster than {noise.BASE}"), rows)


def _training(title: str, times: clock.Times) -> str:
    rows = [
        (
            name,
            f"{1 / np.median(seconds):,.0f}",
            _cell(clock.ratio(seconds, times["sgld"])) if "sgld" in times else "-",
        )
        for name, seconds in times.items()
    ]
    return _section(f"Whole steps: {title}", "", ("method", "steps/s", "time over our SGLD"), rows)


def _replicas(times: clock.Times) -> str:
    rows = [
        (
            name,
            f"{1e3 * np.median(seconds):.1f}",
            _cell(clock.ratio(seconds, times[replicas.ALONE])),
        )
        for name, seconds in times.items()
    ]
    columns = ("all replicas by", "ms/step of all", f"time over {replicas.ALONE}")
    return _section(f"Replicas: {replicas.TITLE}", "", columns, rows)


def _efficiency(results: Results) -> str:
    times = results.trainings.get("gaussian", {})
    rows = []
    for name, found in results.efficiency.items():
        best = found.best
        speed = 1 / float(np.median(times[name])) if name in times else None
        rows.append(
            (
                name,
                ", ".join(f"{key} {value:.3g}" for key, value in best.setting.items()),
                f"{best.bias:.1e}",
                f"{best.tau:,.1f} ({best.observable} at precision {best.precision:g})",
                f"{found.measured_tau:,.1f} ± {found.tau_error:,.1f}",
                f"{speed:,.0f}" if speed else "-",
                f"{speed / best.tau:,.0f}" if speed else "-",
            )
        )
    columns = (
        *("sampler", "best setting", "largest bias", "tau in steps, exact", "tau measured"),
        *("steps/s", "independent samples/s"),
    )
    text = (
        "On the 100-dimensional Gaussian; the best setting with all variances within 1 %. tau is "
        "the largest integrated autocorrelation time, over coordinates, of x and x^2."
    )
    return _section("Sampling efficiency", text, columns, rows)


def _cell(value: lookups.Value) -> str:
    if value is None:
        return "-"
    if isinstance(value, clock.Quartiles):
        return f"{_number(value.median)} [{_number(value.low)}, {_number(value.high)}]"
    return _number(value)


def _number(value: float) -> str:
    return f"{value:.2f}" if value < 100 else f"{value:,.0f}"
