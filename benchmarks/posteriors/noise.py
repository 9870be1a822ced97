"""Gradient noise of known law: which shapes of it does a sampler bear?

Three laws with exact draws, and on their gradients noise of four covariances and three
distributions. The number is SMILE's b^2_max: the largest squared error of a mean square E[x_i^2],
in units of the variance of x_i^2.
"""

import argparse
import functools
import itertools
import json
import pathlib
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from benchmarks.engine import report, runtime, workers
from benchmarks.posteriors import chains, grid, peers
from benchmarks.posteriors.measurement import QUICK_METHODS
from benchmarks.posteriors.problem import Method, Problem
from benchmarks.posteriors.samplers import OURS, warmed_up
from benchmarks.posteriors.targets import Target, Truth

COVARIANCES = ("isotropic", "anisotropic", "correlated", "state-dependent")
DISTRIBUTIONS = ("Gauss", "Laplace", "Student t")
DEGREES = 5  # of Student's t
STEPS, FRICTIONS = (0.1, 0.3, 0.6), (1.0, 3.0)
CHAINS, BUDGET, QUICK_BUDGET = 8, 8_000, 800
DRAWS = 1_000_000  # for the moments of squares, whose errors are then below 1 %
LEFT_OUT = {"psgld", "langevin, UBU", "adaptive_langevin, ACDEDCAB", "warm_up, no masses"}
LONGER = {"warm_up, 2,000 steps": warmed_up(2_000)}  # noise is measured in many steps
METHODS: dict[str, Method] = {
    name: method
    for name, method in {**OURS, **LONGER, **peers.PEERS}.items()
    if method.batches and not method.multimodal and name not in LEFT_OUT
}


class Noise(NamedTuple):
    """One row: traced, so that all kinds share a program."""

    factor: jax.Array  # float32[d, d], a root of the covariance
    distribution: jax.Array  # int32[]
    varies: jax.Array  # bool[], whether it grows with the distance from the centre


def _law(title: str, size: int, loss, draw: Callable[..., np.ndarray], curvature) -> Target:
    """With squares as observables, and their moments from a million draws."""
    points = draw(np.random.default_rng(0), DRAWS)
    squares = points**2
    zeros = np.zeros(size)
    spread = float(points.std(0).max())
    truth = Truth(squares.mean(0), squares.std(0), zeros, zeros, curvature, spread)
    # Chains start among the draws: the question is where noise keeps them.
    starts = jnp.asarray(points[:4096], jnp.float32)
    return Target(
        title,
        loss,
        size,
        1.0,
        lambda key: starts[jax.random.randint(key, (), 0, len(starts))],
        BUDGET,
        observe=lambda x: x**2,
        truth=truth,
    )


def gaussian() -> Target:
    """Ten dimensions, curvatures from 1 to 100."""
    curvatures = np.geomspace(1, 100, 10)
    stiff = jnp.asarray(curvatures, jnp.float32)
    return _law(
        "Gaussian, 10 dimensions, condition 100",
        10,
        lambda x: 0.5 * jnp.sum(stiff * x**2),
        lambda generator, n: generator.standard_normal((n, 10)) / np.sqrt(curvatures),
        100.0,
    )


def banana() -> Target:
    """A Gaussian bent along a parabola."""

    def loss(x):
        return 0.5 * (x[0] / 3) ** 2 + 0.5 * (x[1] - 0.2 * (x[0] ** 2 - 9)) ** 2

    def draw(generator, n):
        x, y = generator.standard_normal((2, n))
        return np.stack([3 * x, y + 0.2 * (9 * x**2 - 9)], -1)

    return _law("banana", 2, loss, draw, 2.0)


def funnel() -> Target:
    """Two coordinates whose scale is e^(v/2), with v a standard normal."""

    def loss(x):
        return 0.5 * x[0] ** 2 + 0.5 * jnp.sum(x[1:] ** 2) * jnp.exp(-x[0]) + x[0]

    def draw(generator, n):
        v, *rest = generator.standard_normal((3, n))
        return np.stack([v, *(np.exp(v / 2) * one for one in rest)], -1)

    return _law("funnel, 3 dimensions", 3, loss, draw, 3.0)


TARGETS = {"gaussian": gaussian, "banana": banana, "funnel": funnel}


def kinds(target: Target) -> list[tuple[str, str, Noise]]:
    """All noises, of the same total variance: that of the gradient in equilibrium."""
    size = target.size
    assert target.truth is not None
    ranks = np.geomspace(0.1, 10, size)
    shapes = {
        "isotropic": np.eye(size),
        "anisotropic": np.diag(ranks / ranks.mean()),
        "correlated": 0.1 * np.eye(size) + 0.9 * np.ones((size, size)),
        "state-dependent": np.eye(size),
    }
    variance = target.truth.curvature / 4
    return [
        (
            shape,
            law,
            Noise(
                jnp.asarray(np.linalg.cholesky(variance * shapes[shape]), jnp.float32),
                jnp.int32(DISTRIBUTIONS.index(law)),
                jnp.asarray(shape == "state-dependent"),
            ),
        )
        for shape, law in itertools.product(COVARIANCES, DISTRIBUTIONS)
    ]


def noisy(target: Target) -> Callable[[jax.Array, Noise], Problem]:
    """The problem of a chain, by its key and its noise."""
    assert target.truth is not None
    mean_squares = jnp.asarray(target.truth.mean, jnp.float32)

    def of_chain(key, noise: Noise):
        def gradient(x, count):
            now = jax.random.fold_in(key, count)
            drawn = unit_variates(now, noise.distribution, x.shape)
            growth = jnp.where(noise.varies, jnp.mean(x**2 / mean_squares), 1.0)
            return jax.grad(target.loss)(x) + jnp.sqrt(growth) * (noise.factor @ drawn)

        return Problem(lambda x, _: target.loss(x), gradient, 1.0, target.size)

    return of_chain


def unit_variates(key: jax.Array, distribution: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Of mean 0 and variance 1: Gauss's, Laplace's or Student's, by number."""
    first, second = jax.random.split(key)
    normal = jax.random.normal(first, shape)
    # Both others are Gaussians with a random variance.
    exponential = jax.random.exponential(second, shape)
    chi = jnp.sum(jax.random.normal(jax.random.fold_in(second, 1), (DEGREES, *shape)) ** 2, 0)
    variances = jnp.stack([jnp.ones(shape), exponential, (DEGREES - 2) / chi])
    return normal * jnp.sqrt(variances[distribution])


def measure(method: Method, target: Target, budget: int, seed: int) -> tuple[np.ndarray, list]:
    """b^2_max for each noise at the setting that is best for all of them, and that setting."""
    every = kinds(target)
    steps, frictions = grid.units(method, target)
    multiples = [(1.0, 1.0)]
    if method.searched != "nothing":
        multiples = list(itertools.product(STEPS, FRICTIONS))
    rows = np.repeat(np.array(multiples) * (steps, frictions), len(every) * CHAINS, 0)
    noises = jax.tree.map(
        lambda *leaves: jnp.tile(
            jnp.repeat(jnp.stack(leaves), CHAINS, 0),
            (len(multiples), *[1] * leaves[0].ndim),
        ),
        *(noise for _, _, noise in every),
    )
    run = chains.program(method, target, noisy(target), budget // method.cost)
    sums = run(chains.settings_of(rows), chains.keys_of(seed, len(rows)), noises)
    half = sums.weight.shape[1] // 2
    shape = (len(multiples), len(every), CHAINS)
    weight = sums.weight[:, half:].sum(1).reshape(*shape, 1).sum(2)
    with np.errstate(invalid="ignore", over="ignore"):
        error = sums.first[:, half:].sum(1).reshape(*shape, -1).sum(2) / weight
        bias = np.max(error**2, -1)  # [settings, noises]
    bias = np.where(np.isfinite(bias), bias, np.inf)
    chosen = int(np.argmin(np.mean(np.log(np.maximum(bias, 1e-12)), 1)))
    return bias[chosen], list(multiples[chosen])


def _measured(job: tuple[str, str], budget: int, seed: int) -> dict[str, list]:
    target, name = job
    bias, setting = measure(METHODS[name], TARGETS[target](), budget, seed)
    return {"bias": [float(b) if np.isfinite(b) else None for b in bias], "setting": setting}


def run(options: argparse.Namespace, output: pathlib.Path) -> None:
    """Measures what is not there yet, and prints a table."""
    folder = output / "measured"
    chosen = options.methods or (QUICK_METHODS if options.quick else METHODS)
    names = [name for name in METHODS if name in chosen]
    if not peers.installed():
        names = [name for name in names if not name.startswith("blackjax.")]
    jobs = list(itertools.product(TARGETS, names))
    file = functools.partial(_file, folder)
    if options.again:
        for job in jobs:
            file(*job).unlink(missing_ok=True)
    left = [job for job in jobs if not file(*job).exists()]
    budget = QUICK_BUDGET if options.quick else BUDGET
    with runtime.interruptible(lambda: _save(output, budget)) as check:
        one = functools.partial(_measured, budget=budget, seed=options.seed)
        done = workers.results(one, left, workers.number(options.workers), check)
        for job, result in tqdm(done, total=len(left), unit="job", desc="noise"):
            file(*job).write_text(json.dumps(result))


def _file(folder: pathlib.Path, target: str, name: str) -> pathlib.Path:
    return folder / f"noise-{target}-{name.replace(', ', '_')}.json"


def _save(output: pathlib.Path, budget: int) -> None:
    parts = [report.heading("Gradient noise of known law")]
    parts.append(
        "b^2_max, the largest squared error of a mean square E[x_i^2], in units of the variance of "
        f"x_i^2, of {CHAINS} chains together over the second half of {budget:,} gradients. The "
        "noise has a quarter of the largest curvature for its variance. Each number is the worst "
        "of three distributions of the noise (Gauss, Laplace, Student's t), at the setting out of "
        "6 that is best over all 12 noises."
    )
    numbers = {}
    for target in TARGETS:
        rows = []
        for name in METHODS:
            path = _file(output / "measured", target, name)
            if not path.exists():
                continue
            told = json.loads(path.read_text())
            bias = np.array([np.inf if b is None else b for b in told["bias"]])
            numbers[f"{target} {name}"] = told
            largest = bias.reshape(len(COVARIANCES), len(DISTRIBUTIONS))
            step, friction = told["setting"]
            setting = "its own" if METHODS[name].searched == "nothing" else f"{step}, {friction}"
            rows.append([f"`{name}`", *(_number(b) for b in largest.max(1)), setting])
        if rows:
            head = ["method", *COVARIANCES, "step, friction"]
            parts.append(report.section(TARGETS[target]().title, report.table(head, rows)))
    report.save(output, parts, numbers, name="noise")


def _number(value: float) -> str:
    return f"{value:.4f}" if value < 100 else "diverged"
