"""Independent samples per second of BAOAB and SGLD on the 100-dimensional Gaussian.

A sampler with one bath is, in a harmonic well of curvature k, a linear map v' = M v + b z of
v = (x, p). M and b are read off the very transformation that is timed: M from steps at temperature
0, b from a step at rest with ternary noise, whose z is exactly 0 or +-sqrt(3). They give

    stationary covariance      S = M S M' + b b'
    autocorrelation            rho(n) = (M^n S)_xx / S_xx,  and rho(n)^2 for x^2
    integrated, in steps       tau = 1 + 2 sum_n rho(n)

with the sums in closed form. The numbers compared are steps per second over the largest tau, of
any x or x^2 of any coordinate, at the best setting whose variances are all within 1 %.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import thermo_optax as to
from benchmarks.updates.problems import PRECISIONS

BIAS = 0.01
WELLS = 32  # equal wells, of which at least one must draw a z that is not 0


class Sampler(NamedTuple):
    """A sampler and the settings among which its best is looked for."""

    make: Callable[..., optax.GradientTransformationExtraArgs]
    grid: dict[str, np.ndarray]


class Best(NamedTuple):
    """The best setting of a sampler."""

    setting: dict[str, float]
    bias: float  # the largest relative error of a variance
    tau: float  # the largest integrated autocorrelation time, in steps
    observable: str  # whose: "x" or "x^2"
    precision: float  # and of which coordinate


SAMPLERS = {
    "sgld": Sampler(
        lambda learning_rate: to.sgld(learning_rate, 1.0, generator="ternary", key=0),
        {"learning_rate": np.geomspace(1e-5, 1e-2, 1000)},
    ),
    "baoab": Sampler(
        lambda step_size, friction: to.langevin(
            step_size, 1.0, friction=friction, generator="ternary", key=0
        ),
        {"step_size": np.linspace(0.05, 0.15, 21), "friction": np.geomspace(0.1, 10, 41)},
    ),
}


def _linear_map(sampler: Sampler, setting: dict[str, Any], curvature) -> tuple[Any, Any]:
    """(M - 1, b): the first as a difference, since M is 1 to four digits for small steps."""
    tx: Any = sampler.make(**setting)
    start = tx.init(jnp.zeros(WELLS))
    inertia = hasattr(start, "momentum")

    def change(x, p, scale):
        x, p = jnp.full(WELLS, x), jnp.full(WELLS, p)
        state = start._replace(momentum=p) if inertia else start
        moved, after = tx.update(curvature * x, state, x, temperature_scale=scale)
        return jnp.stack([moved, after.momentum - p] if inertia else [moved])

    unit = jnp.eye(2)[: 1 + inertia]
    columns = [change(x, p if inertia else p * 0, 0.0)[:, 0] for x, p in unit]
    noises = change(0.0, 0.0, 1.0)
    drawn = jnp.argmax(jnp.abs(noises[0]))
    return jnp.stack(columns, axis=1), noises[:, drawn] / jnp.sqrt(3.0)


def autocorrelation(change: np.ndarray, noise: np.ndarray):
    """(variance of x, tau of x, tau of x^2) for stacks of M - 1 and b; NaN where unstable."""
    d = change.shape[-1]
    one = np.eye(d)
    # 1 - M (x) M, which acts on covariances written as vectors.
    pairs = -(_kron(change, one) + _kron(one, change) + _kron(change, change))
    heat = (noise[..., :, None] * noise[..., None, :]).reshape(*noise.shape[:-1], d * d, 1)
    covariance = np.linalg.solve(pairs, heat).reshape(change.shape)
    variance = covariance[..., 0, 0]
    first = covariance[..., :, :1]
    tau = 2 * np.linalg.solve(-change, first)[..., 0, 0] / variance - 1
    squares = (first * first.swapaxes(-1, -2)).reshape(*noise.shape[:-1], d * d, 1)
    tau_squares = 2 * np.linalg.solve(pairs, squares)[..., 0, 0] / variance**2 - 1
    unstable = np.abs(np.linalg.eigvals(change + one)).max(-1) >= 1
    return tuple(np.where(unstable, np.nan, value) for value in (variance, tau, tau_squares))


def _kron(a, b):
    product = np.einsum("...ij,...kl->...ikjl", a, b)
    return product.reshape(*product.shape[:-4], a.shape[-1] * b.shape[-1], -1)


def best(sampler: Sampler, precisions: np.ndarray = PRECISIONS, allowed: float = BIAS) -> Best:
    """The setting with the smallest of the largest tau, among those that are accurate enough."""
    axes = np.meshgrid(*sampler.grid.values(), indexing="ij")
    rows = {name: axis.ravel() for name, axis in zip(sampler.grid, axes, strict=True)}
    maps = jax.vmap(lambda k, row: _linear_map(sampler, row, k), (0, None))
    maps = jax.jit(jax.vmap(maps, (None, 0)))
    settings = jax.tree.map(lambda row: jnp.asarray(row, jnp.float32), rows)
    change, noise = (np.asarray(a, np.float64) for a in maps(jnp.asarray(precisions), settings))
    variance, *taus = autocorrelation(change, noise)
    bias = np.abs(variance * precisions - 1).max(-1)  # [settings], NaN where unstable
    tau = np.stack(taus, axis=-1)  # [settings, coordinates, x or x^2]
    cost = np.where(bias <= allowed, tau.max((-1, -2)), np.inf)
    row = int(np.argmin(cost))
    coordinate, square = np.unravel_index(np.argmax(tau[row]), tau[row].shape)
    return Best(
        {name: float(values[row]) for name, values in rows.items()},
        float(bias[row]),
        float(cost[row]),
        ("x", "x^2")[square],
        float(precisions[coordinate]),
    )


def measured_tau(sampler: Sampler, found: Best, replicas: int, lengths: int) -> tuple[float, float]:
    """tau from an actual run in the worst coordinate's well, with its standard error."""
    tx = sampler.make(**found.setting)
    thin = max(1, int(found.tau / 50))
    window = int(3 * found.tau / thin)
    count = lengths * int(found.tau / thin) + window

    def step(carry, _):
        x, state = carry
        updates, state = tx.update(found.precision * x, state, x)
        return (optax.apply_updates(x, updates), state), None

    def stretch(carry, _):
        carry, _ = jax.lax.scan(step, carry, length=thin)
        return carry, carry[0]

    draw = np.random.default_rng(0).standard_normal(replicas, np.float32)
    x = jnp.asarray(draw) / np.sqrt(found.precision)
    run = jax.jit(lambda x, state: jax.lax.scan(stretch, (x, state), length=count)[1])
    series = np.asarray(run(x, tx.init(x)), np.float64)
    if found.observable == "x^2":
        series = series**2
        series -= series.mean()
    covariance = _autocovariance(series, window)
    groups = covariance.reshape(window, 16, -1).mean(-1)

    def tau(autocovariance):
        return thin * (2 * autocovariance.sum(0) / autocovariance[0] - 1)

    others = (groups.sum(1, keepdims=True) - groups) / 15  # the jackknife's samples
    error = np.sqrt(15 / 16 * np.sum((tau(others) - tau(others).mean()) ** 2))
    return float(tau(groups.mean(1))), float(error)


def _autocovariance(series: np.ndarray, window: int) -> np.ndarray:
    """Of series with mean 0, [times, replicas], at lags 0 to window - 1."""
    count = len(series)
    spectrum = np.fft.rfft(series, 2 * count, axis=0)
    sums = np.fft.irfft(np.abs(spectrum) ** 2, axis=0)[:window]
    return sums / (count - np.arange(window))[:, None]
