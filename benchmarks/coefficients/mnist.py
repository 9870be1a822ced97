"""A network of a million weights on MNIST: trained, then measured by minibatches."""

import pathlib
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import thermo_optax as to
from benchmarks.coefficients import figures
from benchmarks.data import load_images
from benchmarks.engine import networks, report
from thermo_optax.thermodynamics import _around, _chains, _task

SIZES = (784, 1_000, 220, 10)
BATCH, RATE = 128, 1e-3
PRECISION = 1e4


def run(options, output: pathlib.Path) -> tuple[str, dict]:
    """Trains with Adam, its learning rate falling to 0, and measures with 4 chains."""
    quick = options.quick
    sizes = (784, 20, 10) if quick else SIZES
    passes, steps, burn_in = (1, 100, 20) if quick else (4, 700, 200)
    data = load_images("mnist")
    images, labels = data.train_images, data.train_labels
    if quick:
        images, labels = images[:6_000], labels[:6_000]
    x = jnp.asarray(images.reshape(len(images), -1) / np.float32(255))
    y = jnp.asarray(labels, jnp.int32)
    init, apply = networks.functional(sizes)
    order = to.batch_order(len(x), BATCH, key=options.seed)

    def loss(params, batch):
        inputs, labels, weights = batch
        logits = apply(params, inputs)
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        return jnp.mean(weights * losses)

    def batches(step):
        rows, weights = order(step)
        return x[rows], y[rows], weights

    length = passes * order.steps_per_epoch
    tx = optax.adam(optax.cosine_decay_schedule(RATE, length))

    @jax.jit
    def trained(params):
        def step(carry, count):
            params, state = carry
            updates, state = tx.update(jax.grad(loss)(params, batches(count)), state, params)
            return (optax.apply_updates(params, updates), state), None

        return jax.lax.scan(step, (params, tx.init(params)), jnp.arange(length))[0][0]

    clock = time.monotonic(), time.process_time()
    params = jax.block_until_ready(trained(init(jax.random.key(options.seed))))
    training = time.monotonic() - clock[0]
    clock = time.monotonic(), time.process_time()
    settings = {
        "batches": batches,
        "free": None,
        "num_chains": 4,
        "num_steps": steps,
        "num_burn_in": burn_in,
        "num_center_batches": order.steps_per_epoch,
    }
    found = to.learning_coefficient(
        loss,
        params,
        num_examples=len(x),
        precision=PRECISION,
        key=options.seed,
        **settings,
    )
    seconds, work = time.monotonic() - clock[0], time.process_time() - clock[1]
    figures.trace(found, output / "mnist.png")
    tilted = found.settings["gradient_norm"] > 0
    copies = _copies(loss, params, len(x), options.seed, settings, tilted)
    share = found.standard_error / found.value
    lines = (
        f"{'-'.join(map(str, sizes))}, {found.settings['num_weights']:,} weights, trained for "
        f"{passes} passes with Adam in {training:.0f} s, to a mean loss of "
        f"{found.settings['loss']:.2g} over the batches of one pass.",
        f"```text\n{found}\n```",
        f"4 chains of {burn_in} + {steps:,} steps, batches of {BATCH}: {seconds:.0f} s on the "
        f"clock, {work:.0f} s of the processors (all cores together). Standard error "
        f"{100 * share:.1f} %. The compiled program works in {copies:.2f} copies of the parameters "
        "for each chain, its arguments included.",
    )
    text = report.section("A million weights on MNIST", "\n\n".join(lines))
    numbers = {
        "value": found.value,
        "standard_error": found.standard_error,
        "seconds": seconds,
        "processor_seconds": work,
        "copies": copies,
    }
    return text, numbers


def _copies(loss, params, num_examples: int, seed: int, settings: dict, tilted: bool) -> float:
    """Buffers of the compiled program of the chains and its arguments, in parameters and chains.

    The centre's gradient over all data is one of them only where it is not 0: `tilted`.
    """
    task = _task.task_of(
        loss, params, num_examples=num_examples, key=seed, sampler=None, devices=None, **settings
    )
    plan = task.plan._replace(lanes=_task.lanes_of(task, None))
    center = jax.eval_shape(
        lambda moving, frozen: _chains.center_of(plan, moving, frozen),
        *(task.moving, task.frozen),
    )
    center = center if tilted else center._replace(gradient=None)
    numbers, looks = _around.Numbers(*[jnp.zeros([])] * 4), jnp.ones([], bool)
    compiled = _chains.run_chains.lower(
        plan, "one", center, task.frozen, numbers, looks, task.keys[0]
    ).compile()
    used: Any = compiled.memory_analysis()
    size = sum(leaf.nbytes for leaf in task.moving) * task.num_chains
    return (used.temp_size_in_bytes + used.argument_size_in_bytes) / size
