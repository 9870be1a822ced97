"""Trains all methods from the newest save of a folder, and saves every step with Orbax.

`test_resume.py` makes the first save, runs this in a process of its own, and kills it:
python -m tests.contract.interrupted
"""

import pathlib
import sys
from collections.abc import Iterable
from typing import Any

import jax
import optax
import orbax.checkpoint as ocp

import conftest  # the same compiled programs as in the tests  # noqa: F401
from tests.registry import METHODS

from .programs import init, params, update

TRAINING_STEPS = 8


def start(names: Iterable[str] = tuple(METHODS)) -> dict[str, Any]:
    """The parameters and the state of each method, and a user's own typed key."""
    runs = {name: (params(), init(name)) for name in names}
    return {"runs": runs, "key": jax.random.key(5)}


def shapes() -> dict[str, Any]:
    """The shapes of `start`, for which nothing is compiled."""

    def runs():
        return {name: (params(), METHODS[name]().init(params())) for name in METHODS}

    return jax.eval_shape(lambda: {"runs": runs(), "key": jax.random.key(5)})


def advance(training: dict[str, Any]) -> dict[str, Any]:
    """One step of each method."""
    runs = {}
    for name, (tree, state) in training["runs"].items():
        updates, state = update(name, tree, state, tree)
        runs[name] = optax.apply_updates(tree, updates), state
    return {"runs": runs, "key": jax.random.split(training["key"])[0]}


def main(folder: str) -> None:
    jax.device_count = lambda: 1  # as in `conftest.py` of this folder
    with ocp.CheckpointManager(pathlib.Path(folder)) as manager:
        done = manager.latest_step()
        template = ocp.args.StandardRestore(shapes())
        training = manager.restore(done, args=template)
        print("from", done, flush=True)
        for step in range(done + 1, TRAINING_STEPS + 1):
            training = advance(training)
            manager.save(step, args=ocp.args.StandardSave(training))
            print("trained", step, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
