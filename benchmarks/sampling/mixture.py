"""25 Gaussians in the plane: deep wells, of which a sampler at T leaves one in 10,000s of steps."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import thermo_optax as to

SPACING, PER_SIDE = 4.0, 5
DEVIATION = 0.5
CORE = 2 * DEVIATION  # a point this near to a mean is in its mode; elsewhere it is on the way
T = 1.0
STEP_SIZE, FRICTION = 0.05, 1.0
PLATEAU, EDGE, DEPTH, WALL = 0.4, 1.5, 0.85, 10.0

_line = SPACING * (np.arange(PER_SIDE) - PER_SIDE // 2)
MEANS = np.stack(np.meshgrid(_line, _line, indexing="ij"), axis=-1).reshape(-1, 2)


class Sampler(NamedTuple):
    """A row of the table; `make(key, steps)` builds its transformation for a run of that length."""

    label: str
    make: Callable[[jax.Array, int], optax.GradientTransformationExtraArgs]
    tempered: bool = True


def loss(x: jax.Array) -> jax.Array:
    """Minus the logarithm of the density, all modes having the same weight."""
    squares = jnp.sum(jnp.square(x[None] - jnp.asarray(MEANS, x.dtype)), axis=-1)
    return -jax.nn.logsumexp(-squares / (2 * DEVIATION**2))


def draw(key: jax.Array) -> jax.Array:
    """A point from the law itself."""
    which, where = jax.random.split(key)
    center = jax.random.choice(which, jnp.asarray(MEANS, jnp.float32))
    return center + DEVIATION * jax.random.normal(where, (2,))


def _langevin(temperature: float):
    def make(key, steps):
        del steps
        return to.langevin(STEP_SIZE, temperature, friction=FRICTION, key=key)

    return make


def _tempered(mode: str = "paper", bias=lambda steps: "auto"):
    def make(key, steps):
        return to.continuous_tempering(
            to.langevin(STEP_SIZE, T, friction=FRICTION, key=key),
            T,
            mode=mode,
            bias=bias(steps),
            plateau=PLATEAU,
            edge=EDGE,
            depth=DEPTH,
            wall=WALL,
            key=key,
        )

    return make


def _hills(height: float, **options):
    return lambda steps: to.metadynamics(height, **options)


def _frozen_hills(steps: int):
    return to.metadynamics(freeze_after=steps // 2)


def _mean_force(steps: int):
    del steps
    return to.adaptive_biasing_force()


SAMPLERS = {
    "langevin": Sampler("Langevin at T", _langevin(T), tempered=False),
    "hot": Sampler(
        "Langevin at T / 0.15 (another target)", _langevin(T / (1 - DEPTH)), tempered=False
    ),
    "no-bias": Sampler("tempering, no bias", _tempered(bias=lambda steps: None)),
    "printed": Sampler(
        "hills as printed (no mirror), height 0.01", _tempered(bias=_hills(0.01, mirror=False))
    ),
    "printed-high": Sampler(
        "hills as printed (no mirror), height 0.1", _tempered(bias=_hills(0.1, mirror=False))
    ),
    "mirrored": Sampler("mirrored hills, height 0.003 (default)", _tempered()),
    "mirrored-higher": Sampler("mirrored hills, height 0.01", _tempered(bias=_hills(0.01))),
    "mirrored-high": Sampler("mirrored hills, height 0.1", _tempered(bias=_hills(0.1))),
    "frozen": Sampler("mirrored hills, frozen after half", _tempered(bias=_frozen_hills)),
    "well-tempered": Sampler(
        "well-tempered hills, height 0.02, factor 10",
        _tempered(bias=_hills(0.02, bias_factor=10.0)),
    ),
    "force": Sampler('adaptive biasing force, mode "paper"', _tempered(bias=_mean_force)),
    "exact": Sampler('adaptive biasing force, mode "exact"', _tempered("exact")),
}


def nearest(points: np.ndarray) -> np.ndarray:
    """The mean that is nearest to each point, in an array [..., 2] of points."""
    outermost = SPACING * (PER_SIDE // 2)
    return np.clip(SPACING * np.round(points / SPACING), -outermost, outermost)


def modes(points: np.ndarray, keep: np.ndarray | bool = True) -> np.ndarray:
    """The number of the mode in whose core each point is, or -1; points not kept are in none."""
    center = nearest(points)
    in_core = np.sum((points - center) ** 2, axis=-1) < CORE**2
    row, column = np.moveaxis(np.round(center / SPACING).astype(int) + PER_SIDE // 2, -1, 0)
    return np.where(in_core & keep, PER_SIDE * row + column, -1)


def hops(visits: np.ndarray) -> np.ndarray:
    """How often each chain came to another mode than its last; visits [chains, steps]."""
    steps = np.arange(visits.shape[1])
    last = np.maximum.accumulate(np.where(visits >= 0, steps, -1), axis=1)
    settled = np.where(last >= 0, np.take_along_axis(visits, np.maximum(last, 0), axis=1), -1)
    return np.sum((settled[:, 1:] != settled[:, :-1]) & (settled[:, :-1] >= 0), axis=1)


def distinct(visits: np.ndarray) -> np.ndarray:
    """The number of modes that each chain was in; visits [chains, steps]."""
    return np.sum([np.any(visits == mode, axis=1) for mode in range(len(MEANS))], axis=0)
