"""Every public name has its place on the API pages, and nothing else has."""

import inspect
import pathlib
import re

from tests.test_architecture import PUBLIC, REPOSITORY
from thermo_optax import units

PAGES = sorted((REPOSITORY / "docs" / "api").glob("*.md"))
DIRECTIVE = re.compile(r"^\.\. auto(?:function|class|data):: thermo_optax\.([\w.]+)$", re.MULTILINE)


def test_every_public_name_is_listed_once():
    listed = [name for page in PAGES for name in DIRECTIVE.findall(page.read_text())]
    missing, unknown = set(PUBLIC) - set(listed), set(listed) - set(PUBLIC)
    assert not missing, f"give these a place in docs/api/: {sorted(missing)}"
    assert not unknown, f"docs/api/ lists what is not public: {sorted(unknown)}"
    assert len(listed) == len(set(listed))


def test_units_are_listed_by_their_module():
    page = pathlib.Path(REPOSITORY / "docs" / "api" / "units.md").read_text()
    assert "automodule:: thermo_optax.units" in page
    assert all(name.startswith("_") or one.__doc__ for name, one in functions(units))


def functions(module):
    return inspect.getmembers(module, inspect.isfunction)
