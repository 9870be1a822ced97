"""Settings to choose from: rows of hyperparameters, and the methods that a command names."""

import itertools
from collections.abc import Iterable, Mapping, Sequence

from benchmarks.engine.problem import Method


def grid(**values: Iterable[float]) -> list[dict[str, float]]:
    """Every combination of the values, as rows."""
    return [dict(zip(values, row, strict=True)) for row in itertools.product(*values.values())]


def half_decades(centre: float, count: int) -> list[float]:
    """As many learning rates, half a decade apart, about `centre`."""
    return [float(f"{centre * 10 ** ((i - count // 2) / 2):.2g}") for i in range(count)]


def select(methods: Mapping[str, Method], names: Sequence[str] | None) -> list[Method]:
    """The methods of these names, or all."""
    return [methods[name] for name in select_names(methods, names)]


def select_names(known: Iterable[str], names: Sequence[str] | None) -> list[str]:
    """These names, all of them known, or all that are known."""
    known = list(known)
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise SystemExit(f"no method is called {unknown[0]!r}; known: {', '.join(known)}")
    return list(names or known)
