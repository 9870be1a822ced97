"""Clocks that compare fairly on a machine that is shared and noisy.

All contenders live in one process. In every round each of them has one turn, in an order drawn
anew. What is compared is a ratio within a round, whose median over rounds forgives the rounds that
another program disturbed.
"""

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from benchmarks.engine.progress import bar

SHORTEST = 0.1  # seconds of a turn, beside which clock, dispatch and what neighbours do is little
Turn = Callable[[], float]  # does some work; returns the seconds for one unit of it
Times = dict[str, np.ndarray]  # of each contender, seconds per unit, [rounds]


class Quartiles(NamedTuple):
    """The median over rounds, between the quartiles."""

    low: float
    median: float
    high: float


def quartiles(values: np.ndarray) -> Quartiles:
    return Quartiles(*np.percentile(values, (25, 50, 75)).tolist())


def ratio(seconds: np.ndarray, base: np.ndarray) -> Quartiles:
    """How many times as long one takes as the other."""
    return quartiles(seconds / base)


def interleave(
    turns: Mapping[str, Turn], rounds: int, title: str, check: Callable[[], None]
) -> Times:
    """One turn each to warm up, then `rounds` rounds of turns in random order."""
    names = list(turns)
    order = np.random.default_rng(0)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for turn in turns.values():
        turn()
    for _ in bar(range(rounds), desc=title, unit="round"):
        for index in order.permutation(len(names)):
            check()
            seconds[names[index]].append(turns[names[index]]())
    return {name: np.array(values) for name, values in seconds.items()}


def advancing(
    program: Callable,
    carry: Any,
    constants: tuple = (),
    *,
    units: int = 1,
    period: int = 1,
    wait: Callable[[Any], Any] = jax.block_until_ready,
) -> Turn:
    """A turn that runs `carry = program(*carry, *constants)`, as often as fills `SHORTEST` seconds.

    The first turn, to warm up, finds out how often that is: a multiple of the period, after which
    the work begins anew.
    """
    repeats = 0

    def run(times: int) -> float:
        nonlocal carry
        began = time.perf_counter()
        for _ in range(times):
            carry = program(*carry, *constants)
        wait(carry)
        return time.perf_counter() - began

    def turn() -> float:
        nonlocal repeats
        if not repeats:
            run(1)
            repeats = period * math.ceil(SHORTEST / (period * run(1)))
        return run(repeats) / (repeats * units)

    return turn


@contextlib.contextmanager
def cold_compiler() -> Iterator[None]:
    """Within, programs are compiled anew, not loaded from an earlier run."""
    enabled = jax.config.jax_enable_compilation_cache  # pyright: ignore
    jax.config.update("jax_enable_compilation_cache", False)
    try:
        yield
    finally:
        jax.config.update("jax_enable_compilation_cache", enabled)


class Program(NamedTuple):
    """A compiled step, and what it took to get it."""

    run: Callable
    trace_seconds: float
    compile_seconds: float
    temporary_bytes: int

    @property
    def build_seconds(self) -> float:
        return self.trace_seconds + self.compile_seconds


def build(step: Callable, *arguments: Any, donate: tuple[int, ...] = (0, 1)) -> Program:
    """Traces and compiles a function from nothing, donating the arguments that it replaces."""
    jax.clear_caches()  # what the contender before has traced would be traced for free
    began = time.perf_counter()
    lowered = jax.jit(step, donate_argnums=donate).lower(*arguments)
    traced = time.perf_counter()
    compiled = lowered.compile()
    done = time.perf_counter()
    memory = compiled.memory_analysis()
    temporary = memory.temp_size_in_bytes if memory else 0
    return Program(compiled, traced - began, done - traced, temporary)
