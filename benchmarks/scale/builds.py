"""All builds of one size, as JSON: `python -m benchmarks.scale.builds SIZE ROUNDS [METHOD...]`."""

import json
import sys

import jax
import numpy as np

from benchmarks.scale import programs
from benchmarks.scale.transformer import SIZES


def main(name: str, rounds: str, *methods: str) -> None:
    """Prints one line."""
    size = SIZES[name]
    unknown = set(methods) - set(programs.METHODS)
    if unknown:
        sys.exit(
            f"no method is called {sorted(unknown)[0]!r}; known: {', '.join(programs.METHODS)}"
        )
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_num_cpu_devices", size.devices)
    jax.config.update("jax_enable_compilation_cache", False)  # compilation is measured
    builds: dict[str, list[programs.Build]] = {method: [] for method in methods or programs.METHODS}
    order = np.random.default_rng(0)
    for _ in range(int(rounds)):  # in turns, for the machine is busier at one time than at another
        for method in order.permutation(list(builds)).tolist():
            builds[method].append(programs.build(method, size))
    facts = {"count": programs.count(size), "devices": size.devices}
    rows = {method: _row(found) for method, found in builds.items()}
    print(json.dumps(facts | {"builds": rows}))


def _row(found: list[programs.Build]) -> dict:
    seconds = [build.seconds for build in found]
    derived = {"declared": found[0].declared, "needed": found[0].needed}
    return found[0]._asdict() | derived | {"seconds": seconds}


if __name__ == "__main__":
    main(*sys.argv[1:])
