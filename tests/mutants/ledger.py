"""Outcomes that outlive the run: a file of them, and the table."""

import dataclasses
import hashlib
import json
import pathlib
import platform
import threading
from collections.abc import Sequence

import jax
import optax

from tests.mutants.mutant import COPIED, Mutant, Outcome


@dataclasses.dataclass(frozen=True)
class Ledger:
    """Outcomes by name, of one state of the code; a file, if there is one, has a line for each."""

    code: str
    outcomes: dict[str, Outcome]
    path: pathlib.Path | None
    lock: threading.Lock = dataclasses.field(default_factory=threading.Lock)

    @classmethod
    def of(cls, sound: pathlib.Path, path: pathlib.Path | None) -> "Ledger":
        """What the file knows of the code in the folder `sound`."""
        code = _digest(sound)
        lines = path.read_text().splitlines() if path is not None and path.exists() else []
        entries = [json.loads(line) for line in lines]
        known = {
            entry["name"]: Outcome(entry["verdict"], entry["seconds"], entry["detail"])
            for entry in entries
            if entry["code"] == code
        }
        return cls(code, known, path)

    def find(self, name: str) -> Outcome | None:
        return self.outcomes.get(name)

    def add(self, name: str, outcome: Outcome) -> Outcome:
        with self.lock:
            self.outcomes[name] = outcome
            if self.path is not None:
                entry = {"code": self.code, "name": name, **dataclasses.asdict(outcome)}
                with self.path.open("a") as file:
                    file.write(json.dumps(entry) + "\n")
        return outcome


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


def _digest(folder: pathlib.Path) -> str:
    """Of all files that a run copies; pages change nothing."""
    digest = hashlib.sha256()
    files = (folder / name for name in COPIED)
    paths = (path for name in files for path in ([name] if name.is_file() else name.rglob("*")))
    for path in sorted(
        path for path in paths if path.is_file() and path.suffix not in (".pyc", ".md")
    ):
        digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]
