"""The Python code of each page runs, from top to bottom; what it asserts is the test."""

import re

import jax
import pytest

from tests.test_architecture import REPOSITORY

DOCS = REPOSITORY / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
PAGES = {page.stem: page for page in sorted(DOCS.glob("*.md")) if BLOCK.search(page.read_text())}


@pytest.fixture
def as_users_run_it(tmp_path, monkeypatch):
    """One device, standard promotion, files in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(jax, "device_count", lambda: 1)
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def blocks(name):
    """The code of a page, each block on the page's lines, so that tracebacks name these."""
    text = PAGES[name].read_text()
    matches = BLOCK.finditer(text)
    return ["\n" * (text[: one.start()].count("\n") + 1) + one.group(1) for one in matches]


def run(name, code):
    namespace = {"__name__": name}
    for block in code:
        exec(compile(block, str(PAGES[name]), "exec"), namespace)


@pytest.mark.usefixtures("as_users_run_it")
@pytest.mark.quick(
    "comparators",
    "continuous-tempering",
    "local-entropy",
    "logging",
    "passes-through",
    "temperature-and-units",
)
@pytest.mark.parametrize("name", PAGES)
def test_code_runs(name):
    run(name, [block for block in blocks(name) if "import haiku" not in block])


@pytest.mark.usefixtures("as_users_run_it")
def test_haiku():
    """dm-haiku is not among the requirements; where it is installed, the page's example runs."""
    pytest.importorskip("haiku", reason="dm-haiku is not installed")
    first, *others = blocks("integrations")
    run("integrations", [first, *(block for block in others if "import haiku" in block)])


@pytest.mark.parametrize("name", PAGES)
def test_lines_of_code_fit_on_a_page(name):
    assert not [line for block in blocks(name) for line in block.splitlines() if len(line) > 88]


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.stem)
def test_every_page_is_in_a_table_of_contents(page):
    """And every entry of a table has its page; Sphinx says the same, later."""
    if page == DOCS / "index.md":
        return
    tables = (page.parent / "index.md").read_text() + (DOCS / "index.md").read_text()
    entry = str(page.relative_to(DOCS).with_suffix(""))
    assert re.search(rf"^({entry}|{page.stem})$", tables, re.MULTILINE)
