"""Importing the package costs hardly more than importing optax, which it needs."""

import os
import statistics
import subprocess
import sys

ROUNDS = 5
ALLOWED = 0.35  # of the time that optax takes, jax included; matplotlib alone would be as much
PROGRAM = """
import time
start = time.process_time()
import optax
between = time.process_time()
import thermo_optax
print(time.process_time() - between, between - start)
"""


def import_times():
    """Seconds for us and for optax, by one process, so that what slows it slows both."""
    # As for an installed package, whose bytecode is there after the first import.
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    command = [sys.executable, "-c", PROGRAM]
    run = subprocess.run(command, env=environment, check=True, text=True, capture_output=True)
    return [float(number) for number in run.stdout.split()]


def test_import_costs_little_beyond_optax():
    """On the processor's time, not on the clock: other programs may run beside the tests."""
    import_times()  # compiles to bytecode
    ours, optax = map(statistics.median, zip(*(import_times() for _ in range(ROUNDS)), strict=True))
    print(f"thermo_optax {ours:.3f} s, optax {optax:.3f} s")
    assert ours < ALLOWED * optax
