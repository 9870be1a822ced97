"""JAX set up for all tests, and for the doctests of the package: hence at the root.

Strict about dtypes and shapes, eight devices, compiled programs kept between runs.
"""

import os
import pathlib
from collections.abc import Iterator

# Loading a program compiled for this very CPU, XLA complains at length of the tuning flag
# "prefer-no-gather" (a false alarm), which would bury the report of a failing test.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import jax
import pytest

ROOT = pathlib.Path(__file__).resolve().parent

# Of the whole repository, as in `pytest path/to/thermo_optax`, only what has tests is collected:
# notebooks and benchmarks are no modules with examples, and their tests stand in tests/.
collect_ignore = ["benchmarks", "build", "constraints", "docs", "notebooks", "results"]

# A silent promotion or broadcast is how a float32 temperature widens a bfloat16 momentum, and how
# a friction per group meets the wrong axis.
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

# The sharding tests need several devices; the other tests stay on the first one.
if "xla_force_host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
    jax.config.update("jax_num_cpu_devices", 8)

# Compiling takes most of the tests' time, so compiled programs outlive the run.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    jax.config.update("jax_compilation_cache_dir", str(ROOT / ".cache" / "jax"))
# Also those of single operations, thousands of which are compiled, and in both processes.
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


@pytest.hookimpl(tryfirst=True)  # before pytest leaves out what is slow
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks as slow the cases that a test's mark `quick` does not name."""
    named: dict[str, set[str]] = {}  # test -> names in its mark that no case has had yet
    for item in items:
        mark = item.get_closest_marker("quick")
        if mark is None:
            continue
        case = item.callspec  # pyright: ignore[reportAttributeAccessIssue]
        words = {case.id, *(value for value in case.params.values() if isinstance(value, str))}
        if "name" not in case.params:  # names of methods have hyphens of their own
            words |= set(case.id.split("-"))
        if words.isdisjoint(mark.args):
            item.add_marker(pytest.mark.slow)
        test = item.nodeid.removesuffix(f"[{case.id}]")
        named[test] = named.get(test, set(mark.args)) - words
    unknown = {test: names for test, names in named.items() if names}
    if unknown and not any("::" in str(given) for given in config.args):  # all cases are here
        raise pytest.UsageError(f"The mark `quick` names cases that do not exist: {unknown}")


# Of `make test`, what LLVM optimises as for users: noise, laws and examples.
AS_FOR_USERS = (
    "tests/_noise/",
    "tests/docs/",
    "tests/physics/",
    "tests/validation/",
    "thermo_optax/",
)
FEW_STEPS = ("tests/benchmarks/",)  # trainings whose programs take longer to optimise than to run
QUICKLY_COMPILED = jax.config.read("jax_disable_most_optimizations")  # as `make test` asks for


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Sets how well XLA compiles the programs of a test, and those of its module's fixtures."""
    quickly = QUICKLY_COMPILED and not item.nodeid.startswith(AS_FOR_USERS)
    quickly = quickly or item.nodeid.startswith(FEW_STEPS)
    jax.config.update("jax_disable_most_optimizations", quickly)
    return (yield)


@pytest.fixture
def standard_promotion() -> Iterator[None]:
    """For tests of parts of optax that promote dtypes themselves.

    Those are the bias correction of Adam, `ema`, `add_noise`, `MultiSteps`, and all schedules but
    the constant, linear, polynomial and exponential ones.
    """
    with jax.numpy_dtype_promotion("standard"):
        yield


@pytest.fixture(autouse=True)
def _examples_run_as_users_run_them(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    if not isinstance(request.node, pytest.DoctestItem):
        yield
        return
    monkeypatch.setattr(jax, "device_count", lambda: 1)
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield
