"""What all samplers share, so that a method is its numbers and its step.

A sampler checks its arguments, draws its noise from a stream of its own, counts its steps,
multiplies its temperature by what the caller sends, computes in at least float32, and keeps a
gradient that is not sound out of its state. All of this stands here, once.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from thermo_optax._base import (
    Masses,
    ScalarOrSchedule,
    at,
    bath_temperature,
    built_temperature,
    check_leaves,
    check_nonnegative,
    check_structure,
    compute_dtype,
    finite_or_zero,
    initial_momenta,
    is_sound,
    like,
    next_count,
    rate_at,
    stored,
)
from thermo_optax._noise import (
    KeyLike,
    check_key,
    map_with_noise,
    next_key,
    resolve_generator,
    stream_key,
)

from ._masters import warn_if_drowned

Tree = Any


UNIT_MASS = Masses(1.0)


class Start(NamedTuple):
    """What a method may use to make its first state."""

    rng_key: jax.Array
    temperature: jax.Array  # of the bath at step 0
    generator: str

    def momenta(
        self, params: Tree, kind: str, dtype: Any = None, masses: Masses = UNIT_MASS
    ) -> Tree:
        """Momenta of the Maxwell-Boltzmann law N(0, m T), or zero."""
        variance = masses.common(0) * self.temperature
        law = variance, kind, dtype, self.generator, masses.own(params)
        return initial_momenta(params, self.rng_key, *law)


class Step(NamedTuple):
    """What a method knows of the step that it makes."""

    count: jax.Array  # int32[], steps taken before this one
    temperature: jax.Array  # of the bath, with the factor that the caller sent
    scale: jax.Array  # that factor
    rng_key: jax.Array
    generator: str
    resting: jax.Array  # bool[], whether it moves no parameter

    def time(self, value: ScalarOrSchedule) -> jax.Array:
        """The step size, or a learning rate: 0 while the step rests."""
        full = self.rate(value)
        # No `where`: on explicit axes of replicas it wants numbers that are split like the flag.
        return full * (1 - self.resting.astype(full.dtype))

    def at(self, value: ScalarOrSchedule) -> jax.Array:
        """A number, or the value of a schedule at this step."""
        return at(value, self.count)

    def rate(self, value: ScalarOrSchedule) -> jax.Array:
        """One that is never negative."""
        return rate_at(value, self.count)

    def noisy(self, fn: Callable, *trees: Tree, ticks: tuple = (), rereads: bool = False) -> Any:
        """Maps fn(*noises, *leaves) over trees, with one standard normal noise for each tick."""
        ticks, options = ticks or (self.count,), {"generator": self.generator, "rereads": rereads}
        return map_with_noise(fn, self.rng_key, ticks, *trees, **options)

    def move(self, leaf: Callable, numbers: Any, *trees: Tree, **noise: Any) -> Any:
        """Maps leaf(numbers, *noises, gradient, *others) over trees; the first has the gradients.

        The method computes in the widest dtype of the arrays, at least float32. It never sees a
        gradient that is not sound, which shows in the displacement instead.

        Args:
            leaf: returns the displacement, or a tuple of it and the new arrays of the others.
            numbers: scalars of this step, in any tree; None stays None.
            *trees: the gradients and trees of the state.
            **noise: `ticks` and `rereads` of `noisy`.

        Returns:
            What `leaf` returns as trees, in the dtypes of the arrays that were given.
        """

        def in_wide_dtype(*arrays):
            noises, olds = arrays[: -len(trees)], arrays[-len(trees) :]
            dtype = compute_dtype(*(old.dtype for old in olds))
            scalars = jax.tree.map(lambda number: like(number, dtype), numbers)
            noises, (shown, *others) = (
                [array.astype(dtype) for array in group] for group in (noises, olds)
            )
            result = leaf(scalars, *noises, finite_or_zero(shown), *others)
            if not isinstance(result, tuple):
                return showing_faults(result, shown).astype(olds[0].dtype)
            moved, *new = result
            news = [stored(x, old.dtype) for x, old in zip(new, olds[1:], strict=True)]
            return showing_faults(moved, shown).astype(olds[0].dtype), *news

        return self.noisy(in_wide_dtype, *trees, **noise)


class Swap(NamedTuple):
    """What a step does to its momenta before all else; see `_flows.rescale`."""

    factor: jax.Array  # that multiplies them
    owed: jax.Array  # 1 if the last step left half a kick to this one, 0 if it rested
    ahead: jax.Array  # 1 if this step makes the other half, 0 if it rests


def swap_of(state: Any) -> Swap:
    """What a step from this state does to its momenta before all else."""
    owed, ahead = (1 - rest.astype(jnp.float32) for rest in (state.rested, state.to_rest))
    return Swap(state.momentum_scale, owed, ahead)


def _not_asked(fields: tuple[str, ...]) -> dict[str, jax.Array]:
    """The fields of a first state by which swaps of rungs ask for something."""
    fresh = {
        "momentum_scale": jnp.ones([], jnp.float32),
        "to_rest": jnp.zeros([], bool),
        "rested": jnp.zeros([], bool),
    }
    return {name: value for name, value in fresh.items() if name in fields}


def _served(state: Any) -> dict[str, jax.Array]:
    """These fields, once it is done."""
    # Made of the old ones, so that they are sharded like those; no count is below 0, but XLA would
    # see through `& False`.
    done = {"to_rest": state.to_rest & (state.count < 0)}
    if "rested" in state._fields:
        done |= {"rested": state.to_rest}
    if "momentum_scale" in state._fields:
        done |= {"momentum_scale": jnp.clip(state.momentum_scale, 1, 1)}
    return done


def showing_faults(displacement: jax.Array, gradient: jax.Array) -> jax.Array:
    """The displacement; where the gradient is not sound, a step against it, as in descent."""
    return jnp.where(is_sound(gradient), displacement, -gradient.astype(displacement.dtype))


def sampler(
    name: str,
    state_type: Any,
    temperature: ScalarOrSchedule,
    move: Callable[..., tuple[Tree, dict[str, Any]]],
    *,
    start: Callable[[Start, Tree], dict[str, Any]] = lambda start, params: {},
    copy: str | None = None,
    typical_step: Callable[[jax.Array], jax.Array] | None = None,
    masses: Masses = UNIT_MASS,
    generator: str,
    key: KeyLike,
) -> optax.GradientTransformationExtraArgs:
    """A sampler of exp(-L / temperature).

    Args:
        name: salt of the noise: different methods that are given the same key share none.
        state_type: a NamedTuple with the fields `count`, `rng_key`, `to_rest` and
            `bath_temperature`, and those of the method; with momenta also `momentum_scale` and
            `rested`.
        temperature: T >= 0, a number or a schedule.
        move: move(step, gradients, state, **extra_args) -> the displacement, and the method's own
            fields of the new state.
        start: start(start, params) -> the method's own fields of the first state.
        copy: name of a field of the state that is like the parameters, for checks of gradients.
        typical_step: of the temperature: how far heat moves a parameter in the first step, at the
            mass that all have in common.
        masses: of the parameters.
        generator: of the noise.
        key: of the noise.
    """
    check_nonnegative(temperature=temperature)
    check_key(key)
    generator = resolve_generator(generator, key)

    def init(params):
        check_leaves("params", params)
        rng_key = stream_key(key, name, params)
        if not jax.tree.leaves(params):
            rng_key = jnp.zeros_like(rng_key)  # nothing to draw for: no stream to share
        if typical_step is not None:
            warn_if_drowned(params, typical_step(at(temperature, 0)), masses.own(params))
        own = start(Start(rng_key, at(temperature, 0), generator), params)
        return state_type(
            count=jnp.zeros([], jnp.int32),
            rng_key=rng_key,
            bath_temperature=built_temperature(temperature),
            **_not_asked(state_type._fields),
            **own,
        )

    def update(updates, state, params=None, *, temperature_scale=1.0, **extra_args):
        check_leaves("updates", updates)
        if copy is not None:
            check_structure(updates, getattr(state, copy), "the parameters given to `init`")
        elif params is not None:
            check_structure(updates, params, "`params`")
        check_nonnegative(temperature_scale=temperature_scale)
        updates = jax.tree.map(jnp.asarray, updates)  # of NumPy's, with a dtype that JAX has
        count, rng_key = state.count, state.rng_key
        heat = bath_temperature(temperature, count, temperature_scale)
        scale = at(temperature_scale, count)
        step = Step(count, heat, scale, rng_key, generator, state.to_rest)
        displacement, own = move(step, updates, state, **extra_args)
        return displacement, state._replace(
            count=next_count(count),
            rng_key=next_key(rng_key, count),
            bath_temperature=heat.astype(jnp.float32),
            **_served(state),
        )._replace(**own)

    return optax.GradientTransformationExtraArgs(init, update)
