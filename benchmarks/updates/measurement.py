"""Runs the parts of the benchmark one after the other and reports what is done."""

import argparse
import os
import pathlib
from collections.abc import Callable

from benchmarks.engine import report, runtime
from benchmarks.engine.options import claim
from benchmarks.updates import clock, cost, efficiency, noise, replicas, tables, training
from benchmarks.updates.contenders import CONTENDERS, installed, library
from benchmarks.updates.results import Efficiency, Results, numbers
from benchmarks.updates.targets import TARGETS

LAYERED = ("mlp1.7M", "tiny")  # trees in which AdLaLa finds layers
REPLICAS, LENGTHS = 4096, 10  # of the run that checks tau; lengths in units of tau


def run(options: argparse.Namespace) -> None:
    """One run, which Ctrl-C ends early without losing what is done."""
    output = claim(options.output or pathlib.Path("results") / "updates")
    names = _contenders(options.methods)
    results = Results(options.rounds, load=[_load()])

    def finish():
        results.load.append(_load())
        _save(results, output)

    with runtime.interruptible(finish) as check, clock.cold_compiler():
        _measure(options, names, results, check)


def _measure(
    options: argparse.Namespace, names: list[str], results: Results, check: Callable[[], None]
) -> None:
    rounds = options.rounds
    if "updates" in options.parts:
        for tree in options.trees:
            fitting = [name for name in names if name != "adlala" or tree in LAYERED]
            results.costs[tree] = cost.measure(tree, fitting, rounds, check)
    if "noise" in options.parts:
        results.noise = noise.measure(options.noise_size, rounds, check)
    if "training" in options.parts:
        for problem in options.problems:
            results.trainings[problem] = training.measure(problem, rounds, check)
    if "replicas" in options.parts:
        results.replicas = replicas.measure(rounds, check)
    if "efficiency" in options.parts:
        for name, sampler in efficiency.SAMPLERS.items():
            check()
            best = efficiency.best(sampler)
            measured = efficiency.measured_tau(sampler, best, REPLICAS, LENGTHS)
            results.efficiency[name] = Efficiency(best, *measured)


def _contenders(wanted: list[str] | None) -> list[str]:
    """The names to time; those whose library is missing are left out, in one line each."""
    names = wanted or [name for name in CONTENDERS if name not in training.ONLY_THERE]
    unknown = [name for name in names if name not in CONTENDERS]
    if unknown:
        raise SystemExit(f"no method is called {unknown[0]!r}; known: {', '.join(CONTENDERS)}")
    for missing in sorted({library(n) for n in (*names, training.POSTERIORS) if not installed(n)}):
        print(f"{missing} is not installed: it is left out", flush=True)
    return [name for name in names if installed(name)]


def _save(results: Results, output: pathlib.Path) -> None:
    report.save(output, tables.parts(results), numbers(results, TARGETS))


def _load() -> float:
    """How many programs compete for the processor."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
