"""Cooling laws that optax lacks: schedules of the step count, for temperatures and learning rates.

Linear, cosine and exponential cooling, warm-up and joins are `optax.schedules`.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from thermo_optax._base import (
    ScalarOrSchedule,
    as_computed,
    as_steps,
    at,
    check_finite,
    check_fraction,
    check_integer,
    check_nonnegative,
    check_positive,
    known,
)

ArrayLike = jax.typing.ArrayLike


class CyclicalCooling(NamedTuple):
    """The schedules of `cyclical_cooling`, and when to collect samples."""

    learning_rate: optax.Schedule  # falls along half a cosine in each cycle, and starts again
    temperature: optax.Schedule  # 0 while a cycle explores, then the temperature of the samples
    sampling: Callable[[ArrayLike], jax.Array]  # sampling(count) -> bool[], whether the bath is on


def logarithmic_cooling(initial: ArrayLike, offset: ArrayLike = math.e) -> optax.Schedule:
    r"""The cooling law of simulated annealing: slow enough to find the global minimum.

    .. math::
        T_t = \frac{c}{\ln(a + t)}, \qquad c = T_0 \ln a

    Annealing is sure to end in a global minimum only if it cools no faster than this, with c at
    least the depth of the deepest other minimum (the barrier that leads out of it). With the
    default offset c is `initial`. The guarantee is for runs without end: after 10^6 steps T is
    still 0.07 c.

    Args:
        initial: T_0 > 0, in units of the loss: the temperature at step 0.
        offset: a > 1, in steps. The larger, the longer the temperature stays near its start.

    Returns:
        A schedule: a function from the step count to the temperature, for ``temperature=`` of any
        sampler. It may be called inside jit and vmap, and both arguments may be traced.

    Raises:
        ValueError: for an initial temperature that is not positive, or an offset of 1 or less.
        TypeError: for something else than numbers.

    Examples:
        >>> import thermo_optax as to
        >>> cooling = to.logarithmic_cooling(1.0)
        >>> print([round(float(cooling(t)), 2) for t in (0, 100, 10_000)])
        [1.0, 0.22, 0.11]
        >>> tx = to.sgld(0.1, temperature=cooling, key=0)

    References:
        Geman and Geman, `Stochastic Relaxation, Gibbs Distributions, and the Bayesian Restoration
        of Images`, IEEE PAMI 6, 1984, Theorem B; Hajek, `Cooling Schedules for Optimal Annealing`,
        Math. Oper. Res. 13, 1988, for the smallest c.
    """
    check_finite(initial=initial, offset=offset)
    check_positive(initial=initial, offset=offset)
    shift = known(offset)
    if shift is not None and as_computed(shift) <= 1:
        raise ValueError(
            f"`offset` must be above 1, got {offset}: the logarithm of it divides the first "
            "temperature. Pass the default, e, or the number of steps to stay hot for."
        )

    def schedule(count):
        start = at(offset, count)
        return at(initial, count) * jnp.log(start) / jnp.log(start + _number(count))

    return schedule


def polynomial_cooling(scale: ArrayLike, offset: ArrayLike, power: ArrayLike) -> optax.Schedule:
    r"""Decay by a power of the step count, for learning rates as well as temperatures.

    .. math::
        T_t = \frac{c}{(a + t)^b}

    As the learning rate of `sgld` with 1/2 < b <= 1 it decays slowly enough to reach everything,
    and fast enough for the noise of mini-batches to vanish next to the heat of the bath. As the
    temperature of `santa` it is the paper's annealing, with b = 1/2. `optax.polynomial_schedule` is
    something else: it goes from one value to another and stays there.

    Args:
        scale: c > 0, in units of what is scheduled, times steps^b.
        offset: a > 0, in steps: the value at step 0 is c / a^b.
        power: b >= 0; 0 does not decay.

    Returns:
        A schedule: a function from the step count to the value. It may be called inside jit and
        vmap, and all arguments may be traced.

    Raises:
        ValueError: for a scale or offset that is not positive, or a negative power.
        TypeError: for something else than numbers.

    Examples:
        >>> import thermo_optax as to
        >>> decay = to.polynomial_cooling(0.1, offset=1.0, power=0.55)
        >>> print([round(float(decay(t)), 4) for t in (0, 99, 9_999)])
        [0.1, 0.0079, 0.0006]
        >>> tx = to.sgld(learning_rate=decay, temperature=1e-3, key=0)

    References:
        Welling and Teh, `Bayesian Learning via Stochastic Gradient Langevin Dynamics`, 2011,
        after eq. (2), as epsilon_t = a (b + t)^-gamma.
    """
    check_finite(scale=scale, offset=offset, power=power)
    check_positive(scale=scale, offset=offset)
    check_nonnegative(power=power)

    def schedule(count):
        time = at(offset, count) + _number(count)
        return at(scale, count) * time ** -at(power, count)

    return schedule


def cyclical_cooling(
    learning_rate: ScalarOrSchedule,
    temperature: ScalarOrSchedule,
    *,
    num_steps: ArrayLike,
    num_cycles: ArrayLike,
    exploration_fraction: ArrayLike = 0.9,
) -> CyclicalCooling:
    r"""The cycles of cSG-MCMC: descend from a large step, then sample the minimum that was found.

    .. math::
        \eta_t = \frac{\eta_0}{2} (\cos \pi r_t + 1), \qquad
        T_t = \begin{cases} 0 & r_t < \beta \\ T & \text{otherwise} \end{cases}, \qquad
        r_t = \frac{t \bmod P}{P}, \qquad P = \lceil K / M \rceil

    Each of the M cycles starts with a step size that leaves the last minimum, without noise, and
    ends with small steps at the temperature of the samples, so that M parts of the landscape are
    sampled by one run. After K steps the cycles go on.

    Within a mode the samples have the law at T. The share of each *mode* is not its weight under
    that law: it is how often a cycle ends there, which depends on the learning rate. Of two
    Gaussians at -2 and 2, with deviations 0.5 and 1 and weights 0.36 and 0.64, the first gets 0.12,
    0.24, 0.26 and 0.10 of the samples at eta_0 = 0.1, 0.25, 0.5 and 1 (`sgld`, 100 steps a cycle,
    beta = 0.5).

    Args:
        learning_rate: eta_0 > 0, at the start of each cycle; a number or a schedule.
        temperature: T >= 0, in units of the loss, of the sampling part; a number or a schedule.
        num_steps: K >= 1, the length of the run.
        num_cycles: M in 1 ... K.
        exploration_fraction: beta in [0, 1), the part of each cycle without noise: beta P steps,
            rounded; each cycle samples for one step at least.

    Returns:
        :class:`CyclicalCooling`: the two schedules, and ``sampling(count)``, which tells whether
        the update at this count has noise: collect the parameters that it returns. All may be
        called inside jit and vmap, and all arguments may be traced.

    Raises:
        ValueError: for a number out of its range, or a number of steps that is not an integer.
        TypeError: for something else than numbers.

    Examples:
        >>> import thermo_optax as to
        >>> cycles = to.cyclical_cooling(
        ...     0.5, 1e-4, num_steps=200, num_cycles=4, exploration_fraction=0.9
        ... )
        >>> tx = to.sghmc(cycles.learning_rate, cycles.temperature, momentum=0.9, key=0)
        >>> [round(float(cycles.learning_rate(t)), 3) for t in (0, 25, 49, 50)]
        [0.5, 0.25, 0.0, 0.5]
        >>> [t for t in range(100) if cycles.sampling(t)]
        [45, 46, 47, 48, 49, 95, 96, 97, 98, 99]

    References:
        Zhang, Li, Zhang, Chen and Wilson, `Cyclical Stochastic Gradient MCMC for Bayesian Deep
        Learning <https://arxiv.org/abs/1902.03932>`_, 2020, eq. (1) and Algorithm 1, whose k
        counts from 1.
    """
    check_positive(learning_rate=learning_rate)
    check_nonnegative(temperature=temperature)
    check_integer(1, "Steps and cycles are whole.", num_steps=num_steps, num_cycles=num_cycles)
    check_finite(exploration_fraction=exploration_fraction)
    check_fraction(exploration_fraction=exploration_fraction)
    steps, cycles = known(num_steps), known(num_cycles)
    if steps is not None and cycles is not None and cycles > steps:
        raise ValueError(
            f"`num_cycles` must be at most `num_steps`, got {num_cycles} cycles in {num_steps} "
            "steps. Pass the number of cycles in the whole run, not the steps of a cycle."
        )

    def position(count):
        period = -(-as_steps(num_steps) // as_steps(num_cycles))
        return jnp.asarray(count, jnp.int32) % period, period

    def sampling(count):
        step, period = position(count)
        # Rounded, since in float32 0.3 of 50 steps are a little more than 15.
        explored = jnp.round(at(exploration_fraction, count) * _number(period))
        return step >= jnp.minimum(explored.astype(jnp.int32), period - 1)

    def cosine(count):
        step, period = position(count)
        phase = jnp.pi * _number(step) / _number(period)
        return at(learning_rate, count) / 2 * (jnp.cos(phase) + 1)

    def heat(count):
        return jnp.where(sampling(count), at(temperature, count), 0)

    return CyclicalCooling(cosine, heat, sampling)


def _number(count: ArrayLike) -> jax.Array:
    """A count of steps, to reckon with."""
    return jnp.asarray(count, jnp.result_type(float))
