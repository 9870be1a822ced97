"""What an update costs: time, memory and compilation, next to what the memory allows.

An update is `update` and `apply_updates`, jitted, with parameters and state donated.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from benchmarks.interruption import Interruption
from benchmarks.updates import clock, trees
from benchmarks.updates.contenders import CONTENDERS

COPY = "copy"  # x + 1 in place: the memory's pace, measured among the contenders
COPY_SIZE = 2**26  # 256 MB, beyond any cache
LEARNING_RATE, TEMPERATURE = 1e-4, 1e-4
SLOW_COMPILE = 5.0  # seconds, above which one compilation is enough
COMPILATIONS = 3


class Build(NamedTuple):
    """What a contender needs on a tree, apart from time per step."""

    trace_seconds: float
    compile_seconds: float
    temporary_bytes: int
    state_bytes: int

    @property
    def seconds(self) -> float:
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


def measure(
    tree: str, names: Sequence[str], rounds: int, interruption: Interruption
) -> UpdateCosts:
    """Builds and times contenders on a tree."""
    params, grads = trees.arrays(tree), trees.arrays(tree, seed=1)
    size = trees.size(params)
    builds, turns = {}, {COPY: _copy(COPY_SIZE)}
    for name in names:
        interruption.check()
        contender = CONTENDERS[name](LEARNING_RATE, TEMPERATURE)
        carry = jax.tree.map(jnp.copy, (params, contender.init(params)))
        program = clock.build(contender.step, *carry, grads)
        programs = [program]
        while program.build_seconds < SLOW_COMPILE and len(programs) < COMPILATIONS:
            programs.append(clock.build(contender.step, *carry, grads))
        program = sorted(programs, key=lambda one: one.build_seconds)[len(programs) // 2]
        state = sum(leaf.nbytes for leaf in jax.tree.leaves(carry[1]))
        builds[name] = Build(*program[1:], state)
        turns[name] = clock.advancing(program.run, carry, (grads,))
    seconds = clock.interleave(turns, rounds, f"updates of {tree}", interruption)
    return UpdateCosts(tree, size, len(jax.tree.leaves(params)), builds, seconds)


def _copy(size: int) -> clock.Turn:
    """Seconds per byte for reading an array and writing it in place."""
    x = jnp.zeros(size, jnp.float32)
    program = clock.build(lambda x: (x + 1,), x, donate=(0,))
    return clock.advancing(program.run, (x,), units=2 * x.nbytes)
