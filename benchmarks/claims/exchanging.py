"""What swaps change where rungs differ in more than their temperature."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax

import thermo_optax as to
from benchmarks.engine import report

POWERS = np.linspace(1.0, 0.0, 10) ** 4
NOISE = 0.5
LENGTH, RUNS = 200_000, 24


def swaps(seed: int, divisor: int) -> list[str]:
    """The evidence of a linear regression, and variances in wells, by how often rungs swap."""
    return [_evidence(seed, divisor), _wells(seed, divisor)]


def _evidence(seed: int, divisor: int) -> str:
    """The example of the page about evidence, five times as long, of 24 keys."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(30, 3))
    targets = features @ [1.0, -0.5, 0.3] + NOISE * rng.normal(size=30)
    covariance = NOISE**2 * np.eye(30) + features @ features.T
    exact = -(targets @ np.linalg.solve(covariance, targets)) / 2
    exact -= np.linalg.slogdet(2 * np.pi * covariance)[1] / 2
    keys = jax.random.split(jax.random.key(seed), RUNS)
    data = jnp.asarray(features, jnp.float32), jnp.asarray(targets, jnp.float32)
    rows = []
    for period in (2, 5, 25, 100):
        cells = []
        for own_steps in (True, False):
            states = _evidences(LENGTH // divisor, period, own_steps, data, keys)
            each = [jax.tree.map(lambda leaf, run=run: leaf[run], states) for run in range(RUNS)]
            found = np.array([-to.ladder_thermodynamics(one).log_partition[-1] for one in each])
            cells.append(report.with_spread(found - exact, 4, deviation=False))
        rows.append((f"{period} updates", *cells))
    columns = ("a swap every", "a step size for each rung", "the shortest step on all rungs")
    return report.section(
        "Evidence, by how often rungs swap",
        report.table(columns, rows),
        before=f"How far the mean log evidence of {RUNS} runs of {LENGTH:,} steps is from the "
        "exact one, in nats: the linear regression of docs/evidence.md, with 10 powers.",
    )


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _evidences(length: int, period: int, own_steps: bool, data, keys):
    features, targets = data

    def misfit(w):
        squares = jnp.sum((features @ w - targets) ** 2) / (2 * NOISE**2)
        return squares + 30 * jnp.log(NOISE * jnp.sqrt(2 * jnp.pi))

    def loss(w, power):
        return power * misfit(w) + jnp.sum(w**2) / 2

    stiffest = jnp.linalg.eigvalsh(features.T @ features / NOISE**2).max()
    step_sizes = 0.8 / jnp.sqrt(1 + jnp.asarray(POWERS, jnp.float32) * stiffest)
    if not own_steps:
        step_sizes = jnp.full_like(step_sizes, step_sizes[0])

    @jax.vmap
    def run(key):
        tx = _powers(POWERS, step_sizes, period, key)

        def step(carry, _):
            w, state = carry
            grads = jax.vmap(jax.grad(loss))(w, to.replica_hyperparams(state)["power"])
            moved, state = tx.update(grads, state, w, value=jax.vmap(misfit)(w))
            return (w + moved, state), None

        w = jnp.zeros((10, 3))
        (_, state), _ = jax.lax.scan(step, (w, tx.init(w)), length=length)
        return state

    return run(keys)


def _powers(powers, step_sizes, period: int, key):
    """`langevin` on powers of a likelihood, with a step size for each."""
    sampler_key, own = jax.random.split(key)
    return to.replica_exchange(
        optax.inject_hyperparams(to.langevin)(0.1, 1.0, friction=1.0, key=sampler_key),
        {"power": powers, "step_size": step_sizes},
        betas={"power": lambda power: power},
        normalization={"power": 1.0},
        model_hyperparams=("power",),
        swap_period=period,
        key=own,
    )


CURVATURES = np.array([1.0, 0.58, 0.34, 0.2])  # of the wells on four rungs
SIZE, LONGEST = 4, 0.78


def _wells(seed: int, divisor: int) -> str:
    """Rungs with one step, and with steps in proportion to the period of their well."""
    keys = jax.random.split(jax.random.key(seed), 256)
    rows = []
    for period in (2, 10):
        cells = []
        for proportional in (False, True):
            scale = 1 / np.sqrt(CURVATURES) if proportional else np.ones(4)
            found = np.asarray(_squares(20_000 // divisor, period, LONGEST * scale, keys), float)
            off, error = found.mean(0) - 1, found.std(0) / np.sqrt(len(found))
            worst = np.argmax(np.abs(off))
            cells.append(f"{100 * off[worst]:+.2f} ± {100 * error[worst]:.2f}")
        rows.append((f"{period} updates", *cells))
    columns = ("a swap every", "one step for all rungs, %", "steps of equal h omega, %")
    return report.section(
        "Variances in wells, by how often rungs swap",
        report.table(columns, rows),
        before="How far the variance on the worst of four rungs is off: powers of a well of "
        f"{SIZE} parameters with curvatures from 1 to 0.2, `langevin` with h omega from {LONGEST} "
        "on the stiffest rung.",
    )


@functools.partial(jax.jit, static_argnums=(0, 1))
def _squares(length: int, period: int, step_sizes, keys):
    """float[chains, rungs]: k <x^2>."""

    @jax.vmap
    def run(key):
        tx = _powers(CURVATURES, step_sizes, period, key)

        def step(carry, count):
            x, state, mean = carry
            power = to.replica_hyperparams(state)["power"]
            moved, state = tx.update(power[:, None] * x, state, x, value=jnp.sum(x**2, 1) / 2)
            x += moved
            power = to.replica_hyperparams(state)["power"]
            here = jnp.mean(to.by_rung(state, power[:, None] * x**2), axis=1)
            return (x, state, mean + (here - mean) / (count + 1)), None

        x = (
            jax.random.normal(key, (4, SIZE))
            / jnp.sqrt(jnp.asarray(CURVATURES, jnp.float32))[:, None]
        )
        start = x, tx.init(x), jnp.zeros(4)
        return jax.lax.scan(step, start, jnp.arange(length))[0][2]

    return run(keys)


def frictions(seed: int, divisor: int) -> list[str]:
    """`santa` in an exchange of temperatures, with gradients that have noise and without."""
    keys = jax.random.split(jax.random.key(seed), 64)
    rows = []
    for noise in (0.0, 1.5):
        found = np.asarray(_with_thermostats(8_000 // divisor, noise, keys), float)
        off, error = found.mean(0) - 1, found.std(0) / np.sqrt(len(found))
        cells = [f"{100 * a:+.1f} ± {100 * b:.1f}" for a, b in zip(off, error, strict=True)]
        rows.append((f"{noise:g}", *cells))
    return [
        report.section(
            "Frictions that move with the replicas",
            report.table(
                ("noise of the gradients", "rung at T = 1/4, %", "rung at T = 1, %"), rows
            ),
            before="How far the variance of a tether of precision 1 is off under "
            "`santa(0.04, coupling=1)`: a swap every 10 updates, 64 chains of 16 parameters.",
        )
    ]


@functools.partial(jax.jit, static_argnums=0)
def _with_thermostats(length: int, noise, keys):
    @jax.vmap
    def run(key):
        own, sampler_key, start_key, noise_key = jax.random.split(key, 4)
        sampler = to.santa(
            0.04, 1.0, coupling=1.0, damping=1.0, adaptation_steps=0, key=sampler_key
        )
        inner = optax.chain(to.tether(1.0, 1.0, center=0.0), sampler)
        ladder = {"temperature": np.array([0.25, 1.0], np.float32)}
        tx = to.replica_exchange(inner, ladder, swap_period=10, key=own)

        def step(carry, count):
            x, state, mean = carry
            draws = jax.random.normal(jax.random.fold_in(noise_key, count), x.shape)
            moved, state = tx.update(noise * draws, state, x, value=jnp.zeros(2))
            x += moved
            here = jnp.mean(to.by_rung(state, x**2), axis=1)
            share = jnp.where(count < length // 10, 0, 1 / (count - length // 10 + 1))
            return (x, state, mean + share * (here - mean)), None

        x = jax.random.normal(start_key, (2, 16))
        start = x, tx.init(x), jnp.zeros(2)
        return jax.lax.scan(step, start, jnp.arange(length))[0][2]

    return run(keys)
