"""Outcomes that outlive the run: a file of them, and the table."""

import dataclasses
import hashlib
import json
import pathlib
import platform
import threading
from collections.abc import Mapping, Sequence

import jax
import optax

from tests.mutants.mutant import COPIED, Mutant, Outcome


class Ledger:
    """Outcomes by name; a file, if there is one, has a line for each.

    An outcome holds as long as the package, the defect, the tests that led to it and what they
    import stay. Other defects of the catalogue do not count.
    """

    def __init__(self, sound: pathlib.Path, path: pathlib.Path | None) -> None:
        self._path, self._lock = path, threading.Lock()
        lines = path.read_text().splitlines() if path is not None and path.exists() else []
        self._entries = {(entry["code"], entry["name"]): entry for entry in map(json.loads, lines)}
        contents = {
            str(file.relative_to(sound)): file.read_bytes()
            for name in COPIED
            for file in [sound / name, *(sound / name).rglob("*")]
            if file.is_file() and file.suffix not in (".pyc", ".md")
        }
        self._tests = {
            name: text for name, text in contents.items() if _is_test(pathlib.Path(name))
        }
        others = {name for name in contents if not name.startswith("tests/mutants/")}
        self._others = _digest({name: contents[name] for name in others - self._tests.keys()})

    def find(self, name: str, tests: Sequence[str], mutant: Mutant | None = None) -> Outcome | None:
        """What is known of these tests with this defect."""
        entry = self._entries.get((self._code(tests, mutant), name))
        return entry and Outcome(entry["verdict"], entry["seconds"], entry["detail"])

    def add(
        self, name: str, tests: Sequence[str], outcome: Outcome, mutant: Mutant | None = None
    ) -> Outcome:
        """Keeps an outcome, and returns it."""
        entry = {"code": self._code(tests, mutant), "name": name, **dataclasses.asdict(outcome)}
        with self._lock:
            self._entries[entry["code"], name] = entry
            if self._path is not None:
                with self._path.open("a") as file:
                    file.write(json.dumps(entry) + "\n")
        return outcome

    def _code(self, tests: Sequence[str], mutant: Mutant | None) -> str:
        files = {f"tests/{test.partition('::')[0]}" for test in tests}
        chosen = {
            name: text
            for name, text in self._tests.items()
            if any(name == file or name.startswith(f"{file}/") for file in files)
        }
        run = repr((tuple(tests), mutant)).encode()
        return _digest({"others": self._others.encode(), "run": run, **chosen})


def table(mutants: Sequence[Mutant], outcomes: Sequence[Outcome]) -> str:
    """Each defect, where it was planted, and the first test that failed."""
    caught = sum(outcome.verdict == "caught" for outcome in outcomes)
    rows = [
        ("defect", "planted in", "what became of it"),
        *(
            (mutant.name, f"`{mutant.path}`", _became(outcome))
            for mutant, outcome in zip(mutants, outcomes, strict=True)
        ),
    ]
    lines = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    minutes = sum(outcome.seconds for outcome in outcomes) / 60
    versions = f"jax {jax.__version__}, optax {optax.__version__}"
    head = f"""# Planted defects

Every known defect of the catalogue in this folder is planted alone in a copy of the package, and
the tests named in its entry are run. The third column is the first test that failed.

`make mutants`: {caught} of {len(mutants)} caught, in {minutes:.0f} minutes of tests; {versions},
Python {platform.python_version()}.
"""
    return "\n".join([head, lines[0], "| --- | --- | --- |", *lines[1:], ""])


def _became(outcome: Outcome) -> str:
    if outcome.verdict == "caught":
        return f"`{outcome.detail}`"
    return f"**{outcome.verdict}** {' '.join(outcome.detail.split())[:200]}"


def _is_test(path: pathlib.Path) -> bool:
    return path.parts[0] == "tests" and path.name.startswith("test_")


def _digest(contents: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name in sorted(contents):
        digest.update(name.encode() + b"\0" + contents[name] + b"\0")
    return digest.hexdigest()[:16]
