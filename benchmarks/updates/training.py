"""Whole training steps of our methods and of other libraries, in one interleaved run."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from benchmarks.updates import clock
from benchmarks.updates.contenders import CONTENDERS, Contender, installed
from benchmarks.updates.problems import PROBLEMS, Problem
from benchmarks.updates.torch_peers import POSTERIORS, torch_turns

NAMES = (
    *("sgld", "sghmc", "baoab", "sgnht", "ctld"),
    *("optax.sgd", "optax.adam", "optax.noisy_sgd"),
    *("blackjax.sgld", "blackjax.sghmc", "blackjax.sgnht"),
)
ONLY_THERE = ("blackjax.sghmc", "blackjax.sgnht")  # not among the updates: same noise as its SGLD


def measure(problem: str, rounds: int, check: Callable[[], None]) -> clock.Times:
    """Seconds per step of every method on a problem."""
    title, make = PROBLEMS[problem]
    task = make()
    turns = _jax_turns(task, [name for name in NAMES if installed(name)], check)
    if installed(POSTERIORS):
        turns |= torch_turns(task)
    return clock.interleave(turns, rounds, title, check)


def _jax_turns(task: Problem, names: Sequence[str], check: Callable[[], None]):
    params, batches = jax.tree.map(jnp.asarray, (task.params, task.batches))
    steps = task.epochs * jax.tree.leaves(batches)[0].shape[0]
    turns = {}
    for name in names:
        check()
        contender = CONTENDERS[name](task.learning_rate, task.temperature)
        carry = jax.tree.map(jnp.copy, (params, contender.init(params)))
        program = clock.build(_epochs(task, contender), *carry, batches)
        turns[name] = clock.advancing(program.run, carry, (batches,), units=steps)
    return turns


def _epochs(task: Problem, contender: Contender):
    """The epochs of a task in one scan."""

    def epochs(params, state, batches):
        def step(carry, batch):
            params, state = carry
            loss, grads = jax.value_and_grad(task.loss)(params, batch)
            return contender.step(params, state, grads, loss), None

        def epoch(carry, _):
            return jax.lax.scan(step, carry, batches)[0], None

        return jax.lax.scan(epoch, (params, state), length=task.epochs)[0]

    return epochs
