"""What a step size will cost, before a run: the exact law of a sampler in a harmonic well."""

import functools
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
from thermo_optax.integrators import cycle

from ._harmonic import METHODS, law_of, limit_of, map_of
from ._spectrum import HessianSpectrum


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
        mass: m > 0 of "langevin" and "sghmc": a number, or an array like the curvatures.

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
    check_choice("method", method, METHODS)
    given = {
        "step_size": step_size,
        "learning_rate": learning_rate,
        "friction": friction,
        "momentum": momentum,
    }
    needed = METHODS[method].needs
    for name, value in given.items():
        if (value is not None) != (name in needed):
            does = "needs" if name in needed else "does not take"
            raise ValueError(f"`{method}` {does} `{name}`, got {value}. It takes {list(needed)}.")
    _check_unused(method, splitting, mass)
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


def _check_unused(method: str, splitting: str, mass: Any) -> None:
    """Raises for a word or a mass that would be ignored."""
    if method != "langevin" and splitting != "BAOAB":
        raise ValueError(f"`{method}` does not take `splitting`, got {splitting!r}: leave it out.")
    if not METHODS[method].massive and (_traced(mass) or np.any(np.asarray(mass) != 1)):
        raise ValueError(
            f"`{method}` does not take `mass`, got {mass}: it has no momenta. Leave it out."
        )


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


@functools.partial(jax.jit, static_argnums=(0, 1))
def _predict(method, splitting, step, second, mass, curvatures, share):
    legs = cycle(splitting)

    def of_one(curvature, mass):
        def map_at(step):
            return map_of(METHODS[method].step(step, second, mass, legs))

        # The limit is some multiple of this.
        unit = jnp.sqrt(mass / curvature) if method == "langevin" else mass / curvature
        columns = *law_of(map_at(step), curvature), limit_of(map_at, curvature, unit)
        return [jnp.where(curvature > 0, x, jnp.nan) for x in columns]

    masses = jnp.broadcast_to(mass, curvatures.shape).ravel()
    columns = jax.vmap(of_one)(curvatures.ravel(), masses)
    return PredictedBias(curvatures, share, *(x.reshape(curvatures.shape) for x in columns))
