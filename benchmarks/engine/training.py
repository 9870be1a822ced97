"""Trains several networks of one method at once, stage after stage, in jitted scans.

Every network is a run with hyperparameters and a seed of its own. Both are traced, and so is the
number of steps that a method may plan its phases by: all runs of a method, those that search its
settings and those that are reported, use one program (one per stage, whose shapes differ).
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.engine.problem import Method, Problem, Stage

_BATCHES = 0xBA7C4  # keeps the keys of the minibatches apart from those of networks and noise
_CORRUPTION = 0xD209  # and these, of the noise within a loss


class Chunk(NamedTuple):
    """What one stretch of training measured."""

    stage: int
    step: int  # steps done at its end, those of the stages before included
    seconds_per_step: float  # for all runs together, compilation apart
    loss: np.ndarray  # minibatch loss before each step, [steps, runs]
    temperature: np.ndarray  # what the method's thermometer says after each step; NaN without
    params: Any  # at its end, one tree per stage so far, leaves [runs, ...]


class Trainer:
    """One method on one problem; compiles at the first use of a stage, then never again."""

    def __init__(self, problem: Problem, method: Method, chunk_steps: int):
        """Nothing is compiled yet; `chunk_steps` are the steps between two measurements."""
        self.problem, self.method, self.chunk_steps = problem, method, chunk_steps
        self._programs = {}

    def train(
        self,
        rows: Sequence[Mapping[str, float]],
        seeds: Sequence[int],
        *,
        chunks: int,
        examples: int,
    ) -> Iterator[Chunk]:
        """One run per row of hyperparameters and seed, pairwise; yields after each chunk."""
        settings = {
            name: jnp.asarray([row[name] for row in rows], jnp.float32) for name in rows[0]
        } | {"steps": jnp.full(len(seeds), chunks * self.chunk_steps, jnp.float32)}
        frozen = ()
        for number in range(len(self.problem.stages)):
            keys = _keys(seeds, number)
            start, advance = self._stage(number, settings, keys, frozen)
            carry = start(settings, keys)
            for chunk in range(chunks):
                began = time.perf_counter()
                carry, measured = advance(
                    settings, carry, frozen, self.problem.data, keys, chunk, examples
                )
                loss, temperature = jax.tree.map(np.asarray, measured)
                elapsed = time.perf_counter() - began
                yield Chunk(
                    number,
                    (number * chunks + chunk + 1) * self.chunk_steps,
                    elapsed / self.chunk_steps,
                    loss,
                    temperature,
                    (*frozen, self._point(carry)),
                )
            frozen = (*frozen, self._point(carry))

    def _point(self, carry):
        """The parameters to measure, and to keep: of some methods not those of the last step."""
        params, state = carry
        return params if self.method.point is None else self.method.point(state, params)

    def _stage(self, number, settings, keys, frozen):
        """The two programs of a stage, the second compiled here: the clock sees only training."""
        if number not in self._programs:
            stage = self.problem.stages[number]
            start, advance = _programs(self.problem, stage, self.method, self.chunk_steps)
            start = jax.jit(start)
            shapes = jax.eval_shape(start, settings, keys)
            self._programs[number] = (
                start,
                jax.jit(advance)
                .lower(settings, shapes, frozen, self.problem.data, keys, 0, 0)
                .compile(),
            )
        return self._programs[number]


def _keys(seeds: Sequence[int], stage: int) -> jax.Array:
    return jax.vmap(lambda seed: jax.random.fold_in(jax.random.key(seed), stage))(
        jnp.asarray(seeds, jnp.uint32)
    )


def _programs(problem: Problem, stage: Stage, method: Method, length: int):
    """Two pure functions: one starts all runs of a stage, the other advances them."""

    def start(settings, keys):
        def init(setting, key):
            network_key, noise_key = jax.random.split(key)
            params = stage.init(network_key)
            return params, method.make(key=noise_key, **setting).init(params)

        return jax.vmap(init)(settings, keys)

    def step(setting, carry, frozen, batch, key):
        params, state = carry
        value, grads = jax.value_and_grad(stage.loss)(params, frozen, batch, key)
        # The state carries the key of the noise: the one given here is never read.
        optimizer = optax.with_extra_args_support(method.make(key=0, **setting))
        updates, state = optimizer.update(grads, state, params, value=value)
        temperature = method.thermometer(state) if method.thermometer else jnp.nan
        return (optax.apply_updates(params, updates), state), (value, temperature)

    def advance(settings, carry, frozen, data, keys, chunk, examples):
        def one(setting, carry, frozen, key):
            batch_key, corruption_key = (
                jax.random.fold_in(jax.random.fold_in(key, chunk), purpose)
                for purpose in (_BATCHES, _CORRUPTION)
            )
            # One draw for all steps: draws inside the scan cost more.
            shape = (length, problem.batch_size)
            indices = jax.random.randint(batch_key, shape, 0, examples)
            corruption = jax.random.split(corruption_key, length)

            def body(carry, inputs):
                indices, key = inputs
                return step(setting, carry, frozen, problem.batch(data, indices), key)

            return jax.lax.scan(body, carry, (indices, corruption))

        carry, measured = problem.over_runs(one)(settings, carry, frozen, keys)
        return carry, jax.tree.map(jnp.transpose, measured)

    return start, advance


class Meter:
    """Measures networks on whole splits of the data; its programs serve every method."""

    def __init__(self, problem: Problem):
        """Nothing is compiled yet."""
        self._problem = problem
        self._programs = [jax.jit(self._measure(stage)) for stage in problem.stages]
        self._settle = [
            jax.jit(self._settled(stage.settle)) if stage.settle else None
            for stage in problem.stages
        ]

    def __call__(
        self, params: Sequence[Any], splits: Sequence[str], *, blocks: int | None = None
    ) -> dict[str, dict[str, np.ndarray]]:
        """Means over the first `blocks` blocks, or all: `[split][metric]`, each [runs]."""
        *frozen, point = params
        measure, settle = self._programs[len(frozen)], self._settle[len(frozen)]
        if settle:
            point = settle(point, self._problem.calibration)
        measured = {}
        for split in splits:
            parts = [
                measure(point, tuple(frozen), block)
                for block in self._problem.splits[split][:blocks]
            ]
            measured[split] = {
                metric: np.mean([np.asarray(part[metric]) for part in parts], axis=0)
                for metric in parts[0]
            }
        return measured

    def _measure(self, stage: Stage):
        def measure(points, frozen, block):
            return self._problem.over_runs(lambda *run: stage.measure(*run, block))(points, frozen)

        return measure

    def _settled(self, settle):
        def settled(params, calibration):
            return self._problem.over_runs(lambda one: settle(one, calibration))(params)

        return settled
