"""Updates next to the pace at which the card copies memory, and the kernel that is to blame."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.gpu import fusions
from benchmarks.updates import clock, cost, trees
from benchmarks.updates.contenders import CONTENDERS

ENOUGH = 0.8  # of the pace of a copy


class Update(NamedTuple):
    """One method on one tree."""

    method: str
    tree: str
    nanoseconds: float  # per parameter
    of_copy: float  # the time of a copy of the same bytes, over that of the update
    bandwidth: float  # of the copy, bytes per second
    temporary_bytes: int
    slowest: str  # the kernel to blame, if the update is below `ENOUGH`


def measure(tree: str, names: list[str], rounds: int, check: Callable[[], None]) -> list[Update]:
    """Each method in turns with a copy of as many bytes as the parameters have."""
    params, grads = trees.arrays(tree), trees.arrays(tree, seed=1)
    size = trees.size(params)
    turns, programs, moved = {cost.COPY: cost.copy(size)}, {}, {}
    for name in names:
        check()
        method = CONTENDERS[name](cost.LEARNING_RATE, cost.TEMPERATURE)
        state = method.init(params)
        # Parameters and state both ways, and the gradients.
        moved[name] = 12 * size + 2 * sum(leaf.nbytes for leaf in jax.tree.leaves(state))
        programs[name] = clock.build(method.step, params, state, grads), method
        carry = jax.tree.map(jnp.copy, (params, state))
        run = programs[name][0].run
        turns[name] = clock.advancing(run, carry, (grads,), period=method.period)
    seconds = clock.interleave(turns, rounds, f"updates of {tree}", check)
    copy = seconds.pop(cost.COPY)
    found = []
    for name in names:
        check()
        share = float(np.median(moved[name] * copy / seconds[name]))
        program, method = programs[name]
        blamed = None if share >= ENOUGH else _slowest(program, method, params, grads)
        found.append(
            Update(
                name,
                tree,
                1e9 * float(np.median(seconds[name])) / size,
                share,
                1 / float(np.median(copy)),
                program.temporary_bytes,
                str(blamed or ""),
            )
        )
    return found


def _slowest(program, method, params, grads):
    carry = jax.tree.map(jnp.copy, (params, method.init(params)))  # which the step gives away
    jax.block_until_ready(carry)
    return fusions.slowest(program.run, lambda: program.run(*carry, grads))
