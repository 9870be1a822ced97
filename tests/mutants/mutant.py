"""One defect, planted in a copy of the repository, and what the tests say of it."""

import dataclasses
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
COPIED = ["thermo_optax", "tests", "conftest.py", "pyproject.toml"]
TIMEOUT = 600  # seconds; a test that hangs has noticed something, too


@dataclasses.dataclass(frozen=True)
class Mutant:
    """A defect: `new` instead of `old` in a file of the package, and the tests that see it."""

    name: str
    path: str  # inside thermo_optax
    old: str  # occurs once in the file
    new: str
    tests: tuple[str, ...]  # inside tests, as pytest takes them

    def plant(self, root: pathlib.Path) -> None:
        """Writes the defect into the package under `root`."""
        file = root / "thermo_optax" / self.path
        text = file.read_text()
        if text.count(self.old) != 1:
            raise LookupError(
                f"{self.name}: the text\n{self.old}\noccurs {text.count(self.old)} times in "
                f"{self.path}; write the entry anew for the code as it is."
            )
        file.write_text(text.replace(self.old, self.new))


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a run of tests."""

    verdict: str  # "caught", "survived", "crashed" or "stale"
    seconds: float
    detail: str  # the first test that failed, or what went wrong


def copy_repository(source: pathlib.Path, target: pathlib.Path) -> None:
    """Copies what the tests need."""
    for name in COPIED:
        if (source / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source / name, target / name, ignore=ignored)
        else:
            shutil.copy(source / name, target / name)


def run(source: pathlib.Path, mutant: Mutant | None, tests: tuple[str, ...]) -> Outcome:
    """Runs the tests in a fresh copy of `source`, with the defect planted there."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        copy = pathlib.Path(folder)
        copy_repository(source, copy)
        try:
            if mutant is not None:
                mutant.plant(copy)
        except LookupError as error:
            return Outcome("stale", time.monotonic() - start, str(error))
        verdict, detail = _verdict(_pytest(copy, tests))
    return Outcome(verdict, time.monotonic() - start, detail)


def _pytest(copy: pathlib.Path, tests: tuple[str, ...]) -> subprocess.CompletedProcess | None:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    command += ["-m", "slow or not slow", "-rf", "--no-header", "--tb=line"]
    environment = os.environ | {
        # Before an installed package, which may be the working tree itself.
        "PYTHONPATH": str(copy),
        # Two versions of a file, equally long and written in the same second, look the same.
        "PYTHONDONTWRITEBYTECODE": "1",
        "COLUMNS": "250",  # else pytest shortens the reason of a failure to nothing
        "JAX_COMPILATION_CACHE_DIR": os.environ.get(
            "JAX_COMPILATION_CACHE_DIR", str(ROOT / ".cache" / "jax")
        ),
    }
    command += [f"tests/{test}" for test in tests]
    try:
        return subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, text=True, timeout=TIMEOUT
        )
    except subprocess.TimeoutExpired:
        return None


def _verdict(done: subprocess.CompletedProcess | None) -> tuple[str, str]:
    if done is None:
        return "crashed", f"no end within {TIMEOUT} seconds"
    if done.returncode == 0:
        return "survived", ""
    failed = re.search(r"^FAILED (?:tests/)?(.+?)(?: - (.*))?$", done.stdout, re.MULTILINE)
    if done.returncode != 1 or failed is None:
        return "crashed", (done.stdout + done.stderr)[-500:]
    test, reason = failed.groups()
    # A test must say that numbers are wrong. An exception from the package proves nothing: then
    # the entry is not a defect that anybody could have overlooked.
    if not re.match(r"Assertion|assert|Failed: DID NOT (RAISE|WARN)|off by", reason or "assert"):
        return "crashed", f"{test}: {reason}"
    return "caught", test
