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


def test_outcomes_are_kept_while_their_code_stays(tmp_path):
    def write(name, text):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    write("thermo_optax/one.py", "1")
    write("tests/test_one.py", "1")
    write("tests/test_two.py", "1")
    file, caught = tmp_path / "outcomes.jsonl", Outcome("caught", 2.0, "test_one")
    for test in ("test_one.py::test_a", "test_two.py"):
        Ledger(tmp_path, file).add("a", (test,), caught)

    def known():
        ledger = Ledger(tmp_path, file)
        found = [ledger.find("a", (test,)) for test in ("test_one.py::test_a", "test_two.py")]
        assert ledger.find("b", ("test_two.py",)) is None
        assert ledger.find("a", ("test_two.py",), Mutant("a", "one.py", "1", "2", ())) is None
        return [outcome == caught for outcome in found]

    write("tests/mutants/one.py", "another defect")
    assert known() == [True, True]
    write("tests/test_two.py", "2")
    assert known() == [True, False]
    write("thermo_optax/one.py", "2")
    assert known() == [False, False]


def test_table_names_what_was_not_caught():
    mutants = [Mutant(name, "units.py", "old", "new", ()) for name in ("a | b", "c")]
    text = table(mutants, [Outcome("caught", 30.0, "test_one"), Outcome("survived", 30.0, "")])
    assert "1 of 2 caught, in 1 minutes" in text
    assert (
        r"| a \| b | `units.py` | `test_one` |" in text
        and "| c | `units.py` | **survived**" in text
    )
