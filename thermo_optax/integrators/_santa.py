"""Santa: annealed Langevin dynamics with a metric, and a thermostat for every coordinate."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from thermo_optax._base import (
    ScalarOrSchedule,
    as_steps,
    at,
    check_decay,
    check_finite,
    check_momentum_options,
    check_nonnegative,
    check_positive,
    check_rate,
    check_steps,
    like,
    root,
    wide_zeros,
)
from thermo_optax._noise import KeyLike

from . import _flows
from ._preconditioned import bias_correction, memory
from ._sampler import sampler, swap_of

_MOST = 4.0  # friction times step size, at which a step leaves 2 % of a momentum


class SantaState(NamedTuple):
    """State of `santa`: three copies of the parameters, in at least float32."""

    count: jax.Array  # int32[], steps taken: argument of the schedules, counter of the noise
    rng_key: jax.Array  # uint32[2], raw key, constant over the run
    momentum: optax.Params  # like params, as the thermostats saw it: p ~ N(0, T)
    friction: optax.Params  # like params, xi of each coordinate
    second_moment: optax.Params  # like params, running mean of squared gradients
    start_share: jax.Array  # float[], weight of its start at 0 in it: the product of the decays
    reading: jax.Array  # float32[2], (1, 0): the stored momentum itself measures T
    momentum_scale: jax.Array  # float32[], by which the next step first rescales the momentum
    to_rest: jax.Array  # bool[], whether the next step stays where it is, for a swap of rungs
    rested: jax.Array  # bool[], whether the last step did, and left no half kick to the next
    bath_temperature: jax.Array  # float32[], of the last step; at first as built, -1 for a schedule


def santa(
    learning_rate: ScalarOrSchedule,
    temperature: ScalarOrSchedule,
    *,
    exploration_steps: int | None = None,
    friction: ScalarOrSchedule = 1.0,
    coupling: ScalarOrSchedule = 1.0,
    initial_friction: jax.typing.ArrayLike | None = None,
    decay: ScalarOrSchedule = 0.999,
    damping: ScalarOrSchedule = 1e-4,
    adaptation_steps: int | None = 1_000,
    initial_momentum: str = "thermal",
    generator: str = "threefry",
    key: KeyLike,
) -> optax.GradientTransformationExtraArgs:
    r"""Santa: RMSprop's metric, a thermostat per coordinate, and annealing that ends in descent.

    .. math::
        dx = G p\,dt, \qquad dp = -G \nabla L\,dt - \xi p\,dt + \sqrt{2 C T}\,dW, \qquad
        d\xi = \varepsilon (p^2 - T)\,dt

    elementwise, with the metric G = 1 / sqrt(lambda + sqrt(V)) and V the running mean of squared
    gradients (with bias correction). The metric acts twice, on the force and on the velocity, so
    the learning rate is that of RMSprop: eta G^2 = eta / (lambda + sqrt(V)), with eta = h^2.

    Exploration: each coordinate's friction xi finds the value at which its momentum has temperature
    T, whatever the heat of its mini-batch gradients: on average C + h G^2 s^2 / (2 T) for a noise
    of variance s^2. Refinement, after `exploration_steps`: zero temperature, no noise, xi as it is:
    SGD with momentum c^2 = exp(-h \|xi\|) and learning rate eta (1 + c^2) / 2 in the metric G^2.

    The step is the symmetric splitting A E B C D C B E A (drift, thermostat, kick, friction,
    noise), in the cyclic form that starts where the gradient is needed:

    .. math::
        p &\leftarrow c\,\big(c\,(p - \tfrac{h}{2} G g) + \sqrt{2 h C T}\, z\big)
            - \tfrac{h}{2} G g, \qquad c = e^{-h \xi / 2} \\
        \xi &\leftarrow \xi + h \varepsilon (p^2 - T), \qquad x \leftarrow x + h G p

    What is exact. While the metric is frozen, from `adaptation_steps` to the end of exploration,
    the law is exp(-L / T), and xi has mean C and variance T eps with exact gradients, both up to
    errors of order h^2. The stored momenta have temperature T at any stable h. In a harmonic well
    so have the parameters, k Var(x) = T, with noisy gradients too, if xi hardly fluctuates; else
    their temperature is too low by a share of about h^2 eps T / 5. While the metric follows the
    gradients, the drift T div G that the momenta would need is missing, as in the authors' code. A
    metric that forgets at once (decay = 0) gives the density exp(-L / T) / G; one that forgets
    slowly, compared with the motion of the parameters, does little harm: with decay = 0.999 and
    h = 0.05 the variance of a well is 1 % too large.

    As a sampler, with `exploration_steps` None, it is Langevin dynamics in a fixed metric, once
    that is frozen; the steps before belong to no sample. Do not start where gradients are exactly
    0: the first step is h sqrt(T / lambda) there. Near its stability limit it does not diverge, and
    its momenta stay at T, but its parameters do not: on eight schools moments were 1, 4 and 10 %
    off at steps of 0.25, 0.5 and 0.7 over the frequency of the fastest motion. `langevin` with a
    `mass` of the root mean square gradient moves in the same metric, without thermostats.

    Which Santa this is. The printed algorithm has an Euler scheme and the splitting SSS; the code
    for the paper's networks (MATLAB) uses SSS, as here. Up to terms that vanish with h the step is
    that code's. There the first half kick comes between the halves of the friction and the second
    one after them, and the gradient is taken half a drift too early; here the kicks stand on both
    sides, and the gradient is taken where it kicks. What is a choice:

    - Noise. MATLAB's has a constant C = 100, as here; the printed one is scaled by the metric
      (C = G), and that of the Theano code by V.
    - Annealing. 1 / t^0.5 by default, t^0.7 in the script for MNIST, t^2 in Caffe; here it is the
      schedule of `temperature`.
    - Smoothing. MATLAB adds 0.1 of the last gradient to 0.9 of the next, which is not printed; here
      ``optax.ema(0.1)`` in front does it.
    - Start of V. MATLAB's is the first squared gradient, remembered for 1 / (1 - decay) steps; here
      it is 0, with bias correction.
    - Gamma, a term for the changing metric, is printed (a quotient of metrics divided by the
      momentum), but in none of the codes, nor here.

    Converters. The variables u, alpha and eta of the paper, for a loss summed over N examples at
    temperature 1 / beta, become those of the mean loss by u = h p, alpha = h xi, learning_rate =
    h^2 = N eta, temperature = 1 / (N beta), friction = 100 / sqrt(N), initial_friction =
    1000 / sqrt(N), coupling = 1. `damping` is 1e-4, and 0.1 after exploration: a schedule.

    Place it last in an ``optax.chain``. A gradient that is not finite, or whose square is not,
    gives an update that shows it, counts as 0 in the second moment, and does not kick. However hot
    a momentum is, its friction grows no further than 4 / h, so that it comes back.

    Args:
        learning_rate: eta = h^2 > 0, in units of parameter (the metric takes up those of the loss).
        temperature: T >= 0, in units of the loss; a schedule anneals it, such as
            `polynomial_cooling`. ``update(..., temperature_scale=s)`` multiplies it; at 0 a step
            has no noise and keeps xi, as in refinement, and a frozen metric stays frozen.
        exploration_steps: number of steps before refinement; None explores for ever, to sample.
        friction: C >= 0, in units of 1 / time: the friction that balances the injected noise. 0
            leaves all heat to the gradient's own noise.
        coupling: eps >= 0, how fast xi reacts: within about C / (eps T) units of time, which is
            long at T = 1 / N. With eps T up to C^2 the frictions stay calm. 0 keeps them fixed.
        initial_friction: xi at the start, of either sign; None takes C. The authors' ten times C
            is a cautious start.
        decay: alpha in [0, 1), of the running mean of squared gradients.
        damping: lambda > 0, in units of the gradient; bounds G^2 by 1 / lambda.
        adaptation_steps: number of steps after which the metric is frozen, a warm-up that does not
            belong to the sample. After `exploration_steps`, where no law is at stake, it adapts
            again. None never freezes it; 0 keeps G^2 = 1 / lambda.
        initial_momentum: "thermal" draws N(0, T), "zero" starts at rest.
        generator: of the noise: "threefry" (default), "threefry13", "inverse_cdf", "ternary" or
            "jax"; see :func:`thermo_optax.noise_generators`.
        key: an int, a typed key or a raw uint32 key; read by ``init`` only. Required.

    Returns:
        A transformation with state :class:`SantaState` (three copies of the parameters).

    Raises:
        ValueError: for a negative or non-finite number, or a decay outside [0, 1).
        TypeError: for a missing key, or parameters that are not real floating-point arrays.

    Examples:
        >>> import jax, jax.numpy as jnp, optax
        >>> import thermo_optax as to
        >>> def loss(x):  # a minimum at -1, and a lower one at 1
        ...     return jnp.sum((x**2 - 1) ** 2 - 0.3 * x)
        >>> cooling = optax.linear_schedule(1.0, 0.0, 2_000)
        >>> tx = to.santa(0.01, cooling, exploration_steps=2_000, key=0)
        >>> def step(carry, _):
        ...     x, state = carry
        ...     updates, state = tx.update(jax.grad(loss)(x), state, x)
        ...     return (optax.apply_updates(x, updates), state), None
        >>> x = jnp.full(1_000, -1.0)  # as many independent particles
        >>> (x, _), _ = jax.lax.scan(step, (x, tx.init(x)), length=3_000)
        >>> print(f"{jnp.mean(x > 0):.1f}")  # most have found the lower one
        0.8

    References:
        Chen, Carlson, Gan, Li and Carin, `Bridging the Gap between Stochastic Gradient MCMC and
        Stochastic Optimization <https://arxiv.org/abs/1512.07962>`_, 2016, Algorithm 1 and its
        SSS form, and the authors' code.
    """
    check_rate(learning_rate=learning_rate)
    check_positive(damping=damping)
    check_nonnegative(friction=friction, coupling=coupling)
    check_decay(decay=decay)
    if initial_friction is not None:
        check_finite(initial_friction=initial_friction)
    lengths = {"exploration_steps": exploration_steps, "adaptation_steps": adaptation_steps}
    for name, length in lengths.items():
        if length is not None:
            check_nonnegative(**{name: length})
            check_steps(0, "None has no end.", **{name: length})
    check_momentum_options(initial_momentum, None)

    def start(start, params):
        xi = at(friction, 0) if initial_friction is None else initial_friction
        rest = jax.tree.map(wide_zeros, params)
        return {
            "momentum": start.momenta(params, initial_momentum),
            "friction": jax.tree.map(lambda zero: zero + like(xi, zero.dtype), rest),
            "second_moment": jax.tree.map(wide_zeros, params),
            "start_share": jnp.ones([]),
            "reading": jnp.array([1.0, 0.0], jnp.float32),
        }

    def move(step, gradients, state, **_):
        count, target = step.count, step.temperature
        if exploration_steps is not None:
            target = jnp.where(count < as_steps(exploration_steps), target, 0)
        hot = target > 0  # a bath at zero temperature neither heats nor regulates
        h, alpha = root(step.rate(learning_rate)), memory(step.at(decay))
        always = jnp.array(True)
        adapting = always if adaptation_steps is None else count < as_steps(adaptation_steps)
        if exploration_steps is not None:
            adapting |= count >= as_steps(exploration_steps)
        share = jnp.where(adapting, alpha * state.start_share, state.start_share)
        numbers = (
            *(root(step.time(learning_rate)), target),
            *(root(2 * step.rate(friction) * target), step.at(coupling), alpha),
            *(step.at(damping), bias_correction(share), h, swap_of(state)),
            step.rate(friction),
        )

        def leaf(numbers, z, g, p, xi, old):
            time, heat, sigma, eps, a, lam, c, kick_time, swap, mean_rate = numbers
            new = jnp.where(adapting, a * old + (1 - a) * jnp.square(g), old)
            metric = jax.lax.rsqrt(lam + jnp.sqrt(new * c))
            p = _flows.rescale(p, metric * g, kick_time, swap)
            xi = xi + (swap.factor - 1) * (xi - mean_rate)  # of the law N(mean, eps T)

            p = _flows.kick(p, metric * g, time / 2)  # B
            rate = jnp.where(hot, xi, jnp.abs(xi))  # without heat, a negative one has no end
            p = _flows.friction(p, rate, time / 2)  # C
            p = _flows.diffusion(p, z, sigma, time)  # D
            p = _flows.friction(p, rate, time / 2)  # C
            p = _flows.kick(p, metric * g, time / 2)  # B
            regulated = _flows.thermostat(xi, jnp.square(p) - heat, eps, time)  # E
            # No momentum survives a step with more, which would only take long to come back.
            regulated = jnp.minimum(regulated, jnp.maximum(xi, _MOST / kick_time))
            moved = _flows.drift(jnp.zeros_like(p), metric * p, time)  # A
            return moved, p, jnp.where(hot & (eps * time > 0), regulated, xi), new

        trees = (gradients, state.momentum, state.friction, state.second_moment)
        moved, momentum, rates, second_moment = step.move(leaf, numbers, *trees, rereads=True)
        own = {"momentum": momentum, "friction": rates, "second_moment": second_moment}
        bath = target.astype(jnp.float32)
        return moved, {**own, "start_share": share, "bath_temperature": bath}

    options = {"start": start, "copy": "momentum", "generator": generator, "key": key}
    return sampler("santa", SantaState, temperature, move, **options)
