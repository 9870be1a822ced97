"""Folders of results: claimed before anything runs, and never written over."""

import pathlib
import tempfile

TABLE = "table.md"  # every benchmark leaves one


def claim(folder: pathlib.Path) -> pathlib.Path:
    """The folder that a run may write to: this one, or `run-2`, `run-3`... in it.

    A folder that holds the results of an earlier run is left as it is. Raises `SystemExit` with a
    message if nothing can be written, before hours of training and not after them.
    """
    chosen, number = folder, 1
    while (chosen / TABLE).exists():
        number += 1
        chosen = folder / f"run-{number}"
    try:
        chosen.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=chosen):
            pass
    except OSError as error:
        raise SystemExit(
            f"error: --output {folder} cannot be written to ({error}): name another folder"
        ) from error
    if chosen != folder:
        print(f"{folder} holds the results of an earlier run: these go to {chosen}", flush=True)
    return chosen
