"""Jobs side by side, in processes with cores of their own.

Small programs gain little from a second core, and compiling keeps one busy only: two jobs with a
core each take less time than one after the other on both.
"""

import itertools
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from typing import Any, TypeVar

import jax

from benchmarks.engine import runtime

Job = TypeVar("Job")
MOST = 4  # by default: each needs a gigabyte or so


def number(asked: int | None) -> int:
    """How many processes to take: one a core, but one alone where there is another device."""
    if asked is not None:
        return asked
    return min(MOST, len(_cores())) if jax.default_backend() == "cpu" else 1


def results(
    function: Callable[[Job], Any], jobs: Iterable[Job], workers: int, check: Callable[[], None]
) -> Iterator[tuple[Job, Any]]:
    """Each job with what the function gives for it, as they are done.

    After Ctrl-C no job is begun, and those that run are waited for. With one worker all runs here.
    """
    if workers == 1:
        for job in jobs:
            yield job, function(job)
            jax.clear_caches()  # programs are not run again, and there are hundreds of them
            check()
        return
    context = multiprocessing.get_context("spawn")  # threads of jax do not survive a fork
    cores = context.SimpleQueue()
    for worker in range(workers):
        cores.put(_cores()[worker::workers] or _cores())
    with ProcessPoolExecutor(workers, context, initializer=_begin, initargs=(cores,)) as pool:
        left, running = iter(jobs), {}

        def start(count):
            for job in itertools.islice(left, count):
                running[pool.submit(_one, function, job)] = job

        start(workers)
        while running:
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield running.pop(future), future.result()
            try:
                check()
            except KeyboardInterrupt:
                continue
            start(len(done))
    check()


def _one(function: Callable[[Job], Any], job: Job) -> Any:
    result = function(job)
    jax.clear_caches()
    return result


def _begin(cores: Any) -> None:
    """Of a process: the first Ctrl-C is the business of the one that gives out the jobs."""
    signal.signal(signal.SIGINT, lambda *_: signal.signal(signal.SIGINT, signal.SIG_DFL))
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores.get())
    runtime.configure()


def _cores() -> list[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))
