"""Formulas as MathML, which browsers draw by themselves: pages need no script and no network."""

import re
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.util import logging

logger = logging.getLogger(__name__)


def mathml(node: Any, display: str) -> str:
    """A formula's MathML; what cannot be converted is a warning, and so an error of the build."""
    latex = node.astext().strip().replace("{aligned}", "{align*}")
    latex = re.sub(r"\\arg\b", r"\\operatorname{arg}", latex)
    if r"\\" in latex and r"\begin" not in latex:
        latex = rf"\begin{{align*}}{latex}\end{{align*}}"
    try:
        found = convert(latex, display=display)
    except Exception as error:
        logger.warning("no MathML for %r: %r", latex, error, location=node)
        return f"<code>{node.astext()}</code>"
    left = re.search(r"\\[A-Za-z]+|>&<|newline", found)  # what it did not know
    if left:
        logger.warning("no MathML for %s in %r", left.group(), latex, location=node)
    return found


def inline(self: Any, node: Any) -> None:
    """Writes a formula within a line."""
    self.body.append(mathml(node, "inline"))
    raise nodes.SkipNode


def block(self: Any, node: Any) -> None:
    """Writes a formula on lines of its own, which scroll where they are wider than the page."""
    self.body.append(f'<div class="math">{mathml(node, "block")}</div>')
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
