"""What our extensions make of a page: formulas, links, tables. And the pages as they are built."""

import importlib
import re
import subprocess
import sys

import pytest

from tests.test_architecture import PUBLIC, REPOSITORY

DOCS = REPOSITORY / "docs"


@pytest.fixture(scope="module")
def extension():
    """Imports one of docs/extensions."""
    for need in ("sphinx", "latex2mathml"):
        pytest.importorskip(need, reason="the extra `docs` is not installed")
    return lambda name: importlib.import_module(f"docs.extensions.{name}")


@pytest.fixture(scope="module")
def pages(extension, tmp_path_factory):
    """The documentation, built; a warning is an error."""
    folder = tmp_path_factory.mktemp("pages")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    subprocess.run([*command, DOCS, folder], cwd=REPOSITORY, check=True)
    return folder


def test_names_of_others_have_an_address(extension):
    address = extension("names").address
    assert address("jax.vmap") == "https://docs.jax.dev/en/latest/_autosummary/jax.vmap.html"
    assert address("jax.random.key").endswith("_autosummary/jax.random.key.html")
    assert address("jax.random").endswith("latest/jax.random.html")
    assert (
        address("optax.chain") == "https://optax.readthedocs.io/en/latest/search.html?q=optax.chain"
    )
    assert all(address(text) is None for text in ("optax", "jax.vmap(f)", "numpy.sum", "a jax.b"))


def test_names_are_the_public_ones(extension):
    names = extension("names")
    assert set(PUBLIC) <= names.PUBLIC
    for text in ("sgld", "to.sgld", "thermo_optax.sgld", "to.sgld(0.1, 1.0, key=0)"):
        assert names.OURS.fullmatch(text).group(1) == "sgld"
    assert names.OURS.fullmatch("to.diagnostics.rhat").group(1) in names.PUBLIC


def test_cells_know_their_columns(extension):
    row = "<tr><td>{}</td><td>{}</td></tr>"
    table = f"<table><tr><th>you <em>want</em></th><th>take</th></tr>{row}{row}</table>"
    labelled = extension("tables").label_cells(table)
    assert re.findall(r'data-column="(.*?)"', labelled) == ["you want", "take"] * 2


def test_what_other_sites_hold_is_found(extension, tmp_path):
    remote = extension("offline").remote
    page = tmp_path / "page.html"
    page.write_text('<a href="https://a.b">x</a><script src="_static/x.js"></script>')
    assert not remote(tmp_path)
    page.write_text('<script async src="https://cdn.x/y.js"></script>')
    assert len(remote(tmp_path)) == 1


@pytest.mark.slow  # builds all pages
def test_built_pages(pages, extension):
    """They need no network, have formulas and pictures, and names are links."""
    assert not extension("offline").remote(pages)
    samplers = (pages / "samplers.html").read_text()
    assert "<math" in samplers and "MathJax" not in samplers
    wrappers = (pages / "passes-through.html").read_text()
    assert re.search(r'href="api/integrators.html#thermo_optax.heated"[^>]*><code', wrappers)
    assert "search.html?q=optax.MultiSteps" in wrappers
    front = (pages / "index.html").read_text()
    pictures = re.findall(r'<img alt="[^"]{20,}"[^>]*src="(_images/[^"]*)"', front)
    assert len(pictures) >= 5 and all((pages / picture).is_file() for picture in pictures)
    assert 'href="local-entropy.html"' in front
    assert not re.findall(r'href="[^"]*\.md"', front)  # the README's links lead to pages
