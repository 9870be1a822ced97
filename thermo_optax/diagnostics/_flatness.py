"""How flat is a minimum?  By its curvature per unit of loss, and by what noise does to it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from thermo_optax._base import size_of
from thermo_optax._noise import KeyLike, map_with_noise, stream_key

from ._eigenvalues import hessian_eigenvalues
from ._objective import Loss, check_count, compiled, mean_loss, objective, raveled
from ._spectrum import Estimate, estimate, hessian_trace


class Flatness(NamedTuple):
    """The curvature at a minimum, as it is and per unit of the loss there."""

    loss: jax.Array  # float[], over the data
    top_eigenvalue: jax.Array  # float[], largest eigenvalue of the Hessian
    top_residual: jax.Array  # float[], how far from it an eigenvalue is at most
    trace: Estimate  # float[], of the Hessian

    @property
    def top_eigenvalue_per_loss(self) -> jax.Array:
        """The largest eigenvalue over the loss, in units of 1 per squared weight."""
        return self.top_eigenvalue / self.loss

    @property
    def trace_per_loss(self) -> Estimate:
        """The trace over the loss, in the same units."""
        return Estimate(self.trace.value / self.loss, self.trace.error / self.loss)


class NoiseRise(NamedTuple):
    """By how much Gaussian noise on the weights raises the loss."""

    scales: jax.Array  # float[num_scales], of the noise
    rise: Estimate  # float[num_scales], in units of the loss
    loss: jax.Array  # float[], without noise


def flatness(
    loss: Loss,
    params: Any,
    batches: Any = None,
    *,
    num_probes: int = 32,
    tolerance: jax.typing.ArrayLike = 1e-3,
    key: KeyLike,
) -> Flatness:
    r"""The largest eigenvalue and the trace of the Hessian, also per unit of the training loss.

    .. math::
        \frac{\lambda_\text{max}(\nabla^2 L)}{L}, \qquad \frac{\operatorname{tr} \nabla^2 L}{L}

    With a cross-entropy the Hessian shrinks along with the loss, as the network becomes certain:
    the raw eigenvalues rank methods by how long they trained. Dividing by the loss takes out most
    of that; compare at about equal training losses nevertheless.

    Args:
        loss: ``loss(params, batch)``, or ``loss(params)`` without batches: the mean loss of a
            batch, a single number, twice differentiable; positive, for the ratios to mean
            something.
        params: parameters, best at a minimum.
        batches: the training data: a tree of arrays [num_batches, ...], or an iterable of batches,
            which is read once and kept on the device. None if the loss takes no batch.
        num_probes: vectors of signs for the trace, at least 2.
        tolerance: residual at which to stop, over the largest absolute eigenvalue; > 0.
        key: random key of the probes.

    Returns:
        A :class:`Flatness`. It runs inside `jit`.

    Raises:
        ModuleNotFoundError: without matfree.
        ValueError: for fewer than 2 probes, a tolerance that is not positive, a loss that is not a
            single number, or no batches.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> def loss(x):
        ...     return 0.01 + jnp.sum(jnp.array([1.0, 2.0, 5.0]) * x**2) / 2
        >>> flat = to.diagnostics.flatness(loss, jnp.zeros(3), key=0)
        >>> print(f"{flat.top_eigenvalue:.1f} {flat.trace.value:.1f}")
        5.0 8.0
        >>> print(f"{flat.top_eigenvalue_per_loss:.0f} {flat.trace_per_loss.value:.0f}")
        500 800

    References:
        Jastrzebski et al., `Three factors influencing minima in SGD
        <https://arxiv.org/abs/1711.04623>`_, 2017, for the two as measures of width; Dinh et al.,
        `Sharp minima can generalize for deep nets <https://arxiv.org/abs/1703.04933>`_, 2017, for
        what no such measure can tell.
    """
    on_batch, point, _, data = objective(loss, params, batches)
    trace = hessian_trace(loss, params, data, num_probes=num_probes, key=key)
    top = hessian_eigenvalues(loss, params, data, tolerance=tolerance, key=key)
    value = compiled(lambda point, data: mean_loss(on_batch, point, data), point, data)
    return Flatness(value, top.top[0], top.top_residuals[0], trace)


def loss_under_noise(
    loss: Loss,
    params: Any,
    batches: Any = None,
    *,
    scales: Sequence[float] | jax.Array,
    num_draws: int = 16,
    relative: bool = False,
    key: KeyLike,
) -> NoiseRise:
    r"""By how much the loss rises when the weights get Gaussian noise: flatness at finite range.

    .. math::
        \Delta(s) = \mathbb{E}\, L(x + s D \xi) - L(x) = \frac{s^2}{2} \operatorname{tr}(D H D)
        + O(s^4), \qquad \xi \sim N(0, I)

    D is 1, or for `relative` the root mean square of each tensor, so that a network whose weights
    are all rescaled, as a normalisation would undo, is as flat as before. Every draw is used with
    both signs, and for all scales.

    Args:
        loss: ``loss(params, batch)``, or ``loss(params)`` without batches: the mean loss of a
            batch, a single number in any unit. It need not be differentiable here.
        params: parameters.
        batches: the data: a tree of arrays [num_batches, ...], or an iterable of batches, which is
            read once and kept on the device. None if the loss takes no batch.
        scales: s >= 0, standard deviations of the noise on each weight, in units of the weights;
            for `relative`, as shares of each tensor's norm. [num_scales].
        num_draws: number of draws of the noise, at least 2. Each costs two losses for each scale.
        relative: whether scales are relative to each tensor's norm.
        key: random key of the noise.

    Returns:
        A :class:`NoiseRise`, with standard errors over the draws. It runs inside `jit`.

    Raises:
        ValueError: for numbers out of range, a loss that is not a single number, or no batches.
        TypeError: for a loss that is not a real floating-point number.

    Examples:
        >>> import jax.numpy as jnp
        >>> import thermo_optax as to
        >>> def loss(x):
        ...     return jnp.sum(x**2) / 2
        >>> found = to.diagnostics.loss_under_noise(loss, jnp.zeros(10_000), scales=[0.1], key=0)
        >>> print(f"{found.rise.value[0]:.0f}")
        50

    References:
        Neyshabur et al., `Exploring generalization in deep learning
        <https://arxiv.org/abs/1706.08947>`_, 2017, section 2.4.
    """
    check_count("num_draws", num_draws, 2, "Pass 16: the standard error comes from their spread.")
    on_batch, point, unflatten, data = objective(loss, params, batches)
    scales = _scales(scales, point.dtype)
    words = stream_key(key, "loss_under_noise", params)

    def noisy(noise, leaf):
        unit = jnp.ones([], leaf.dtype)
        if relative:
            size = size_of(leaf)
            unit = size * jnp.sqrt(jnp.mean(jnp.square(leaf / size)))
        return unit * noise.astype(leaf.dtype)

    def measure(point, data, scales, words):
        value = mean_loss(on_batch, point, data)
        tree = unflatten(point)

        def rise(tick):
            drawn = map_with_noise(noisy, words, (tick,), tree)
            noise = raveled(drawn)

            def at(scale):
                up = mean_loss(on_batch, point + scale * noise, data)
                down = mean_loss(on_batch, point - scale * noise, data)
                return (up - value) / 2 + (down - value) / 2

            return jax.lax.map(at, scales)

        rises = jax.lax.map(rise, jnp.arange(num_draws, dtype=jnp.uint32))
        return NoiseRise(scales, estimate(rises), value)

    return compiled(measure, point, data, scales, words)


def _scales(scales: Any, dtype: Any) -> jax.Array:
    """The scales as a vector; raises where they are known to be none, or negative."""
    array = jnp.asarray(scales, dtype)
    known = None if isinstance(array, Tracer) else np.asarray(array)
    if array.ndim != 1 or not array.size or (known is not None and not np.all(known >= 0)):
        raise ValueError(
            f"`scales` must be a list of numbers of at least 0, got {scales}. One scale alone is "
            "`[0.01]`."
        )
    return array
