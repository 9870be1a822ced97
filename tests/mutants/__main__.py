"""Plants every known defect in a copy of the package and shows which test catches it."""

import argparse
import concurrent.futures
import pathlib
import sys
import tempfile
from collections.abc import Sequence

from tests.mutants.catalogue import MUTANTS
from tests.mutants.ledger import Ledger, table
from tests.mutants.mutant import ROOT, Mutant, Outcome, copy_repository, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("-k", default="", metavar="TEXT", help="only defects with this in the name")
    parser.add_argument("--jobs", type=int, default=2, help="copies tested at once (default 2)")
    parser.add_argument("--list", action="store_true", help="name the defects and stop")
    parser.add_argument(
        "--keep",
        metavar="FILE",
        type=pathlib.Path,
        help="write each outcome there at once, and do not repeat what stands there of the same "
        "package and tests: a run that was stopped goes on",
    )
    parser.add_argument(
        "--table", metavar="FILE", type=pathlib.Path, help="write a table at the end (Markdown)"
    )
    options = parser.parse_args()
    chosen = [mutant for mutant in MUTANTS if options.k in mutant.name]
    if options.list or not chosen:
        print("\n".join(mutant.name for mutant in chosen) or f"No defect is named {options.k!r}.")
        return int(not chosen)

    with tempfile.TemporaryDirectory(prefix="sound-") as folder:
        # One copy for all: somebody may be writing in the working tree meanwhile.
        sound = pathlib.Path(folder)
        copy_repository(ROOT, sound)
        ledger = Ledger(sound, options.keep)
        try:
            if not _is_sound(chosen, sound, options.jobs, ledger):
                return 1
            outcomes = _plant_all(chosen, sound, options.jobs, ledger)
        except KeyboardInterrupt:
            print("Interrupted.")
            return 130
    caught = sum(outcome.verdict == "caught" for outcome in outcomes)
    minutes = sum(outcome.seconds for outcome in outcomes) / 60
    print(f"{caught} of {len(chosen)} defects caught; {minutes:.0f} minutes of tests")
    if options.table:
        options.table.write_text(table(chosen, outcomes))
    return int(caught < len(chosen))


def _is_sound(chosen: list[Mutant], sound: pathlib.Path, jobs: int, ledger: Ledger) -> bool:
    """Whether the tests pass without any defect: else nothing can be learned from them."""
    files: dict[str, set[str]] = {}
    for test in (test for mutant in chosen for test in mutant.tests):
        files.setdefault(test.partition("::")[0], set()).add(test)
    groups = {f"sound: {file}": tuple(sorted(tests)) for file, tests in sorted(files.items())}
    print(f"{len(groups)} files of tests on the sound package ...", flush=True)

    def one(name: str) -> Outcome:
        tests = groups[name]
        return ledger.find(name, tests) or ledger.add(name, tests, run(sound, None, tests))

    failed = False
    for name, outcome in zip(groups, _in_turn(one, list(groups), jobs), strict=True):
        if outcome.verdict != "survived":
            failed = True
            print(f"{name}: they fail without any defect.\n{outcome.detail}", flush=True)
    return not failed


def _plant_all(
    chosen: list[Mutant], sound: pathlib.Path, jobs: int, ledger: Ledger
) -> list[Outcome]:
    """The outcomes of all defects."""
    width = max(len(mutant.name) for mutant in chosen)

    def one(mutant: Mutant) -> Outcome:
        name, tests = mutant.name, mutant.tests
        known = ledger.find(name, tests, mutant)
        return known or ledger.add(name, tests, run(sound, mutant, tests), mutant)

    outcomes = []
    for mutant, outcome in zip(chosen, _in_turn(one, chosen, jobs), strict=True):
        outcomes.append(outcome)
        print(f"{mutant.name:{width}}  {_line(outcome)}", flush=True)
    return outcomes


def _in_turn(work, items: Sequence, jobs: int):
    """What `work` gives for each item, in order, as soon as it is there."""
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        try:
            yield from pool.map(work, items)
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            raise


def _line(outcome: Outcome) -> str:
    verdict = outcome.verdict if outcome.verdict == "caught" else outcome.verdict.upper()
    return f"{verdict:8}  {outcome.seconds:5.1f} s  {outcome.detail}".rstrip()


if __name__ == "__main__":
    sys.exit(main())
