"""What is said of the package outside of its code: version, classifiers, links."""

import importlib.metadata
import re
import tomllib

import thermo_optax
from tests.test_architecture import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]


def test_one_version():
    assert thermo_optax.__version__ == importlib.metadata.version("thermo_optax")
    assert "version" in PROJECT["dynamic"]  # read from the package, so that it cannot differ


def test_classifiers_name_the_pythons_that_are_tested():
    named = {one.rpartition(" ")[2] for one in PROJECT["classifiers"] if " :: Python :: 3." in one}
    makefile = (REPOSITORY / "Makefile").read_text()
    assert named >= set(re.findall(r"FIND_PYTHON,(3\.\d+)\)", makefile))


def test_links_lead_to_no_placeholder():
    for name, link in PROJECT["urls"].items():
        assert re.fullmatch(r"https://[a-z0-9.-]+(/\S*)?", link), name
        assert not re.search(r"example|todo|your|placeholder", link, re.IGNORECASE), name
