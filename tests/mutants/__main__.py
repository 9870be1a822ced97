"""Plants every known defect in a copy of the package and shows which test catches it."""

import argparse
import concurrent.futures
import pathlib
import sys
import tempfile
import time

from tests.mutants.catalogue import MUTANTS
from tests.mutants.mutant import ROOT, Mutant, Outcome, copy_repository, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("-k", default="", metavar="TEXT", help="only defects with this in the name")
    parser.add_argument("--jobs", type=int, default=2, help="copies tested at once (default 2)")
    parser.add_argument("--list", action="store_true", help="name the defects and stop")
    options = parser.parse_args()
    chosen = [mutant for mutant in MUTANTS if options.k in mutant.name]
    if options.list or not chosen:
        print("\n".join(mutant.name for mutant in chosen) or f"No defect is named {options.k!r}.")
        return int(not chosen)

    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sound-") as folder:
        # One copy for all: somebody may be writing in the working tree meanwhile.
        sound = pathlib.Path(folder)
        copy_repository(ROOT, sound)
        try:
            outcomes = _plant_all(chosen, sound, options.jobs)
        except KeyboardInterrupt:
            print("Interrupted.")
            return 130
    if not outcomes:
        return 1
    caught = sum(outcome.verdict == "caught" for outcome in outcomes)
    minutes = (time.monotonic() - start) / 60
    print(f"{caught} of {len(chosen)} defects caught in {minutes:.1f} minutes")
    return int(caught < len(chosen))


def _plant_all(chosen: list[Mutant], sound: pathlib.Path, jobs: int) -> list[Outcome]:
    """The outcomes of all defects; none if the tests fail without any."""
    tests = tuple(sorted({test for mutant in chosen for test in mutant.tests}))
    print(f"{len(tests)} groups of tests on the sound package ...", flush=True)
    outcome = run(sound, None, tests)
    if outcome.verdict != "survived":
        print(f"They fail without any defect, so nothing can be learned.\n{outcome.detail}")
        return []
    width = max(len(mutant.name) for mutant in chosen)
    outcomes = []
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        try:
            results = pool.map(lambda mutant: run(sound, mutant, mutant.tests), chosen)
            for mutant, outcome in zip(chosen, results, strict=True):
                outcomes.append(outcome)
                print(f"{mutant.name:{width}}  {_line(outcome)}", flush=True)
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            raise
    return outcomes


def _line(outcome: Outcome) -> str:
    verdict = outcome.verdict if outcome.verdict == "caught" else outcome.verdict.upper()
    return f"{verdict:8}  {outcome.seconds:5.1f} s  {outcome.detail}".rstrip()


if __name__ == "__main__":
    sys.exit(main())
