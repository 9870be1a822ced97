"""Executes the scripts in notebooks/ and keeps what they print and draw in the .ipynb beside them.

    python docs/execute_notebooks.py          those whose code or text has changed
    python docs/execute_notebooks.py --all    all of them: after a change of the library

A second run changes little: pictures have few colours and no dates, and times and counts of
executions are left out. Each notebook has the fingerprint of the cells that it was made from, so
that a test sees when its outputs are old.
"""

import argparse
import base64
import hashlib
import io
import json
import os
import pathlib
from typing import Any

import jupytext
import nbclient
import nbformat
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parent.parent
SCRIPTS = sorted((ROOT / "notebooks").glob("*.py"))
LARGEST_PICTURE = 40_000  # bytes
PALETTES = (96, 48, 24)  # colours: the most with which a picture is small enough
# For the kernel: the size of the pictures, and programs that jax has compiled before.
ENVIRONMENT = {
    "MATPLOTLIBRC": str(pathlib.Path(__file__).resolve().parent / "notebooks.matplotlibrc"),
    "JAX_COMPILATION_CACHE_DIR": str(ROOT / ".cache" / "jax"),
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "PYTHONPATH": str(ROOT),
}


def fingerprint(notebook: Any) -> str:
    """Of the types and sources of all cells."""
    cells = [(cell.cell_type, cell.source) for cell in notebook.cells]
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()


def kept_fingerprint(path: pathlib.Path) -> str | None:
    """Of the cells that the outputs in this .ipynb were made from."""
    if not path.exists():
        return None
    return nbformat.read(path, as_version=4).metadata.get("thermo_optax", {}).get("made_from")


def execute(script: pathlib.Path) -> Any:
    """The notebook of a script with its outputs; an error of a cell is raised here."""
    notebook: Any = jupytext.read(script)
    made_from = fingerprint(notebook)
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
    client = nbclient.NotebookClient(
        notebook,
        timeout=900,
        resources={"metadata": {"path": str(ROOT)}},
        record_timing=False,
        coalesce_streams=True,
    )
    client.execute(env={**os.environ, **ENVIRONMENT})
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.execution_count = None
            cell.outputs = _tidy(cell.outputs)
    notebook.metadata.pop("language_info", None)
    notebook.metadata["thermo_optax"] = {"made_from": made_from}
    return notebook


def _tidy(outputs: list[Any]) -> list[Any]:
    """What was printed, in one piece, and then the pictures, small."""
    printed = "".join(one.text for one in outputs if one.output_type == "stream")
    shown = [one for one in outputs if one.output_type != "stream"]
    for one in shown:
        one.pop("execution_count", None)
        if one.output_type == "execute_result":
            one.execution_count = None
        if "image/png" in one.get("data", {}):
            one.data = {"image/png": _small(one.data["image/png"])}
            one.metadata = {}
    return [nbformat.v4.new_output("stream", text=printed)] * bool(printed) + shown


def _small(png: str) -> str:
    """The picture with a palette of few colours, and nothing beside it."""
    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    small = b""
    for colours in PALETTES:
        file = io.BytesIO()
        few = picture.quantize(colours, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        few.save(file, "PNG", optimize=True)
        small = file.getvalue()
        if len(small) <= LARGEST_PICTURE:
            break
    return base64.b64encode(small).decode()


def main() -> None:
    """The command of this file."""
    parser = argparse.ArgumentParser(description="Executes the notebooks that have changed.")
    parser.add_argument("--all", action="store_true", help="also those that have not changed")
    parser.add_argument("names", nargs="*", help="only these, changed or not")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - {script.stem for script in SCRIPTS})
    if unknown:
        parser.error(f"no notebook is called {unknown}, only {[one.stem for one in SCRIPTS]}")
    for script in SCRIPTS:
        path = script.with_suffix(".ipynb")
        changed = kept_fingerprint(path) != fingerprint(jupytext.read(script))
        if script.stem not in options.names and (options.names or not (changed or options.all)):
            continue
        print(f"{script.name}: executing", flush=True)
        nbformat.write(execute(script), path)


if __name__ == "__main__":
    main()
