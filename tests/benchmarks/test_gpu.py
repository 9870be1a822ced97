"""The script for a machine with one accelerator: all of it runs on a CPU, with nothing but jax."""

import json
import os
import pathlib
import subprocess
import sys
import types

import jax
import jax.numpy as jnp
import pytest

from benchmarks.engine.progress import Silent
from benchmarks.gpu import checks, fusions

ROOT = pathlib.Path(__file__).parents[2]
# What jax itself does not need, as on a machine that has nothing else.
MISSING = ("tqdm", "flax", "matplotlib", "matfree", "pytest", "arviz", "torch", "blackjax", "chex")
PROGRAM = f"""
import sys
sys.modules.update(dict.fromkeys({MISSING}))
from benchmarks import cli
sys.exit(cli.main(["gpu", "--tiny", "--output", sys.argv[1]]))
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """All parts in the tiny mode, in a process where other packages cannot be imported."""
    folder = tmp_path_factory.mktemp("gpu")
    flags = os.environ.get("XLA_FLAGS", "").split()
    environment = os.environ | {
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": str(ROOT),
        "XLA_FLAGS": " ".join(flag for flag in flags if "device_count" not in flag),
    }
    environment.setdefault("JAX_COMPILATION_CACHE_DIR", str(ROOT / ".cache" / "jax"))
    subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder)], env=environment, check=True, cwd=ROOT
    )
    return json.loads((folder / "results.json").read_text()), (folder / "table.md").read_text()


def test_all_parts_run(results):
    numbers, table = results
    assert numbers["left_out"] == {}
    assert all(check["passed"] for check in numbers["checks"])
    assert {row["method"] for row in numbers["updates"]} == {"optax.sgd", "sgld"}
    assert numbers["exchange"]["steps_a_second"] > 0
    assert {"threefry", "ternary"} < set(numbers["noise"])
    for part in ("Contract", "Updates", "Noise", "Replicas", "Exchange", "Time and memory"):
        assert f"### {part}" in table


def test_a_slow_update_names_a_kernel(results):
    numbers, _ = results
    for row in numbers["updates"]:
        assert row["of_copy"] >= 0.8 or " of the " in row["slowest"]


def test_the_slowest_kernel_is_found():
    """A product of matrices takes longer than what is around it."""

    def program(x, y):
        return jnp.tanh(x[:8, :8]) + (y @ y)[:8, :8]

    x = jnp.ones((256, 256))
    compiled = jax.jit(program).lower(x, x).compile()
    by_time = fusions.slowest(compiled, lambda: compiled(x, x))
    assert by_time and "dot" in by_time.source
    by_bytes = fusions.slowest(compiled, lambda: None)
    assert by_bytes and not by_bytes.timed and 0 < by_bytes.share <= 1


def test_a_program_without_kernels():
    empty = types.SimpleNamespace(as_text=lambda: "HloModule empty\n\nENTRY %main () -> () {\n}\n")
    assert fusions.slowest(empty, lambda: None) is None


def test_what_is_wrong_is_found(monkeypatch):
    monkeypatch.setitem(checks.SAMPLERS, "sgld", lambda key: _leaking())
    assert not next(iter(checks.contract(["sgld"]))).passed


def _leaking():
    import optax

    return optax.GradientTransformation(
        lambda params: jnp.int32(0), lambda grads, state, params=None: (grads, jnp.float32(0))
    )


def test_no_time_leaves_all_parts_out(tmp_path, monkeypatch):
    from benchmarks.gpu import measurement

    monkeypatch.setattr(jax.config, "update", lambda *_: None)
    measurement.run(tmp_path, True, 0.0)
    numbers = json.loads((tmp_path / "results.json").read_text())
    assert set(numbers["left_out"].values()) == {"the time was up"}


def test_without_tqdm_there_is_no_bar():
    with Silent(total=3) as bar:
        bar.update()
        bar.set_postfix_str("done")
    assert list(Silent(range(3), desc="three")) == [0, 1, 2]
