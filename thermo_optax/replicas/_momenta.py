"""Momenta of replicas whose temperature or mass changes: their variance is m T."""

from collections.abc import Hashable, Iterable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.tree_util import DictKey, GetAttrKey

from thermo_optax._base import map_samplers, rows_at, samplers

from ._hyperparams import injections, leading

EVERYWHERE = None  # in place of the label of a group


class Scale(NamedTuple):
    """A hyperparameter that the variance of momenta is proportional to."""

    name: str
    label: Hashable  # of the group of a partition; EVERYWHERE: of all momenta


def factors(scales: Iterable[Scale], before: Any, after: Any, heat: Any) -> list[jax.Array]:
    """sqrt(m' T' / (m T)) for each of the momenta, in their order.

    Hyperparameters are read from the states before and after a change; those of an
    `inject_hyperparams` scale the momenta below it only. `heat`, float[num_replicas], is the ratio
    of what multiplies the temperature of every bath. Momenta of one sampler share a factor, which
    has the shape of its `momentum_scale`.
    """
    changes = [
        (name, label, injections(before, name), injections(after, name)) for name, label in scales
    ]

    def factor(path, sampler):
        axes = sampler.momentum_scale.ndim
        ratio = leading(jnp.asarray(heat, jnp.float32), axes)
        for name, label, old, new in changes:
            place = _nearest(path, old)
            if place is not None and (label is EVERYWHERE or _is_in_group(path, label)):
                _check_number(name, old[place], axes)
                change = _ratio(old[place], new[place])
                ratio = ratio * leading(change, axes)
        return jnp.sqrt(ratio)

    return [factor(*found) for found in samplers(before)]


def _check_number(name: str, value: jax.Array, axes: int) -> None:
    """A rung has one number under a name: it cannot stand for an array of masses."""
    if value.ndim > axes:
        raise ValueError(
            f"`ladder[{name!r}]` must move one number, but `optax.inject_hyperparams` holds an "
            f"array of shape {value.shape[axes:]} under this name for each replica. Leave the name "
            "off the ladder; masses that differ between parameters may be given by a tree."
        )


def rescaled(state: Any, scales: Sequence[jax.Array]) -> Any:
    """The state with the momenta of each sampler multiplied by its factor.

    p -> p sqrt(m' T' / (m T)) takes the law exp(-p^2 / 2 m T) to that of another rung. Before the
    first step, when momenta know nothing of the gradient, they are multiplied as they are.
    """

    def multiplied(sampler, scale):
        def times(p):
            return p * leading(scale, p.ndim).astype(p.dtype)

        return sampler._replace(momentum=jax.tree.map(times, sampler.momentum))

    return map_samplers(multiplied, state, scales)


def to_be_rescaled(state: Any, scales: Sequence[jax.Array], due: jax.Array) -> Any:
    """The state whose next step, if due, first rescales momenta, where they are independent."""

    def asked(sampler, scale):
        scale = jnp.where(due, scale, 1).astype(sampler.momentum_scale.dtype)
        return sampler._replace(momentum_scale=sampler.momentum_scale * scale)

    return map_samplers(asked, state, scales)


def with_frictions_of(state: Any, replicas: jax.Array) -> Any:
    """The state in which each replica has the friction that another one had.

    A thermostat learns the friction that goes with the heat of its rung, and with the noise of
    gradients there. That friction is independent of parameters and momenta, so it may stay on the
    rung while these go: the law of every rung is kept, and no thermostat has to learn anew.
    """

    def changed(node):
        if not _has_thermostats(node):
            return node
        return node._replace(friction=rows_at(node.friction, replicas))

    return jax.tree.map(changed, state, is_leaf=_has_thermostats)


def _has_thermostats(node: Any) -> bool:
    """Whether a node is the state of a sampler with one friction, or one for each array.

    Those of `santa`, one for each coordinate, would be as much to move as the parameters.
    """
    return {"friction", "kinetic_temperature", "rng_key"} <= set(getattr(node, "_fields", ()))


def can_rest(state: Any) -> bool:
    """Whether there is a sampler of ours inside a state."""
    return any(map(_is_ours, jax.tree.leaves(state, is_leaf=_is_ours)))


def has_tether(state: Any) -> bool:
    """Whether there is a tether inside a state."""
    return any(map(_is_tether, jax.tree.leaves(state, is_leaf=_is_tether)))


def check_steps_in_turn(state: Any) -> None:
    """Raises where a sampler that shall rest in an update of swaps is not called in each update.

    Its next step would rest instead: all of them, where swaps are as frequent as steps. And it
    would have the gradients of two rungs in one mean.
    """
    if optax.tree.get_all_with_path(state, "MultiStepsState"):
        raise ValueError(
            "`inner` must not have `optax.MultiSteps` inside where the `ladder` has more than "
            "temperatures and masses: samplers rest in the update of a round of swaps, so each "
            "update must be a step. Average gradients and losses over small batches yourself, in a "
            "scan, and call `update` once."
        )


def check_not_tempered(names: Sequence[str], state: Any) -> None:
    """Raises where swaps of these temperatures would compare what is not the replicas' energy."""
    if names and optax.tree.get_all_with_path(state, "TemperingState"):
        raise ValueError(
            f"`ladder` exchanges {names} between replicas with `continuous_tempering` inside: "
            "swaps compare losses, but a tempered replica at alpha samples exp(-g(alpha) L / T). "
            "Then no rung keeps its law. Take one of the two, or give the temperature "
            f"`normalization={{{names[0]!r}: 0.0}}`, so that another name decides."
        )


def to_rest(state: Any, due: jax.Array) -> Any:
    """The state whose next step, if due, moves nothing: it ends where momenta are independent."""

    def asked(node):
        return node._replace(to_rest=node.to_rest | due) if _is_ours(node) else node

    return jax.tree.map(asked, state, is_leaf=_is_ours)


def begun_anew(state: Any, due: jax.Array) -> Any:
    """The state whose tethers, if due, pull in the next step at its temperature alone.

    In a step in which the temperature changes, a tether pulls for two halves of a kick. After a
    rest, only the second half is still to come.
    """

    def asked(node):
        if not _is_tether(node):
            return node
        return node._replace(last_temperature=jnp.where(due, _NO_STEP, node.last_temperature))

    return jax.tree.map(asked, state, is_leaf=_is_tether)


_NO_STEP = -1.0  # the last temperature of a tether that has made no step


def _is_tether(node: Any) -> bool:
    return "last_temperature" in getattr(node, "_fields", ())


def _is_ours(node: Any) -> bool:
    return {"to_rest", "rng_key", "count"} <= set(getattr(node, "_fields", ()))


def group_labels(state: Any) -> list[Hashable]:
    """The labels of the groups of all partitions in a state."""
    labels: list[Hashable] = []
    for node in jax.tree.leaves(state, is_leaf=_is_partition):
        if _is_partition(node):
            labels += [*node.inner_states, *group_labels(node.inner_states)]
    return labels


def _is_partition(node: Any) -> bool:
    return "inner_states" in getattr(node, "_fields", ())


def _nearest(path: tuple, places: Iterable[tuple]) -> tuple | None:
    """The innermost of the places that lie above a path."""
    above = [place for place in places if path[: len(place)] == place]
    return max(above, key=len, default=None)


def _is_in_group(path: tuple, label: Hashable) -> bool:
    groups = zip(path, path[1:], strict=False)
    return any(
        above == GetAttrKey("inner_states") and key == DictKey(label) for above, key in groups
    )


def _ratio(old: jax.Array, new: jax.Array) -> jax.Array:
    """How the variance changes; momenta of no temperature are at rest, and stay so."""
    old, new = jnp.asarray(old, jnp.float32), jnp.asarray(new, jnp.float32)
    return jnp.where(old > 0, new / jnp.where(old > 0, old, 1), 1)
