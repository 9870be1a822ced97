"""The parts, one after the other, until the time is up."""

import pathlib
import time
import traceback
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import thermo_optax as to
from benchmarks.engine import runtime
from benchmarks.engine.losses import class_loss
from benchmarks.exchange import resnet
from benchmarks.gpu import checks, tables, updates
from benchmarks.updates import clock, noise, replicas

METHODS = [  # of the updates; the first four also where there are many leaves
    *("optax.sgd", "optax.adam", "sgld", "baoab", "sgld-ternary", "sghmc", "sgnht"),
    *("local_entropy", "optax.noisy_sgd"),
]
REPLICAS, PERIOD = 8, 10


class OutOfTimeError(Exception):
    """No time is left for the rest of a part."""


def run(output: pathlib.Path, tiny: bool, seconds: float) -> None:
    """Measures part after part; writes one table and one JSON of what there is."""
    if tiny:  # compiling takes most of its time
        jax.config.update("jax_disable_most_optimizations", True)
    found: dict[str, Any] = {"tiny": tiny, "left_out": {}, "seconds": {}, "peak_bytes": {}}
    began = time.perf_counter()
    with runtime.interruptible(lambda: tables.save(output, found)) as interrupted:

        def check() -> None:
            interrupted()
            if time.perf_counter() - began > seconds:
                raise OutOfTimeError

        for name, part in _parts(tiny).items():
            start = time.perf_counter()
            try:
                check()
                part(found, check)
            except OutOfTimeError:
                found["left_out"][name] = "the time was up"
            except Exception as error:  # the other parts still tell something
                traceback.print_exc()
                found["left_out"][name] = f"{type(error).__name__}: {error}".splitlines()[0]
            found["seconds"][name] = time.perf_counter() - start
            found["peak_bytes"][name] = (jax.devices()[0].memory_stats() or {}).get(
                "peak_bytes_in_use"
            )


def _parts(tiny: bool) -> dict[str, Callable[[dict, Callable[[], None]], None]]:
    """By name, the most important first."""
    rounds = 2 if tiny else 9

    def contract(found, check):
        _collect(
            found, check, checks.contract(["sgld", "langevin"] if tiny else [*checks.SAMPLERS])
        )
        found["checks"].append(checks.cold())

    def physics(found, check):
        _collect(found, check, checks.moments(10_000 if tiny else 10_000_000))
        names = ["langevin"] if tiny else [*checks.LAWS]
        _collect(found, check, checks.laws(names, 200 if tiny else 2**14))

    def update(found, check):
        tree, names = ("tiny", ["optax.sgd", "sgld"]) if tiny else ("flat100M", METHODS)
        found["updates"] = updates.measure(tree, names, rounds, check)

    def leaves(found, check):
        if not tiny:
            found["updates"] += updates.measure("tfm100M", METHODS[:4], rounds, check)

    def draws(found, check):
        found["noise"] = noise.measure(10_000 if tiny else 100_000_000, rounds, check)

    def together(found, check):
        sizes = (2, 1) if tiny else (replicas.BATCH, replicas.STEPS)
        found["replicas"] = replicas.measure(rounds, check, *sizes)

    def exchange(found, check):
        sizes = (1, 2, 2, 1) if tiny else (resnet.BLOCKS, REPLICAS, 128, 20)
        found["exchange"] = _exchange(*sizes, rounds, check)

    return {
        "contract": contract,
        "physics": physics,
        "updates": update,
        "noise": draws,
        "replicas": together,
        "exchange of ResNet-20": exchange,
        "updates of many leaves": leaves,  # the longest to compile
    }


def _collect(found: dict, check: Callable[[], None], results: Any) -> None:
    for result in results:
        found.setdefault("checks", []).append(result)
        check()


def _exchange(
    blocks: int, copies: int, batch: int, steps: int, rounds: int, check: Callable[[], None]
) -> dict[str, float]:
    """Steps a second, all together, of replicas of ResNet-20 that exchange learning rates."""
    sgd = optax.inject_hyperparams(optax.sgd)(0.1, 0.9)
    ladder = {"learning_rate": to.geometric_ladder(0.05, 0.1, copies)}
    tx = to.replica_exchange(sgd, ladder, swap_period=PERIOD, key=0)

    def init(key):
        return resnet.init(key, channels=3, classes=10, blocks=blocks)

    def loss(params, batch):
        pixels, labels = batch
        return class_loss(resnet.logits(params, pixels), labels)

    params = to.init_replicas(init, 0, copies)
    batches = replicas.images(steps, batch, (32, 32, 3))
    carry = jax.tree.map(jnp.copy, (params, tx.init(params)))
    program = clock.build(replicas.epoch(loss, tx, jax.vmap), *carry, batches)
    turn = clock.advancing(program.run, carry, (batches,), units=steps)
    seconds = clock.interleave({"exchange": turn}, rounds, "exchange of ResNet-20", check)
    return {
        "replicas": copies,
        "batch": batch,
        "steps_a_second": 1 / float(np.median(seconds["exchange"])),
        "temporary_bytes": program.temporary_bytes,
    }
