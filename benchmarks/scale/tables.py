"""The table of each size."""

import pathlib
from collections.abc import Mapping

import numpy as np

from benchmarks.engine import report
from benchmarks.scale.collectives import Collective, by_kind
from benchmarks.scale.programs import ADAMW, COPIES_OF_SGD, REPLICATED, SGD

TITLE = "Training steps over many devices, compiled and not run"
COLUMNS = (
    *("method", "MB given", "as declared", "MB at the peak", "beyond SGD's and the state"),
    *("collectives", "MB sent", "beyond SGD's", "s to compile", "over adamw"),
)


def save(output: pathlib.Path, found: Mapping[str, dict]) -> None:
    """Writes the table and the numbers; nothing if there are none."""
    if not found:
        print("nothing was compiled")
        return
    parts = [report.heading(TITLE), *(_section(name, size) for name, size in found.items())]
    report.save(output, parts, report.facts(TITLE) | {"sizes": dict(found)})


def _section(name: str, size: dict) -> str:
    builds = size["builds"]
    before = f"{size['count']:,} parameters in float32 on {size['devices']} devices; of one device:"
    rows = report.table(COLUMNS, [_row(method, builds) for method in builds])
    return report.section(name, rows, before=before)


def _row(method: str, builds: dict[str, dict]) -> tuple[str, ...]:
    build = builds[method]
    base = builds.get(COPIES_OF_SGD if method in REPLICATED else SGD)
    adamw = builds.get(ADAMW)
    sums = by_kind(_collectives(build))
    seconds = np.array(build["seconds"])
    return (
        method,
        f"{build['arguments'] / 1e6:,.1f}",
        f"{build['arguments'] / build['declared']:.2%}",
        f"{build['needed'] / 1e6:,.1f}",
        f"{extra_memory(build, base):+.2%}" if base else "-",
        f"{sum(number for number, _ in sums.values()):,}",
        f"{sum(size for _, size in sums.values()) / 1e6:,.1f}",
        beyond(build, base) if base else "-",
        # Means: what disturbs a round does not disturb all methods of it alike.
        f"{np.mean(seconds):.1f}",
        f"{np.mean(seconds) / np.mean(adamw['seconds']):.2f}" if adamw else "-",
    )


def extra_memory(build: dict, base: dict) -> float:
    """What a step needs beyond that of SGD and the declared state, as a share of all it needs."""
    expected = base["needed"] - base["state"] + build["state"]
    return build["needed"] / expected - 1


def beyond(build: dict, base: dict) -> str:
    """The collectives that a step has more, and their bytes, kind by kind.

    XLA joins several of a kind into one, so what counts is the sum.
    """
    own, others = by_kind(_collectives(build)), by_kind(_collectives(base))
    parts = []
    for kind in sorted({*own, *others}):
        number, size = np.subtract(own.get(kind, (0, 0)), others.get(kind, (0, 0)))
        if number or size:
            parts.append(f"{number:+d} {kind}, {size:+,} B")
    return "; ".join(parts) or "none"


def _collectives(build: dict) -> list[Collective]:
    return [Collective(*one) for one in build["collectives"]]
