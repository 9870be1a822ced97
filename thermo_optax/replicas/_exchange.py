"""Replica exchange: the rungs of a ladder of hyperparameters move among replicas of a network."""

import functools
from collections.abc import Callable, Hashable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.core import Tracer

from thermo_optax._base import (
    Known,
    as_steps,
    built_temperatures,
    check_choice,
    check_integer,
    check_no_clock,
    check_size,
    known,
    next_in_turn,
)
from thermo_optax._noise import KeyLike, check_key, stream_key

from ._energies_by_rung import no_energies_by_rung, with_losses
from ._hyperparams import with_hyperparams
from ._momenta import (
    begun_anew,
    check_steps_in_turn,
    rescaled,
    to_be_rescaled,
    to_rest,
    with_frictions_of,
)
from ._records import (
    ReplicaExchangeState,
    check_energies,
    check_noise,
    check_one_scale,
    forgotten,
    losses_of,
    no_energies,
    no_swaps,
    noise_of_pairs,
    with_energies,
)
from ._replicate import check_replica_axis, of_one, replicate
from ._rungs import Ladders
from ._settings import as_array, moves_after
from ._swaps import (
    SCHEMES,
    decide,
    log_acceptance,
    pairs_to_try,
    recorded,
    replica_at,
    round_keys,
    swapped,
    with_path,
)

_ENERGIES = ("value", "value_fn")


class _Rungs(NamedTuple):
    """Where replicas stand, and what that gives them."""

    rung: jax.Array
    values: dict[str, jax.Array]
    injected: dict[str, jax.Array]


def replica_exchange(
    inner: optax.GradientTransformation,
    ladder: Mapping[str, jax.typing.ArrayLike],
    *,
    swap_period: jax.typing.ArrayLike | None = 10,
    warmup_steps: jax.typing.ArrayLike = 0,
    scheme: str = "even-odd",
    normalization: jax.typing.ArrayLike | Mapping[str, jax.typing.ArrayLike] | None = None,
    betas: Mapping[str, Callable[[jax.Array], jax.Array]] | None = None,
    energy: str = "value",
    noise_correction: jax.typing.ArrayLike = 0.0,
    noise_decay: jax.typing.ArrayLike = 0.99,
    adaptation_steps: jax.typing.ArrayLike = 0,
    model_hyperparams: tuple[str, ...] = (),
    heated_groups: Mapping[str, Hashable] | None = None,
    mass_groups: Mapping[str, Hashable] | None = None,
    reference_temperature: jax.typing.ArrayLike | None = None,
    path_length: int = 1024,
    per_replica_args: tuple[str, ...] = (),
    key: KeyLike,
) -> optax.GradientTransformationExtraArgs:
    r"""Replicas of a transformation that exchange hyperparameters: temperature, learning rate...

    Replica r stands on rung k(r) of the ladder and trains with the hyperparameters of that rung.
    Every `swap_period` updates, replicas i and j on neighbouring rungs exchange their rungs with
    probability

    .. math::
        \min\big(1, \exp[C (\beta_{k(i)} - \beta_{k(j)}) (L_i - L_j)] \big), \qquad
        \beta = 1/T \text{ or } 1/\text{learning rate or } (1 - p)/p \ldots

    Weights stay where they are: what crosses devices is a vector of losses and one of rungs. With
    a temperature and C = 1 this is Metropolis's rule for the product of the laws exp(-L / T_k), and
    each rung keeps its own law, with no error beyond that of the sampler's steps. Momenta are
    rescaled by sqrt(m' T' / (m T)), in the middle of a kick, where they are independent of the
    parameters; what friction a thermostat has found stays on its rung (but that of `santa`, which
    is right for gradients without noise). For other hyperparameters C is a choice, and large C
    sorts the replicas by loss.

    Gradients come to ``update`` from the old rungs. So, where the ladder has more than temperatures
    and masses, or both beside a `tether`, samplers rest in the update of a round of swaps: no
    parameter moves, and the next update goes on from there with the gradients and the step of the
    new rung. This too leaves the laws as they are; rungs whose steps differ in units of the period
    of the fastest motion get an error of fourth order in the step.

    Args:
        inner: the transformation of *one* replica. Hyperparameters that are exchanged must be in
            its state: wrap it in `optax.inject_hyperparams`. A temperature need not be: then rungs
            heat the sampler through ``temperature_scale``.
        ladder: name -> values, float[num_rungs], the coldest rung first. One name or several, which
            then move together; names that decide on swaps (C > 0) are strictly monotone, others
            have any values. "mass" is the mass of `langevin`. There are as many replicas as rungs.
        swap_period: updates from one round of swaps to the next, >= 1; None never swaps. Where
            samplers rest in a round, 1 counts as 2, and 10 costs a tenth of the moves.
        warmup_steps: updates before the first period begins, >= 0.
        scheme: "even-odd" tries every second pair, in turn the even and the odd ones
            (non-reversible: replicas cross the ladder in a time linear in its length); "random
            pair" tries one, as in the paper.
        normalization: C >= 0, in units of beta / loss, for all names or for each. None is 1; but
            beside a temperature the other names only come along (C = 0).
        betas: name -> function of its values, where another beta is wanted. By default 1 / value;
            for "dropout_rate" (or "dropout") (1 - p) / p, and for "keep_probability" (or "keep",
            "keep_rate") p / (1 - p). Swaps use differences of betas only, so one that is given here
            may be 0: ``{"power": lambda p: p}`` has powers of the likelihood from 1 to 0, the
            prior. The losses that decide are then those that the power multiplies, and C is 1 / T
            (for a ``temperature_scale`` that stays, 1 / (scale T): it does not enter here).
        energy: whose values decide. "value": ``update(..., value=losses)``, one for each replica,
            of the very parameters given to ``update``. "value_fn": ``update(...,
            value_fn=fn)`` calls fn(parameters of one replica) in rounds of swaps only, such as the
            loss on validation data. Losses are subtracted in the precision they come in: a constant
            in them does not count, but in float32 a loss of 1e8 has no digits after the point.
        noise_correction: a in [0, 1]: subtracts a/2 (C delta beta)^2 Var(L_i - L_j) from the
            exponent. With a = 1 the acceptance ratio is unbiased under Gaussian noise of the
            minibatches. The variance is estimated from successive losses, so `energy` must be
            "value", and C beta between 1e-15 and 1e15, where float32 holds variances. 0 for exact
            losses.
        noise_decay: in (0, 1), of the running mean of that variance.
        adaptation_steps: updates during which the rungs between the ends move to where all pairs
            accept equally often, after 32, 64, 128... rounds, so for more than 32 swap periods; 0
            leaves the ladder as it is.
            Samples of this time belong to rungs that moved.
        model_hyperparams: names in the ladder that belong to the model, as its dropout rate: the
            training step reads them with `replica_hyperparams`.
        heated_groups: name -> label of the group of a partition whose temperature that name is
            ("temperature" is that of all): its momenta are rescaled.
        mass_groups: name -> label of the group of a partition whose mass that name is ("mass" is
            that of all): its momenta are rescaled.
        reference_temperature: T > 0 that a rung of "temperature" is compared with, where it heats
            through ``temperature_scale``. None takes the temperature with which the sampler in
            `inner` was built, so that rungs are absolute; groups with several need it, and so does
            a schedule. Swaps decide by the rungs alone and know of no schedule: to cool a ladder,
            send a ``temperature_scale``, which divides the beta of its temperatures too.
        path_length: rounds of swaps whose rungs the state remembers, >= 0.
        per_replica_args: names of extra arguments of ``update`` that have one entry for each
            replica: trees whose arrays all have a first axis of replicas.
        key: of the swaps: an int, a typed key or a raw uint32 key. Required.

    Returns:
        A transformation over parameters with a leading axis of replicas, with state
        :class:`ReplicaExchangeState`. It remembers attempts, acceptances, round trips and paths;
        see `best_replica`, `by_rung`, `swap_acceptance`; and means of the losses at each
        rung, for `ladder_thermodynamics`. With swaps off it is `replicate`. A loss
        that is not finite is not swapped, and ``state.energies.faults`` counts it by replica. In a
        run that goes on with another `ladder` or `reference_temperature` these settings win over
        the state: momenta are rescaled, and rungs that adaptation had moved begin anew.

    Raises:
        ValueError: for a ladder that is not monotone, does not begin with the coldest rung or has
            unequal lengths, a name or a group that `inner` does not have, parameters without the
            replica axis, missing or misshapen losses, or a state with another number of rungs; for
            `adaptation_steps` that end before the ladder moves; for `optax.MultiSteps` inside where
            samplers rest; for `continuous_tempering` inside where a temperature decides on swaps.
        TypeError: for a missing key, ``energy="value_fn"`` without `value_fn`, or a ladder of
            functions.

    Examples:
        >>> import jax, jax.numpy as jnp, optax
        >>> import thermo_optax as to
        >>> well = lambda x: 20 * (x**2 - 1) ** 2  # a barrier of 20 T for the coldest
        >>> sampler = to.sgld(1e-3, temperature=1.0, key=0)
        >>> ladder = {"temperature": to.geometric_ladder(1.0, 16.0, 8)}
        >>> tx = to.replica_exchange(sampler, ladder, key=1)
        >>> def step(carry, _):
        ...     x, state = carry
        ...     values, grads = jax.vmap(jax.value_and_grad(well))(x)
        ...     updates, state = tx.update(grads, state, x, value=values)
        ...     return (optax.apply_updates(x, updates), state), to.by_rung(state, x)[0]
        >>> x = jnp.ones(8)  # all replicas in the right-hand well
        >>> (x, state), cold = jax.lax.scan(step, (x, tx.init(x)), length=50_000)
        >>> print(f"{(cold < 0).mean():.1f}")  # the cold rung has seen both
        0.5

    References:
        Pushkarov et al., `Training Deep Neural Networks by optimizing over nonlocal paths in
        hyperparameter space <https://arxiv.org/abs/1909.04013>`_, 2019, Algorithm 1 (whose sign is
        that of the authors' code: as printed the rule is inverted); Syed et al., `Non-Reversible
        Parallel Tempering <https://arxiv.org/abs/1905.02939>`_, 2021; Deng et al., `Non-convex
        Learning via Replica Exchange Stochastic Gradient MCMC <https://arxiv.org/abs/2008.05367>`_,
        2020, eq. (6).
    """
    ladders = Ladders(
        ladder,
        normalization,
        betas,
        model_hyperparams,
        heated_groups,
        mass_groups,
        reference_temperature,
    )
    check_choice("scheme", scheme, SCHEMES)
    check_choice("energy", energy, _ENERGIES)
    if swap_period is not None:
        check_integer(1, "Pass None to switch swaps off.", swap_period=swap_period)
    check_integer(0, "0 starts at once.", warmup_steps=warmup_steps)
    check_size(0, "0 remembers none.", path_length=path_length)
    ladders.check_adaptation(adaptation_steps, swap_period, warmup_steps)
    check_noise(noise_correction, noise_decay, energy, ladders.beta(ladders.values(), 1.0))
    check_key(key)
    size = ladders.size
    replicas = replicate(inner, size, per_replica_args=per_replica_args)
    noisy, adapting = known(noise_correction) != 0, known(adaptation_steps) != 0

    found = Known()  # the temperatures of the samplers in `inner`

    def temperatures(params):
        if found.facts:
            return found.facts
        built = built_temperatures(inner.init, of_one(params))
        if not any(isinstance(temperature, Tracer) for temperature in built):
            found.facts.extend(built)
        return built

    def init(params):
        drawn = replicas.init(params)
        check_no_clock(
            "replica_exchange", drawn, "Give it the sampler itself, and a step size for each rung."
        )
        of_samplers = functools.partial(temperatures, params)
        ladders.check(drawn, of_samplers)
        if ladders.rests(drawn):
            check_steps_in_turn(drawn)
        reference = ladders.reference(drawn, of_samplers)
        rung = jnp.arange(size, dtype=jnp.int32)
        values = ladders.values()
        placed = with_hyperparams(drawn, ladders.placed(ladders.injected(drawn), values, rung))
        old, new = ladders.in_units(reference, reference), ladders.heat(values, rung, reference)
        factors = ladders.factors(drawn, placed, old, new)
        return ReplicaExchangeState(
            count=jnp.zeros([], jnp.int32),
            rng_key=stream_key(key, "replica exchange", params),
            rung=rung,
            ladder=values,
            given_ladder=ladders.values(),
            reference_temperature=reference,
            swaps=no_swaps(size, path_length),
            energies=no_energies(size),
            energies_by_rung=no_energies_by_rung(ladders.beta(values, 1.0)),
            inner_state=rescaled(placed, factors),
        )

    def update(
        updates, state, params=None, *, value=None, value_fn=None, temperature_scale=None, **extra
    ):
        check_replica_axis("updates", updates, size)
        sent = temperature_scale is not None or ladders.by_bath(state.inner_state)
        temperature_scale = 1.0 if temperature_scale is None else temperature_scale
        check_one_scale(temperature_scale)
        value = as_array(value)
        check_energies(energy, value, value_fn, params, size, swap_period is not None)
        resting = ladders.rests(state.inner_state)
        # Settings come from the closure: of the state's, those that a resumed run changed give way.
        given = functools.partial(temperatures, updates)
        reference = ladders.reference(state.inner_state, given)
        values, changed = ladders.resumed(state, reference)
        injected = ladders.injected(state.inner_state)
        injected = _where(changed, ladders.placed(injected, values, state.rung), injected)

        def swap(rung, values, swaps, energies, injected):
            if value_fn is not None and energy == "value_fn":
                energies = with_energies(energies, losses_of(value_fn, params, size), state.count)
            which, whether = round_keys(state.rng_key, swaps.rounds)
            order = replica_at(rung)
            noise = jnp.asarray(noise_correction) * noise_of_pairs(energies, order)
            beta = ladders.beta(values, temperature_scale)
            log_ratio = log_acceptance(beta, energies.excess[order], noise)
            done = decide(pairs_to_try(scheme, swaps.rounds, which, size - 1), log_ratio, whether)
            rung = swapped(rung, done.accepted)
            swaps = recorded(swaps, done, rung)
            if adapting:
                soon = (state.count < as_steps(adaptation_steps)) & moves_after(swaps.rounds)
                values, swaps = jax.lax.cond(soon, ladders.moved, lambda *same: same, values, swaps)
            return rung, values, swaps, energies, ladders.placed(injected, values, rung)

        energies = state.energies
        order, beta = replica_at(state.rung), ladders.beta(values, temperature_scale)
        if value is not None and energy == "value":
            energies = with_energies(energies, value, state.count, noise_decay if noisy else None)
        # Without the path: all that goes through `cond` is copied in every step.
        path, swaps = state.swaps.path, state.swaps._replace(path=state.swaps.path[:0])
        swaps = _where(changed, forgotten(swaps), swaps)
        parts, due = (state.rung, values, swaps, energies, injected), jnp.zeros([], bool)
        before = _Rungs(state.rung, values, injected)
        if swap_period is not None:
            elapsed = state.count - as_steps(warmup_steps)
            period = as_steps(swap_period)
            if resting:
                period = jnp.maximum(period, 2)  # or no replica would ever move
            due = (elapsed > 0) & (elapsed % period == 0)
            parts = jax.lax.cond(due, swap, lambda *same: same, *parts)
            path = with_path(path, parts[0], state.swaps.rounds, due)
        rung, values, swaps, energies, injected = parts
        after = _Rungs(rung, values, injected)
        seen = due if energy == "value_fn" else value is not None
        latest, rest = energies.latest[order], energies.latest_rest[order]
        record = with_losses(state.energies_by_rung, latest, rest, beta, seen)

        def on_rungs(inner_state, rungs, old):
            placed = with_hyperparams(inner_state, rungs.injected)
            placed = with_frictions_of(placed, order[rungs.rung])  # of who was there before
            new = ladders.heat(rungs.values, rungs.rung, reference)
            factors = ladders.factors(inner_state, placed, old, new)
            return to_be_rescaled(placed, factors, due | changed), new

        # Momenta are rescaled within the step. Where more changes, the gradients are those of the
        # old rungs, and so is the step. Then all replicas rest, also those that stay on their rung:
        # if only these moved, a state whose swaps are often accepted would be seen more often.
        here = before if resting else after
        heat = ladders.heat(state.ladder, state.rung, state.reference_temperature)
        inner_state, heat = on_rungs(state.inner_state, here, heat)
        if resting:
            inner_state = to_rest(inner_state, due)
        given = {"value": value, "value_fn": value_fn}
        extra |= {name: argument for name, argument in given.items() if argument is not None}
        if sent:
            extra["temperature_scale"] = ladders.scale(
                inner_state, here.values, here.rung, reference, temperature_scale
            )
        updates, inner_state = replicas.update(updates, inner_state, params, **extra)
        if resting:
            inner_state, _ = on_rungs(inner_state, after, heat)
            inner_state = begun_anew(inner_state, due)
        return updates, ReplicaExchangeState(
            count=next_in_turn(state.count),
            rng_key=state.rng_key,
            rung=rung,
            ladder=values,
            given_ladder=ladders.values(),
            reference_temperature=reference,
            swaps=swaps._replace(path=path),
            energies=energies,
            energies_by_rung=record,
            inner_state=inner_state,
        )

    return optax.GradientTransformationExtraArgs(init, update)


def _where(condition, tree, otherwise):
    return jax.tree.map(lambda new, old: jnp.where(condition, new, old), tree, otherwise)
