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


@pytest.mark.usefixtures("as_users_run_it")
@pytest.mark.parametrize("name", PAGES)
def test_code_runs(name):
    namespace = {"__name__": name}
    text = PAGES[name].read_text()
    for match in BLOCK.finditer(text):
        above = text[: match.start()].count("\n") + 1  # so that a traceback has the page's lines
        exec(compile("\n" * above + match.group(1), str(PAGES[name]), "exec"), namespace)


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.stem)
def test_every_page_is_in_a_table_of_contents(page):
    """And every entry of a table has its page; Sphinx says the same, later."""
    if page == DOCS / "index.md":
        return
    tables = (page.parent / "index.md").read_text() + (DOCS / "index.md").read_text()
    entry = str(page.relative_to(DOCS).with_suffix(""))
    assert re.search(rf"^({entry}|{page.stem})$", tables, re.MULTILINE)
