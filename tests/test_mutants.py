"""The catalogue of defects keeps up with the code; `make mutants` plants them."""

import collections
import re

import pytest

from tests.mutants.catalogue import MUTANTS
from tests.mutants.mutant import ROOT, Mutant, run


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
