"""Every notebook runs, with few steps, and is the same as the script beside it."""

import pathlib
import warnings

import jax
import jupytext
import matplotlib
import matplotlib.pyplot as plt
import nbclient
import pytest

from tests.test_architecture import REPOSITORY

SCRIPTS = sorted((REPOSITORY / "notebooks").glob("*.py"))


def name_of(path: pathlib.Path) -> str:
    return path.stem


def cells(notebook):
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


@pytest.mark.parametrize("script", SCRIPTS, ids=name_of)
def test_notebook_is_its_script(script):
    notebook = jupytext.read(script.with_suffix(".ipynb"))
    assert cells(notebook) == cells(jupytext.read(script)), "run `make notebooks`"
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code), "commit no outputs"


def test_every_notebook_has_a_script():
    notebooks = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
    assert [path.stem for path in notebooks] == [path.stem for path in SCRIPTS]


@pytest.fixture
def as_users_run_it(monkeypatch):
    """Without our strict rules, and without a window for each figure."""
    monkeypatch.setenv("THERMO_OPTAX_FAST", "1")
    monkeypatch.setattr(plt, "show", lambda: plt.close("all"))
    with (
        matplotlib.rc_context({"backend": "agg"}),
        jax.numpy_dtype_promotion("standard"),
        jax.numpy_rank_promotion("allow"),
    ):
        yield
    plt.close("all")


@pytest.mark.usefixtures("as_users_run_it")
@pytest.mark.parametrize("script", SCRIPTS, ids=name_of)
def test_notebook_runs(script):
    exec(compile(script.read_text(), str(script), "exec"), {"__name__": "__main__"})


@pytest.mark.slow  # the kernel starts and compiles by itself; `make docs` executes all of them
def test_first_notebook_runs_in_a_kernel(monkeypatch):
    monkeypatch.setenv("THERMO_OPTAX_FAST", "1")
    with warnings.catch_warnings(action="ignore"):  # of the event loop, on some platforms
        notebook = nbclient.execute(jupytext.read(SCRIPTS[0]), cwd=str(REPOSITORY))
    outputs = [kind for cell in notebook.cells for kind in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 2
