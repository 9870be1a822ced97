"""Preconditioned Langevin dynamics: one metric in the drift, in the noise and in their balance."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from thermo_optax._base import (
    ScalarOrSchedule,
    as_steps,
    check_decay,
    check_nonnegative,
    check_positive,
    check_rate,
    check_steps,
    root,
    wide_zeros,
)
from thermo_optax._noise import KeyLike

from ._sampler import sampler


class PSGLDState(NamedTuple):
    """State of `psgld`."""

    count: jax.Array  # int32[], steps taken: argument of the schedules, counter of the noise
    rng_key: jax.Array  # uint32[2], raw key, constant over the run
    second_moment: optax.Params  # like params (at least float32): running mean of squared gradients
    start_share: jax.Array  # float[], weight of its start at 0 in it: the product of the decays
    last_amplitude: jax.Array  # float32[], sqrt(2 eta T) of the last move
    to_rest: jax.Array  # bool[], whether the next step stays where it is, for a swap of rungs
    rested: jax.Array  # bool[], whether the last step did, and left its noise to the one before
    bath_temperature: jax.Array  # float32[], of the last step; at first as built, -1 for a schedule


def psgld(
    learning_rate: ScalarOrSchedule,
    temperature: ScalarOrSchedule,
    *,
    decay: ScalarOrSchedule = 0.99,
    damping: ScalarOrSchedule = 1e-5,
    adaptation_steps: int | None = 1_000,
    generator: str = "threefry",
    key: KeyLike,
) -> optax.GradientTransformationExtraArgs:
    r"""SGLD with the metric of RMSprop, consistently in drift and noise.

    .. math::
        V_t &= \alpha V_{t-1} + (1 - \alpha)\, g_t^2, \qquad
        G_t = 1 / (\lambda + \sqrt{V_t / (1 - \alpha^t)}) \\
        x_{t+1} &= x_t - \eta\, G_t\, g_t + \sqrt{2 \eta T} \left( \sqrt{G_t}\, z_t
            + \big(\sqrt{G_t} - \sqrt{G_{t-1}}\big)\, z_{t-1} \right)

    A metric that depends on the parameters needs the extra drift T div G, without which the
    sampled density is not exp(-L / T). Computing div G needs second derivatives. Instead, the last
    term re-applies the previous step's noise with the metric at the *end* of that step; in
    expectation this equals the missing drift, at no extra gradient or memory.

    What is exact: after `adaptation_steps` the metric is frozen, and the law is that of SGLD in the
    frozen metric, with a bias of eta G k / 2 in a well of curvature k. With decay = 0 the metric is
    a function of the present gradient, and the law is right to first order in eta, at any time.
    A metric with memory that is never frozen (the paper's choice) knows where the chain has been.
    With exact gradients its law is then wrong by an amount that grows as the learning rate falls:
    in the eight-schools model one variance is 1.13, 1.33 and 1.57 times the right one at learning
    rates of 0.1, 0.03 and 0.01. Noisy gradients, which fill the second moment with something that
    does not depend on the parameters, hide this error.

    At temperature 0 it is RMSprop with bias correction. Place it last in an ``optax.chain``. A
    gradient that is not finite gives an update that is not finite in that coordinate, and counts
    as 0 in the second moment.

    Args:
        learning_rate: eta > 0, in units of parameter (the metric takes up the units of the loss).
        temperature: T >= 0, in units of the loss; scaled by ``update(..., temperature_scale=s)``.
        decay: alpha in [0, 1), of the running mean of squared gradients.
        damping: lambda > 0, in units of the gradient; bounds the metric by 1 / lambda.
        adaptation_steps: number of steps after which the metric is frozen, a warm-up that does not
            belong to the sample; None never freezes it, for training rather than sampling.
        generator: of the noise: "threefry" (default), "threefry13", "inverse_cdf", "ternary" or
            "jax"; see :func:`thermo_optax.noise_generators`.
        key: an int, a typed key or a raw uint32 key; read by ``init`` only. Required.

    Returns:
        A transformation with state :class:`PSGLDState` (one copy of the parameters).

    Raises:
        ValueError: for a negative or non-finite number, or a decay outside [0, 1).
        TypeError: for a missing key, or parameters that are not real floating-point arrays.

    Examples:
        >>> import jax.numpy as jnp, optax
        >>> import thermo_optax as to
        >>> params, grads = jnp.zeros(2), jnp.array([1.0, 1e-3])
        >>> tx = to.psgld(0.1, temperature=0.0, key=0)
        >>> updates, _ = tx.update(grads, tx.init(params), params)
        >>> print(jnp.round(updates, 2))  # both coordinates move alike
        [-0.1 -0.1]

    References:
        Li et al., `Preconditioned Stochastic Gradient Langevin Dynamics for Deep Neural Networks
        <https://arxiv.org/abs/1512.07666>`_, 2016, Algorithm 1, whose Gamma is the drift above;
        the noise at the end point is the kinetic (Hanggi-Klimontovich) reading of the equation.
    """
    check_rate(learning_rate=learning_rate)
    check_positive(damping=damping)
    check_decay(decay=decay)
    if adaptation_steps is not None:
        check_nonnegative(adaptation_steps=adaptation_steps)
        check_steps(0, "None never freezes the metric.", adaptation_steps=adaptation_steps)

    def start(start, params):
        del start
        squares = jax.tree.map(wide_zeros, params)
        numbers = {
            "start_share": jnp.ones([]),
            "last_amplitude": jnp.zeros([], jnp.float32),
        }
        return {"second_moment": squares, **numbers}

    def move(step, gradients, state, **_):
        count, eta, alpha = step.count, step.time(learning_rate), memory(step.at(decay))
        # The correction for the last move waits while a step rests, with the metric that made it.
        adapting = ~step.resting
        if adaptation_steps is not None:
            adapting &= count < as_steps(adaptation_steps)
        last_move = count - 1 - state.rested.astype(count.dtype)
        share = jnp.where(adapting, alpha * state.start_share, state.start_share)
        amplitude = root(2 * eta * step.temperature)
        # That move may have had another temperature. Without noise now, there is no correction.
        last, now = state.last_amplitude, amplitude.astype(jnp.float32)
        of_last = jnp.where(last == now, 1, last / jnp.where(now > 0, now, 1))
        numbers = (
            *(eta, alpha, step.at(damping), amplitude, of_last),
            *(bias_correction(share), bias_correction(state.start_share)),
        )

        def leaf(numbers, z, z_last, g, old):
            h, a, lam, s, ratio, c, c_old = numbers
            new = jnp.where(adapting, a * old + (1 - a) * jnp.square(g), old)
            metric = 1 / (lam + jnp.sqrt(new * c))
            root, root_old = jnp.sqrt(metric), jax.lax.rsqrt(lam + jnp.sqrt(old * c_old))
            drift = jnp.where(last_move >= 0, (root - root_old) * z_last, 0)
            return -h * metric * g + s * (root * z + ratio * drift), new

        trees, ticks = (gradients, state.second_moment), (count, last_move)
        moved, second_moment = step.move(leaf, numbers, *trees, ticks=ticks, rereads=True)
        last = jnp.where(step.resting, last, now)
        own = {"second_moment": second_moment, "start_share": share, "last_amplitude": last}
        return moved, own

    options = {"start": start, "copy": "second_moment", "generator": generator, "key": key}
    return sampler("psgld", PSGLDState, temperature, move, **options)


def memory(decay: jax.Array) -> jax.Array:
    """The decay of a running mean: one that bfloat16 has rounded to 1 is the mean of all so far."""
    return jnp.minimum(decay, 1 - 2.0**-24)


def bias_correction(start_share: jax.Array) -> jax.Array:
    """1 / (1 - share) of a running mean in which its start at 0 has that share; 1 for all of it.

    The share is kept, not made of the decay and a count: the decay may be another at each step.
    """
    return 1 / jnp.where(start_share < 1, 1 - start_share, 1)
