"""Trains replicas with and without exchange, from one and the same start.

A run has two phases. In the first one no replica swaps: all have the same learning rate, and the
dropout of their rung. Where it ends the run forks: one arm goes on with exchange, the other
without, through one compiled program whose swap period is an argument. Both see the same images.
A third, short arm tells whether the hyperparameter is a temperature: all replicas go on from one
of the networks, each with its own value, so that nothing else keeps them apart.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import thermo_optax as to
from benchmarks.engine.networks import class_accuracy, class_loss
from benchmarks.engine.resuming import Part
from benchmarks.engine.training import step, timed
from benchmarks.exchange.problems import (
    DROPOUT,
    MOMENTUM,
    Experiment,
    Splits,
    as_numbers,
)

ARMS = ("exchange", "no swaps")
FALLING = "falling rates"  # without swaps; by half a cosine, from the rung's rate to 0
NEVER = 2**30  # a swap period that no run reaches
BLOCK = 250  # images that are measured at once: the patches of more would not fit the cache
_BATCHES, _DROPS, _SWAPS = 0xBA7C4, 0xD209, 0x5A4B


class Record(NamedTuple):
    """What was measured of all replicas after a chunk of one arm."""

    step: int  # since the fork
    validation: np.ndarray  # mean loss and error in %, [2, replicas]
    test: np.ndarray
    distance: np.ndarray  # from the fork, [replicas]
    rung: np.ndarray  # int[replicas]


class Arm(NamedTuple):
    """One arm of one run."""

    records: list[Record]  # the first one at the fork
    paths: np.ndarray  # int[rounds, replicas], rungs after each round of swaps
    acceptance: np.ndarray  # [replicas - 1], mean probability by pair; NaN without swaps
    swaps: int
    round_trips: int
    seconds: float  # of training, the validation losses for the swaps included; compiled before


class Plan(NamedTuple):
    """How long everything takes, in steps, and what swaps may cost."""

    warmup: int
    chunk: int
    chunks: int  # of the second phase
    swap_period: int
    swap_images: int  # validation images whose loss decides on swaps
    diffusion_chunks: int = 1


class ForkedRuns:
    """An experiment on its data, with programs that serve every seed and both arms."""

    def __init__(
        self, experiment: Experiment, splits: Splits, ladder: np.ndarray, c: float, plan: Plan
    ):
        """Nothing is compiled yet; `c` is the normalization of the exchange."""
        self.experiment, self.plan = experiment, plan
        self.ladder, self.c = np.asarray(ladder, np.float32), c
        self._train, self._validation, self._test = (
            (jnp.asarray(images), jnp.asarray(labels, jnp.int32)) for images, labels in splits
        )
        self._start = jax.jit(self._started)
        self._warm = jax.jit(self._warmed)
        self._advance = jax.jit(self._advanced, static_argnames="falls")
        self._measure = jax.jit(self._measured)

    @property
    def replicas(self) -> int:
        """One for each rung."""
        return len(self.ladder)

    def fork(self, seed: int) -> tuple[jax.Array, Any]:
        """The key of a seed, and the parameters of all replicas after the first phase."""
        key = jax.random.key(seed)
        return key, jax.block_until_ready(self._warm(self._start(key), key, self._train))

    def diffusion(self, key: jax.Array, fork: Any) -> np.ndarray:
        """Distances from one network that all replicas go on from, [steps, replicas]."""
        common = jax.tree.map(lambda x: jnp.broadcast_to(x[:1], x.shape), fork)
        carry, distances = (common, self._transformation(NEVER, key).init(common)), []
        for chunk in range(self.plan.diffusion_chunks):
            carry, distance = self._step(carry, common, key, chunk, NEVER)
            distances.append(np.asarray(distance))
        return np.concatenate(distances)

    def arm(
        self,
        name: str,
        key: jax.Array,
        fork: Any,
        check: Callable[[], None] = lambda: None,
        part: Part | None = None,
    ) -> Arm:
        """One arm; `check` is called between chunks, and `part` is offered the state there."""
        part, chunks = part or Part(), self.plan.chunks
        period = self.plan.swap_period if name == ARMS[0] else NEVER
        falls = name == FALLING
        tx = self._transformation(period, key, falls)
        if part.step:
            carry: Any = part.restore(jax.eval_shape(lambda: (fork, tx.init(fork))))
            records, seconds = part.record
        else:
            carry = (fork, tx.init(fork))
            records, seconds = [self._record(0, carry, fork)], 0.0

        def advance(carry, chunk):
            return self._step(carry, fork, key, chunk, period, falls)

        left = range(part.step // self.plan.chunk, chunks)
        for chunk, carry, _, elapsed in timed(advance, carry, left):  # noqa: B020
            seconds += elapsed
            done = (chunk + 1) * self.plan.chunk
            records.append(self._record(done, carry, fork))
            check()
            if chunk + 1 < chunks:  # else the caller saves the arm
                part.offer(done, carry, functools.partial(tuple, (records, seconds)))
        state = carry[1]
        rounds = int(state.swaps.rounds)
        return Arm(
            records,
            np.asarray(state.swaps.path)[:rounds],
            np.asarray(to.swap_acceptance(state).probability),
            int(np.sum(state.swaps.acceptances)),
            int(np.sum(state.swaps.round_trips)),
            seconds,
        )

    @property
    def arms(self) -> tuple[str, ...]:
        """Those of this experiment."""
        return (*ARMS, FALLING) if self.experiment.falling else ARMS

    def _step(self, carry, fork, key, chunk, period, falls=False):
        data, numbers = (self._train, self._validation), (jnp.int32(chunk), jnp.int32(period))
        return self._advance(carry, fork, key, *data, *numbers, falls=falls)

    def _record(self, step: int, carry: Any, fork: Any) -> Record:
        params, state = carry
        measured = self._measure(params, fork, self._validation, self._test)
        return Record(step, *map(np.asarray, measured), rung=np.asarray(state.rung))

    def _transformation(self, period, key, falls=False):
        """SGD of all replicas, that exchange their rungs every so many steps."""
        hyperparameter = self.experiment.hyperparameter
        sgd = optax.inject_hyperparams(optax.sgd)(self.experiment.cold_rate, MOMENTUM)
        if falls:
            whole = self.plan.chunk * self.plan.chunks
            fall = optax.scale_by_schedule(optax.cosine_decay_schedule(1.0, whole))
            sgd = optax.chain(sgd, fall)
        return to.replica_exchange(
            sgd,
            {hyperparameter: self.ladder},
            swap_period=period,
            energy="value_fn",
            normalization=self.c,
            model_hyperparams=(DROPOUT,) if hyperparameter == DROPOUT else (),
            path_length=max(1, self.plan.chunk * self.plan.chunks // self.plan.swap_period),
            key=jax.random.fold_in(key, _SWAPS),
        )

    def _rates(self, state: Any) -> jax.Array:
        """The dropout of each replica."""
        constant = jnp.full(self.replicas, self.experiment.dropout, jnp.float32)
        return to.replica_hyperparams(state).get(DROPOUT, constant)

    def _started(self, key):
        return to.init_replicas(self.experiment.init, key, self.replicas)

    def _gradients(self, params, rates, data, index, key):
        """Losses and gradients of all replicas on the same images."""
        images, labels = as_numbers(data[0][index]), data[1][index]
        batch_key, drop_key = jax.random.split(key)
        if self.experiment.augment:
            images = self.experiment.augment(batch_key, images)
        seen = self.experiment.prepare(images)

        def loss(params, rate, key):
            return class_loss(self.experiment.logits(params, seen, rate, key), labels)

        keys = jax.random.split(drop_key, self.replicas)
        return jax.vmap(jax.value_and_grad(loss))(params, rates, keys)

    def _batches(self, key, length, examples):
        """Indices and keys of the steps of a chunk."""
        index = jax.random.randint(key, (length, self.experiment.batch_size), 0, examples)
        return index, jax.random.split(jax.random.fold_in(key, _DROPS), length)

    def _warmed(self, params, key, data):
        """The parameters after the first phase."""
        tx = to.replicate(optax.sgd(self.experiment.warmup_rate, MOMENTUM), self.replicas)
        rates = self._rates(self._transformation(NEVER, key).init(params))

        def body(carry, batch):
            def gradients(params, state):
                del state
                return self._gradients(params, rates, data, *batch)

            return step(gradients, tx, carry)[0], None

        batches = self._batches(jax.random.fold_in(key, _BATCHES), self.plan.warmup, len(data[1]))
        return jax.lax.scan(body, (params, tx.init(params)), batches)[0][0]

    def _advanced(self, carry, fork, key, data, validation, chunk, period, falls):
        """A chunk of the second phase, and the distances from the fork after each step."""
        tx = self._transformation(period, key, falls)

        few = jax.tree.map(lambda x: x[: self.plan.swap_images], validation)

        def value_fn(params):
            return self._score(params, few)[0]

        def body(carry, batch):
            def gradients(params, state):
                return self._gradients(params, self._rates(state), data, *batch)

            carry, _ = step(gradients, tx, carry, value_fn=value_fn)
            return carry, to.diagnostics.distance(carry[0], fork)

        chunk_key = jax.random.fold_in(jax.random.fold_in(key, _BATCHES), 1 + chunk)
        return jax.lax.scan(body, carry, self._batches(chunk_key, self.plan.chunk, len(data[1])))

    def _measured(self, params, fork, validation, test):
        scores = [
            jnp.stack(jax.vmap(lambda p, data=data: self._score(p, data))(params))
            for data in (validation, test)
        ]
        return (*scores, to.diagnostics.distance(params, fork))

    def _score(self, params, data) -> tuple[jax.Array, jax.Array]:
        """Mean loss and error in %, without dropout; a remainder of a block is left out."""
        count = len(data[1])
        block = min(BLOCK, count)
        blocks = jax.tree.map(
            lambda x: x[: count // block * block].reshape(-1, block, *x.shape[1:]), data
        )

        def one(examples):
            images, labels = examples
            found = self.experiment.logits(params, self.experiment.prepare(as_numbers(images)))
            return class_loss(found, labels), 100 * (1 - class_accuracy(found, labels))

        loss, error = jax.lax.map(one, blocks)
        return jnp.mean(loss), jnp.mean(error)


def ladder_between(low: float, high: float, replicas: int) -> np.ndarray:
    """Equal ratios, since beta is about the inverse of a hyperparameter."""
    return np.asarray(to.geometric_ladder(low, high, replicas))
