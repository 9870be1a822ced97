"""The landscape of the loss, along a line between two solutions and on a plane through some."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from thermo_optax._base import check_finite, check_positive, like, size_of
from thermo_optax._noise import KeyLike, map_with_noise, stream_key

from ._objective import (
    Loss,
    check_count,
    compiled,
    flatten_like,
    mean_loss,
    norm_of,
    objective,
    probe_key,
)


class LossLine(NamedTuple):
    """The loss on the line through two solutions."""

    positions: jax.Array  # float[num_points], 0 at the first solution and 1 at the second
    losses: jax.Array  # float[num_points]
    ends: jax.Array  # float[2], the losses at the two solutions
    distance: jax.Array  # float[], between the solutions, in units of the weights

    @property
    def barrier(self) -> jax.Array:
        """How far the loss between the solutions rises above the straight line of their losses."""
        straight = self.ends[0] + self.positions * (self.ends[1] - self.ends[0])
        between = (self.positions >= 0) & (self.positions <= 1)
        return jnp.max(jnp.where(between, self.losses - straight, 0))


class LossSurface(NamedTuple):
    """The loss on a plane."""

    first: jax.Array  # float[num_points], coordinates along the first direction
    second: jax.Array  # float[num_points], along the second one
    losses: jax.Array  # float[num_points, num_points], [i, j] at first[i], second[j]


def loss_line(
    loss: Loss,
    first: Any,
    second: Any,
    batches: Any = None,
    *,
    num_points: int = 41,
    start: float = -0.25,
    stop: float = 1.25,
) -> LossLine:
    r"""The loss on the straight line through two solutions.

    .. math::
        t \mapsto L\big((1 - t)\, x_1 + t\, x_2\big)

    Two solutions in the same valley have no barrier between them.

    Args:
        loss: ``loss(params, batch)``, or ``loss(params)`` without batches: the mean loss of a
            batch, a single number in any unit. Any other number that a batch has, such as the share
            of errors, will do as well.
        first: parameters x_1, where t = 0.
        second: parameters x_2, where t = 1; tree like first.
        batches: the data: a tree of arrays [num_batches, ...], or an iterable of batches, which is
            read once and kept on the device. None if the loss takes no batch.
        num_points: number of points, at least 2.
        start: the least t.
        stop: the largest t, above `start`.

    Returns:
        A :class:`LossLine`, with the height of the barrier. It runs inside `jit`.

    Raises:
        ValueError: for numbers out of range, trees that differ, a loss that is not a single number,
            or no batches.
        TypeError: for a loss that is not a real floating-point number.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> def loss(x):  # a double well
        ...     return jnp.sum((x**2 - 1) ** 2)
        >>> line = to.diagnostics.loss_line(loss, jnp.array([-1.0]), jnp.array([1.0]))
        >>> print(f"{line.barrier:.2f}", line.distance)
        1.00 2.0

    References:
        Goodfellow, Vinyals and Saxe, `Qualitatively characterizing neural network optimization
        problems <https://arxiv.org/abs/1412.6544>`_, 2015; Frankle et al., `Linear mode
        connectivity and the lottery ticket hypothesis <https://arxiv.org/abs/1912.05671>`_, 2020,
        for the barrier.
    """
    check_count("num_points", num_points, 2, "Pass 41.")
    check_finite(start=start, stop=stop)
    known = not isinstance(start, Tracer) and not isinstance(stop, Tracer)
    if known and not np.asarray(start) < np.asarray(stop):
        raise ValueError(f"`stop` must be above `start`, got {stop} and {start}. Pass 0 and 1.")
    on_batch, origin, _, data = objective(loss, first, batches)
    end = flatten_like("second", second, first).astype(origin.dtype)
    reach = like(start, origin.dtype), like(stop, origin.dtype)

    def measure(origin, end, data, start, stop):
        positions = jnp.linspace(start, stop, num_points, dtype=origin.dtype)

        def at(t):
            return mean_loss(on_batch, (1 - t) * origin + t * end, data)

        ends = jnp.array([0, 1], origin.dtype)
        losses = jax.lax.map(at, jnp.concatenate([positions, ends]))
        distance = norm_of(end - origin)
        return LossLine(positions, losses[:-2], losses[-2:], distance)

    return compiled(measure, origin, end, data, *reach)


def random_direction(params: Any, *, output_axis: int = -1, key: KeyLike) -> Any:
    r"""A random direction whose filters have the norms of the network's: to draw surfaces along.

    .. math::
        d_{ij} = \frac{\xi_{ij}}{\|\xi_{ij}\|} \|w_{ij}\|, \qquad \xi \sim N(0, I)

    for filter j of array i: all weights that lead to one output of a layer. Rescaling a layer, as a
    normalisation or the next layer can undo, then rescales the direction with it, so surfaces of
    different networks can be compared.

    Args:
        params: the parameters. Arrays with fewer than two axes (biases, and the scales of
            normalisations) get the direction 0, as in the paper's figures.
        output_axis: the axis of the outputs in every array with two axes or more: -1 for Flax and
            Haiku, whose kernels end with it, 0 for Equinox. Layers that are stacked along a leading
            axis are taken for inputs.
        key: random key.

    Returns:
        A tree like params, in at least float32. It runs inside `jit`.

    Raises:
        ValueError: if an array has no such axis.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> params = {"kernel": jnp.array([[3.0, 0.0], [4.0, 1.0]]), "bias": jnp.ones(2)}
        >>> direction = to.diagnostics.random_direction(params, key=0)
        >>> print(jnp.linalg.norm(direction["kernel"], axis=0), direction["bias"])
        [5. 1.] [0. 0.]

    References:
        Li, Xu, Taylor, Studer and Goldstein, `Visualizing the loss landscape of neural nets
        <https://arxiv.org/abs/1712.09913>`_, 2018, section 4.
    """
    words = stream_key(key, "random_direction", params)

    def normalised(noise, leaf):
        weights = leaf.astype(noise.dtype)
        if leaf.ndim < 2:
            return jnp.zeros_like(weights)
        if not -leaf.ndim <= output_axis < leaf.ndim:
            raise ValueError(
                f"`output_axis` must be an axis of every array with two or more, got {output_axis} "
                f"for one of shape {leaf.shape}. Pass -1 for Flax, 0 for Equinox."
            )

        def norms(array):
            rest = tuple(a for a in range(array.ndim) if a != output_axis % array.ndim)
            size = size_of(array)
            return size * jnp.sqrt(jnp.sum(jnp.square(array / size), axis=rest, keepdims=True))

        return noise / norms(noise) * norms(weights)

    return map_with_noise(normalised, words, (0,), params)


def loss_surface(
    loss: Loss,
    params: Any,
    batches: Any = None,
    *,
    directions: tuple[Any, Any] | None = None,
    extent: float | Sequence[float] = 1.0,
    num_points: int = 25,
    output_axis: int = -1,
    key: KeyLike | None = None,
) -> LossSurface:
    r"""The loss on a plane through the parameters.

    .. math::
        (a, b) \mapsto L(x + a\, d_1 + b\, d_2)

    Without directions the plane is spanned by two of `random_direction`. With the directions from
    one solution to two others it goes through all three, at (0, 0), (1, 0) and (0, 1).

    Args:
        loss: ``loss(params, batch)``, or ``loss(params)`` without batches: the mean loss of a
            batch, a single number in any unit. Any other number that a batch has, such as the share
            of errors, will do as well.
        params: x, the parameters in the middle.
        batches: the data: a tree of arrays [num_batches, ...], or an iterable of batches, which is
            read once and kept on the device. None if the loss takes no batch.
        directions: two trees like params, taken as they are; or None for random ones.
        extent: a and b go from -extent to extent, or from the first to the second of a pair.
        num_points: number of points along each direction, at least 2: the loss over all data is
            computed num_points^2 times.
        output_axis: of random directions: the axis of the outputs in every array with two axes or
            more, -1 for Flax and Haiku, 0 for Equinox.
        key: random key of the directions; needed without directions.

    Returns:
        A :class:`LossSurface`. It runs inside `jit`.

    Raises:
        TypeError: without directions and without a key.
        ValueError: for numbers out of range, trees that differ, a loss that is not a single number,
            or no batches.
        TypeError: for a loss that is not a real floating-point number.

    Examples:
        >>> import jax, jax.numpy as jnp
        >>> import thermo_optax as to
        >>> def loss(x):
        ...     return jnp.sum((x**2 - 1) ** 2)
        >>> middle, left, right = jnp.zeros(2), jnp.array([-1.0, 1.0]), jnp.array([1.0, 1.0])
        >>> directions = tuple(jax.tree.map(jnp.subtract, x, middle) for x in (left, right))
        >>> surface = to.diagnostics.loss_surface(loss, middle, directions=directions, num_points=3)
        >>> print(surface.losses)  # rows: -1, 0, 1 to the left; columns: -1, 0, 1 to the right
        [[10. 0. 10.]
         [ 0. 2.  0.]
         [10. 0. 10.]]

    References:
        Li et al., 2018; Im, Tao and Branson, `An empirical analysis of the optimization of deep
        network loss surfaces <https://arxiv.org/abs/1612.04010>`_, 2016, for planes through three
        solutions.
    """
    check_count("num_points", num_points, 2, "Pass 25.")
    low, high = _ends(extent)
    if directions is None:
        if key is None:
            raise TypeError(
                "`key` is required for random directions: pass an int seed or a random key, or "
                "two trees as `directions`."
            )
        keys = jax.random.split(probe_key(key, "loss_surface", params))
        directions = tuple(random_direction(params, output_axis=output_axis, key=k) for k in keys)
    if not isinstance(directions, (Sequence, jax.Array, np.ndarray)) or len(directions) != 2:
        raise ValueError(
            f"`directions` must be two trees like `params`, in a tuple, got {type(directions)}."
        )
    on_batch, origin, _, data = objective(loss, params, batches)
    across, along = (
        flatten_like(f"directions[{i}]", tree, params).astype(origin.dtype)
        for i, tree in enumerate(directions)
    )
    reach = like(low, origin.dtype), like(high, origin.dtype)

    def measure(origin, across, along, data, low, high):
        positions = jnp.linspace(low, high, num_points, dtype=origin.dtype)

        def at(a):
            row = origin + a * across
            return jax.lax.map(lambda b: mean_loss(on_batch, row + b * along, data), positions)

        return LossSurface(positions, positions, jax.lax.map(at, positions))

    return compiled(measure, origin, across, along, data, *reach)


def _ends(extent: Any) -> tuple[Any, Any]:
    """From where to where an extent goes: one number stands for minus itself and itself."""
    if np.ndim(extent) == 0:
        check_finite(extent=extent)
        check_positive(extent=extent)
        return -extent, extent
    if np.shape(extent) != (2,):
        raise ValueError(
            "`extent` must be one number or a pair, from where to where, got the shape "
            f"{np.shape(extent)}. Pass 1.0 for (-1.0, 1.0)."
        )
    low, high = extent[0], extent[1]
    check_finite(extent=low)
    check_positive(extent=high - low)
    return low, high
