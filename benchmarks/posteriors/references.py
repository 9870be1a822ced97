"""Moments of the posteriors that have no closed form, by long NUTS runs: made once, committed."""

import pathlib
import time
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.posteriors.targets import TARGETS, Target, Truth, to_centred

FILE = pathlib.Path(__file__).with_name("references.npz")
RUNS = {  # target: chains, steps of the warm-up of each, draws of each
    "logistic": (8, 1_500, 10_000),
    "schools": (16, 1_500, 20_000),
    "network": (16, 1_500, 5_000),
    "digits": (4, 800, 1_200),
}
LARGEST_RHAT = 1.01
VIEWS = {"schools": "schools_centred"}  # whose run gives the truth of another target, too


def truth(name: str) -> Truth:
    """The stored moments of a target."""
    with np.load(FILE) as stored:
        fields = (stored[f"{name}/{field}"] for field in Truth._fields)
        mean, deviation, mean_error, deviation_error, curvature, spread = (
            np.asarray(field, float) for field in fields
        )
    return Truth(mean, deviation, mean_error, deviation_error, float(curvature), float(spread))


def predictive(name: str) -> np.ndarray:
    """The stored probabilities of the test images: [images, classes]."""
    with np.load(FILE) as stored:
        return np.asarray(stored[f"{name}/predictive"], float)


def make(path: pathlib.Path, names: Sequence[str]) -> None:
    """Runs NUTS on every target that needs it and writes the file; takes about half an hour."""
    stored: dict[str, Any] = dict(np.load(path)) if path.exists() else {}
    for name in names:
        started = time.perf_counter()
        target, (chains, warm_up, draws) = TARGETS[name](), RUNS[name]
        samples, leapfrogs = _run(target, chains, warm_up, draws)
        seen = {name: (target, samples)}
        if name in VIEWS:
            other = TARGETS[VIEWS[name]]()
            seen[VIEWS[name]] = other, np.asarray(jax.vmap(jax.vmap(to_centred))(samples))
        for key, (law, points) in seen.items():
            fields, told = _moments(law, points)
            stored |= {f"{key}/{field}": value for field, value in fields.items()}
            print(f"{key}: {told}, {leapfrogs:.0f} gradients a draw", flush=True)
        print(f"  {time.perf_counter() - started:.0f} s", flush=True)
        np.savez_compressed(path, allow_pickle=False, **stored)
    print(f"{path}: {path.stat().st_size / 1e3:.0f} kB")


def _run(target: Target, chains: int, warm_up: int, draws: int) -> tuple[np.ndarray, float]:
    import blackjax

    algorithm: Any = blackjax.nuts

    def density(x):
        return -target.loss(x) / target.temperature

    def warm(key):
        start, adapt = jax.random.split(key)
        x = target.start(start)
        adaptation: Any = blackjax.window_adaptation(algorithm, density)
        (state, settings), _ = adaptation.run(adapt, x, warm_up)
        return state, settings

    def sample(key, state, settings):
        step = algorithm(density, **settings).step

        def body(state, key):
            state, info = step(key, state)
            return state, (state.position, info.num_integration_steps)

        return jax.lax.scan(body, state, jax.random.split(key, draws))[1]

    keys = jax.random.split(jax.random.key(0), chains)
    state, settings = jax.jit(jax.vmap(warm))(keys)
    later = jax.random.split(jax.random.key(1), chains)
    points, leapfrogs = jax.jit(jax.vmap(sample))(later, state, settings)
    return np.asarray(points), float(np.mean(leapfrogs))


def _moments(target: Target, samples: np.ndarray) -> tuple[dict[str, Any], str]:
    """Moments of [chains, draws, parameters], with errors from the spread of chains."""
    chains, draws = samples.shape[:2]
    observe = jax.jit(lambda points: jax.lax.map(target.observe, points, batch_size=500))
    seen = np.stack([np.asarray(observe(jnp.asarray(chain)), float) for chain in samples])
    mean, deviation = seen.mean((0, 1)), seen.std((0, 1))
    ess = np.maximum(_effective(seen), 4.0)
    squares = np.maximum(_effective((seen - mean) ** 2), 4.0)
    kurtosis = (((seen - mean) / deviation) ** 4).mean((0, 1))
    rhat = _rhat(seen)
    thinned = samples.reshape(-1, samples.shape[-1])[:: max(1, chains * draws // 40)]
    curvatures = jax.jit(lambda x: jnp.linalg.eigvalsh(jax.hessian(target.loss)(x))[-1])
    fields: dict[str, Any] = {
        "mean": mean,
        "deviation": deviation,
        "mean_error": deviation / np.sqrt(ess),
        "deviation_error": deviation * np.sqrt((kurtosis - 1) / squares) / 2,
        "curvature": np.median([curvatures(jnp.asarray(x)) for x in thinned]),
        "spread": samples.std((0, 1)).max(),
    }
    if target.test is not None:
        every = samples.reshape(-1, samples.shape[-1])[::5]
        fields["predictive"] = np.asarray(
            jnp.mean(jax.lax.map(target.test.predict, jnp.asarray(every), batch_size=50), 0)
        )
    fields = {name: np.asarray(value, np.float32) for name, value in fields.items()}
    fewest = min(ess.min(), squares.min())
    told = f"R-hat at most {rhat.max():.4f}, effective draws at least {fewest:.0f}" + (
        f" (R-hat above {LARGEST_RHAT}!)" if rhat.max() > LARGEST_RHAT else ""
    )
    return fields, told


def _effective(series: np.ndarray) -> np.ndarray:
    from blackjax.diagnostics import effective_sample_size

    return np.asarray(effective_sample_size(jnp.asarray(series, jnp.float32)), float)


def _rhat(series: np.ndarray) -> np.ndarray:
    """Of half chains, for each observable."""
    half = series.shape[1] // 2
    halves = np.concatenate([series[:, :half], series[:, half : 2 * half]])
    within, between = halves.var(1, ddof=1).mean(0), halves.mean(1).var(0, ddof=1)
    return np.sqrt((half - 1) / half + between / within)
