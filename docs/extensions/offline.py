"""A page must not load anything from another site: readers may have no network."""

import pathlib
import re
from typing import Any

from sphinx.errors import ExtensionError

LOADED = re.compile(
    r"<(?:script|img|link|iframe|source)\b[^>]*\b(?:src|href)=\"(?:https?:)?//[^\"]*"
)


def remote(folder: pathlib.Path) -> list[str]:
    """What the pages in a folder load from other sites."""
    pages = sorted(folder.rglob("*.html"))
    return [f"{page}: {tag}" for page in pages for tag in LOADED.findall(page.read_text())]


def check(app: Any, error: Exception | None) -> None:
    """Ends the build with an error if a page needs a network."""
    found = [] if error else remote(pathlib.Path(app.outdir))
    if found:
        raise ExtensionError("these pages load something from another site:\n" + "\n".join(found))


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("build-finished", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
