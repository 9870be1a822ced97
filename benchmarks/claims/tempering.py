"""Continuous tempering of a harmonic well: how long hills take, and what a step of alpha costs."""

import functools
import warnings

import jax
import jax.numpy as jnp
import numpy as np

import thermo_optax as to
from benchmarks.engine import report

PLATEAU, EDGE = 0.4, 1.5  # the defaults
SIZES = (10, 20, 30, 50, 100)
RUNS = 8


def hills(seed: int, divisor: int) -> list[str]:
    """When alpha comes back from the hot end, where hills have to fill in the free energy first."""
    length = 100_000 // divisor
    rows = []
    for size in SIZES:
        with warnings.catch_warnings():  # it warns of what is measured here
            warnings.filterwarnings("ignore", ".*couples the tempering variable", UserWarning)
            found = np.asarray(_returns(size, length, jax.random.split(jax.random.key(seed), RUNS)))
        back = found[found < length]
        first = f"{back.min():,} to {back.max():,}" if len(back) else "-"
        rows.append((str(size), f"{len(back)} of {RUNS}", first))
    return [
        report.section(
            "Hills that fill in the free energy",
            report.table(("parameters", f"back within {length:,} steps", "first step back"), rows),
            before="L = |x|^2 / 2 at T = 1, `langevin` with a step of 0.3 and a friction of 1, "
            f'mode "paper" with its default hills, {RUNS} runs. Back: at |alpha| < {PLATEAU}, '
            f"after it was beyond the edge at {EDGE}.",
        )
    ]


@functools.partial(jax.jit, static_argnums=(0, 1))
def _returns(size: int, length: int, keys: jax.Array) -> jax.Array:
    """int[runs]: the step of the return; the length if there is none."""

    @jax.vmap
    def run(key):
        sampler = to.langevin(0.3, temperature=1.0, friction=1.0, key=key)
        tx = to.continuous_tempering(sampler, temperature=1.0, key=key)

        def step(carry, count):
            x, state, was_hot, back = carry
            moved, state = tx.update(x, state, x, value=jnp.sum(x**2) / 2)
            place = jnp.abs(to.tempering_state(state).alpha)
            was_hot |= place > EDGE
            returns = was_hot & (place < PLATEAU)
            return (
                x + moved,
                state,
                was_hot,
                jnp.where(returns, jnp.minimum(back, count), back),
            ), None

        x = jax.random.normal(key, (size,))
        start = x, tx.init(x), jnp.asarray(False), jnp.asarray(length)
        return jax.lax.scan(step, start, jnp.arange(length))[0][3]

    return run(keys)


CHAINS, BINS = 512, 16


def alpha_steps(seed: int, divisor: int) -> list[str]:
    """How far variances are off at each alpha, by the step of alpha and that of the sampler."""
    keys = jax.random.split(jax.random.key(seed), CHAINS)
    edges = np.linspace(0, EDGE, BINS + 1)
    on_plateau = edges[1:] <= PLATEAU
    rows = []
    for sampler_step in (0.3, 0.1):
        length = int(10_000 / sampler_step) // divisor
        for alpha_step in (0.05, 0.1):
            sums, counts = _second_moments(length, alpha_step, sampler_step, keys)
            by_chain = np.asarray(sums, float) / np.maximum(np.asarray(counts, float), 1)
            ratio = np.sum(sums, 0, dtype=float) / np.maximum(np.sum(counts, 0), 1)
            error = np.std(by_chain, axis=0) / np.sqrt(CHAINS)
            worst = np.argmax(np.where(on_plateau, 0, np.abs(ratio - 1)))
            cold = np.sum(sums[:, on_plateau], dtype=float) / np.sum(counts[:, on_plateau])
            rows.append(
                (
                    f"{alpha_step:g}",
                    f"{sampler_step:g}",
                    f"{100 * (cold - 1):+.2f}",
                    f"{100 * (ratio[worst] - 1):+.2f} ± {100 * error[worst]:.2f}",
                    f"{edges[worst]:.2f} to {edges[worst + 1]:.2f}",
                )
            )
    columns = (
        "`alpha_step`",
        "step of the sampler",
        "on the plateau, %",
        "worst beyond it, %",
        "at alpha",
    )
    return [
        report.section(
            'What the step of alpha costs in mode "exact"',
            report.table(columns, rows),
            before="How far the variance of x, times g, is from T: a well of curvature 1 with 2 "
            f"parameters, no bias, {CHAINS} chains of `langevin` with a friction of 1.",
        )
    ]


@functools.partial(jax.jit, static_argnums=0)
def _second_moments(length: int, alpha_step, sampler_step, keys):
    """float[chains, bins], int[chains, bins]: the sums of g x^2, and how many."""

    @jax.vmap
    def run(key):
        sampler = to.langevin(sampler_step, temperature=1.0, friction=1.0, key=key)
        tx = to.continuous_tempering(
            sampler, temperature=1.0, mode="exact", bias=None, alpha_step=alpha_step, key=key
        )

        def step(carry, count):
            x, state, sums, counts = carry
            moved, state = tx.update(x, state, x, value=jnp.sum(x**2) / 2)
            x += moved
            here = jnp.abs(to.tempering_state(state).alpha)
            square = to.temperature_scaling(here) * jnp.mean(x**2)
            inside = (here < EDGE) & (count > length // 10)
            place = (here * BINS / EDGE).astype(jnp.int32)
            sums = sums.at[place].add(jnp.where(inside, square, 0), mode="drop")
            counts = counts.at[place].add(inside.astype(jnp.int32), mode="drop")
            return (x, state, sums, counts), None

        x = jax.random.normal(key, (2,))
        start = x, tx.init(x), jnp.zeros(BINS), jnp.zeros(BINS, jnp.int32)
        return jax.lax.scan(step, start, jnp.arange(length))[0][2:]

    return run(keys)
