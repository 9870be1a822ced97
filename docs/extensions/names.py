"""Names in code become links: ours to the API, those of optax and jax to their documentation.

Sphinx links to other projects by inventories that it fetches, but a build needs no network. So
addresses are made from the names: jax has a page for each function, and optax is searched.
"""

import inspect
import re
import types
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms import SphinxTransform

import thermo_optax

OTHERS = re.compile(r"(optax|jax)(\.\w+)+")
JAX_FUNCTION = re.compile(r"jax\.((lax|random|tree|tree_util)\.)?[a-z_]+")
MODULES = ("diagnostics", "plot", "units")
OURS = re.compile(r"(?:(?:to|thermo_optax)\.)?([\w.]+?)(?:\(.*\))?", re.DOTALL)


def names_of(module: types.ModuleType, prefix: str = "") -> set[str]:
    """The functions and classes of a front door."""
    found = inspect.getmembers(module, lambda one: inspect.isroutine(one) or inspect.isclass(one))
    return {prefix + name for name, _ in found if not name.startswith("_")}


PUBLIC = names_of(thermo_optax).union(
    *(names_of(getattr(thermo_optax, name), f"{name}.") for name in MODULES)
)


def address(name: str) -> str | None:
    """Where another project documents a name, such as `jax.vmap`."""
    if not OTHERS.fullmatch(name):
        return None
    if name.startswith("optax."):
        return f"https://optax.readthedocs.io/en/latest/search.html?q={name}"
    modules = ("jax.random", "jax.lax", "jax.tree", "jax.export", "jax.sharding", "jax.nn")
    if name in modules:
        return f"https://docs.jax.dev/en/latest/{name}.html"
    if JAX_FUNCTION.fullmatch(name):
        return f"https://docs.jax.dev/en/latest/_autosummary/{name}.html"
    return f"https://docs.jax.dev/en/latest/search.html?q={name}"


def external(name: str, shown: nodes.Node) -> nodes.reference | None:
    """A link to the name in another project's documentation."""
    uri = address(name)
    return uri and nodes.reference("", "", shown, internal=False, refuri=uri, reftitle=name) or None


class LinkNames(SphinxTransform):
    """Links inline code that is just a name, but not in headings or docstrings."""

    default_priority = 500

    def apply(self, **kwargs: Any) -> None:
        """Called by Sphinx for each page."""
        for code in list(self.document.findall(nodes.literal)):
            parents, node = [], code.parent
            while node is not None:
                parents.append(type(node))
                node = node.parent
            if {nodes.title, nodes.reference, addnodes.pending_xref, addnodes.desc} & set(parents):
                continue
            text = code.astext()
            name = OURS.fullmatch(text)
            link = external(text.removesuffix("()"), code.deepcopy())
            if name and name.group(1) in PUBLIC:
                link = addnodes.pending_xref(
                    "",
                    code.deepcopy(),
                    refdomain="py",
                    reftype="obj",
                    reftarget=f"thermo_optax.{name.group(1)}",
                    refexplicit=True,
                    refwarn=True,  # a public name without a place in the API is an error
                    refdoc=self.env.docname,
                )
            elif text in MODULES or text in [f"to.{module}" for module in MODULES]:
                link = addnodes.pending_xref(
                    "",
                    code.deepcopy(),
                    refdomain="std",
                    reftype="doc",
                    reftarget=f"/api/{text.removeprefix('to.')}",
                    refexplicit=True,
                    refwarn=True,
                    refdoc=self.env.docname,
                )
            if link is not None:
                code.replace_self(link)


def others(app: Any, env: Any, node: Any, shown: nodes.Node) -> Any:
    """Docstrings write names as roles; those of other projects Sphinx does not know."""
    target = node.get("reftarget", "")
    name = OURS.fullmatch(target)
    if name and name.group(1) in PUBLIC:  # without `thermo_optax.`
        python, full = env.get_domain("py"), f"thermo_optax.{name.group(1)}"
        return python.resolve_xref(env, node["refdoc"], app.builder, "obj", full, node, shown)
    return external(target, shown)


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_transform(LinkNames)
    app.connect("missing-reference", others)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
