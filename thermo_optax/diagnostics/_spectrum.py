"""The spectrum of the Hessian of any network, by stochastic Lanczos quadrature."""

import types
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.scipy.stats import norm

from thermo_optax._base import check_positive, size_of
from thermo_optax._noise import KeyLike

from ._hessian import products
from ._objective import Loss, check_count, compiled, objective, probe_key


class Estimate(NamedTuple):
    """A mean over independent random probes, and its standard error."""

    value: jax.Array  # float[...]
    error: jax.Array  # float[...], standard error of the value


def estimate(samples: jax.Array) -> Estimate:
    """The mean over the first axis, with its standard error."""
    size = size_of(samples, axis=0)  # a rise of 1e-20 has no square in float32
    error = size * (jnp.std(samples / size[None], axis=0, ddof=1) / len(samples) ** 0.5)
    return Estimate(jnp.mean(samples, axis=0), error)


class HessianSpectrum(NamedTuple):
    """A quadrature rule for the eigenvalues of a Hessian, from each of several random probes."""

    nodes: jax.Array  # float[num_probes, num_lanczos], ascending; where eigenvalues are
    weights: jax.Array  # float[num_probes, num_lanczos], which share of them; each row sums to 1
    num_weights: jax.Array  # int32[], of the network: the number of eigenvalues

    def density(
        self, grid: jax.typing.ArrayLike, width: jax.typing.ArrayLike, *, each: bool = False
    ) -> jax.Array:
        """The density of the eigenvalues on a grid, each smeared into a Gaussian of this width.

        It integrates to 1; `each` gives that of every probe, [num_probes, ...], not their mean.
        """
        return self._mean(norm.pdf, grid, width, each)

    def distribution(
        self, grid: jax.typing.ArrayLike, width: jax.typing.ArrayLike, *, each: bool = False
    ) -> jax.Array:
        """The share of the eigenvalues below each point of a grid, smeared as in `density`."""
        return self._mean(norm.cdf, grid, width, each)

    def moments(self, num: int) -> Estimate:
        """The means over all eigenvalues of their powers 1 to `num`; float[num].

        As quadratures they are exact up to the power 2 num_lanczos - 1: their error is the probes'.
        """
        powers = [jnp.sum(self.weights * self.nodes**power, axis=1) for power in range(1, num + 1)]
        return estimate(jnp.stack(powers, axis=1))

    @property
    def trace(self) -> Estimate:
        """The sum of all eigenvalues."""
        return self._total(1)

    @property
    def squared_frobenius_norm(self) -> Estimate:
        """The sum of all squared eigenvalues."""
        return self._total(2)

    def _total(self, power: int) -> Estimate:
        size = self.num_weights.astype(self.nodes.dtype)
        return Estimate(*(size * part[power - 1] for part in self.moments(power)))

    def _mean(self, law, grid, width, each):
        if not isinstance(width, Tracer) and np.size(width):
            check_positive(width=np.min(width))
        grid = jnp.asarray(grid, self.nodes.dtype)

        def of_probe(nodes, weights):
            smeared = law(grid[..., None], *(_up_to(grid.ndim, x) for x in (nodes, width)))
            return jnp.sum(_up_to(grid.ndim, weights) * smeared, axis=-1)

        curves = jax.lax.map(lambda probe: of_probe(*probe), (self.nodes, self.weights))
        return curves if each else jnp.mean(curves, axis=0)


def _up_to(ndim: int, row: jax.typing.ArrayLike) -> jax.Array:
    """With axes in front: where ranks are not promoted, a row needs those of the grid."""
    row = jnp.asarray(row)
    return row.reshape((1,) * (ndim + 1 - row.ndim) + row.shape)


def hessian_spectrum(
    loss: Loss,
    params: Any,
    batches: Any = None,
    *,
    num_lanczos: int = 64,
    num_probes: int = 8,
    key: KeyLike,
) -> HessianSpectrum:
    r"""The density of the Hessian's eigenvalues, with its trace and its Frobenius norm.

    .. math::
        \frac{1}{n} \operatorname{tr} f(H) \approx \frac{1}{K} \sum_{k=1}^{K} \sum_{j=1}^{m}
        w_{kj} f(\theta_{kj}), \qquad
        T_k = U_k \Theta_k U_k^\top, \quad w_{kj} = (U_k)_{1j}^2

    Each probe is a vector of random signs; m steps of Lanczos from it make a tridiagonal matrix T.
    The memory is that of 3 m + 5 copies of the weights, and the cost that of K m Hessian-vector
    products. It runs inside `jit`, where one compilation serves many points of a training. Besides
    the probes' errors there is rounding, which for a million weights in float32 leaves four digits.

    Args:
        loss: ``loss(params, batch)``, or ``loss(params)`` without batches: the mean loss of a
            batch, a single number, twice differentiable; any unit.
        params: the parameters where the Hessian is taken.
        batches: the data: a tree of arrays [num_batches, ...], or an iterable of batches, which is
            read once and kept on the device. None if the loss takes no batch.
        num_lanczos: m >= 1, steps of Lanczos for each probe, with full reorthogonalisation; never
            more than there are weights. The more, the finer the structure that is resolved, from
            the outermost eigenvalues inward.
        num_probes: K >= 2, independent probes, whose spread gives the standard errors.
        key: random key of the probes.

    Returns:
        A :class:`HessianSpectrum`; eigenvalues have the unit of the loss per squared weight.

    Raises:
        ModuleNotFoundError: without matfree.
        ValueError: for numbers out of range, a loss that is not a single number, or no batches.
        TypeError: for a loss that is not a real floating-point number.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> curvatures = jnp.arange(1.0, 101)
        >>> def loss(x):
        ...     return jnp.sum(curvatures * x**2) / 2
        >>> spectrum = to.diagnostics.hessian_spectrum(loss, jnp.zeros(100), num_lanczos=20, key=0)
        >>> print(f"{spectrum.trace.value:.0f}", spectrum.distribution(50.5, width=1.0).round(1))
        5050 0.5

    References:
        Ubaru, Chen and Saad, `Fast estimation of tr(f(A)) via stochastic Lanczos quadrature
        <https://doi.org/10.1137/16M1104974>`_, 2017; Ghorbani, Krishnan and Xiao, `An investigation
        into neural net optimization via Hessian eigenvalue density
        <https://arxiv.org/abs/1901.10159>`_, 2019. The decomposition is that of the package
        matfree.
    """
    check_count("num_lanczos", num_lanczos, 1, "Pass 64.")
    check_count("num_probes", num_probes, 2, "Pass 8: the standard errors come from their spread.")
    matfree = require_matfree()
    loss, point, _, data = objective(loss, params, batches)
    steps = min(num_lanczos, point.size)
    # `tridiag_sym` is this as well, but with the two triangles averaged: what they do not have in
    # common tells where the method ended early.
    lanczos = matfree.decomp.hessenberg(steps, reortho="full", custom_vjp=False)
    signs = matfree.stochtrace.sampler_signs(point, num=1)
    keys = jax.random.split(probe_key(key, "hessian_spectrum", params), num_probes)

    def quadratures(point, data, keys):
        product = products(loss, point, data)
        size = size_of(product(signs(keys[0])[0]))

        def of_probe(key):
            found = lanczos(lambda vector: product(vector) / size, signs(key)[0])
            nodes, weights = _quadrature(found.J_small)
            return size * nodes, weights

        return jax.lax.map(of_probe, keys)  # one after the other, for the memory's sake

    nodes, weights = compiled(quadratures, point, data, keys)
    return HessianSpectrum(nodes, weights, jnp.int32(point.size))


def _quadrature(projected: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Nodes and weights from the Hessian's part in the space that Lanczos's method built.

    Where it finds all of the space that the probe can reach, the rest of the next product is 0 or
    mere rounding, and what follows is not a number or not orthogonal: that is cut off. The first
    product is with all of the Hessian, so if that is not finite the answer will not be either.
    """
    diagonal, rest = jnp.diagonal(projected), jnp.diagonal(projected, -1)
    # Column j is the image of vector j, as far as the space goes: of the image's norm.
    images = jnp.linalg.norm(projected, axis=0)[:-1]
    goes_on = rest > 10 * jnp.finfo(rest.dtype).eps * images
    reached = jnp.cumprod(goes_on.astype(jnp.int32)) == 1
    rest = jnp.where(reached, rest, 0)
    diagonal = diagonal.at[1:].set(jnp.where(reached, diagonal[1:], 0))
    nodes, vectors = jnp.linalg.eigh(jnp.diag(diagonal) + jnp.diag(rest, 1) + jnp.diag(rest, -1))
    weights = jnp.square(vectors[0])
    return nodes, weights / jnp.sum(weights)


def hessian_trace(
    loss: Loss, params: Any, batches: Any = None, *, num_probes: int = 32, key: KeyLike
) -> Estimate:
    r"""The trace of the Hessian, from random signs: Hutchinson's estimator.

    .. math::
        \operatorname{tr} H = \mathbb{E}\, s^\top H s, \qquad
        \operatorname{Var} s^\top H s = 2 \sum_{i \ne j} H_{ij}^2

    Args:
        loss: ``loss(params, batch)``, or ``loss(params)`` without batches: the mean loss of a
            batch, a single number, twice differentiable; any unit.
        params: the parameters where the Hessian is taken.
        batches: the data: a tree of arrays [num_batches, ...], or an iterable of batches, which is
            read once and kept on the device. None if the loss takes no batch.
        num_probes: number of vectors of signs, at least 2; one Hessian-vector product each.
        key: random key of the probes.

    Returns:
        The :class:`Estimate`, in units of the loss per squared weight. It runs inside `jit`.

    Raises:
        ModuleNotFoundError: without matfree.
        ValueError: for fewer than 2 probes, a loss that is not a single number, or no batches.
        TypeError: for a loss that is not a real floating-point number.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> def loss(x):
        ...     return jnp.sum(x**2) + x[0] * x[1]
        >>> trace = to.diagnostics.hessian_trace(loss, jnp.zeros(50), key=0)
        >>> print(bool(abs(trace.value - 100) <= 5 * trace.error))
        True

    References:
        Hutchinson, `A stochastic estimator of the trace of the influence matrix
        <https://doi.org/10.1080/03610919008812866>`_, 1990. The estimator is that of matfree.
    """
    check_count("num_probes", num_probes, 2, "Pass 32: the standard error comes from their spread.")
    stochtrace = require_matfree().stochtrace
    loss, point, _, data = objective(loss, params, batches)
    one_probe = stochtrace.estimator_monte_carlo(
        stochtrace.monte_carlo_trace(), stochtrace.sampler_signs(point, num=1)
    )
    keys = jax.random.split(probe_key(key, "hessian_trace", params), num_probes)

    def samples(point, data, keys):
        product = products(loss, point, data)
        return jax.lax.map(lambda key: one_probe(product, key), keys)

    return estimate(compiled(samples, point, data, keys))


def require_matfree() -> types.ModuleType:
    """The package matfree, imported when it is needed."""
    try:
        import matfree.decomp
        import matfree.stochtrace
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "spectra and traces of Hessians need matfree, which is not installed: "
            "pip install 'thermo_optax[curvature]'",
            name="matfree",
        ) from error
    return matfree
