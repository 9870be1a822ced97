"""A run that was saved, or killed, and goes on from there gives the bits of one never stopped."""

import dataclasses
import functools
import io
import pathlib
import pickle
import random
import subprocess
import sys
import time
from typing import Any

import flax.serialization
import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest

import thermo_optax as to
from conftest import ROOT
from tests.compiling import quick_jit
from tests.registry import METHODS, TURNS

from .interrupted import TRAINING_STEPS, advance, start
from .programs import assert_close, assert_equal, params, types, update

SAVED_AT = 3  # of `TRAINING_STEPS`: within an inner loop, a phase, a window of adaptation


@pytest.fixture(scope="module")
def trainings(request):
    """The methods of the tests that run, after each step, uninterrupted."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jax, "device_count", lambda: 1)
        trainings = [start(methods_of(request.session.items))]
        for _ in range(TRAINING_STEPS):
            trainings.append(advance(trainings[-1]))
        return trainings


def methods_of(items):
    """Those whose runs are compared, because every other one would be trained for nothing."""
    mine = [item for item in items if item.path == pathlib.Path(__file__)]
    if any("killed" in item.name for item in mine):
        return tuple(METHODS)
    named = {item.callspec.params.get("name") for item in mine if hasattr(item, "callspec")}
    return tuple(name for name in METHODS if name in named)


def by_orbax(tree, template, folder):
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(folder / "orbax", tree)
        checkpointer.wait_until_finished()
        return checkpointer.restore(folder / "orbax", template)


def by_msgpack(tree, template, folder):
    return flax.serialization.from_bytes(template, flax.serialization.to_bytes(tree))


def by_pickle(tree, template, folder):
    return pickle.loads(pickle.dumps(jax.device_get(tree)))


def by_numpy(tree, template, folder):
    file = io.BytesIO()
    np.savez(file, *jax.tree.leaves(tree))
    file.seek(0)
    with np.load(file) as arrays:
        return jax.tree.unflatten(jax.tree.structure(template), arrays.values())


FORMATS = {"orbax": by_orbax, "msgpack": by_msgpack, "pickle": by_pickle, "numpy": by_numpy}


@dataclasses.dataclass
class Restored:
    """What each format gives back, saved for all methods at once, since Orbax is slow to start."""

    runs: dict[str, Any]
    folder: Any
    known: dict[str, Any] = dataclasses.field(default_factory=dict)

    def by(self, name: str) -> Any:
        if name not in self.known:
            template = jax.eval_shape(lambda: self.runs)
            self.known[name] = FORMATS[name](self.runs, template, self.folder)
        return self.known[name]


@pytest.fixture(scope="module")
def restored(trainings, tmp_path_factory):
    return Restored(trainings[SAVED_AT]["runs"], tmp_path_factory.mktemp("saved"))


@pytest.mark.quick(*TURNS[1])
@pytest.mark.parametrize("name", METHODS)
def test_restored_run_continues_to_the_same_bits(name, trainings, restored):
    expected = trainings[TRAINING_STEPS]["runs"][name]
    assert types(restored.by("orbax")[name][1]) == types(expected[1])
    for format_name in FORMATS:
        tree, state = restored.by(format_name)[name]
        assert_equal((tree, state), trainings[SAVED_AT]["runs"][name])
        for _ in range(SAVED_AT, TRAINING_STEPS):
            updates, state = update(name, tree, state, tree)
            tree = optax.apply_updates(tree, updates)
        assert_equal((tree, state), expected)


@pytest.mark.slow
def test_killed_training_resumes_to_the_same_bits(trainings, tmp_path):
    seed = random.SystemRandom().randrange(10**6)
    print("seed of the moment of the kill:", seed)
    with ocp.CheckpointManager(tmp_path) as manager:
        manager.save(0, args=ocp.args.StandardSave(trainings[0]))
    command = [sys.executable, "-m", "tests.contract.interrupted", str(tmp_path)]
    run = functools.partial(subprocess.Popen, command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    with run() as first:
        for line in first.stdout:
            if line == "trained 1\n":
                began = time.monotonic()
            if line == "trained 2\n":  # the first save is complete once the second has begun
                step = time.monotonic() - began
                time.sleep(random.Random(seed).uniform(0, (TRAINING_STEPS - 4) * step))
                first.kill()
                break
        steps = [line for line in first.stdout if line.startswith("trained")]
    assert first.returncode == -9
    assert f"trained {TRAINING_STEPS}\n" not in steps, "it was killed too late"
    with run() as second:
        lines = second.stdout.read().splitlines()
    assert second.returncode == 0
    print(lines)
    assert 1 <= int(lines[0].removeprefix("from ")) < TRAINING_STEPS
    assert lines[-1] == f"trained {TRAINING_STEPS}"
    with ocp.CheckpointManager(tmp_path) as manager:
        template = jax.eval_shape(lambda: trainings[0])
        found = manager.restore(TRAINING_STEPS, args=ocp.args.StandardRestore(template))
    expected = trainings[TRAINING_STEPS]
    assert_equal(found["runs"], expected["runs"])
    assert_equal(*(jax.random.key_data(each["key"]) for each in (found, expected)))


LAYOUTS = {"rows": jax.P(None, "x"), "columns": jax.P("x"), "everywhere": jax.P()}


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS)
def test_sharded_state_is_restored_to_any_layout(layout, tmp_path):
    """Saved in shards by eight devices, read where the template says, with the same bits."""
    mesh = jax.make_mesh((8,), ("x",), devices=jax.devices("cpu")[:8])
    tree = {"w": jnp.ones((8, 16)), "b": jnp.zeros((8, 8))}

    def spread(tree, spec):
        return jax.tree.map(lambda x: jax.device_put(x, jax.NamedSharding(mesh, spec)), tree)

    sampler = to.langevin(0.1, 0.1, friction=1.0, key=jax.random.key(2))
    tx = to.local_entropy(sampler, optax.sgd(1.0), num_inner_steps=4)
    with jax.set_mesh(mesh):
        step = quick_jit(tx.update)
        tree = spread(tree, LAYOUTS["rows"])
        _, state = step(tree, tx.init(tree), tree)
        target = spread(tree, LAYOUTS[layout])
        # Shapes alone say nothing of devices, so the template is made of arrays that lie there.
        template = jax.tree.map(ocp.utils.to_shape_dtype_struct, tx.init(target))
        found = by_orbax(state, template, tmp_path)
        assert_equal(found, state)
        assert found.mean["w"].sharding.is_equivalent_to(target["w"].sharding, 2)
        assert types(found) == types(tx.init(target))
        expected, actual = step(tree, state, tree), step(target, found, target)
    compare = assert_equal if layout == "rows" else assert_close
    compare(actual, expected)


@pytest.mark.slow
@pytest.mark.usefixtures("standard_promotion")  # for Adam
@pytest.mark.parametrize("mode", ["successive", "opaque"])
def test_local_entropy_is_saved_at_every_inner_step(mode, tmp_path):
    """Through two loops of four steps and a half; the state says where in the loop it is."""
    opaque = mode == "opaque"
    tx = to.local_entropy(
        to.langevin(0.2, 0.1, friction=1.0, key=0),
        optax.adam(0.1),
        num_inner_steps=4,
        scope=to.scoping(0.1, 1.5),
        mixing=optax.trace(0.9, nesterov=True),
        opaque=opaque,
    )
    extra = {"grad_fn": lambda tree, i: tree} if opaque else {}

    @quick_jit
    def step(tree, state):
        updates, state = tx.update(tree, state, tree, **extra)
        return optax.apply_updates(tree, updates), state

    tree = params()
    runs = [(tree, tx.init(tree))]
    for _ in range(10):
        runs.append(step(*runs[-1]))
    if not opaque:
        assert {int(state.inner_step) for _, state in runs} == {0, 1, 2, 3}
    for at, saved in enumerate(by_orbax(runs, jax.eval_shape(lambda: runs), tmp_path)):
        run = saved
        for expected in runs[at + 1 :]:
            run = step(*run)
            assert_equal(run, expected)
    assert len(runs) == 11


KEY = {"key": jax.random.key(3), "state": jnp.ones(2)}


def typed(name, folder):
    """The key after a round trip; whatever fails, and a key without its type, is an error."""
    found = FORMATS[name](KEY, jax.eval_shape(lambda: KEY), folder)["key"]
    if not hasattr(found, "dtype") or found.dtype != KEY["key"].dtype:
        raise TypeError(f"got {found!r}")
    return found


@pytest.mark.parametrize("name", ["orbax", "pickle"])
def test_typed_keys_of_the_user_come_back(name, tmp_path):
    assert_equal(*map(jax.random.key_data, (typed(name, tmp_path), KEY["key"])))


@pytest.mark.parametrize("name", ["msgpack", "numpy"])
def test_typed_keys_of_the_user_need_words(name, tmp_path):
    """What `docs/checkpoints.md` says, until the format learns typed keys."""
    with pytest.raises((TypeError, ValueError)):
        typed(name, tmp_path)
    words = {**KEY, "key": jax.random.key_data(KEY["key"])}
    found = FORMATS[name](words, words, tmp_path)["key"]
    key = jax.random.wrap_key_data(jnp.asarray(found))
    assert_equal(*map(jax.random.key_data, (key, KEY["key"])))


@pytest.mark.parametrize("name", FORMATS)
def test_half_precision(name, tmp_path):
    tree = {"w": jnp.full(3, 1.5, jnp.bfloat16)}
    found = FORMATS[name](tree, jax.eval_shape(lambda: tree), tmp_path)
    if name == "numpy":
        assert found["w"].dtype == np.dtype("V2")  # NumPy's file format does not know the name
        found["w"] = found["w"].view(jnp.bfloat16)
    assert found["w"].dtype == jnp.bfloat16
    assert_equal(found, tree)
