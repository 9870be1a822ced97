"""How each target finds its number among the results; None where it was not measured."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.updates import clock, noise
from benchmarks.updates.results import Results

Value = clock.Quartiles | float | None
Lookup = Callable[[Results], Value]


def update(tree: str, name: str, base: str) -> Lookup:
    """Time of an update over that of another."""

    def lookup(results):
        times = results.costs[tree].seconds if tree in results.costs else {}
        return _ratio(times, name, base)

    return lookup


def noise_speed(name: str) -> Lookup:
    """How many times as fast as `jax.random.normal` a generator is."""
    return lambda results: _ratio(results.noise, noise.BASE, name)


def step(problem: str, name: str, base: str) -> Lookup:
    """Time of a training step over that of another."""
    return lambda results: _ratio(results.trainings.get(problem, {}), name, base)


def of_replicas(name: str, base: str) -> Lookup:
    """Time of a step of all replicas over another way to run them."""
    return lambda results: _ratio(results.replicas, name, base)


def lead_over_posteriors(problem: str) -> Lookup:
    """The smallest lead among the methods that both have, each at its best number of threads."""
    pairs = {"sgld": "sgld", "sghmc": "sghmc", "baoa": "baoab"}

    def lookup(results):
        times = results.trainings.get(problem, {})
        leads = []
        for theirs, ours in pairs.items():
            names = [name for name in times if name.startswith(f"posteriors.{theirs},")]
            ratios = [_ratio(times, name, ours) for name in names]
            leads += [min(filter(None, ratios), key=_median, default=None)]
        return min(filter(None, leads), key=_median, default=None)

    return lookup


def build(tree: str, name: str, base: str) -> Lookup:
    """Seconds to trace and compile an update over those of another, in rounds that have both."""

    def lookup(results):
        builds = results.costs[tree].builds if tree in results.costs else {}
        if name not in builds or base not in builds:
            return None
        rounds = zip(builds[name].seconds, builds[base].seconds, strict=False)
        return clock.ratio(*np.array(list(rounds)).T)

    return lookup


def slowest_build(tree: str, names: Sequence[str], base: str) -> Lookup:
    """The longest to trace and compile, over another."""

    def lookup(results):
        ratios = (build(tree, name, base)(results) for name in names)
        return max(filter(None, ratios), key=_median, default=None)

    return lookup


def temporary_megabytes(tree: str, names: Sequence[str]) -> Lookup:
    """The most temporary memory that one of the methods takes."""

    def lookup(results):
        builds = results.costs[tree].builds if tree in results.costs else {}
        sizes = (builds[name].temporary_bytes / 1e6 for name in names if name in builds)
        return max(sizes, default=None)

    return lookup


def state_bytes(tree: str, names: Sequence[str]) -> Lookup:
    """The largest state among the methods, in bytes per parameter."""

    def lookup(results):
        if tree not in results.costs:
            return None
        costs = results.costs[tree]
        sizes = (costs.builds[name].state_bytes for name in names if name in costs.builds)
        return max((size / costs.size for size in sizes), default=None)

    return lookup


def efficiency(name: str, base: str) -> Lookup:
    """Independent samples per second of one sampler over those of another."""

    def lookup(results):
        speed = _ratio(results.trainings.get("gaussian", {}), base, name)
        found = results.efficiency
        if speed is None or name not in found or base not in found:
            return None
        gain = found[base].best.tau / found[name].best.tau
        return clock.Quartiles(*(gain * value for value in speed))

    return lookup


def _ratio(times: clock.Times, name: str, base: str) -> clock.Quartiles | None:
    known = name in times and base in times
    return clock.ratio(times[name], times[base]) if known else None


def _median(value: Any) -> float:
    return value.median
