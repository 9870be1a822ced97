"""Every notebook runs, with few steps, and is the same as the script beside it."""

import base64
import pathlib
import warnings

import jax
import jupytext
import matplotlib
import matplotlib.pyplot as plt
import pytest

from docs import execute_notebooks
from docs.execute_notebooks import SCRIPTS
from tests.test_architecture import REPOSITORY


def name_of(path: pathlib.Path) -> str:
    return path.stem


def cells(notebook):
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


def outputs(notebook):
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def pictures(notebook):
    """In bytes, as the notebook keeps them."""
    found = [output.get("data", {}).get("image/png") for output in outputs(notebook)]
    return [base64.b64decode(picture) for picture in found if picture]


@pytest.mark.parametrize("script", SCRIPTS, ids=name_of)
def test_notebook_is_its_script(script):
    notebook = jupytext.read(script.with_suffix(".ipynb"))
    assert cells(notebook) == cells(jupytext.read(script)), "run `make notebooks`"
    made_from = execute_notebooks.kept_fingerprint(script.with_suffix(".ipynb"))
    assert made_from == execute_notebooks.fingerprint(notebook), "run `make notebooks`"


@pytest.mark.parametrize("script", SCRIPTS, ids=name_of)
def test_notebook_shows_what_it_prints_and_draws(script):
    """Small, in one box a cell, and without what changes from run to run."""
    notebook = jupytext.read(script.with_suffix(".ipynb"))
    sizes = [len(picture) for picture in pictures(notebook)]
    assert sizes and max(sizes) <= execute_notebooks.LARGEST_PICTURE
    for cell in notebook.cells:
        assert "execution" not in cell.metadata
        assert cell.get("execution_count") is None
        kinds = [output.output_type for output in cell.get("outputs", [])]
        assert kinds.count("stream") <= 1 and "error" not in kinds
        if "plt.show()" in cell.source:
            assert "display_data" in kinds


def test_all_notebooks_are_small_together():
    assert sum(script.with_suffix(".ipynb").stat().st_size for script in SCRIPTS) < 1_500_000


@pytest.mark.parametrize("script", SCRIPTS, ids=name_of)
def test_lines_of_code_fit_on_a_page(script):
    code = [cell.source for cell in jupytext.read(script).cells if cell.cell_type == "code"]
    long = [line for source in code for line in source.splitlines() if len(line) > 88]
    assert not long


def test_every_notebook_has_a_script():
    notebooks = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
    assert [path.stem for path in notebooks] == [path.stem for path in SCRIPTS]


@pytest.fixture
def as_users_run_it(monkeypatch):
    """Without our strict rules, and without a window for each figure."""
    monkeypatch.setenv("THERMO_OPTAX_FAST", "1")
    monkeypatch.setattr(jax, "device_count", lambda: 1)
    monkeypatch.setattr(plt, "show", lambda: plt.close("all"))
    with (
        matplotlib.rc_context({"backend": "agg"}),
        jax.numpy_dtype_promotion("standard"),
        jax.numpy_rank_promotion("allow"),
    ):
        yield
    plt.close("all")


@pytest.mark.usefixtures("as_users_run_it")
@pytest.mark.quick("01_quick_start")
@pytest.mark.parametrize("script", SCRIPTS, ids=name_of)
def test_notebook_runs(script):
    exec(compile(script.read_text(), str(script), "exec"), {"__name__": "__main__"})


@pytest.mark.slow  # the kernel starts and compiles by itself
def test_a_rerun_keeps_the_same_outputs(monkeypatch):
    """`make notebooks` leaves small diffs: nothing is kept that changes from run to run."""
    monkeypatch.setenv("THERMO_OPTAX_FAST", "1")
    with warnings.catch_warnings(action="ignore"):  # of the event loop, on some platforms
        first, second = (execute_notebooks.execute(SCRIPTS[0]) for _ in range(2))
    assert len(pictures(first)) == 2
    assert first == second
