"""Covariance-controlled adaptive Langevin: known gradient noise is damped where it enters."""

from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import optax

from thermo_optax._base import (
    ScalarOrSchedule,
    at,
    bath_temperature,
    check_decay,
    check_leaves,
    check_structure,
    finite_or_zero,
    like,
    wide_zeros,
)
from thermo_optax._noise import KeyLike

from ._preconditioned import bias_correction, memory
from ._thermostat import AdaptiveLangevinState, adaptive_sampler

_MOST = 1e30  # of a friction


class CovarianceControlledState(NamedTuple):
    """State of `covariance_controlled_langevin`."""

    langevin: AdaptiveLangevinState
    last_gradient: optax.Params  # like params (at least float32): g_{t-1}
    last_change: optax.Params  # like params: g_{t-1} - g_{t-2}
    gradient_noise: optax.Params  # like params: running mean of -(change) (last change), from 0
    start_share: jax.Array  # float[], weight of that 0 in it: the product of the decays


def covariance_controlled_langevin(
    step_size: ScalarOrSchedule,
    temperature: ScalarOrSchedule,
    *,
    noise_amplitude: ScalarOrSchedule = 0.01,
    coupling: ScalarOrSchedule = 0.05,
    initial_friction: jax.typing.ArrayLike = 0.1,
    covariance_decay: ScalarOrSchedule = 0.99,
    splitting: str = "BADODAB",
    thermostat: str = "group",
    thermostat_energy: str = "total",
    scaled_friction: bool = False,
    initial_momentum: str = "thermal",
    momentum_dtype: Any = None,
    generator: str = "threefry",
    key: KeyLike,
) -> optax.GradientTransformationExtraArgs:
    r"""Covariance-controlled adaptive Langevin (CCAdL): a friction for each coordinate's noise.

    .. math::
        dp = -\nabla L\,dt - \tfrac{h}{2 T} \hat C p\,dt - \xi p\,dt + \sigma_A\,dW, \qquad
        d\xi = \varepsilon (p \cdot p - N T)\,dt

    One friction xi balances the mean heat of the mini-batches, but leaves coordinates with more
    noise than the average hot, and the others cold. Here each coordinate has, in addition, the
    friction h C / (2 T) that balances its own noise; xi corrects the error of the estimate.

    .. math::
        \hat C = \max\big(0,\; -\langle (g_t - g_{t-1})(g_{t-1} - g_{t-2}) \rangle\big)

    is a running mean for each coordinate. The noise of g_{t-1} enters both changes with opposite
    signs, so the product has the mean -s^2 for a noise of variance s^2. Two successive changes by
    the motion of the parameters have the same sign, about k^2 h^2 T in a well of curvature k: they
    do not count as noise. So with exact gradients C is 0, and the law that of
    `adaptive_langevin`. C is short of s^2 by about k^2 h^2 T, which xi makes good where it is the
    same for all coordinates: keep h^2 small against s^2 / (k^2 T) at the noisy ones.

    Args:
        step_size: h > 0, in units of time.
        temperature: T >= 0, in units of the loss. ``update(..., temperature_scale=s)`` multiplies T
            and sigma_A^2.
        noise_amplitude: sigma_A >= 0, of the injected noise, in units of momentum / sqrt(time); 0
            if the noise of the gradients is enough heat.
        coupling: eps >= 0, how fast xi reacts; 0 keeps it fixed. Keep h sqrt(2 eps N T) well below
            1 for N coordinates, or choose `thermostat_energy` "mean".
        initial_friction: xi at the start, of either sign, in units of 1 / time.
        covariance_decay: in [0, 1), of the running mean of the gradient noise.
        splitting: "BADODAB" (default; the parameters are at T), "ACDEDCAB" (of the AdLaLa authors)
            or "SGNHT" (first order, the cheapest). In all of them the friction of a coordinate is
            h C / (2 T) + xi.
        thermostat: "group", one xi for all leaves, or "tensor", one for each leaf.
        thermostat_energy: "total" drives xi by p.p - N T, "mean" by p.p / N - T, whose time scale
            does not depend on the number of parameters.
        scaled_friction: if True the shared friction is eps xi instead of xi; see
            :func:`adaptive_langevin` for its mean and standard deviation.
        initial_momentum: "thermal" draws N(0, T), "zero" starts at rest.
        momentum_dtype: dtype of the stored momentum, such as ``jnp.dtype("float32")``; None means
            that of the parameters, but at least float32.
        generator: of the noise: "threefry" (default), "threefry13", "inverse_cdf", "ternary" or
            "jax"; see :func:`thermo_optax.noise_generators`.
        key: an int, a typed key or a raw uint32 key; read by ``init`` only. Required.

    Returns:
        A transformation with state :class:`CovarianceControlledState` (four copies of the
        parameters: momentum, last gradient, last change and noise estimate).

    Raises:
        ValueError: for a negative or non-finite number, an unknown option, or a thermostat without
            any coordinate.
        TypeError: for a missing key, or parameters that are not real floating-point arrays.

    Examples:
        >>> import jax, jax.numpy as jnp, optax
        >>> import thermo_optax as to
        >>> tx = to.covariance_controlled_langevin(
        ...     0.1, 1.0, noise_amplitude=1.0, coupling=1e-3, initial_friction=0.5, key=0
        ... )
        >>> spread = jnp.repeat(jnp.array([0.0, 4.0]), 500)  # half of the gradient is noisy
        >>> def step(carry, key):
        ...     x, state = carry
        ...     updates, state = tx.update(x + spread * jax.random.normal(key, x.shape), state, x)
        ...     x = optax.apply_updates(x, updates)
        ...     return (x, state), x**2
        >>> x = jnp.zeros(1_000)
        >>> keys = jax.random.split(jax.random.key(1), 2_000)
        >>> _, x2 = jax.lax.scan(step, (x, tx.init(x)), keys)
        >>> print(jnp.round(x2[1000:].mean(0).reshape(2, 500).mean(1), 1))  # both halves are at T
        [1. 1.]

    References:
        Shang, Zhu, Leimkuhler and Storkey, `Covariance-Controlled Adaptive Langevin Thermostat for
        Large-Scale Bayesian Sampling <https://arxiv.org/abs/1510.08692>`_, 2015, eq. (8), with the
        covariance estimated over time instead of over the examples of a batch.
    """
    langevin = adaptive_sampler(
        "covariance_controlled_langevin",
        step_size,
        temperature,
        noise_amplitude=noise_amplitude,
        coupling=coupling,
        initial_friction=initial_friction,
        splitting=splitting,
        thermostat=thermostat,
        thermostat_energy=thermostat_energy,
        scaled_friction=scaled_friction,
        mass=1.0,
        initial_momentum=initial_momentum,
        momentum_dtype=momentum_dtype,
        generator=generator,
        key=key,
    )
    check_decay(covariance_decay=covariance_decay)

    def init(params):
        inner = cast(AdaptiveLangevinState, langevin.init(params))
        gradient, change, noise = (jax.tree.map(wide_zeros, params) for _ in range(3))
        return CovarianceControlledState(inner, gradient, change, noise, jnp.ones([]))

    def update(updates, state, params=None, *, temperature_scale=1.0, **extra_args):
        del extra_args
        check_leaves("updates", updates)
        check_structure(updates, state.gradient_noise, "the parameters given to `init`")
        count = state.langevin.count
        decay = memory(at(covariance_decay, count))
        # A change needs two gradients and a product two changes, so the mean begins two steps late.
        begun = count > 1
        share = jnp.where(begun, decay * state.start_share, state.start_share)
        target = bath_temperature(temperature, count, temperature_scale)
        known = (target > 0) & begun
        # Also where it is not taken, the quotient must be a number, for derivatives.
        doubled = jnp.where(known, 2 * target, 1)
        per_noise = jnp.where(known, at(step_size, count) / doubled, 0) * bias_correction(share)

        def changed(gradient, last):
            return jnp.where(count > 0, finite_or_zero(gradient).astype(last.dtype) - last, 0)

        def averaged(noise, change, last_change):
            a = like(decay, noise.dtype)
            return jnp.where(begun, a * noise - (1 - a) * change * last_change, noise)

        def own_friction(noise):
            # Finite after a spike of the gradient, since a step may take no time.
            return jnp.minimum(like(per_noise, noise.dtype) * jnp.maximum(noise, 0), _MOST)

        change = jax.tree.map(changed, updates, state.last_gradient)
        noise = jax.tree.map(averaged, state.gradient_noise, change, state.last_change)
        heat = {
            "temperature_scale": temperature_scale,
            "own_friction": jax.tree.map(own_friction, noise),
        }
        moved, inner = langevin.update(updates, state.langevin, params, **heat)
        last = jax.tree.map(
            lambda g, old: finite_or_zero(g).astype(old.dtype), updates, state.last_gradient
        )
        inner = cast(AdaptiveLangevinState, inner)
        return moved, CovarianceControlledState(inner, last, change, noise, share)

    return optax.GradientTransformationExtraArgs(init, update)
