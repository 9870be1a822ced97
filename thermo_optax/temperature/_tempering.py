"""Continuous tempering: the temperature of the bath becomes a dynamical variable.

The law of the extended system, with E the energy in units of the temperature, is

    exp(-g(alpha) E - phi(alpha) - V(alpha) - r_alpha^2 / 2 m_alpha)

At fixed alpha the parameters have their own law at the temperature T / g(alpha).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from thermo_optax._base import (
    ScalarOrSchedule,
    at,
    bath_temperature,
    built_temperatures,
    check_choice,
    check_fraction,
    check_leaves,
    check_no_clock,
    check_nonnegative,
    check_number,
    check_positive,
    check_rate,
    heating,
    like,
    next_count,
    rate_at,
    tree_size,
)
from thermo_optax._noise import KeyLike, check_key, map_with_noise, next_key, stream_key

from ._coupling import (
    MODES,
    Alpha,
    check_same_mass,
    check_same_temperature,
    check_value,
    start,
    step,
    to_be_rescaled,
)
from ._grid import Bias, Settings, Visit, as_biases, fitted, inside
from ._losses import LossRecord, Told, differences, followed, no_losses, room, spread_after
from ._scaling import (
    check_ramp,
    confining_force,
    steepest_slope,
    temperature_scaling,
    temperature_scaling_slope,
)

ORDERS = ("alpha first", "as printed")


class TemperingState(NamedTuple):
    """State of `continuous_tempering`."""

    count: jax.Array  # int32[], steps taken: argument of the schedules, counter of the noise
    rng_key: jax.Array  # uint32[2], raw key, constant over the run
    alpha: jax.Array  # float32[], the tempering variable: the bath is at T / g(alpha)
    alpha_momentum: jax.Array  # float32[]
    bias: tuple[Any, ...]  # the states of the biases along alpha
    outside: jax.Array  # int32[], steps that ended off the grid, where no hill is laid
    faults: jax.Array  # int32[], steps with a loss that was not finite, or a spike
    losses: LossRecord  # the baseline from which energies count, and how far they usually vary
    inner_state: Any  # of the sampler


def continuous_tempering(
    inner: optax.GradientTransformation,
    temperature: ScalarOrSchedule,
    *,
    mode: str = "paper",
    bias: Bias | Sequence[Bias] | str | None = "auto",
    plateau: jax.typing.ArrayLike = 0.4,
    edge: jax.typing.ArrayLike = 1.5,
    depth: jax.typing.ArrayLike = 0.85,
    wall: ScalarOrSchedule = 10.0,
    alpha_step: ScalarOrSchedule = 0.05,
    alpha_friction: ScalarOrSchedule | None = None,
    alpha_mass: jax.typing.ArrayLike | None = None,
    mass: jax.typing.ArrayLike | None = None,
    order: str = "alpha first",
    key: KeyLike,
) -> optax.GradientTransformationExtraArgs:
    r"""Continuous tempering: heats any sampler by a variable that wanders between cold and hot.

    .. math::
        \begin{aligned}
        d\alpha &= r_\alpha / m_\alpha\, dt \\
        dr_\alpha &= \big( {-g'(\alpha)} E - \phi'(\alpha) - V'(\alpha) \big) dt
            - \gamma_\alpha r_\alpha\, dt + \sqrt{2 \gamma_\alpha m_\alpha}\, dW_\alpha
        \end{aligned}

    and the sampler's bath is at T / g(alpha), which it is sent as ``temperature_scale``. E is the
    energy of the sampler in units of T, g is `temperature_scaling`, phi `confining_potential`, and
    V a bias that makes alpha visit all of its range: `metadynamics` or `adaptive_biasing_force`.
    While \|alpha\| < delta the parameters sample exp(-L / T), if the bias moves slowly; in between
    they have crossed barriers at up to T / (1 - S). A step needs the gradient and the loss it is
    of: ``tx.update(grads, state, params, value=loss)``.

    In a harmonic well of d parameters alpha's free energy falls by about 2 d T from the cold end to
    the hot one, and the energy that pushes alpha fluctuates by sqrt(d) T. What to do about it is a
    choice:

    - "paper": E = (L + kinetic energy) / T, with hills as bias. The law is exact: the density is
      exp(-g E - phi - V - r_alpha^2 / 2 m_alpha). The hills have to fill in 2 d T, which takes
      those of the default height about 30 d^2 steps: for up to 30 parameters; 50 warn.
    - "exact": E = L / T, and momenta are rescaled whenever alpha moves, r / sqrt(T / g) staying as
      it is, so only the loss pushes; its mean is taken away by `adaptive_biasing_force`; alpha has
      the mass d. The law is exact, in x and alpha exp(-g L / T - phi - V), and no setting depends
      on d. The time to cross the range grows with d, as in any exact tempering. Variances are
      right to 1.5 % at the default `alpha_step` (on the plateau to 0.5 %), and to 9 % at 0.1.
    - "exploration": E = (L + kinetic energy) / (d T), its mean taken away, the rest limited. For
      training: alpha covers its range in some hundreds of steps at any d. The law is NOT exact:
      alpha feels a softer energy than the parameters do, so it goes through the temperatures as
      a schedule would, and the parameters at \|alpha\| < delta follow exp(-L / T) only as far as
      they relax while alpha stays there.

    L counts from a baseline, the lowest loss so far that the next one confirmed: a constant added
    to the loss changes nothing. A loss is a fault if it is not finite, or if it would kick alpha
    further than its step can follow and ten times as far as usual: alpha then ignores it, or feels
    it up to that limit.

    Args:
        inner: a sampler, or a chain or partition with samplers, at `temperature`.
        temperature: T >= 0, the temperature that `inner` was given, in units of the loss: a number
            or a schedule. At 0 (or ``temperature_scale=0``) alpha and the bias rest, and `inner` is
            at 0. The groups of a partition may have temperatures of their own, if one of them is
            at T: all are divided by g, but then no density is known to be invariant.
        mode: "paper", "exact" or "exploration".
        bias: one bias or a list, None for none, or "auto": hills in "paper", the mean force in
            "exact", both in "exploration".
        plateau: delta >= 0; the bath is at T where \|alpha\| is below it.
        edge: delta' > delta; the bath is hottest where \|alpha\| is above it.
        depth: S in [0, 1); the hottest bath is at T / (1 - S).
        wall: C > 0, steepness of the wall at the edges, in units of T; alpha is between them for a
            share 1 / (1 + 1 / (C delta')) of the time.
        alpha_step: h_alpha > 0, the step of alpha in its own unit of time.
        alpha_friction: gamma_alpha >= 0, in units of 1 / that time. None: 1, or 0.1 in "exact".
        alpha_mass: m_alpha > 0. None: 1, or the number of parameters in "exact".
        mass: m > 0, for the kinetic energy of momenta whose sampler does not keep its mass: that of
            another package. None: 1. The samplers of this package tell theirs.
        order: "alpha first" moves alpha (steps 3 to 6 of Algorithm 1), then the parameters at its
            new value; so each of the two leaves the law as it is. "as printed" has the parameters
            first, which need alpha's old value, and reads the momenta after their kick; the bath of
            alpha is exact there, too, where Algorithm 1 has Euler's friction.
        key: an int, a typed key or a raw uint32 key; read by ``init`` only. Required. The sampler
            may have the same one.

    Returns:
        A transformation with state :class:`TemperingState`. ``faults`` counts losses that are not
        finite, and spikes; ``outside`` counts the steps off the grid. Each bias in ``state.bias``
        has ``potential()`` and ``free_energy()``.

    Raises:
        ValueError: for delta not below delta', S outside [0, 1), other numbers out of their range,
            a bias that the grid cannot resolve, an unknown mode or order, or a `value` that is not
            a single number; in ``init``, for an `inner` without a sampler, at another temperature
            or of another mass; in ``update``, for a state with other biases.
        TypeError: for a missing key, a schedule where a number belongs, or a `value` that is
            missing, complex or boolean.

    Examples:
        >>> import jax, jax.numpy as jnp, optax
        >>> import thermo_optax as to
        >>> loss = lambda x: jnp.sum(4 * (x**2 - 1) ** 2)  # a barrier of 8 T for each x
        >>> sampler = to.langevin(0.1, temperature=0.5, friction=1.0, key=0)
        >>> tx = to.continuous_tempering(sampler, temperature=0.5, key=1)
        >>> def step(carry, _):
        ...     x, state = carry
        ...     value, grads = jax.value_and_grad(loss)(x)
        ...     updates, state = tx.update(grads, state, x, value=value)
        ...     return (optax.apply_updates(x, updates), state), (x, state.alpha)
        >>> x = jnp.ones(2)
        >>> _, (xs, alphas) = jax.lax.scan(step, (x, tx.init(x)), length=20_000)
        >>> cold = jnp.abs(alphas) < 0.4
        >>> print(jnp.any(cold[:, None] & (xs < -0.5), axis=0))  # both have crossed
        [ True  True]

    References:
        Ye, Zhu and Mantiuk, `Langevin Dynamics with Continuous Tempering for Training Deep Neural
        Networks <https://arxiv.org/abs/1703.04379>`_, 2017, eq. (4) and Algorithm 1; Gobbo and
        Leimkuhler, `Extended Hamiltonian approach to continuous tempering
        <https://arxiv.org/abs/1502.06250>`_, 2015.
    """
    check_number(plateau=plateau, edge=edge, depth=depth, alpha_mass=alpha_mass, mass=mass)
    check_rate(alpha_step=alpha_step)
    check_positive(edge=edge, wall=wall)
    check_nonnegative(temperature=temperature, plateau=plateau)
    check_fraction(depth=depth)
    check_ramp(plateau, edge)
    check_choice("mode", mode, MODES)
    check_choice("order", order, ORDERS)
    check_key(key)
    law = MODES[mode]
    if law.rescales and order == "as printed":
        raise ValueError(
            '`order`="as printed" cannot be combined with `mode`="exact", which rescales momenta '
            'between the move of alpha and that of the parameters. Pass order="alpha first".'
        )
    alpha_friction = law.friction if alpha_friction is None else alpha_friction
    check_nonnegative(alpha_friction=alpha_friction)
    if alpha_mass is not None:
        check_positive(alpha_mass=alpha_mass)
    biases = as_biases(law.bias() if isinstance(bias, str) and bias == "auto" else bias)
    for each in biases:
        each.check(edge)
    mass_of_others = 1.0 if mass is None else mass
    check_positive(mass=mass_of_others)
    inner = heating(inner)
    ramp = {"plateau": plateau, "edge": edge, "depth": depth}

    def scaling(alpha):
        return temperature_scaling(alpha, **ramp)

    def mass_of_alpha(tree):
        heavy = law.alpha_mass(max(tree_size(tree), 1))
        return jnp.asarray(heavy if alpha_mass is None else alpha_mass, jnp.float32)

    def init(params):
        check_leaves("params", params)
        law.check_size(tree_size(params))
        rng_key = stream_key(key, "continuous_tempering", params)
        alpha = start(rng_key, mass_of_alpha(params))
        grids = tuple(each.init(jnp.asarray(edge, jnp.float32), scaling) for each in biases)
        count, outside, faults = (jnp.zeros([], jnp.int32) for _ in range(3))
        inner_state = inner.init(params)
        check_no_clock("continuous_tempering", inner_state, "Give it the sampler itself.")
        check_same_temperature(built_temperatures(inner.init, params), temperature)
        if mass is not None:
            check_same_mass(inner_state, mass)
        counts = outside, faults, no_losses()
        return TemperingState(count, rng_key, *alpha, grids, *counts, inner_state)

    def move_alpha(state, told, warm, tree):
        """Steps 3 to 6 of Algorithm 1; a bath at temperature 0 leaves alpha where it is."""
        count, m = state.count, mass_of_alpha(tree)
        numbers = (alpha_step, alpha_friction, wall, edge)
        h, gamma, steepness, end = (like(rate_at(x, count), jnp.float32) for x in numbers)
        noise = map_with_noise(lambda z, _: z, state.rng_key, (count,), state.alpha)
        here = Alpha(state.alpha, state.alpha_momentum)
        seen = warm & jnp.isfinite(told.energy)
        energy = jnp.where(seen, told.energy, 0)
        settings = Settings(count, end, scaling, jnp.where(warm, told.change, 0))
        known = fitted(state.bias, biases, settings)
        limit = room(state.losses.spread, m, h, steepest_slope(**ramp))

        def force(position):
            g, slope = scaling(position), temperature_scaling_slope(position, **ramp)
            visit = Visit(count, position, edge, g, slope, energy, seen)
            guesses = [b.expected(grid, visit) for b, grid in zip(biases, known, strict=True)]
            usual = sum(guesses, jnp.zeros_like(energy))
            visit = visit._replace(energy=jnp.clip(energy, usual - limit / g, usual + limit / g))
            grids = tuple(b.update(grid, visit) for b, grid in zip(biases, known, strict=True))
            learnt = [b.force(grid, visit) for b, grid in zip(biases, grids, strict=True)]
            coupling = law.bounded(sum(learnt, -slope * visit.energy))
            wall_force = confining_force(position, edge=end, wall=steepness)
            spike = jnp.maximum(told.loss - usual, told.refuted) * g > limit
            distance = jnp.abs(visit.energy - usual) * g
            return jnp.where(seen, coupling, 0) + wall_force, (grids, spike, distance)

        halves = law.exact and order == "alpha first"
        alpha, (grids, spike, distance) = step(here, noise, force, h, gamma, m, halves=halves)
        off = warm & ~inside(end, alpha.position)
        spread = jnp.where(seen, spread_after(state.losses.spread, distance), state.losses.spread)
        return state._replace(
            alpha=jnp.where(warm, alpha.position, here.position),
            alpha_momentum=jnp.where(warm, alpha.momentum, here.momentum),
            bias=grids,
            outside=state.outside + off.astype(jnp.int32),
            faults=state.faults + (warm & (~seen | spike)).astype(jnp.int32),
            losses=state.losses._replace(spread=spread),
        )

    def update(updates, state, params=None, *, value=None, temperature_scale=1.0, **extra_args):
        check_leaves("updates", updates)
        loss = check_value(value)
        check_nonnegative(temperature_scale=temperature_scale)
        heat = bath_temperature(temperature, state.count, temperature_scale)
        warm = heat > 0

        losses = followed(state.losses, loss, warm & jnp.isfinite(loss.astype(jnp.float32)))

        def told(inner_state):
            def coupled(loss, inner_state=()):
                total = law.energy(loss, inner_state, at(mass_of_others, 0), tree_size(updates))
                return like(total / jnp.where(warm, heat, 1), jnp.float32)

            above, *moves = differences(state.losses, losses, loss)
            return Told(coupled(above, inner_state), coupled(above), *map(coupled, moves))

        def move_parameters(state):
            extra = dict(extra_args, value=value)
            scale = like(temperature_scale, state.alpha.dtype) / scaling(state.alpha)
            moved, inner_state = inner.update(
                updates, state.inner_state, params, temperature_scale=scale, **extra
            )
            return moved, state._replace(inner_state=inner_state)

        if order == "as printed":
            moved, state = move_parameters(state)
            state = move_alpha(state, told(state.inner_state), warm, updates)
        else:
            before = scaling(state.alpha)
            state = move_alpha(state, told(state.inner_state), warm, updates)
            if law.rescales:
                factor = jnp.sqrt(before / scaling(state.alpha))
                state = state._replace(inner_state=to_be_rescaled(state.inner_state, factor))
            moved, state = move_parameters(state)
        losses = losses._replace(spread=state.losses.spread)
        return moved, state._replace(
            count=next_count(state.count),
            rng_key=next_key(state.rng_key, state.count),
            losses=losses,
        )

    return optax.GradientTransformationExtraArgs(init, update)
