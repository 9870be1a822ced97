"""The outermost eigenvalues of the Hessian, by Lanczos's method with restarts.

A basis of a few vectors grows by products with the Hessian. When it is full, the best combinations
of it stay, and it grows anew from where it was: that converges nearly as fast as a long basis does,
in a fixed memory.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from thermo_optax._base import check_positive, like
from thermo_optax._noise import KeyLike
from thermo_optax._xla import inner_product

from ._hessian import products
from ._objective import Loss, check_count, compiled, norm_of, objective, probe_key

Product = Callable[[jax.Array], jax.Array]


class HessianEigenvalues(NamedTuple):
    """The outermost eigenvalues of a Hessian; the unit is that of the loss per squared weight."""

    top: jax.Array  # float[k], the largest ones, in descending order
    bottom: jax.Array  # float[bottom], the lowest ones, in ascending order
    top_residuals: jax.Array  # float[k], |H v - lambda v|: an eigenvalue lies no farther than that
    bottom_residuals: jax.Array  # float[bottom]
    top_vectors: Any  # tree like params, leaves [k, ...]; of norm 1 over the whole tree
    bottom_vectors: Any  # tree like params, leaves [bottom, ...]
    num_products: jax.Array  # int32[], products with the Hessian that it took


def hessian_eigenvalues(
    loss: Loss,
    params: Any,
    batches: Any = None,
    *,
    k: int = 1,
    bottom: int = 0,
    tolerance: jax.typing.ArrayLike = 1e-4,
    max_products: int = 1_000,
    key: KeyLike = 0,
) -> HessianEigenvalues:
    r"""The largest eigenvalues of the Hessian, and the lowest.

    .. math::
        H v_i = \lambda_i v_i, \qquad
        \min_j |\lambda_i - \lambda_j(H)| \le \|H v_i - \lambda_i v_i\|

    The memory is that of about 7 (k + bottom) + 15 copies of the weights. It runs inside `jit`,
    where one compilation serves many points of a training.

    Every vector of the search comes from one random vector, which has one part only in all
    directions that share an eigenvalue exactly: such an eigenvalue may be found once only.

    Args:
        loss: ``loss(params, batch)``, or ``loss(params)`` without batches: the mean loss of a
            batch, a single number, twice differentiable; any unit.
        params: the parameters where the Hessian is taken.
        batches: the data: a tree of arrays [num_batches, ...], or an iterable of batches, which is
            read once and kept on the device. None if the loss takes no batch.
        k: number of largest eigenvalues, at least 0.
        bottom: number of lowest eigenvalues, at least 0; at a minimum they are small, close to each
            other, and take many more products.
        tolerance: residual at which to stop, over the largest absolute eigenvalue; > 0. The error
            of an eigenvalue that stands apart is of the order of its square.
        max_products: number of products at which to stop if the tolerance is not met.
        key: random key of the first vector, on which the answer depends within the tolerance.

    Returns:
        The :class:`HessianEigenvalues`. Their residuals are measured at the end, so they tell
        whether the tolerance was met.

    Raises:
        ValueError: for numbers out of range, a loss that is not a single number, or no batches.
        TypeError: for a loss that is not a real floating-point number.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> def loss(x):
        ...     return jnp.sum(jnp.arange(-50.0, 51) * x**2) / 2
        >>> found = to.diagnostics.hessian_eigenvalues(loss, jnp.ones(101), k=2, bottom=1)
        >>> print(found.top.round(2), found.bottom.round(2))
        [50. 49.] [-50.]

    References:
        Wu and Simon, `Thick-restart Lanczos method for large symmetric eigenvalue problems
        <https://doi.org/10.1137/S0895479898334605>`_, 2000.
    """
    check_count("k", k, 0, "Pass 1 for the largest eigenvalue.")
    check_count("bottom", bottom, 0, "Pass 1 for the lowest eigenvalue.")
    check_count("max_products", max_products, 1, "Pass 1000.")
    check_positive(tolerance=tolerance)
    loss, point, unflatten, data = objective(loss, params, batches)
    size = point.size
    if not 1 <= k + bottom <= size:
        raise ValueError(
            f"`k` and `bottom` must together be between 1 and the number of weights, {size:,}; got "
            f"{k} and {bottom}."
        )
    plan = _Plan.of(k, bottom, size, max_products)
    key = probe_key(key, "hessian_eigenvalues", params)

    def search(point, data, key, tolerance):
        product = products(loss, point, data)
        vectors, count = _restarted(product, plan, point, key, tolerance)

        def settle(vector):
            vector /= norm_of(vector)  # which rounding has changed
            image = product(vector)
            value = inner_product(vector, image)
            return value, norm_of(image - value * vector), vector

        values, residuals, vectors = jax.lax.map(settle, vectors)
        trees = jax.vmap(unflatten)(vectors)
        return values, residuals, trees, count + len(vectors)

    tolerance = like(tolerance, point.dtype)
    values, residuals, trees, count = compiled(search, point, data, key, tolerance)
    top, low = slice(None, k), slice(k, None)
    vectors = [jax.tree.map(lambda leaf, part=part: leaf[part], trees) for part in (top, low)]
    return HessianEigenvalues(
        top=values[top],
        bottom=values[low],
        top_residuals=residuals[top],
        bottom_residuals=residuals[low],
        top_vectors=vectors[0],
        bottom_vectors=vectors[1],
        num_products=count,
    )


class _Plan(NamedTuple):
    """Static sizes of the restarted Lanczos iteration."""

    length: int  # of the full basis
    kept: np.ndarray  # indices of the Ritz values that survive a restart; the wanted ones first
    wanted: int
    max_products: int

    @classmethod
    def of(cls, k: int, bottom: int, size: int, max_products: int) -> "_Plan":
        wanted = k + bottom
        length = min(2 * wanted + 8, size)
        # Their neighbours stay too: what is known of them need not be found again.
        spare = (length - wanted) // 2
        spare_low = spare * bottom // wanted
        from_top = length - 1 - np.arange(k + spare - spare_low)
        from_low = np.arange(bottom + spare_low)
        kept = [from_top[:k], from_low[:bottom], from_top[k:], from_low[bottom:]]
        return cls(length, np.concatenate(kept), wanted, max_products)


class _Search(NamedTuple):
    """A basis just after a restart."""

    basis: jax.Array  # float[kept + 1, size]; rows: the kept vectors, then the next one
    values: jax.Array  # float[kept], their Ritz values
    residuals: jax.Array  # float[kept]
    begin: jax.Array  # int32[], number of kept vectors; 0 at the start
    count: jax.Array  # int32[], products so far
    scale: jax.Array  # float[], the largest absolute Ritz value so far, kept or not


def _restarted(
    product: Product, plan: _Plan, point: jax.Array, key: jax.Array, tolerance: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """The wanted eigenvectors, as rows, and the number of products it took."""
    length, kept, wanted, max_products = plan

    def unsettled(search):
        # Not the negation of "settled": where the Hessian is not finite, there is no use to go on.
        open_ = jnp.any(search.residuals[:wanted] > tolerance * search.scale)
        return (search.begin == 0) | (open_ & (search.count < max_products))

    def sweep(search):
        projected = jnp.diag(jnp.zeros(length, point.dtype).at[: len(kept)].set(search.values))
        projected = jnp.where(search.begin > 0, projected, 0)
        grow = _grow(product, key, search.count)
        room = jnp.zeros((length - len(kept), point.size), point.dtype)
        start = (jnp.concatenate([search.basis, room]), projected, jnp.zeros([], point.dtype))
        basis, projected, coupling = jax.lax.fori_loop(search.begin, length, grow, start)
        values, vectors = jnp.linalg.eigh(projected)
        # With a zero for the next vector, since to leave it out would copy the basis.
        ritz = jnp.pad(vectors[:, kept].T, ((0, 0), (0, 1))) @ basis
        return _Search(
            basis=jnp.concatenate([ritz, basis[length:]]),
            values=values[kept],
            residuals=jnp.abs(coupling * vectors[-1, kept]),
            begin=jnp.int32(len(kept)),
            count=search.count + length - search.begin,
            scale=jnp.maximum(search.scale, jnp.max(jnp.abs(values))),
        )

    first = jax.random.normal(key, point.shape, point.dtype)
    basis = jnp.zeros((len(kept) + 1, point.size), point.dtype)
    blank = jnp.zeros(len(kept), point.dtype)
    basis, none = basis.at[0].set(first / norm_of(first)), jnp.int32(0)
    search = _Search(basis, blank, blank, none, none, jnp.zeros([], point.dtype))
    search = jax.lax.while_loop(unsettled, sweep, search)
    return search.basis[:wanted], search.count


def _grow(product: Product, key: jax.Array, count: jax.Array):
    """One step of Lanczos: row j of the basis makes row j + 1.

    Row j of the projected matrix is the image's part in the basis. By a three-term recurrence it
    would be known beforehand, but for the kept vectors and for rounding.
    """

    def step(j, carry):
        basis, projected, _ = carry
        tiny = jnp.finfo(basis.dtype).tiny
        image = product(basis[j])
        inside = basis @ image
        rest = image - inside @ basis
        missed = basis @ rest  # by rounding
        rest -= missed @ basis
        inside += missed
        coupling = norm_of(rest)
        # All that the vectors so far can reach is found: go on from anywhere else.
        eps = jnp.finfo(basis.dtype).eps
        exhausted = coupling <= 10 * eps * norm_of(image)

        def anew():
            fresh = jax.random.normal(jax.random.fold_in(key, count + j), rest.shape, rest.dtype)
            return fresh - (basis @ fresh) @ basis

        following = jax.lax.cond(exhausted, anew, lambda: rest)
        following /= jnp.maximum(norm_of(following), tiny)
        following -= (basis @ following) @ basis
        following /= jnp.maximum(norm_of(following), tiny)
        inside = inside[:-1]
        projected = projected.at[j].set(inside).at[:, j].set(inside)
        basis = basis.at[j + 1].set(following)
        return basis, projected, jnp.where(exhausted, 0, coupling)

    return step
