"""Tables and numbers of a sampling benchmark."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.engine import report


class Section:
    """A table with its heading, and sentences before and after it."""

    def __init__(
        self,
        title: str,
        columns: Sequence[str],
        rows: Sequence[Sequence[str]],
        *,
        before: str = "",
        after: str = "",
    ):
        """Nothing is printed yet."""
        self.title, self.columns, self.rows = title, columns, rows
        self.before, self.after = before, after

    def text(self) -> str:
        """As markdown."""
        parts = [f"### {self.title}", self.before, report.table(self.columns, self.rows)]
        return "\n\n".join(part for part in [*parts, self.after] if part)


def save(
    output: pathlib.Path, title: str, sections: Sequence[Section], numbers: Mapping[str, Any]
) -> None:
    """Prints the tables; writes them to `table.md`, and the numbers to `results.json`."""
    parts = (report.heading(title), *(section.text() for section in sections))
    report.save(output, parts, report.facts(title) | dict(numbers))
