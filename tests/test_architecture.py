"""The shape of the package: imports go down, its front door is explicit, all is documented."""

import ast
import inspect
import pathlib
import re
import subprocess
import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest

import thermo_optax

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
ROOT = REPOSITORY / "thermo_optax"
FRONT_DOOR = ROOT / "__init__.py"
MODULES = sorted(path for path in ROOT.rglob("*.py") if path != FRONT_DOOR)
FOLDERS = [ROOT, REPOSITORY / "tests", REPOSITORY / "benchmarks"]
SOURCES = sorted(path for folder in FOLDERS for path in folder.rglob("*.py"))
LONGEST = 150  # statements, which docstrings are not; past that, ask what else has moved in
LONGEST_ELSEWHERE = 250

FLOORS = [
    {"_xla"},
    {"_noise"},
    {"_base", "units"},
    {"integrators"},
    {"diagnostics"},
    {"partitions", "temperature", "geometry", "samples", "tuning"},
    {"replicas", "validation", "plot", "thermodynamics"},
]
FLOOR = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}

NEEDED = {"thermo_optax", "jax", "optax", "numpy"} | sys.stdlib_module_names
# Comes with jax; imported where it is used, since `scipy.stats` loads slower than all of ours.
NEEDED_LAZILY = {"scipy"}
# The extras: for functions and types, since `UNWANTED` keeps them from being loaded earlier.
NEEDED_BY = {"plot": {"matplotlib"}, "diagnostics": {"arviz", "matfree"}}
UNWANTED = {"chex", "equinox", "flax", "scipy.stats", "torch", "tqdm"}.union(*NEEDED_BY.values())

FIRST_RELEASE = [
    *("sgld", "leimkuhler_matthews", "langevin", "sghmc", "adaptive_langevin"),
    *("covariance_controlled_langevin", "psgld", "santa", "continuous_tempering", "ctld"),
    *("label_layers", "lol", "lala", "adlala"),
    *("diagnostics", "validate"),
]
# Equations and `Raises:` are for functions that have any: none is written for form's sake.
SECTIONS = ["Args:", "Returns:", "Examples?:", "(References?|Sources?):"]
# An argument is explained where it is: readers need no second page of ours to call a function.
ELSEWHERE = r"(?m)^ +\w+: .*\bas (in|of) `(?!arviz|optax)|^ +\w+: as (there|here)\b"


def name_of(path: pathlib.Path) -> str:
    return str(path.relative_to(REPOSITORY))


def imports(
    path: pathlib.Path, tree: ast.AST | None = None, *, lazy: bool = True
) -> Iterator[tuple[str, bool]]:
    """The dotted names that a file imports, and whether relatively; `lazy`: in functions too."""
    package = path.relative_to(REPOSITORY).parts[:-1]
    for node in ast.iter_child_nodes(tree or ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, False) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            parts = [*base, *([node.module] if node.module else [])]
            yield from ((".".join([*parts, alias.name]), node.level > 0) for alias in node.names)
        elif lazy or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from imports(path, node, lazy=lazy)


def exports(module: types.ModuleType) -> dict[str, Any]:
    """What a front door re-exports, by name."""
    tree = ast.parse(pathlib.Path(str(module.__file__)).read_text())
    names = [
        alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names
    ]
    return {name: getattr(module, name) for name in names if not name.startswith("_")}


def public() -> dict[str, Any]:
    found = {}
    for name, value in exports(thermo_optax).items():
        if isinstance(value, types.ModuleType):
            found |= {f"{name}.{inner}": one for inner, one in exports(value).items()}
        else:
            found[name] = value
    return found


PUBLIC = public()
FUNCTIONS = {name: one for name, one in PUBLIC.items() if inspect.isroutine(inspect.unwrap(one))}
CLASSES = {name: one for name, one in PUBLIC.items() if inspect.isclass(one)}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_go_down(path):
    room = path.relative_to(ROOT).with_suffix("").parts[0]
    assert room in FLOOR, f"{room} stands on no floor: give it one in FLOORS"
    for name, relative in imports(path):
        if name.partition(".")[0] != "thermo_optax":
            continue
        target = name.split(".")[1] if "." in name else None
        assert target in FLOOR, f"{room} imports {name}: import from a floor, not the front door"
        assert target == room or not relative, f"{room} reaches {target} by a relative import"
        assert target == room or FLOOR[target] < FLOOR[room], f"{room} may not import {target}"


@pytest.mark.parametrize("path", [FRONT_DOOR, *MODULES], ids=name_of)
def test_package_needs_only_its_dependencies(path):
    at_import = {name.partition(".")[0] for name, _ in imports(path, lazy=False)}
    ever = {name.partition(".")[0] for name, _ in imports(path)}
    needed = NEEDED | NEEDED_BY.get(path.relative_to(ROOT).parts[0], set())
    assert not at_import - needed
    assert not ever - needed - NEEDED_LAZILY


WORKAROUNDS = ("optimization_barrier", "set_xla_metadata", "custom_vmap", "default_backend")


def test_workarounds_for_xla_stand_in_one_room():
    """Each with its reason, so that a new version of jax can be tried without them."""
    users = [path for path in MODULES if any(word in path.read_text() for word in WORKAROUNDS)]
    assert [name_of(path) for path in users] == ["thermo_optax/_xla.py"]


def test_import_loads_nothing_unwanted():
    program = "import sys, thermo_optax; print(*sys.modules, sep='\\n')"
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, check=True, text=True, capture_output=True
    )
    assert not UNWANTED & set(run.stdout.splitlines())


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_no_file_is_long(path):
    nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.stmt)]
    texts = [node for node in nodes if isinstance(node, ast.Expr) and _is_text(node.value)]
    assert len(nodes) - len(texts) <= (LONGEST if ROOT in path.parents else LONGEST_ELSEWHERE)


def _is_text(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def test_front_door_only_reexports():
    """Each name is imported as itself, which type checkers read as public; a string could rot."""
    docstring, *statements = ast.parse(FRONT_DOOR.read_text()).body
    assert isinstance(docstring, ast.Expr)
    for statement in statements:
        if isinstance(statement, ast.ImportFrom):
            assert all(alias.asname == alias.name for alias in statement.names)
        elif isinstance(statement, ast.Assign):
            assert ast.unparse(statement.targets[0]) == "__version__"
        else:
            assert isinstance(statement, ast.Import), ast.unparse(statement)


def test_promised_names_are_exported():
    missing = set(FIRST_RELEASE) - set(exports(thermo_optax))
    assert not missing


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_is_documented(name):
    function = FUNCTIONS[name]
    text = inspect.getdoc(function) or ""
    wanted = SECTIONS if inspect.signature(function).parameters else SECTIONS[1:]
    missing = [section for section in wanted if not re.search(f"(?m)^{section}", text)]
    assert not missing, f"the docstring of {name} lacks {missing}"
    assert not re.search(ELSEWHERE, text), f"{name} explains arguments elsewhere: say what they are"
    assert not re.search(r"(?m)^Raises:\n +Nothing", text), f"{name} raises nothing: leave that out"


@pytest.mark.parametrize("name", CLASSES)
def test_class_is_documented(name):
    text = inspect.getdoc(CLASSES[name]) or ""
    assert text and not text.startswith(f"{name.rpartition('.')[2]}("), "generated, not written"
