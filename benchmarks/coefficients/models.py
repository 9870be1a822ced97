"""Losses whose learning coefficient at a temperature is known: in closed form, or by exact draws.

The draws are of each layer of a linear network given the others, which is Gaussian.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tests.thermodynamics import linear_networks as networks


class Model(NamedTuple):
    """A loss with its minimum."""

    title: str
    loss: Callable[..., jax.Array]
    params: Any
    temperature: float
    exact: Callable[[], float]
    how: str  # the exact value is known
    precision: float = 1.0
    num_steps: int = 8_000
    batches: Callable[[jax.Array], Any] | None = None
    widths: tuple[int, ...] = ()  # of a linear network of this rank
    rank: int = 0


CURVATURES = np.logspace(-2, 0, 200)
HEAT, COLD = 1e-3, 1e-4
SWEEPS = 4_000


def quadratic(precision: float) -> Model:
    """A regular model of 200 weights, held by the tether more or less."""
    k = jnp.asarray(CURVATURES, jnp.float32)
    return Model(
        f"quadratic, 200 weights, precision {precision:g}",
        lambda w: jnp.sum(k * jnp.square(w)) / 2,
        jnp.zeros(len(CURVATURES)),
        HEAT,
        lambda: float(np.sum(CURVATURES / (CURVATURES + precision * HEAT)) / 2),
        "closed form",
        precision,
    )


def linear_network(widths: tuple[int, ...], rank: int, sweeps: int = SWEEPS) -> Model:
    """Any depth; the true map is the identity on `rank` coordinates."""
    center = networks.weights(widths, rank)
    return Model(
        f"linear network {'-'.join(map(str, widths))}, rank {rank}",
        networks.loss_of(center),
        center,
        COLD,
        lambda: networks.gibbs(center, COLD, 1.0, sweeps),
        "exact draws",
        widths=widths,
        rank=rank,
    )


def product(temperature: float, exact: float) -> Model:
    """(w1 w2)^2 on the box [-1, 1]^2, whose walls are mirrors."""

    def loss(u):
        w = 1 - jnp.abs(jnp.mod(u + 1, 4.0) - 2)
        return jnp.square(w[0] * w[1])

    return Model(
        f"(w1 w2)^2 in a box, T = {temperature:g}",
        loss,
        jnp.zeros(2),
        temperature,
        lambda: exact,
        "quadrature",
        0.0,
        200_000,
    )


def regression(size: int, num_examples: int = 4_096, inputs: int = 20) -> Model:
    """Noisy linear regression by minibatches, at n beta = 3,000."""
    random = np.random.default_rng(0)
    x = random.normal(size=(num_examples, inputs)) * np.logspace(-0.5, 0, inputs)
    y = x @ random.normal(size=inputs) + random.normal(size=num_examples)
    fit = jnp.asarray(np.linalg.lstsq(x, y, rcond=None)[0], jnp.float32)
    curvatures = np.linalg.eigvalsh(x.T @ x / num_examples)
    data = jnp.asarray(x, jnp.float32), jnp.asarray(y, jnp.float32)

    def batches(step):
        key = jax.random.fold_in(jax.random.key(7), step)
        rows = jax.random.randint(key, (size,), 0, num_examples)
        return data[0][rows], data[1][rows]

    return Model(
        f"regression, minibatches of {size}",
        lambda w, batch: jnp.mean(jnp.square(batch[0] @ w - batch[1])) / 2,
        fit,
        1 / 3_000,
        lambda: float(np.sum(curvatures / (curvatures + 1 / 3_000)) / 2),
        "closed form",
        batches=batches,
    )


def small() -> list[Model]:
    """Those of the part `calibration`."""
    return [
        quadratic(1.0),
        quadratic(300.0),
        linear_network((5, 4, 5), 2),
        linear_network((5, 10, 10, 5), 3),
        product(1e-4, 0.41051),
        product(1e-6, 0.43662),
        regression(512),
        regression(64),
    ]


def large() -> list[Model]:
    """Four layers of 50 x 50 weights."""
    return [linear_network((50,) * 5, 20, sweeps=1_000)]


def compared() -> list[Model]:
    """Those that run in torch, too."""
    return [
        quadratic(1.0),
        linear_network((5, 4, 5), 2),
        linear_network((5, 10, 10, 5), 3),
        linear_network((50,) * 5, 20, sweeps=1_000),
    ]
