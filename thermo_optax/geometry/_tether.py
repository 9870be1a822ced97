"""A tether: a Gaussian around a centre that no temperature widens."""

from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax

from thermo_optax._base import (
    Path,
    ScalarOrSchedule,
    arrays_by_place,
    as_computed,
    at,
    bath_temperature,
    check_leaves,
    check_nonnegative,
    check_places,
    check_structure,
    compute_dtype,
    first_value,
    in_dtype_of,
    is_function,
    known,
    layer_name,
    like,
    mass_at,
    next_count,
    plain_paths,
    real_numbers,
    wide_copy,
)


class TetherState(NamedTuple):
    """State of `tether`."""

    count: jax.Array  # int32[], updates: argument of schedules
    center: Any  # like params (at least float32): where `init` saw them; None for a given center
    last_temperature: jax.Array  # float32[], that of the last step; -1 before the first


def tether(
    precision: ScalarOrSchedule | optax.Params,
    temperature: ScalarOrSchedule,
    *,
    center: Any = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Ties a sampler to a centre, by a Gaussian that is the same at every temperature.

    .. math::
        g \leftarrow g + T \rho\, (x - c), \qquad
        \text{so that the sampler keeps} \quad e^{-L(x) / T} \; e^{-\rho \|x - c\|^2 / 2}

    Place it before a sampler, in ``optax.chain(tether(...), sampler)``. It is the localisation of
    learning coefficients, a Gaussian prior that is not tempered, and the anchor of an ensemble.

    Give it the temperature of the sampler. What heats the sampler also heats the tether, because it
    follows ``update(..., temperature_scale=s)`` as samplers do: inside `replica_exchange` and
    `continuous_tempering` each rung has the force of its own temperature. A force that is added to
    the gradients outside of `replica_exchange` is that of the temperature before a swap, while the
    sampler inside already has the one after it: rungs then lose their distribution. If temperature
    is a hyperparameter, both must follow it:
    ``optax.inject_hyperparams(lambda temperature: optax.chain(tether(precision, temperature),
    sampler(temperature)))``.

    In a step in which the temperature changes, the force is that of the geometric mean of both
    temperatures. This is right for samplers with momenta, to second order in the step size; where
    swaps change masses as well, `replica_exchange` lets samplers rest, and the tether begins anew.
    Samplers without momenta need the new temperature instead: before `sgld`, with a swap in every
    second step between temperatures of the ratio 2 and a tether as stiff as the loss, the variance
    on a rung is up to 1 % off. Swap less often there.

    In an `optax.partition` each group has a tether of its own, around its own parameters. Freeze
    the other groups by `optax.set_to_zero`; `optax.masked` alone would move them by their bare
    gradients.

    Args:
        precision: rho >= 0, in units of 1 / parameter^2, or a schedule; or a tree that is like the
            parameters or a prefix of them, with a number for all arrays below a place, or an array
            that broadcasts to the parameter.
        temperature: T >= 0, that of the sampler, in units of the loss, or a schedule; at 0 there is
            no force.
        center: c, a number, or a tree that is like the parameters or a prefix of them. None takes
            the parameters that ``init`` is given.

    Returns:
        A transformation with state :class:`TetherState`: one copy of the parameters, or none with a
        given `center`.

    Raises:
        ValueError: for a negative or non-finite precision or temperature, a centre that is not
            finite, a tree that does not fit the parameters, or missing `params`.
        TypeError: for a precision or centre that is no number, or parameters that are not real
            floating-point arrays.

    Examples:
        >>> import jax, jax.numpy as jnp, optax
        >>> import thermo_optax as to
        >>> T = 0.01  # of the loss x^2 / 2, of precision 1 / T = 100; the tether adds 300
        >>> sampler = to.langevin(0.5, T, friction=1.0, key=0)
        >>> tx = optax.chain(to.tether(300.0, T), sampler)
        >>> def step(carry, _):
        ...     x, state = carry
        ...     updates, state = tx.update(x, state, x)
        ...     return (optax.apply_updates(x, updates), state), None
        >>> x = jnp.zeros(20_000)  # as many independent particles
        >>> (x, _), _ = jax.lax.scan(step, (x, tx.init(x)), length=50)
        >>> print(f"{1 / jnp.mean(x**2):.0e}")
        4e+02

    References:
        Lau et al., `The Local Learning Coefficient: A Singularity-Aware Complexity Measure
        <https://arxiv.org/abs/2308.12108>`_, 2023, section 4, where rho is gamma.
    """
    check_nonnegative(temperature=temperature)
    precisions = _Entries("precision", precision, least=0.0)
    centers = None if center is None else _Entries("center", center, least=-np.inf)

    def init(params):
        check_leaves("params", params)
        for entries in (precisions, centers):
            if entries is not None:
                entries.of(params, 0)
        own = jax.tree.map(wide_copy, params) if centers is None else None
        return TetherState(jnp.zeros([], jnp.int32), own, jnp.full([], _NO_STEP, jnp.float32))

    def update(updates, state, params=None, *, temperature_scale=1.0, **extra_args):
        del extra_args
        check_leaves("updates", updates)
        if params is None and jax.tree.leaves(updates):
            raise ValueError(
                "`params` is required: a tether pulls by how far they are from its centre. Pass "
                "them as in `tx.update(grads, state, params)`."
            )
        check_structure(updates, params, "`params`")
        if centers is None and state.center is None:
            raise ValueError(
                "`center` is needed: this state was made with one, so that it keeps no parameters "
                "of its own. Pass the `center` of before, or call `init` anew."
            )
        heat = bath_temperature(temperature, state.count, temperature_scale)
        strength = _between(state.last_temperature, heat)
        center = state.center if centers is None else centers.of(params, state.count)

        def pulled(gradient, x, center, precision):
            dtype = compute_dtype(x.dtype)
            away = x.astype(dtype) - like(center, dtype)
            force = like(strength, dtype) * like(precision, dtype) * away
            return gradient + in_dtype_of(force, gradient)

        pulls = jax.tree.map(pulled, updates, params, center, precisions.of(params, state.count))
        return pulls, TetherState(next_count(state.count), state.center, heat.astype(jnp.float32))

    return optax.GradientTransformationExtraArgs(init, update)


_NO_STEP = -1.0  # no temperature is negative


def _between(last: jax.Array, now: jax.Array) -> jax.Array:
    """The geometric mean of two temperatures, in the step in which one becomes the other.

    Half of a kick belongs to the point before a swap and half to that after it. A swap multiplies
    momenta by s = sqrt(T' / T) between the two halves. The sum of both, s T + T', is what a sampler
    makes of the force sqrt(T T'), because it weights a force by 1 + s.
    """
    # Of 1e-20 there is no square in float32.
    mean = jnp.sqrt(like(jnp.maximum(last, 0), now.dtype)) * jnp.sqrt(now)
    return jnp.where((last == _NO_STEP) | (last == now.astype(last.dtype)), now, mean)


class _Entries:
    """One number for all arrays, or a tree with one for each place.

    Places are known by their names. A group of a partition then finds its own arrays in the tree.
    """

    def __init__(self, name: str, value: Any, least: float) -> None:
        """Checks what is known before there are parameters."""
        self._name, self._value = name, value
        entries = {(): value} if is_function(value) else arrays_by_place(value)
        for place, entry in entries.items():
            _check_entry(f"`{name}`{_where(place)}", entry, least)
        self._entries = entries

    def of(self, params: Any, count: jax.typing.ArrayLike) -> Any:
        """The entry of each array of the parameters."""
        check_places(self._name, self._entries, params, _REMEDY)
        leaves, structure = jax.tree.flatten(params)
        pairs = zip(plain_paths(params), leaves, strict=True)
        return structure.unflatten([self._of_array(place, x, count) for place, x in pairs])

    def _of_array(self, place: Path, array: Any, count: jax.typing.ArrayLike) -> jax.Array:
        entry = mass_at(self._entries, place)
        shape = getattr(entry, "shape", ())
        fits = shape == () or (place in self._entries and _broadcasts(shape, array.shape))
        if entry is None or not fits:
            found = "none" if entry is None else f"an array of shape {shape}"
            raise ValueError(
                f"`{self._name}` must have a number or an array of shape {array.shape} for the "
                f"parameter{_where(place)}, got {found}. {_REMEDY}"
            )
        return at(entry, count)


_REMEDY = "Pass one number for all parameters, or a tree that is like them or a prefix of them."


def _where(place: Path) -> str:
    return f" at {layer_name(place)!r}" if place else ""


def _broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    pairs = zip(reversed(shape), reversed(to), strict=False)
    return len(shape) <= len(to) and all(n in (1, m) for n, m in pairs)


def _check_entry(name: str, entry: Any, least: float) -> None:
    first = known(first_value(cast(Any, entry))) if callable(entry) else entry
    numbers = None if first is None else real_numbers(name, first, _REMEDY)
    bad = []
    if numbers is not None:
        bad = numbers[~(np.isfinite(as_computed(numbers)) & (numbers >= least))]
    if len(bad):
        condition = "finite and not negative" if least == 0 else "finite"
        raise ValueError(f"{name} must be {condition}, got {bad[0]}. {_REMEDY}")
