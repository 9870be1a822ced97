"""Steps that adapt: a metric, a warm-up, and a step size that follows the gradient."""

import functools
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import thermo_optax as to
from benchmarks.coefficients import models
from benchmarks.engine import report
from benchmarks.posteriors import references
from benchmarks.posteriors.targets import TARGETS

SCHOOLS = "schools"


def metric(seed: int, divisor: int) -> list[str]:
    """`psgld` with exact gradients: a metric that never stops adapting, and a frozen one."""
    truth = references.truth(SCHOOLS)
    keys = jax.random.split(jax.random.key(seed), 64)
    rows = []
    for rate in (0.1, 0.03, 0.01):
        length = int(3_000 / rate) // divisor
        ratios = [
            np.asarray(_variances(length, frozen, rate, keys)) / truth.deviation**2
            for frozen in (False, True)
        ]
        rows.append((f"{rate:g}", *map(_extremes, ratios)))
    return [
        report.section(
            "A metric that never stops adapting",
            report.table(("learning rate", "never frozen", "frozen after the burn-in"), rows),
            before="`psgld` on eight schools, not centred, with exact gradients, 64 chains: "
            "measured over true variance, the smallest and the largest of ten, with their errors. "
            "A tenth of 3,000 / (learning rate) steps is the burn-in.",
        )
    ]


@functools.partial(jax.jit, static_argnums=(0, 1))
def _variances(length: int, frozen: bool, rate, keys):
    """float[chains, 10]: of the parameters, about the means of all chains' samples."""
    target, burn_in = TARGETS[SCHOOLS](), length // 10

    @jax.vmap
    def run(key):
        steps = burn_in if frozen else None
        tx = to.psgld(rate, temperature=1.0, adaptation_steps=steps, key=key)

        def step(carry, count):
            x, state, mean, square = carry
            moved, state = tx.update(jax.grad(target.loss)(x), state, x)
            x += moved
            share = jnp.where(count < burn_in, 0, 1 / jnp.maximum(count - burn_in + 1, 1))
            return (x, state, mean + share * (x - mean), square + share * (x**2 - square)), None

        x = target.start(key)
        zeros = jnp.zeros_like(x)
        (_, _, mean, square), _ = jax.lax.scan(
            step, (x, tx.init(x), zeros, zeros), jnp.arange(length)
        )
        return mean, square

    mean, square = run(keys)
    common = mean.mean(0, keepdims=True)
    return square - 2 * mean * common + common**2


def _extremes(ratios: np.ndarray) -> str:
    """The smallest and the largest of the parameters' means over chains, with their errors."""
    mean, error = ratios.mean(0), ratios.std(0) / np.sqrt(len(ratios))
    ends = np.argmin(mean), np.argmax(mean)
    return ", ".join(f"{mean[place]:.3f} ± {error[place]:.3f}" for place in ends)


def strays(seed: int, divisor: int) -> list[str]:
    """Chains that end far from the posterior, or with a step that is far too short."""
    rows = []
    for name in (SCHOOLS, "schools_centred"):
        truth = references.truth(name)
        keys = jax.random.split(jax.random.key(seed), 100)
        means, deviations, chosen, calmed = map(np.asarray, _warmed_up(name, divisor, keys))
        off = np.abs(means - truth.mean) / truth.deviation
        widths = np.abs(deviations / truth.deviation - 1)
        near = np.maximum(off, widths).max(1) < 0.5
        typical = np.median(chosen)
        rows.append(
            (
                TARGETS[name]().title,
                f"{near.sum()}",
                f"{np.maximum(off, widths).max(1).max():.2f}",
                f"{typical:.3f}",
                f"{chosen.min():.2g}",
                f"{(chosen < typical / 100).sum()}",
                f"{100 * calmed.mean():.3f} %",
            )
        )
    columns = (
        "posterior",
        "chains within half a deviation",
        "the furthest, in deviations",
        "typical step",
        "shortest step",
        "steps below a hundredth of the typical",
        "steps after it that a large force shortened",
    )
    return [
        report.section(
            "Chains that a warm-up leaves astray",
            report.table(columns, rows),
            before="100 chains of `warm_up(langevin)`, 2,000 steps, then 50,000 more: how far the "
            "mean and the standard deviation of each parameter are off, in true standard "
            "deviations, the largest of 20 numbers.",
        )
    ]


@functools.partial(jax.jit, static_argnums=(0, 1))
def _warmed_up(name: str, divisor: int, keys):
    target, burn_in, length = TARGETS[name](), 2_000, 2_000 + 50_000 // divisor
    make = functools.partial(to.langevin, temperature=target.temperature)

    @jax.vmap
    def run(key):
        def sampler(**settings):
            return make(key=key, **settings)

        tx = to.running_moments(to.warm_up(sampler, burn_in), burn_in=burn_in)

        def step(carry, _):
            x, state = carry
            moved, state = tx.update(jax.grad(target.loss)(x), state, x)
            return (x + moved, state), None

        x = target.start(key)
        (x, state), _ = jax.lax.scan(step, (x, tx.init(x)), length=length)
        warm: Any = state
        warm = warm.inner_state
        deviation = jnp.sqrt(to.posterior_variance(state, x))
        share = warm.calmed / (length - burn_in)
        return to.posterior_mean(state, x), deviation, warm.settings.step_size, share

    return run(keys)


def times(seed: int, divisor: int) -> list[str]:
    """`adaptive_step`: what means over steps are, and a deep linear network at long steps."""
    return [_weights(seed, divisor), _deep(seed, divisor)]


def _weights(seed: int, divisor: int) -> str:
    """A harmonic well of one particle: the variance over steps, and over time."""
    keys = jax.random.split(jax.random.key(seed), 1_000)
    length = 20_000 // divisor

    @jax.jit
    @jax.vmap
    def run(key):
        make = functools.partial(to.langevin, temperature=1.0, friction=1.0, key=key)
        tx = to.adaptive_step(make, 0.2, typical_square=1.0)

        def step(carry, count):
            x, state, sums = carry
            weight = to.time_weight(state)
            moved, state = tx.update(x, state, x)
            here = jnp.where(count < length // 10, 0, jnp.stack([1, x**2, weight, weight * x**2]))
            return (x + moved, state, sums + here), None

        x = jax.random.normal(key, ())
        start = x, tx.init(x), jnp.zeros(4)
        sums = jax.lax.scan(step, start, jnp.arange(length))[0][2]
        return sums[1] / sums[0], sums[3] / sums[2]

    over_steps, over_time = (np.asarray(values, float) for values in run(keys))
    rows = [
        ("over steps", report.with_spread(over_steps, 3, deviation=False)),
        ("over time", report.with_spread(over_time, 3, deviation=False)),
    ]
    return report.section(
        "Means over steps, and over time",
        report.table(("mean of x^2", "1 is right"), rows),
        before="`adaptive_step(langevin, 0.2, typical_square=1.0)` of one particle in a well of "
        "curvature 1 at T = 1, 1,000 chains. Over time is with the weights of `time_weight`.",
    )


def _deep(seed: int, divisor: int) -> str:
    """Chains of `langevin` at fixed and at adaptive steps, by the learning coefficient."""
    model = models.linear_network((5, 10, 10, 5), 3, models.SWEEPS // divisor)
    exact = model.exact()
    rows = []
    kinds = [(0.12, None), (0.25, None), (0.25, 1e-5), (0.25, 4e-5)]
    for friction, (h, square) in itertools.product((0.5, None), kinds):
        found = to.learning_coefficient(
            model.loss,
            model.params,
            num_examples=100_000,
            temperature=model.temperature,
            step_size=h,
            sampler=functools.partial(_sampler, friction, square),
            num_chains=16,
            num_steps=max(8_000 // divisor, 100),
            num_burn_in=2_000 // divisor,
            key=seed,
        )
        lost = int((~np.isfinite(np.asarray(found.chains, float))).sum())
        off = f"{100 * (found.value / exact - 1):+.1f} ± {100 * found.standard_error / exact:.1f}"
        kind = "fixed" if square is None else f"adaptive, typical square {square:g}"
        damping = "0.05 / h" if friction is None else f"{friction:g}"
        rows.append((damping, f"{h:g}", kind, f"{lost} of 16", off if lost < 16 else "-"))
    return report.section(
        "A deep linear network at long steps",
        report.table(("friction", "step h", "kind", "chains lost", "coefficient off, %"), rows),
        before=f"{model.title}, T = {model.temperature:g}, 16 chains of 8,000 steps; the "
        f"coefficient by exact draws is {exact:.2f}.",
    )


def _sampler(friction, square, step_size, temperature, key):
    friction = 0.05 / step_size if friction is None else friction  # else that of the default
    make = functools.partial(to.langevin, temperature=temperature, friction=friction, key=key)
    if square is None:
        return make(step_size)
    return to.adaptive_step(make, step_size, typical_square=square)
