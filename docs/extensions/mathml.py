"""Formulas as MathML, which browsers draw by themselves: pages need no script and no network."""

import re
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.util import logging

# Fences and primes as operators with no space around them, which the converter does not write.
TIGHT = re.compile(r"<(mo|mi)[^>]*>(&#x0007C;|&#x02016;|&#x02032;|&#x027E8;|&#x027E9;)</\1>")
# The glyph of a prime is raised already; a superscript would raise it twice.
PRIME = re.compile(r"<msup>(<mi[^>]*>[^<]*</mi>)(<mi>&#x02032;</mi>)</msup>")
# Functions need a thin space before and after, unless a bracket follows.
FUNCTION = r"<mi>(?:ln|log|exp|min|max|cosh|sin|tr)</mi>"
BEFORE, AFTER = re.compile(f"(?<=</mi>|</mn>)(?={FUNCTION})"), re.compile(f"({FUNCTION})(?!<mo)")
THIN_SPACE = '<mspace width="0.167em" />'

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
    found = AFTER.sub(rf"\1{THIN_SPACE}", BEFORE.sub(THIN_SPACE, found))
    found = PRIME.sub(r"<mrow>\1\2</mrow>", found)
    return TIGHT.sub(r'<mo stretchy="false" lspace="0" rspace="0">\2</mo>', found)


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
