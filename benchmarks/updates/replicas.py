"""What replicas cost, and what their exchange adds: LeNet-5, whole training steps."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import thermo_optax as to
from benchmarks.engine.losses import class_loss
from benchmarks.engine.training import step
from benchmarks.exchange import lenet
from benchmarks.updates import clock

REPLICAS, BATCH, STEPS, PERIOD = 8, 128, 20, 10
ALONE = "8 separate runs"
WAYS = REPLICATED, EXCHANGED = "replicate", "replica_exchange"
TITLE = f"{REPLICAS} replicas of LeNet-5, batch {BATCH}, exchange every {PERIOD} steps"


def measure(
    rounds: int, check: Callable[[], None], batch: int = BATCH, steps: int = STEPS
) -> clock.Times:
    """Seconds per step of all replicas together; `ALONE` runs them one after the other."""
    batches = images(steps, batch, (28, 28, 1))
    params = to.init_replicas(_init, 0, REPLICAS)
    sgd = optax.inject_hyperparams(optax.sgd)(0.01, 0.9)
    ladder = {"learning_rate": to.geometric_ladder(0.01, 0.02, REPLICAS)}
    transformations = {
        REPLICATED: to.replicate(sgd, REPLICAS, hyperparams=ladder),
        EXCHANGED: to.replica_exchange(sgd, ladder, swap_period=PERIOD, key=0),
    }
    turns = {}
    for name, tx in transformations.items():
        check()
        carry = jax.tree.map(jnp.copy, (params, tx.init(params)))
        program = clock.build(epoch(_loss, tx, jax.vmap), *carry, batches)
        turns[name] = clock.advancing(program.run, carry, (batches,), units=steps)
    one = jax.tree.map(lambda leaf: jnp.copy(leaf[0]), params)
    program = clock.build(epoch(_loss, sgd, lambda fn: fn), one, sgd.init(one), batches)

    def all_alone(*carries):
        return tuple(program.run(*carry, batches) for carry in carries)

    carries = tuple(jax.tree.map(jnp.copy, (one, sgd.init(one))) for _ in range(REPLICAS))
    turns[ALONE] = clock.advancing(all_alone, carries, units=steps)
    return clock.interleave(turns, rounds, TITLE, check)


def images(steps: int, batch: int, shape: tuple[int, int, int]) -> tuple[jax.Array, jax.Array]:
    """Batches of noise, with labels from 0 to 9."""
    draw = np.random.default_rng(0)
    pixels = jnp.asarray(draw.normal(size=(steps, batch, *shape)), jnp.float32)
    return pixels, jnp.asarray(draw.integers(0, 10, (steps, batch)), jnp.int32)


def _init(key: jax.Array) -> Any:
    return lenet.init(key, channels=1, classes=10)


def _loss(params, batch):
    images, labels = batch
    return class_loss(lenet.logits(params, lenet.prepared(images), smooth=True), labels)


def epoch(loss: Callable, tx: optax.GradientTransformation, over_replicas: Callable) -> Callable:
    """Steps over batches in one scan, of functions of one replica's parameters and a batch."""
    gradients = jax.value_and_grad(loss)

    def run(params, state, batches):
        def body(carry, batch):
            each = over_replicas(lambda params: gradients(params, batch))
            return step(lambda params, _: each(params), tx, carry)[0], None

        return jax.lax.scan(body, (params, state), batches)[0]

    return run
