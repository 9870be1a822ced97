"""The catalogue of defects keeps up with the code; `make mutants` plants them."""

import collections
import re

import pytest

from tests.mutants.catalogue import MUTANTS
from tests.mutants.ledger import Ledger, table
from tests.mutants.mutant import ROOT, Mutant, Outcome, run


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_entry_fits_the_code(mutant):
    text = (ROOT / "thermo_optax" / mutant.path).read_text()
    assert text.count(mutant.old) == 1, "write this entry of the catalogue anew"
    assert mutant.new != mutant.old
    for test in mutant.tests:
        path, *names = test.partition("[")[0].split("::")
        source = (ROOT / "tests" / path).read_text()
        for name in names:
            assert re.search(rf"(def|class) {name}\b", source), f"{path} has no {name}"


def test_names_are_unique():
    assert max(collections.Counter(mutant.name for mutant in MUTANTS).values()) == 1


def test_stale_entry_is_reported():
    stale = Mutant("stale", "units.py", "no such text", "", ())
    outcome = run(ROOT, stale, stale.tests)
    assert outcome.verdict == "stale" and "occurs 0 times" in outcome.detail


def test_outcomes_are_kept_for_the_same_code(tmp_path):
    (tmp_path / "pyproject.toml").write_text("one")
    file = tmp_path / "outcomes.jsonl"
    first, second = Outcome("caught", 2.0, "test_one"), Outcome("survived", 1.0, "")
    Ledger.of(tmp_path, file).add("a", first)
    Ledger.of(tmp_path, file).add("b", second)
    kept = Ledger.of(tmp_path, file)
    assert (kept.find("a"), kept.find("b"), kept.find("c")) == (first, second, None)
    (tmp_path / "pyproject.toml").write_text("two")
    assert Ledger.of(tmp_path, file).find("a") is None


def test_table_names_what_was_not_caught():
    mutants = [Mutant(name, "units.py", "old", "new", ()) for name in ("a | b", "c")]
    text = table(mutants, [Outcome("caught", 30.0, "test_one"), Outcome("survived", 30.0, "")])
    assert "1 of 2 caught, in 1 minutes" in text
    assert (
        r"| a \| b | `units.py` | `test_one` |" in text
        and "| c | `units.py` | **survived**" in text
    )
