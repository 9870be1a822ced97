"""The numbers of the docs: every part runs, and leaves a table."""

import pytest

from benchmarks import cli
from benchmarks.claims import PARTS, measurement


def test_all_parts_are_there():
    assert tuple(measurement.PARTS) == PARTS


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_every_part_runs(part, tmp_path, standard_promotion):
    output = tmp_path / "claims"
    assert cli.main(["claims", "--quick", "--parts", part, "--output", str(output)]) == 0
    assert (output / "table.md").read_text(encoding="utf-8").count("###") >= 1
