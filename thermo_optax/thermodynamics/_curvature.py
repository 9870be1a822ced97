"""The largest curvature that chains have met, from which the step size follows.

The curvature at the centre would not do, because it grows away from the centre: in a deep linear
network it is thirty times as large where the chain goes, and in a flat singularity it is 0 there.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from thermo_optax._base import at, like, size_of
from thermo_optax._xla import explicit_sharding, laid_out

Loss = Callable[[Any], jax.Array]

FIRST_PRODUCTS = 30  # of the power iteration at the centre


class Gauge(NamedTuple):
    """A power iteration that goes along with a chain."""

    vector: Any  # tree like params, of norm 1: nearly the stiffest direction
    largest: jax.Array  # float[], the largest curvature so far


def first_gauge(loss: Loss, params: Any, temperature: jax.Array, key: jax.Array) -> Gauge:
    """The gauge at the centre, where the curvature is at least that to the thermal distance."""
    leaves, structure = jax.tree.flatten(params)
    keys = jax.random.split(key, len(leaves))
    normal = [
        laid_out(jax.random.normal(k, x.shape, x.dtype), explicit_sharding(x))
        for k, x in zip(keys, leaves, strict=True)
    ]
    direction = _unit(structure.unflatten(normal), norm(normal))
    secant = _thermal_curvature(loss, params, direction, temperature)
    start = Gauge(direction, secant)
    look = lambda gauge, _: (looked(jax.grad(loss), params, gauge), None)  # noqa: E731
    return jax.lax.scan(look, start, length=FIRST_PRODUCTS)[0]


def looked(gradient: Callable[[Any], Any], params: Any, gauge: Gauge) -> Gauge:
    """One product with the Hessian at these parameters."""
    image = jax.jvp(gradient, (params,), (gauge.vector,))[1]
    size = norm(image)
    good = jnp.isfinite(size) & (size > 0)
    vector = turned(gauge.vector, image, size)
    return Gauge(vector, jnp.maximum(gauge.largest, jnp.where(good, size, 0)))


def norm(tree: Any) -> jax.Array:
    """float[], in any unit, in the precision of losses, which may be more than the arrays'."""
    wide = in_precision_of_losses(tree)
    size = size_of(jnp.stack([jnp.max(jnp.abs(x), initial=0) for x in jax.tree.leaves(wide)]))
    return size * optax.tree.norm(jax.tree.map(lambda x: x / size, wide))


def inner(one: Any, other: Any) -> jax.Array:
    """float[], the inner product of two trees."""
    if any(explicit_sharding(x) is not None for x in jax.tree.leaves(one)):
        # A dot product over axes that are split must be told where its result lies; a sum need not.
        return jnp.asarray(optax.tree.sum(jax.tree.map(jnp.multiply, one, other)))
    return jnp.asarray(optax.tree.vdot(one, other))


def in_precision_of_losses(tree: Any) -> Any:
    """float64 under `jax_enable_x64`, also where the parameters are in float32."""
    return jax.tree.map(lambda x: at(x, 0), tree)


def curvature_along(loss: Loss, params: Any, vector: Any) -> tuple[jax.Array, Any, jax.Array]:
    """The loss, the product of the Hessian with the vector, and its norm."""
    (value, _), (_, image) = jax.jvp(jax.value_and_grad(loss), (params,), (vector,))
    return value, image, norm(image)


def turned(vector: Any, image: Any, size: jax.Array) -> Any:
    """The image of a vector, of norm 1; the vector where there is none."""
    good = jnp.isfinite(size) & (size > 0)
    return jax.tree.map(lambda new, old: jnp.where(good, new, old), _unit(image, size), vector)


def _thermal_curvature(loss: Loss, params: Any, direction: Any, temperature: jax.Array):
    """The second difference of the loss at the distance at which it has risen by its heat.

    Both ways, because the slope of a batch would look like a curvature at a small distance. A loss
    that is undefined before it has risen so far is asked at the last distance where it is defined.
    """
    degrees = float(sum(x.size for x in jax.tree.leaves(params)))
    base = loss(params)

    def rise(distance):
        def there(sign):
            moved = lambda x, u: x + sign * like(distance, x.dtype) * u  # noqa: E731
            return loss(jax.tree.map(moved, params, direction))

        return (there(1) + there(-1)) / 2 - base

    def below(distance):
        return (rise(distance) < degrees * temperature / 2) & (distance < _FARTHEST)

    distance = jax.lax.while_loop(below, lambda r: 2 * r, jnp.asarray(_NEAREST, base.dtype))
    distance = jnp.where(jnp.isfinite(rise(distance)), distance, distance / 2)
    secant, tiny = 2 * rise(distance) / jnp.square(distance), jnp.finfo(base.dtype).tiny
    return jnp.where(secant > tiny, secant, tiny)


_NEAREST, _FARTHEST = 1e-4, 1e4


def _unit(tree: Any, size: jax.Array) -> Any:
    size = jnp.maximum(size, jnp.finfo(size.dtype).tiny)
    return jax.tree.map(lambda x: x / like(size, x.dtype), tree)
