"""What a step size will cost, before a run: the exact law of a sampler in a harmonic well."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from thermo_optax._base import (
    check_choice,
    check_finite,
    check_fraction,
    check_nonnegative,
    check_positive,
)
from thermo_optax.integrators import AffineStep, Settings, compose, cycle

from ._spectrum import HessianSpectrum

_FORGETFUL = 1e30  # a friction without bound, times a step of 0 still 0


class PredictedBias(NamedTuple):
    """What a sampler does in directions of given curvature. Printed, it is a table."""

    curvature: jax.Array  # float[...], as given; the nodes of a spectrum
    share: jax.Array  # float[...], of all directions, which have this curvature; adds up to 1
    variance_error: jax.Array  # float[...], of the variance of x: measured / right - 1
    autocorrelation_time: jax.Array  # float[...], steps for one independent value of x
    squared_autocorrelation_time: jax.Array  # float[...], steps for one independent value of x^2
    stability_limit: jax.Array  # float[...], step sizes or learning rates below it are stable

    @property
    def mean_variance_error(self) -> jax.Array:
        """The error of the variance, averaged over the directions that have a law."""
        lawful = ~jnp.isnan(self.variance_error)
        share = jnp.where(lawful, self.share, 0)
        return jnp.sum(share * jnp.where(lawful, self.variance_error, 0)) / jnp.sum(share)

    @property
    def largest_step(self) -> jax.Array:
        """The stability limit of all directions together."""
        return jnp.nanmin(self.stability_limit)

    def __str__(self) -> str:
        columns = (
            *(self.curvature, self.variance_error, self.autocorrelation_time),
            *(self.squared_autocorrelation_time, self.stability_limit),
        )
        rows = np.stack([np.asarray(column, float).ravel() for column in columns], axis=1)
        rows = rows[np.argsort(rows[:, 0])]
        if len(rows) > _MOST_ROWS:
            rows = rows[np.linspace(0, len(rows) - 1, _MOST_ROWS).round().astype(int)]
        lines = [_HEAD]
        for k, error, x, squared, limit in rows:
            error = (
                "no law" if np.isnan(error) else "unstable" if np.isinf(error) else f"{error:+z.2%}"
            )
            lines.append(f"{k:>10.3g}{error:>16}{x:>12.1f}{squared:>12.1f}{limit:>16.3g}")
        return "\n".join(lines)


_MOST_ROWS = 7
_HEAD = " curvature  variance error  steps of x      of x^2    stable below"


def predicted_bias(
    method: str,
    curvature: Any,
    *,
    step_size: jax.typing.ArrayLike | None = None,
    learning_rate: jax.typing.ArrayLike | None = None,
    friction: jax.typing.ArrayLike | None = None,
    momentum: jax.typing.ArrayLike | None = None,
    splitting: str = "BAOAB",
    mass: jax.typing.ArrayLike = 1.0,
) -> PredictedBias:
    r"""The error of the variance, the stability limit and the autocorrelation times of a sampler.

    .. math::
        v_{n+1} = M v_n + \text{noise}, \qquad
        \Sigma = M \Sigma M^\top + Q, \qquad
        \tau_x = 1 + 2 \sum_{n \ge 1} \rho_n, \quad
        \tau_{x^2} = 1 + 2 \sum_{n \ge 1} \rho_n^2, \quad
        \rho_n = \frac{(M^n \Sigma)_{xx}}{\Sigma_{xx}}

    In a well of curvature k a step is linear in position and momentum, v = (x, p), so its
    stationary law is exact. The right variance is T / k, and the relative error does not depend on
    T. The gradient is taken to be exact: the noise of minibatches adds to the variance. Away from
    a Gaussian posterior a scheme without bias here ("BAOAB") has one too, of order h^2.

    Args:
        method: "sgld", "leimkuhler_matthews", "sghmc" or "langevin". A thermostat
            (`adaptive_langevin`) is close to "langevin" at the friction where it settles
            (`units.equilibrium_friction`), and a frozen metric divides the curvature.
        curvature: k, an eigenvalue of the Hessian of the loss whose gradient the sampler gets,
            prior included, in units of loss / parameter^2. A number, an array of any shape (a
            diagonal), a tree of arrays, or what `hessian_spectrum` returns.
        step_size: h > 0 of "langevin", in units of time.
        learning_rate: of the other methods, in units of parameter^2 / loss.
        friction: gamma >= 0 of "langevin", in units of 1 / time.
        momentum: mu in [0, 1) of "sghmc".
        splitting: the word of "langevin".
        mass: m > 0 of "langevin": a number, or an array like the curvatures.

    Returns:
        A :class:`PredictedBias` with a number for each curvature. At and above the stability limit
        the variance grows without bound, and error and times are inf; so they are without any
        friction, where the start is never forgotten. Where the curvature is not
        positive there is no law at all, and all are nan. Numbers that are known are computed in
        double precision; traced ones, under `jit`, in that of jax, in which the error of the
        variance is uncertain by some 1e-7 / (friction * step).

    Raises:
        ValueError: for an unknown method or word, a number that is out of range, or one that the
            method does not take or lacks.

    Examples:
        >>> import thermo_optax as to
        >>> curvatures = [0.01, 1.0, 4.0]
        >>> settings = {"learning_rate": 0.5, "momentum": 0.8}
        >>> print(to.diagnostics.predicted_bias("sghmc", [0.01, 1.0, 4.0], **settings))
         curvature  variance error  steps of x      of x^2    stable below
              0.01          +0.14%        79.9        44.4             360
                 1         +16.13%         0.7         4.8             3.6
                 4        +125.00%         0.1         4.6             0.9
        >>> stiff = to.diagnostics.predicted_bias("langevin", 4.0, step_size=0.9, friction=0.1)
        >>> print(f"{abs(stiff.variance_error):.3f} {stiff.stability_limit:.2f}")
        0.000 1.00

    References:
        Leimkuhler and Matthews, `Molecular Dynamics
        <https://doi.org/10.1007/978-3-319-16375-8>`_, 2015, chapter 7 (harmonic wells).
    """
    check_choice("method", method, _METHODS)
    given = {
        "step_size": step_size,
        "learning_rate": learning_rate,
        "friction": friction,
        "momentum": momentum,
    }
    needed = _METHODS[method].needs
    for name, value in given.items():
        if (value is not None) != (name in needed):
            does = "needs" if name in needed else "does not take"
            raise ValueError(f"`{method}` {does} `{name}`, got {value}. It takes {list(needed)}.")
    numbers = {name: given[name] for name in needed}
    check_finite(**numbers)
    check_positive(**{needed[0]: given[needed[0]]})
    if method == "langevin":
        check_nonnegative(friction=friction)
    elif method == "sghmc":
        check_fraction(momentum=momentum)
    cycle(splitting)  # raises for a word that is not one

    step, second = (*numbers.values(), 0.0)[:2]
    curvatures, share = _curvatures(curvature)
    masses = mass if isinstance(mass, Tracer) else np.asarray(mass)
    if masses.ndim == 0:
        check_positive(mass=mass)
    elif masses.shape != curvatures.shape:
        raise ValueError(
            f"`mass` must be a number, or have the shape {curvatures.shape} of the curvatures, got "
            f"the shape {masses.shape}."
        )
    elif not isinstance(masses, Tracer):
        check_positive(mass=np.min(masses))  # NaN, where there is one
    numbers = step, second, masses, curvatures, share
    if _traced(numbers):
        dtype = jnp.result_type(float)
        return _predict(method, splitting, *(jnp.asarray(number, dtype) for number in numbers))
    with jax.ensure_compile_time_eval(), jax.enable_x64(True):
        exact = _predict(method, splitting, *(np.asarray(number, np.float64) for number in numbers))
        exact = [np.asarray(column) for column in exact]
    return PredictedBias(*(jnp.asarray(column, jnp.result_type(float)) for column in exact))


def _traced(tree: Any) -> bool:
    return any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(tree))


def _curvatures(curvature: Any) -> tuple[Any, Any]:
    """The curvatures as one array, and which share of the directions each stands for."""
    if isinstance(curvature, HessianSpectrum):
        return curvature.nodes, curvature.weights / len(curvature.nodes)
    numpy = jnp if _traced(curvature) else np
    leaves = [numpy.asarray(leaf) for leaf in jax.tree.leaves(curvature)]
    if not sum(leaf.size for leaf in leaves):
        raise ValueError(f"`curvature` has no numbers in it, got {curvature!r}. Pass at least one.")
    one = leaves[0] if len(leaves) == 1 else numpy.concatenate([leaf.ravel() for leaf in leaves])
    return one, np.full(one.shape, 1 / one.size)


# A step of each method at temperature 1, as a map of position, momentum, gradient and noise.


class _Method(NamedTuple):
    needs: tuple[str, ...]  # its step, and what else it needs
    step: Callable[..., AffineStep]  # of both, the mass and the legs of a word


def _langevin(step, friction, mass, legs):
    return compose(legs, Settings(step, friction, mass, mass))


def _leimkuhler_matthews(rate, _, mass, legs):
    del mass, legs
    one = jnp.ones_like(rate)
    return compose(cycle("BAOAB"), Settings(jnp.sqrt(2 * rate), _FORGETFUL * one, one, one))


def _sghmc(rate, momentum, mass, legs):
    del mass, legs
    h = jnp.sqrt(rate)
    return AffineStep(momentum, h, jnp.sqrt(2 * (1 - momentum)), h, jnp.zeros_like(h))


def _sgld(rate, _, mass, legs):
    del mass, legs
    none = jnp.zeros_like(rate)  # its momentum is the noise, which every step forgets
    return AffineStep(none, none, jnp.ones_like(rate), jnp.sqrt(2 * rate), rate)


_METHODS = {
    "sgld": _Method(("learning_rate",), _sgld),
    "leimkuhler_matthews": _Method(("learning_rate",), _leimkuhler_matthews),
    "sghmc": _Method(("learning_rate", "momentum"), _sghmc),
    "langevin": _Method(("step_size", "friction"), _langevin),
}


@functools.partial(jax.jit, static_argnums=(0, 1))
def _predict(method, splitting, step, second, mass, curvatures, share):
    legs = cycle(splitting)

    def of_one(curvature, mass):
        def map_at(step):
            return _map(_METHODS[method].step(step, second, mass, legs), curvature)

        # The limit is some multiple of this.
        unit = jnp.sqrt(mass / curvature) if method == "langevin" else 1 / curvature
        law = _law(*map_at(step), curvature)
        return [jnp.where(curvature > 0, x, jnp.nan) for x in (*law, _limit(map_at, unit))]

    masses = jnp.broadcast_to(mass, curvatures.shape).ravel()
    columns = jax.vmap(of_one)(curvatures.ravel(), masses)
    return PredictedBias(curvatures, share, *(x.reshape(curvatures.shape) for x in columns))


def _map(affine: AffineStep, k) -> tuple[jax.Array, jax.Array]:
    """(M, Q) of a step in a well of curvature k: (x, p) -> M (x, p) + noise of covariance Q."""
    a, none = affine, jnp.zeros_like(affine.retain)
    from_old = none if a.from_old is None else a.from_old
    own = none if a.own_noise is None else a.own_noise
    of_x = jnp.stack([1 - k * (a.from_gradient + a.from_new * a.kick), -a.kick * k])
    of_p = jnp.stack([a.from_new * a.retain + from_old, a.retain])
    shared, alone = jnp.stack([a.from_new * a.noise, a.noise]), jnp.stack([own, none])
    noise = jnp.outer(shared, shared) + jnp.outer(alone, alone)
    return jnp.stack([of_x, of_p], axis=1), noise


def _law(matrix, noise, k):
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


def _limit(map_at, unit):
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
