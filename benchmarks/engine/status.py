"""`python -m benchmarks status`: which runs are done, and what is left of the others.

It reads files only, so it starts at once and does not disturb a run that is at work.
"""

import argparse
import fcntl
import json
import pathlib
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from benchmarks.engine.options import RUN, SAVES, TABLE


class Save(NamedTuple):
    """What a save says of the run."""

    steps: int  # done, of all parts together
    part: str  # in progress; empty between two parts
    part_step: int
    done: list[str]  # parts
    finished: bool
    time: float  # seconds since 1970
    process: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument(
        "--output",
        type=pathlib.Path,
        default=pathlib.Path("results"),
        help="folder that holds runs, at any depth (default: %(default)s)",
    )


def run(options: argparse.Namespace) -> None:
    """Prints a paragraph for every run that is found."""
    found = list(runs(options.output))
    for folder in found:
        print(f"{folder}: {describe(folder)}\n")
    if not found:
        print(f"no runs in {options.output}: name their folder with --output")


def runs(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """The folders of runs: those that hold a table, or saves."""
    for path in sorted([folder, *(path for path in folder.rglob("*") if path.is_dir())]):
        if SAVES not in path.parts and ((path / SAVES / RUN).exists() or (path / TABLE).exists()):
            yield path


def describe(folder: pathlib.Path) -> str:
    """What is done, and what is left."""
    if not (folder / SAVES / RUN).exists():
        return f"finished, {TABLE} (without saves)"
    try:
        what = json.loads((folder / SAVES / RUN).read_text(encoding="utf-8"))
        plan, settings = what["plan"], what["settings"]
    except (ValueError, KeyError) as error:
        return f"{SAVES}/{RUN} is damaged ({error!r})"
    saves = list(_saves(folder / SAVES, plan))
    title = settings.get("title") or settings.get("network") or "sweep"
    lines = [
        f"{title}, {len(settings['seeds'])} seeds, {_state(folder, saves)}",
        f"  command: {what['command']}",
    ]
    if not saves:
        return "\n".join([*lines, "  nothing saved yet"])
    last, total = saves[0], sum(plan.values())
    if not last.finished:
        left = [part for part in plan if part not in last.done and part != last.part]
        lines.append(f"  step {last.steps:,} of {total:,}{_hours(saves, total)}")
        lines.append(f"  done: {', '.join(last.done) or 'nothing'}")
        if last.part:
            lines.append(f"  now: {last.part}, step {last.part_step:,} of {plan[last.part]:,}")
        lines.append(f"  left: {', '.join(left) or 'nothing'}")
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(last.time))
    return "\n".join([*lines, f"  last save: {when}"])


def _saves(folder: pathlib.Path, plan: dict[str, int]) -> Iterator[Save]:
    """Those that can be read, the newest first."""
    numbers = [int(path.name) for path in folder.iterdir() if path.name.isdigit()]
    for number in sorted(numbers, reverse=True):
        try:
            meta = json.loads((folder / str(number) / "meta" / "metadata").read_text("utf-8"))
        except (OSError, ValueError):  # damaged, or just deleted by the run
            continue
        done: list[Any] = meta["done"]
        steps = meta["step"] + sum(plan.get(part, 0) for part in done)
        yield Save(
            *(steps, meta["part"], meta["step"], done),
            *(meta["finished"], meta["time"], meta["process"]),
        )


def _state(folder: pathlib.Path, saves: list[Save]) -> str:
    if _locked(folder / SAVES / "lock"):
        return "running"
    if saves and saves[0].finished:
        return f"finished{f', {TABLE}' if (folder / TABLE).exists() else ''}"
    return "not running; its command goes on from the last save"


def _hours(saves: list[Save], total: int) -> str:
    """The time that is left, by what the newest saves of one process did in between."""
    last = saves[0]
    same = [save for save in saves if save.process == last.process]
    seconds, steps = last.time - same[-1].time, last.steps - same[-1].steps
    if seconds <= 0 or steps <= 0:
        return ""
    speed = steps / seconds
    return f", {speed:.3g} steps/s, some {(total - last.steps) / speed / 3600:.1f} h left"


def _locked(lock: pathlib.Path) -> bool:
    """Whether a run holds the lock of its folder."""
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # not there, or on a file system without locks
        return False
    return False
