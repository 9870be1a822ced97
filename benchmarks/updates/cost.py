"""What an update costs: time, memory and compilation, next to what the memory allows.

An update is `update` and `apply_updates`, jitted, with parameters and state donated. Compilations
are compared like updates, round by round, since they take as long as the machine is busy.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.engine.progress import bar
from benchmarks.updates import clock, trees
from benchmarks.updates.contenders import CONTENDERS

COPY = "copy"  # x + 1 in place: the memory's pace, measured among the contenders
COPY_SIZE = 2**26  # 256 MB, beyond any cache
LEARNING_RATE, TEMPERATURE = 1e-4, 1e-4
COMPILATIONS = 3  # rounds
SLOW = 5.0  # seconds, above which a contender is compiled once only


class Build(NamedTuple):
    """What a contender needs on a tree, apart from time per step."""

    trace_seconds: np.ndarray  # [rounds of compilation]
    compile_seconds: np.ndarray
    temporary_bytes: int
    state_bytes: int

    @property
    def seconds(self) -> np.ndarray:
        return self.trace_seconds + self.compile_seconds


class UpdateCosts(NamedTuple):
    """All measurements on one tree."""

    tree: str
    size: int
    leaves: int
    builds: dict[str, Build]
    seconds: clock.Times  # per update; of `COPY`, per byte that is read or written

    def limit(self, name: str) -> float:
        """Seconds in which the memory can move what the update has to read and write.

        That is parameters and state, both ways, and the gradients.
        """
        size = 3 * 4 * self.size + 2 * self.builds[name].state_bytes
        return size * clock.quartiles(self.seconds[COPY]).median


def measure(tree: str, names: Sequence[str], rounds: int, check: Callable[[], None]) -> UpdateCosts:
    """Builds and times contenders on a tree."""
    params, grads = trees.arrays(tree), trees.arrays(tree, seed=1)
    methods = {name: CONTENDERS[name](LEARNING_RATE, TEMPERATURE) for name in names}
    states = {name: method.init(params) for name, method in methods.items()}
    programs: dict[str, list[clock.Program]] = {name: [] for name in names}
    order = np.random.default_rng(0)
    for _ in bar(range(COMPILATIONS), desc=f"compiling for {tree}", unit="round"):
        for name in order.permutation(names).tolist():
            check()
            if not programs[name] or programs[name][0].build_seconds < SLOW:
                arguments = (params, states[name], grads)
                programs[name].append(clock.build(methods[name].step, *arguments))
    builds, turns = {}, {COPY: copy(COPY_SIZE)}
    for name in names:
        builds[name] = Build(
            np.array([one.trace_seconds for one in programs[name]]),
            np.array([one.compile_seconds for one in programs[name]]),
            programs[name][-1].temporary_bytes,
            sum(leaf.nbytes for leaf in jax.tree.leaves(states[name])),
        )
        carry = jax.tree.map(jnp.copy, (params, states.pop(name)))
        program = programs.pop(name)[-1].run
        turns[name] = clock.advancing(program, carry, (grads,), period=methods[name].period)
    seconds = clock.interleave(turns, rounds, f"updates of {tree}", check)
    return UpdateCosts(tree, trees.size(params), len(jax.tree.leaves(params)), builds, seconds)


def copy(size: int) -> clock.Turn:
    """Seconds per byte for reading an array and writing it in place."""
    x = jnp.zeros(size, jnp.float32)
    program = clock.build(lambda x: (x + 1,), x, donate=(0,))
    return clock.advancing(program.run, (x,), units=2 * x.nbytes)
