"""Tables that can be read on a phone: each cell knows the heading of its column.

A phone is too narrow for several columns. There `_static/pages.css` shows each row as a block, with
the heading before each cell.
"""

import html
import re
from typing import Any

TABLE = re.compile(r"<table.*?</table>", re.DOTALL)
HEADING = re.compile(r"<th\b[^>]*>(.*?)</th>", re.DOTALL)
ROW = re.compile(r"<tr\b.*?</tr>", re.DOTALL)
TAG = re.compile(r"<[^>]+>")


def label_cells(table: str) -> str:
    """The table, its cells with `data-column`."""
    headings = [html.escape(TAG.sub("", one).strip()) for one in HEADING.findall(table)]

    def label_row(row: re.Match[str]) -> str:
        names = iter(headings)
        return re.sub(r"<td\b", lambda _: f'<td data-column="{next(names, "")}"', row.group())

    return ROW.sub(label_row, table)


def label(
    app: Any, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Labels the tables of a page."""
    if "body" in context:
        context["body"] = TABLE.sub(lambda table: label_cells(table.group()), context["body"])


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("html-page-context", label)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
