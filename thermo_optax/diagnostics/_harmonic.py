"""One step of a sampler in a harmonic well, as a linear map, and the law that follows from it."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from thermo_optax.integrators import AffineStep, Settings, compose, cycle

_FORGETFUL = 1e30  # a friction without bound, times a step of 0 still 0

# A step of each method at temperature 1, as a map of position, momentum, gradient and noise.


class Method(NamedTuple):
    """What a method takes, and its step."""

    needs: tuple[str, ...]  # its step, and what else it needs
    step: Callable[..., AffineStep]  # of both, the mass and the legs of a word
    massive: bool = False


def _langevin(step, friction, mass, legs):
    return compose(legs, Settings(step, friction, mass, mass))


def _leimkuhler_matthews(rate, _, mass, legs):
    del mass, legs
    one = jnp.ones_like(rate)
    return compose(cycle("BAOAB"), Settings(jnp.sqrt(2 * rate), _FORGETFUL * one, one, one))


def _sghmc(rate, momentum, mass, legs):
    del legs
    h = jnp.sqrt(rate)
    noise = jnp.sqrt(2 * (1 - momentum) * mass)
    return AffineStep(momentum, h, noise, h / mass, jnp.zeros_like(h))


def _sgld(rate, _, mass, legs):
    del mass, legs
    none = jnp.zeros_like(rate)  # its momentum is the noise, which every step forgets
    return AffineStep(none, none, jnp.ones_like(rate), jnp.sqrt(2 * rate), rate)


METHODS = {
    "sgld": Method(("learning_rate",), _sgld),
    "leimkuhler_matthews": Method(("learning_rate",), _leimkuhler_matthews),
    "sghmc": Method(("learning_rate", "momentum"), _sghmc, True),
    "langevin": Method(("step_size", "friction"), _langevin, True),
}


def map_of(affine: AffineStep, k) -> tuple[jax.Array, jax.Array]:
    """(M, Q) of a step in a well of curvature k: (x, p) -> M (x, p) + noise of covariance Q."""
    a, none = affine, jnp.zeros_like(affine.retain)
    from_old = none if a.from_old is None else a.from_old
    own = none if a.own_noise is None else a.own_noise
    of_x = jnp.stack([1 - k * (a.from_gradient + a.from_new * a.kick), -a.kick * k])
    of_p = jnp.stack([a.from_new * a.retain + from_old, a.retain])
    shared, alone = jnp.stack([a.from_new * a.noise, a.noise]), jnp.stack([own, none])
    noise = jnp.outer(shared, shared) + jnp.outer(alone, alone)
    return jnp.stack([of_x, of_p], axis=1), noise


def law_of(matrix, noise, k):
    """The error of the variance, and the autocorrelation times of x and x^2."""
    trace, det = _invariants(matrix)
    # Both eigenvalues are inside of the unit circle; on it, the start is never forgotten.
    stable = (jnp.abs(trace) < 1 + det) & (1 - det > 8 * jnp.finfo(det.dtype).eps)
    matrix = jnp.where(stable, matrix, 0)
    one, double = jnp.eye(2, dtype=det.dtype), jnp.kron(matrix, matrix)
    lag = jnp.eye(4, dtype=det.dtype) - double
    covariance = jnp.linalg.solve(lag, noise.ravel()).reshape(2, 2)
    variance, of_x = covariance[0, 0], covariance[:, 0]
    later = matrix @ jnp.linalg.solve(one - matrix, of_x)
    later_squares = double @ jnp.linalg.solve(lag, jnp.kron(of_x, of_x))
    found = (
        k * variance - 1,
        1 + 2 * later[0] / variance,
        1 + 2 * later_squares[0] / variance**2,
    )
    return [jnp.where(stable, x, jnp.inf) for x in found]


def _invariants(matrix):
    """Trace and determinant."""
    (a, b), (c, d) = matrix
    return a + d, a * d - b * c


def limit_of(map_at, unit):
    """The smallest step, in any number of units, at which (x, p) changes sign without shrinking."""

    def grows(step):
        trace, det = _invariants(map_at(step)[0])
        return 1 + trace + det <= 0

    steps = unit * jnp.exp2(jnp.arange(-8, _OCTAVES, 0.25, dtype=jnp.result_type(unit)))
    unstable = jax.vmap(grows)(steps)
    first = jnp.argmax(unstable)

    def halve(_, ends):
        low, high = ends
        middle = (low + high) / 2
        beyond = grows(middle)
        return jnp.where(beyond, low, middle), jnp.where(beyond, middle, high)

    _, limit = jax.lax.fori_loop(0, 50, halve, (steps[first - 1], steps[first]))
    return jnp.where(jnp.any(unstable), limit, jnp.inf)


_OCTAVES = 40  # a word with U and a high friction bears long steps
