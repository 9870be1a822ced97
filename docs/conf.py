"""Sphinx: `make docs` builds the pages, and a warning fails the build.

Nothing is fetched from other sites, so the build needs no network.
"""

import base64
import importlib.metadata
import inspect
import json
import logging
import pathlib
import re
import shutil
import sys
from typing import Any

HERE = pathlib.Path(__file__).resolve().parent
# Sphinx wants its sources in one folder; links between notebooks do not survive a symbolic one.
# The front page shows some of the notebooks' pictures, as in `02_langevin_and_layers-1.png`.
shutil.rmtree(HERE / "notebooks", ignore_errors=True)
(HERE / "notebooks" / "pictures").mkdir(parents=True)
for notebook in (HERE.parent / "notebooks").glob("*.ipynb"):
    shutil.copy2(notebook, HERE / "notebooks")
    outputs = [
        one for cell in json.loads(notebook.read_text())["cells"] for one in cell.get("outputs", [])
    ]
    pictures = [one["data"]["image/png"] for one in outputs if "image/png" in one.get("data", {})]
    for number, picture in enumerate(pictures):
        file = HERE / "notebooks" / "pictures" / f"{notebook.stem}-{number}.png"
        file.write_bytes(base64.b64decode(picture))
logging.getLogger("traitlets").setLevel(logging.WARNING)

project = "thermo_optax"
author = "The thermo_optax authors"
version = release = importlib.metadata.version("thermo_optax")

sys.path.insert(0, str(HERE / "extensions"))
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "mathml",
    "names",
    "offline",
    "tables",
]
html_math_renderer = "mathml"
exclude_patterns = ["_build"]
# A name in single backticks is a link if it is ours, and plain code otherwise.
default_role = "py:obj"
add_module_names = False
# Types would make the signatures longer than the text; the text has units and ranges.
autodoc_typehints = "none"
python_maximum_signature_line_length = 88
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_custom_sections = [("Sources", "references")]

myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath"]
myst_heading_anchors = 3
# Pages show the outputs that the notebooks are committed with; tests see when they are old.
nb_execution_mode = "off"

html_theme = "furo"
html_title = "thermo_optax"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_copy_source = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

FIELD = re.compile(r"^    (\w+): [^#\n]+(?:=[^#\n]+)?# (.+)$", re.MULTILINE)


def fields_of_named_tuples(app: Any, what: str, name: str, obj: Any, *rest: Any) -> None:
    """Adds what the comments in its class body say of the fields of a state."""
    if what != "class" or not issubclass(obj, tuple):
        return
    lines = rest[-1]
    lines += ["", "Fields:", ""]
    for field, comment in FIELD.findall(inspect.getsource(obj)):
        lines.append(f"- ``{field}``: " + re.sub(r"([|*])", r"\\\1", comment))
    lines.append("")


def to_copied_notebooks(app: Any, page: str, source: list[str]) -> None:
    """Pages have links that work where the files lie; here the notebooks are copied."""
    source[0] = source[0].replace("](../notebooks/", "](notebooks/")


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("source-read", to_copied_notebooks)
    app.connect("autodoc-process-docstring", fields_of_named_tuples)
