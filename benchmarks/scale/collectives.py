"""What devices send each other in one step, read from a compiled program."""

import collections
import math
import re
from typing import NamedTuple

_COMPUTATION = re.compile(r"^(?:ENTRY )?%?([\w.\-]+) \(.*\{$")
_COLLECTIVE = re.compile(
    r"= (?P<type>.*?) "
    r"(?P<kind>all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute|"
    r"collective-broadcast|ragged-all-to-all)(?:-start)?\("
)
_CALLED = re.compile(
    r"\b(?:body|condition|to_apply|calls|true_computation|false_computation)=%?([\w.\-]+)"
)
_BRANCHES = re.compile(r"branch_computations=\{([^}]*)\}")
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')
_ARRAY = re.compile(r"\b([a-z]+)(\d+)\w*\[([\d,]*)\]")


class Collective(NamedTuple):
    """Equal collectives of one step."""

    kind: str
    size: int  # bytes of its result, on one device
    times: int  # in one step


def collectives_of(program: str) -> list[Collective]:
    """Those of a step, the largest first; what a loop repeats counts as often.

    A loop whose length is not known, such as one that runs in rounds of swaps only, counts once.
    """
    lines: dict[str, list[str]] = {}
    entry, name = "", ""
    for line in program.splitlines():
        if found := _COMPUTATION.match(line):
            name = found[1]
            lines[name] = []
            entry = name if line.startswith("ENTRY") else entry
        elif name:
            lines[name].append(line)
    counts: collections.Counter[tuple[str, int]] = collections.Counter()

    def visit(computation: str, times: int) -> None:
        for line in lines.get(computation, ()):
            if found := _COLLECTIVE.search(line):
                counts[found["kind"], _bytes(found["type"])] += times
                continue  # its sum is no program of its own
            trips = _TRIPS.search(line)
            called = _CALLED.findall(line)
            for branches in _BRANCHES.findall(line):
                called += [branch.strip().lstrip("%") for branch in branches.split(",")]
            for other in called:
                visit(other, times * (int(trips[1]) if trips else 1))

    visit(entry, 1)
    found = [Collective(kind, size, times) for (kind, size), times in counts.items()]
    return sorted(found, key=lambda one: (-one.size * one.times, one))


def _bytes(type_: str) -> int:
    """Of the arrays in a type; of a tuple, all that it holds."""
    total = 0
    for _, bits, dimensions in _ARRAY.findall(type_):
        total += int(bits) // 8 * math.prod(int(n) for n in dimensions.split(",") if n)
    return total


def by_kind(found: list[Collective]) -> dict[str, tuple[int, int]]:
    """Kind -> how many in a step, and how many bytes."""
    sums: dict[str, tuple[int, int]] = {}
    for kind, size, times in found:
        number, total = sums.get(kind, (0, 0))
        sums[kind] = number + times, total + size * times
    return dict(sorted(sums.items()))
