"""Trains several networks of one method at once, stage after stage, in jitted scans.

Hyperparameters and seeds are traced, and so is the number of steps that a method may plan its
phases by: all runs of a method, those that search its settings and those that are reported, use one
program (one per stage, whose shapes differ). Every method spends one gradient per step.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.engine.problem import Method, Problem, Stage
from benchmarks.engine.resuming import Part


class Chunk(NamedTuple):
    """What one stretch of training measured; [networks] is [rows, seeds] in a grid."""

    stage: int
    step: int  # steps done at its end, those of the stages before included
    seconds_per_step: float  # for all networks together, compilation apart
    loss: np.ndarray  # minibatch loss before each step, [steps, networks]
    temperature: np.ndarray  # what the method's thermometer says after each step; NaN without
    params: Any  # at its end, one tree per stage so far, leaves [networks, ...]


def step(
    gradients: Callable[[Any, Any], tuple[jax.Array, Any]],
    tx: optax.GradientTransformation,
    carry: tuple[Any, Any],
    **extra: Any,
) -> tuple[tuple[Any, Any], jax.Array]:
    """One update of (params, state), and the loss before it: `gradients` of the two give both."""
    params, state = carry
    value, grads = gradients(params, state)
    update = optax.with_extra_args_support(tx).update
    updates, state = update(grads, state, params, value=value, **extra)
    return (optax.apply_updates(params, updates), state), value


def timed(
    advance: Callable[[Any, int], tuple[Any, Any]], carry: Any, chunks: Iterable[int]
) -> Iterator[tuple[int, Any, Any, float]]:
    """Each chunk's number, what is carried on, what was measured in it, and its seconds."""
    for chunk in chunks:
        began = time.perf_counter()
        carry, measured = jax.block_until_ready(advance(carry, chunk))
        yield chunk, carry, measured, time.perf_counter() - began


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
        part: Part | None = None,
        record: Callable[[], Any] = lambda: None,
    ) -> Iterator[Chunk]:
        """Networks of these rows and seeds, as the problem pairs them; yields after each chunk.

        They begin where `part` ends, which is offered the state, and the `record` of what has been
        made of the chunks, once the caller has asked for the next chunk.
        """
        part = part or Part()
        settings = {name: jnp.asarray([row[name] for row in rows], jnp.float32) for name in rows[0]}
        if self.method.planned:
            settings["steps"] = jnp.full(len(rows), chunks * self.chunk_steps, jnp.float32)
        stages, data, frozen, carry = len(self.problem.stages), self.problem.data, (), None
        first, done = divmod(part.step // self.chunk_steps, chunks)
        if part.step and not done:  # the state is that at the end of the stage before
            first, done = first - 1, chunks
        if part.step:
            frozen, carry = part.restore(self._template(first, settings, seeds))
        for number in range(first, stages):
            keys = self.problem.layout.keys(seeds, number)
            start, program = self._stage(number, settings, keys, frozen)
            carry = start(settings, keys) if carry is None else carry

            def advance(carry, chunk, program=program, frozen=frozen, keys=keys):
                return program(settings, carry, frozen, data, keys, chunk, examples)

            left = range(done, chunks)
            for chunk, carry, measured, elapsed in timed(advance, carry, left):  # noqa: B020
                step = (number * chunks + chunk + 1) * self.chunk_steps
                yield Chunk(
                    number,
                    step,
                    elapsed / self.chunk_steps,
                    *map(np.asarray, measured),
                    params=(*frozen, self._point(carry)),
                )
                if step < stages * chunks * self.chunk_steps:  # else the caller saves its result
                    part.offer(step, (frozen, carry), record)
            frozen, carry, done = (*frozen, self._point(carry)), None, 0

    def _template(self, stage: int, settings: Any, seeds: Sequence[int]) -> tuple[Any, Any]:
        """Shapes of what was frozen before a stage, and of the state in it."""
        starts = [self._functions(one)[0] for one in self.problem.stages[: stage + 1]]
        *before, carry = [
            jax.eval_shape(start, settings, self.problem.layout.keys(seeds, number))
            for number, start in enumerate(starts)
        ]
        return tuple(jax.eval_shape(self._point, one) for one in before), carry

    def _point(self, carry):
        """The parameters to measure, and to keep: of some methods not those of the last step."""
        params, state = carry
        return params if self.method.point is None else self.method.point(state, params)

    def _stage(self, number, settings, keys, frozen):
        """The two programs of a stage, the second compiled here: the clock sees only training."""
        if number not in self._programs:
            start, advance = self._functions(self.problem.stages[number])
            start = jax.jit(start)
            carry = jax.eval_shape(start, settings, keys)
            lowered = jax.jit(advance).lower(settings, carry, frozen, self.problem.data, keys, 0, 0)
            self._programs[number] = start, lowered.compile()
        return self._programs[number]

    def _functions(self, stage: Stage):
        """Two pure functions: one starts all networks of a stage, the other advances them."""
        problem, method, length = self.problem, self.method, self.chunk_steps
        over = problem.layout.over

        def start(settings, keys):
            def init(setting, _, key, __):
                network_key, noise_key = jax.random.split(key)
                params = stage.init(network_key)
                return params, method.make(key=noise_key, **setting).init(params)

            return over(init)(settings, (), keys, ())

        def one(setting, network, draws, data):
            carry, frozen = network

            def body(carry, inputs):
                index, key = inputs
                batch = problem.batch(data, index)

                def gradients(params, state):
                    del state
                    return jax.value_and_grad(stage.loss)(params, frozen, batch, key)

                # The state carries the key of the noise: the one given here is never read.
                carry, value = step(gradients, method.make(key=0, **setting), carry)
                reading = method.thermometer(carry[1]) if method.thermometer else jnp.nan
                return carry, (value, reading)

            return jax.lax.scan(body, carry, draws)

        def advance(settings, carry, frozen, data, keys, chunk, examples):
            # One draw for all steps: draws inside the scan cost more.
            draws = problem.layout.draws(keys, chunk, (length, problem.batch_size), examples)
            carry, measured = over(one)(settings, (carry, frozen), draws, data)
            return carry, jax.tree.map(lambda leaf: jnp.moveaxis(leaf, -1, 0), measured)

        return start, advance


class Meter:
    """Measures networks on whole splits of the data; its programs serve every method."""

    def __init__(self, problem: Problem):
        """Nothing is compiled yet."""
        self._problem = problem
        self._programs = [jax.jit(self._measuring(stage)) for stage in problem.stages]
        self._settle = [
            jax.jit(self._settling(stage.settle)) if stage.settle else None
            for stage in problem.stages
        ]

    def __call__(
        self, params: Sequence[Any], splits: Sequence[str], *, blocks: int | None = None
    ) -> dict[str, dict[str, np.ndarray]]:
        """Means over the first `blocks` blocks, or all: `[split][metric]`, each [networks]."""
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

    def _measuring(self, stage: Stage):
        over = self._problem.layout.over(
            lambda _, network, __, block: stage.measure(*network, block)
        )
        return lambda point, frozen, block: over((), (point, frozen), (), block)

    def _settling(self, settle: Callable[[Any, Any], Any]):
        over = self._problem.layout.over(lambda _, params, __, block: settle(params, block))
        return lambda params, block: over((), params, (), block)
