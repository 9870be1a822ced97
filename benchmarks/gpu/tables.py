"""One table and one JSON of all parts that were done."""

import pathlib
from typing import Any

import numpy as np

from benchmarks.engine import report
from benchmarks.gpu.updates import ENOUGH
from benchmarks.updates.noise import BASE
from benchmarks.updates.replicas import ALONE, TITLE

HEADING = "One accelerator"


def save(output: pathlib.Path, found: dict[str, Any]) -> None:
    """Prints and writes both."""
    parts = [
        report.heading(HEADING),
        "Sizes are those of `--tiny`: times mean nothing." if found["tiny"] else "",
        *(_parts(found)),
        _time(found),
    ]
    numbers = {
        key: [one._asdict() for one in value]
        if key in ("checks", "updates")
        else {name: np.asarray(times).tolist() for name, times in value.items()}
        if key in ("noise", "replicas")
        else value
        for key, value in found.items()
    }
    report.save(output, parts, report.facts(HEADING) | numbers)


def _parts(found: dict[str, Any]) -> list[str]:
    makers = {
        "checks": _checks,
        "updates": _updates,
        "noise": _noise,
        "replicas": _replicas,
        "exchange": _exchange,
    }
    return [make(found[key]) for key, make in makers.items() if found.get(key)]


def _checks(checks: list) -> str:
    rows = [(one.name, "yes" if one.passed else "NO", one.detail) for one in checks]
    good = sum(one.passed for one in checks)
    before = f"{good} of {len(checks)} hold."
    return report.section(
        "Contract and physics", report.table(("check", "holds", ""), rows), before=before
    )


def _updates(updates: list) -> str:
    rows = [
        (
            one.tree,
            one.method,
            f"{one.nanoseconds:.4f}",
            f"{one.of_copy:.2f}",
            f"{one.temporary_bytes / 1e6:,.1f}",
            one.slowest or "-",
        )
        for one in updates
    ]
    columns = (
        "parameters",
        "method",
        "ns/parameter",
        "of a copy's pace",
        "temporary MB",
        "slowest kernel",
    )
    pace = max(one.bandwidth for one in updates) / 1e9
    before = (
        f"A copy, timed in turns with the updates, moves {pace:,.0f} GB/s. Where an update is "
        f"below {ENOUGH} of it, the table names the kernel that takes the most time."
    )
    return report.section("Updates", report.table(columns, rows), before=before)


def _noise(times: dict) -> str:
    base = np.asarray(times[BASE])
    rows = [
        (name, f"{1e9 * np.median(seconds):.4f}", f"{np.median(base / seconds):.2f}")
        for name, seconds in times.items()
    ]
    columns = ("generator", "ns/number", f"faster than {BASE}")
    return report.section(
        "Noise", report.table(columns, rows), before="Drawn and used in x <- a x + s z."
    )


def _replicas(times: dict) -> str:
    rows = [
        (name, f"{1e3 * np.median(seconds):.3f}", f"{np.median(seconds / times[ALONE]):.2f}")
        for name, seconds in times.items()
    ]
    columns = ("all replicas by", "ms/step of all", f"time over {ALONE}")
    return report.section(f"Replicas: {TITLE}", report.table(columns, rows))


def _exchange(found: dict[str, float]) -> str:
    text = (
        f"{found['replicas']} replicas with batches of {found['batch']} images of 32 x 32 exchange "
        f"learning rates: {found['steps_a_second']:,.1f} steps a second of all of them together, "
        f"{found['temporary_bytes'] / 1e6:,.0f} MB of temporary memory."
    )
    return report.section("Exchange of ResNet-20", text)


def _time(found: dict[str, Any]) -> str:
    rows = [
        (
            name,
            f"{seconds:.0f}",
            f"{peak / 1e9:.2f}" if (peak := found["peak_bytes"].get(name)) else "not told",
            found["left_out"].get(name, "done"),
        )
        for name, seconds in found["seconds"].items()
    ]
    columns = ("part", "seconds", "GB at the peak, so far", "")
    return report.section("Time and memory", report.table(columns, rows))
