"""Which kernel of a compiled program takes the most time, and what is in it."""

import collections
import glob
import math
import re
import tempfile
from collections.abc import Callable
from typing import Any, NamedTuple

import jax

_INSTRUCTION = re.compile(
    r"^\s*(?:ROOT )?%?(?P<name>[\w.\-]+) = (?P<type>.*?) (?P<kind>[\w\-]+)\((?P<operands>[^)]*)\)"
)
_SOURCE = re.compile(r'op_name="([^"]*)"')
_ARRAY = re.compile(r"\b[a-z]+(\d+)\w*\[([\d,]*)\]")
_FREE = ("parameter", "constant", "tuple", "get-tuple-element", "bitcast")


class Kernel(NamedTuple):
    """The slowest kernel of a program."""

    name: str
    type: str  # of its result
    source: str  # the operation in jax that its last instruction comes from
    share: float  # of the time of all kernels, or of the bytes where no time was recorded
    timed: bool

    def __str__(self) -> str:
        """For a table."""
        share = f"{self.share:.0%} of the {'time' if self.timed else 'bytes'}"
        return f"`{self.name}` -> {self.type}, from {self.source or 'no named operation'}: {share}"


def slowest(program: Any, run: Callable[[], Any]) -> Kernel | None:
    """By the profiler, of a compiled program that `run` runs; else the one that moves most bytes.

    None for a program without kernels.
    """
    kernels = _kernels(str(program.as_text()))
    seconds = _profiled(run, kernels)
    costs = seconds or {name: _traffic(name, kernels) for name in kernels}
    total = sum(costs.values())
    if not total:
        return None
    name = max(costs, key=lambda one: costs[one])
    source = _SOURCE.search(kernels[name]["line"])
    return Kernel(
        name,
        re.sub(r"\{[^}]*\}", "", kernels[name]["type"]),
        source[1] if source else "",
        costs[name] / total,
        bool(seconds),
    )


def _kernels(text: str) -> dict[str, dict[str, str]]:
    """The instructions of the entry computation that do work, by name."""
    entry = text[text.index("\nENTRY") :] if "\nENTRY" in text else text
    rows = {}
    for line in entry.splitlines()[1:]:
        if found := _INSTRUCTION.match(line):
            rows[found["name"]] = found.groupdict() | {"line": line}
    return {
        name: row | {"operands": _operand_types(row["operands"], rows)}
        for name, row in rows.items()
        if row["kind"] not in _FREE
    }


def _operand_types(operands: str, rows: dict[str, dict[str, str]]) -> str:
    names = re.findall(r"%([\w.\-]+)", operands)
    return " ".join(rows[name]["type"] for name in names if name in rows)


def _traffic(name: str, kernels: dict[str, dict[str, str]]) -> float:
    """Bytes of its results and operands."""
    row = kernels[name]
    arrays = _ARRAY.findall(f"{row['type']} {row['operands']}")
    return float(
        sum(
            int(bits) / 8 * math.prod(int(n) for n in dimensions.split(",") if n)
            for bits, dimensions in arrays
        )
    )


def _profiled(run: Callable[[], Any], kernels: dict[str, dict[str, str]]) -> dict[str, float]:
    """Seconds of each kernel in a run; empty if the profiler names none of them."""
    seconds: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        try:
            with jax.profiler.trace(folder):
                jax.block_until_ready(run())
            for path in glob.glob(f"{folder}/**/*.xplane.pb", recursive=True):
                for plane in jax.profiler.ProfileData.from_file(path).planes:
                    for line in plane.lines:
                        for event in line.events:
                            if event.name in kernels:
                                seconds[event.name] += event.duration_ns * 1e-9
        except (RuntimeError, OSError, ValueError, AttributeError) as error:
            print(f"the profiler says nothing of kernels ({error}); their bytes count instead")
            return {}
    return dict(seconds)
