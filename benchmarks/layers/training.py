"""The training engine: many networks of one method in one jitted scan.

A method comes with a list of settings (rows of hyperparameters). Each setting trains one network
per seed, and all of them advance together: hyperparameters are traced and vmapped over, so a
grid of learning rates compiles once. Every method spends one gradient per step, on minibatches
drawn with replacement, the same ones for all settings and all methods of a seed.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.engine import networks
from benchmarks.engine.problem import Method

_BATCHES = 0xBA7C4  # keeps the keys of the minibatches apart from those of networks and noise


class Task(NamedTuple):
    """What is to be learnt: data, network, loss."""

    data: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # train and test (x, y)
    data_per_seed: bool  # whether the arrays of `data` have a leading axis over seeds
    sizes: Sequence[int]
    loss: Callable[[jax.Array, jax.Array], jax.Array]
    accuracy: Callable[[jax.Array, jax.Array], jax.Array]
    batch_size: int
    prepare: Callable[[jax.Array], jax.Array] = lambda inputs: inputs  # of one batch


class Chunk(NamedTuple):
    """What one stretch of training measured; arrays are [settings, seeds]."""

    step: int  # steps done at the end of the stretch
    seconds_per_step: float  # for all networks of the method together, compilation apart
    train_loss: np.ndarray  # mean over the minibatches of the stretch
    test_loss: np.ndarray  # at its end
    test_accuracy: np.ndarray  # at its end
    temperature: np.ndarray  # hidden layer's, mean over the stretch; NaN without thermometer
    params: Any  # at its end, leaves [settings, seeds, ...]


def train(
    task: Task, method: Method, *, seeds: Sequence[int], steps: int, chunks: int
) -> Iterator[Chunk]:
    """Trains for `steps` steps, rounded up to a multiple of `chunks`; yields after each chunk."""
    length = -(-steps // chunks)
    settings = {
        name: jnp.asarray([row[name] for row in method.settings], jnp.float32)
        for name in method.settings[0]
    }
    data = jax.tree.map(jnp.asarray, task.data)
    start, advance = _programs(task, method, length)
    carry = start(settings, jnp.asarray(seeds, jnp.uint32))
    batch_key = jax.random.fold_in(jax.random.key(seeds[0]), _BATCHES)
    # Compiled apart, so that the clock below sees only the training.
    advance = jax.jit(advance).lower(settings, carry, data, batch_key).compile()
    for chunk in range(chunks):
        began = time.perf_counter()
        carry, measured = advance(settings, carry, data, jax.random.fold_in(batch_key, chunk))
        measured = jax.tree.map(np.asarray, measured)
        elapsed = time.perf_counter() - began
        yield Chunk((chunk + 1) * length, elapsed / length, params=carry[0], **measured)


def _programs(task: Task, method: Method, length: int):
    """Two pure functions: one starts all networks of a method, the other advances them."""
    init_network, apply = networks.functional(task.sizes)
    data_axis = 0 if task.data_per_seed else None

    def start(settings, seeds):
        keys = jax.vmap(lambda seed: jax.random.split(jax.random.key(seed)))(seeds)
        params = jax.vmap(init_network)(keys[:, 0])

        def init(setting, params, key):
            return params, method.make(key=key, **setting).init(params)

        return jax.vmap(jax.vmap(init, (None, 0, 0)), (0, None, None))(settings, params, keys[:, 1])

    def loss(params, inputs, labels):
        return task.loss(apply(params, task.prepare(inputs)), labels)

    def step(setting, carry, inputs, labels):
        params, state = carry
        value, grads = jax.value_and_grad(loss)(params, inputs, labels)
        # The state carries the key of the noise: the one given here is never read.
        updates, state = method.make(key=0, **setting).update(grads, state, params)
        temperature = method.thermometer(state) if method.thermometer else jnp.nan
        return (optax.apply_updates(params, updates), state), (value, temperature)

    steps = jax.vmap(jax.vmap(step, (None, 0, 0, 0)), (0, 0, None, None))

    def evaluate(params, inputs, labels):
        logits = apply(params, task.prepare(inputs))
        return task.loss(logits, labels), task.accuracy(logits, labels)

    evaluations = jax.vmap(jax.vmap(evaluate, (0, data_axis, data_axis)), (0, None, None))

    def advance(settings, carry, data, key):
        train_inputs, train_labels, test_inputs, test_labels = data
        seeds = jax.tree.leaves(carry)[0].shape[1]
        examples = train_labels.shape[-1]
        # One draw for all steps and seeds: a draw per step and seed, inside the scan, costs
        # more than the training itself on a CPU.
        batches = jax.random.randint(key, (length, seeds, task.batch_size), 0, examples)
        take = jax.vmap(lambda array, batch: array[batch], (data_axis, 0))

        def body(carry, batch):
            return steps(settings, carry, take(train_inputs, batch), take(train_labels, batch))

        carry, (train_loss, temperature) = jax.lax.scan(body, carry, batches)
        test_loss, test_accuracy = evaluations(carry[0], test_inputs, test_labels)
        return carry, {
            "train_loss": jnp.mean(train_loss, axis=0),
            "test_loss": test_loss,
            "test_accuracy": test_accuracy,
            "temperature": jnp.mean(temperature, axis=0),
        }

    return jax.jit(start), advance
