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


class _Map(NamedTuple):
    """(x, p) -> M (x, p) + noise of covariance Q, in a well of curvature k."""

    shrink: jax.Array  # M_xx = 1 - k shrink
    reach: jax.Array  # M_xp
    kick: jax.Array  # M_px = -k kick
    retain: jax.Array  # M_pp
    noise: jax.Array  # Q


def map_of(affine: AffineStep) -> _Map:
    """A step as a map, in which the curvature is not yet."""
    a, none = affine, jnp.zeros_like(affine.retain)
    from_old = none if a.from_old is None else a.from_old
    own = none if a.own_noise is None else a.own_noise
    shared, alone = jnp.stack([a.from_new * a.noise, a.noise]), jnp.stack([own, none])
    noise = jnp.outer(shared, shared) + jnp.outer(alone, alone)
    shrink, reach = a.from_gradient + a.from_new * a.kick, a.from_new * a.retain + from_old
    return _Map(shrink, reach, a.kick, a.retain, noise)


def law_of(step: _Map, k):
    """The error of the variance, and the autocorrelation times of x and x^2.

    M and 1 differ by k times something, and of a direction that is nearly flat no digit of that
    would be left: so 1 is never subtracted, and X = k <x^2> is what is solved for.
    """
    trace, det = _invariants(step, k)
    s, b, f, d, noise = step
    lost = 1 - d
    stays = lost + k * (s * d - b * f)  # 1 - det
    # Both eigenvalues are inside of the unit circle; on it, the start is never forgotten.
    pulled = s * lost + b * f  # 1 - trace + det, over k
    stable = (pulled > 0) & (1 + trace + det > 0) & (stays > 8 * jnp.finfo(det.dtype).eps)

    a = 1 - k * s
    rows = [
        [s * (1 + a), -2 * a * b, -(b**2)],
        [a * f, lost + k * (s * d + b * f), -b * d],
        [-k * f**2, 2 * k * f * d, lost * (1 + d)],
    ]
    lyapunov = jnp.where(stable, jnp.array(rows), jnp.eye(3, dtype=det.dtype))
    x, y, _ = jnp.linalg.solve(lyapunov, jnp.stack([noise[0, 0], noise[0, 1], noise[1, 1]]))
    # The sums over all lags from 0 on, times k and k^3.
    sum_of_x = (lost * x + b * k * y) / pulled
    sum_of_squares = jnp.linalg.solve(lyapunov, jnp.stack([x**2, k * x * y, (k * y) ** 2]))[0]
    found = x - 1, 2 * sum_of_x / (k * x) - 1, 2 * sum_of_squares / (k * x**2) - 1
    return [jnp.where(stable, number, jnp.inf) for number in found]


def _invariants(step: _Map, k):
    """Trace and determinant of M."""
    a = 1 - k * step.shrink
    return a + step.retain, a * step.retain + k * step.reach * step.kick


def limit_of(map_at, k, unit):
    """The smallest step, in any number of units, at which (x, p) changes sign without shrinking."""

    def grows(step):
        trace, det = _invariants(map_at(step), k)
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
