"""Tables and numbers of a sampling benchmark."""

import json
import pathlib
import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.engine import markdown, runtime


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
        parts = [f"### {self.title}", self.before, markdown.table(self.columns, self.rows)]
        return "\n\n".join(part for part in [*parts, self.after] if part)


def save(
    output: pathlib.Path, title: str, sections: Sequence[Section], numbers: Mapping[str, Any]
) -> None:
    """Prints the tables; writes them to `table.md`, and the numbers to `results.json`."""
    output.mkdir(parents=True, exist_ok=True)
    command = shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]])
    text = "\n\n".join(
        [
            f"## {title}",
            f"`{command}`, {runtime.versions()}, {runtime.machine()}",
            *(section.text() for section in sections),
        ]
    )
    print(f"\n{text}\n", flush=True)  # first of all, for a disk may be full
    (output / "table.md").write_text(f"{text}\n", encoding="utf-8")
    summary = {
        "title": title,
        "command": command,
        "versions": runtime.versions(),
        "machine": runtime.machine(),
        **numbers,
    }
    (output / "results.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    print(f"saved in {output}/", flush=True)
