"""Everything that a run has measured so far, and all its numbers."""

import dataclasses
import pathlib
import platform
from collections.abc import Sequence

from benchmarks.engine import runtime
from benchmarks.updates import clock
from benchmarks.updates.cost import COPY, UpdateCosts
from benchmarks.updates.efficiency import Best


@dataclasses.dataclass
class Efficiency:
    """One sampler on the Gaussian."""

    best: Best
    measured_tau: float
    tau_error: float


@dataclasses.dataclass
class Results:
    """The parts of the benchmark; those that were not run, or not finished, are empty."""

    rounds: int
    load: list[float] = dataclasses.field(default_factory=list)  # at the start and at the end
    costs: dict[str, UpdateCosts] = dataclasses.field(default_factory=dict)
    noise: clock.Times = dataclasses.field(default_factory=dict)
    trainings: dict[str, clock.Times] = dataclasses.field(default_factory=dict)
    replicas: clock.Times = dataclasses.field(default_factory=dict)
    efficiency: dict[str, Efficiency] = dataclasses.field(default_factory=dict)


def environment(results: Results) -> dict[str, str]:
    """What the numbers depend on."""
    load = ", ".join(f"{value:.1f}" for value in results.load)
    return {
        "versions": runtime.versions(),
        "machine": f"{runtime.machine()} ({processor()})",
        "load average at start and end": load,
    }


def processor() -> str:
    """The model of the CPU, where the system tells."""
    info = pathlib.Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def numbers(results: Results, targets: Sequence) -> dict:
    """Every number, per round where there are rounds, for whoever wants to look again."""
    return {
        "command": runtime.command(),
        "environment": environment(results),
        "rounds": results.rounds,
        "targets": [
            {
                "topic": target.topic,
                "what": target.meaning,
                "measured": target.value(results),
                "target": f"{target.relation} {target.bound:g} {target.unit}",
                "verdict": target.verdict(results),
            }
            for target in targets
        ],
        "updates": {name: _costs(costs) for name, costs in results.costs.items()},
        "seconds per number of noise": _lists(results.noise),
        "seconds per step of replicas": _lists(results.replicas),
        "seconds per training step": {
            name: _lists(times) for name, times in results.trainings.items()
        },
        "efficiency": {
            name: {**one.best._asdict(), "measured tau": one.measured_tau, "error": one.tau_error}
            for name, one in results.efficiency.items()
        },
    }


def _costs(costs: UpdateCosts) -> dict:
    return {
        "parameters": costs.size,
        "leaves": costs.leaves,
        "seconds per update": {
            name: times for name, times in _lists(costs.seconds).items() if name != COPY
        },
        "seconds per copied byte": costs.seconds[COPY].tolist(),
        "builds": {
            name: {
                "trace seconds": build.trace_seconds.tolist(),
                "compile seconds": build.compile_seconds.tolist(),
                "temporary bytes": build.temporary_bytes,
                "state bytes": build.state_bytes,
            }
            for name, build in costs.builds.items()
        },
    }


def _lists(times: clock.Times) -> dict[str, list[float]]:
    return {name: values.tolist() for name, values in times.items()}
