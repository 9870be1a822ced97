"""Overdamped Langevin dynamics by Euler's method: gradient descent, plus its heat."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from thermo_optax._base import ScalarOrSchedule, at, check_rate, root
from thermo_optax._noise import KeyLike

from ._sampler import sampler


class SGLDState(NamedTuple):
    """State of `sgld`: no copy of the parameters."""

    count: jax.Array  # int32[], steps taken: argument of the schedules, counter of the noise
    rng_key: jax.Array  # uint32[2], raw key, constant over the run
    to_rest: jax.Array  # bool[], whether the next step stays where it is, for a swap of rungs
    bath_temperature: jax.Array  # float32[], of the last step; at first as built, -1 for a schedule


def sgld(
    learning_rate: ScalarOrSchedule,
    temperature: ScalarOrSchedule,
    *,
    generator: str = "threefry",
    key: KeyLike,
) -> optax.GradientTransformationExtraArgs:
    r"""Stochastic-gradient Langevin dynamics: samples exp(-L / temperature) by noisy descent.

    .. math::
        x \leftarrow x - \eta \nabla L(x) + \sqrt{2 \eta T}\, z

    At temperature 0 it is ``optax.sgd(learning_rate)``. In a harmonic well of curvature k the
    parameters have variance T / k / (1 - eta k / 2): the bias is first order in eta;
    `leimkuhler_matthews` has none at the same cost.

    Place it last in an ``optax.chain``: what follows would rescale the noise. A gradient that is
    not finite gives an update that is not finite in that coordinate, as with ``optax.sgd``, and
    does nothing to the state.

    Args:
        learning_rate: eta >= 0, in units of parameter^2 / loss; stable below 2 / k at the largest
            curvature k. A number, a traced scalar or a schedule.
        temperature: T >= 0, in units of the loss; 1 / N samples the Bayesian posterior of a loss
            averaged over N examples. ``update(..., temperature_scale=s)`` multiplies it.
        generator: of the noise: "threefry" (default), "threefry13", "inverse_cdf", "ternary" or
            "jax"; see :func:`thermo_optax.noise_generators`.
        key: an int, a typed key or a raw uint32 key; read by ``init`` only. Required.

    Returns:
        A transformation with state :class:`SGLDState`.

    Raises:
        ValueError: for a negative or non-finite number.
        TypeError: for a missing key, or parameters that are not real floating-point arrays.

    Examples:
        >>> import jax, jax.numpy as jnp, optax
        >>> import thermo_optax as to
        >>> tx = to.sgld(learning_rate=0.1, temperature=2.0, key=0)
        >>> grad = jax.grad(lambda x: 0.5 * jnp.sum(x**2))
        >>> def step(carry, _):
        ...     x, state = carry
        ...     updates, state = tx.update(grad(x), state, x)
        ...     return (optax.apply_updates(x, updates), state), None
        >>> x = jnp.zeros(100_000)  # as many independent particles
        >>> (x, _), _ = jax.lax.scan(step, (x, tx.init(x)), length=100)
        >>> print(f"{jnp.mean(x**2):.1f}")  # T / (1 - 0.1 / 2)
        2.1

    References:
        Welling and Teh, `Bayesian Learning via Stochastic Gradient Langevin Dynamics`, 2011, eq.
        (4), whose epsilon_t is 2 eta for the summed loss at T = 1.
    """
    check_rate(learning_rate=learning_rate)

    def move(step, gradients, state, **_):
        del state
        eta = step.time(learning_rate)
        numbers = eta, root(2 * eta * step.temperature)

        def leaf(numbers, z, g):
            eta, spread = numbers
            return spread * z - eta * g

        return step.move(leaf, numbers, gradients), {}

    def typical_step(temperature):
        return jnp.sqrt(2 * at(learning_rate, 0) * temperature)

    options = {"typical_step": typical_step, "generator": generator, "key": key}
    return sampler("sgld", SGLDState, temperature, move, **options)
