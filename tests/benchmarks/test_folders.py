"""Results are never lost: the folder is tried before the run, and keeps what is in it."""

import pytest

pytest.importorskip("tqdm")
pytest.importorskip("matplotlib")

from benchmarks import cli
from benchmarks.engine import runtime
from benchmarks.engine.options import claim


def test_every_benchmark_tries_its_folder_first(tmp_path, monkeypatch):
    """A file stands where the folder should be; nothing may be trained, loaded or compiled."""

    def started(*_, **__):
        pytest.fail("something ran before the folder was tried")

    monkeypatch.setattr(runtime, "configure", started)
    occupied = tmp_path / "occupied"
    occupied.touch()
    for benchmark in cli.BENCHMARKS:
        for output in (occupied, occupied / "below"):
            with pytest.raises(SystemExit, match=r"--output .*occupied.* cannot be written to"):
                cli.main([benchmark, "--output", str(output)])


def test_the_help_says_what_happens_to_earlier_results(capsys):
    for benchmark in cli.BENCHMARKS:
        with pytest.raises(SystemExit):
            cli.main([benchmark, "--help"])
        assert "run-2" in capsys.readouterr().out


def test_a_folder_with_results_is_left_as_it_is(tmp_path, capsys):
    assert claim(tmp_path / "new") == tmp_path / "new"
    assert claim(tmp_path / "new") == tmp_path / "new"  # nothing was finished there
    for name in ("new", "new/run-2"):
        (tmp_path / name / "table.md").write_text("a table")
        capsys.readouterr()
        chosen = claim(tmp_path / "new")
        assert str(chosen) in capsys.readouterr().out
    assert chosen == tmp_path / "new" / "run-3"
    assert (tmp_path / "new" / "table.md").read_text() == "a table"
