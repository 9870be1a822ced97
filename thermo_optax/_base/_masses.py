"""Masses: one number for all parameters, or a tree with a number or an array for each of them.

In the coordinates sqrt(m) x and p / sqrt(m), dynamics with any masses are those of unit mass. So
a method computes the numbers of its step once, at one mass, and each array scales them by its own.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from thermo_optax._noise import sum_of_squares

from ._checks import as_computed, check_positive
from ._momenta import compute_dtype
from ._scalars import at, like
from ._tree_checks import is_masked, is_number
from ._trees import Path, arrays_by_place, layer_name, plain_paths

Tree = Any
_REMEDY = (
    "Pass one number for all parameters; or a tree that is like the parameters or a prefix of "
    "them, with a number for all arrays below a place, or an array of the shape of the parameter."
)


class Masses:
    """The `mass` of a sampler.

    A number may be traced or a schedule. In a tree every number or array is constant, and places
    are known by their names, so that the containers of the parameters need not be the tree's.
    """

    def __init__(self, mass: Any) -> None:
        """Checks what is known before there are parameters."""
        self._mass = mass
        self.is_number = mass is None or (
            jax.tree_util.all_leaves([mass]) and not getattr(mass, "shape", ())
        )
        if self.is_number:
            check_positive(mass=mass)
            return
        self._entries = arrays_by_place(mass)
        for place, entry in self._entries.items():
            _check_entry(place, entry)

    def common(self, count: jax.typing.ArrayLike) -> jax.Array:
        """The mass at which a step computes its numbers: 1 where arrays have their own."""
        return at(self._mass if self.is_number else 1.0, count)

    def own(self, tree: Tree) -> Tree | None:
        """The mass of each array of a tree, which is like the parameters; None for one number."""
        if self.is_number:
            return None
        check_places("mass", self._entries, tree, _REMEDY)
        arrays, structure = jax.tree.flatten(tree)
        pairs = zip(plain_paths(tree), arrays, strict=True)
        return structure.unflatten([self._of_array(*pair) for pair in pairs])

    def each(self, tree: Tree, count: jax.typing.ArrayLike) -> Tree:
        """The mass of each array of a tree, also where it is one number for all."""
        own, common = self.own(tree), self.common(count)
        return jax.tree.map(lambda _: common, tree) if own is None else own

    def recorded(self, tree: Tree, count: jax.typing.ArrayLike, old: Tree | None = None) -> Tree:
        """The masses for the state, in float32: new arrays, or in the place of old ones."""
        if self.is_number:
            new = jnp.array(self.common(count), jnp.float32)
        else:
            here = arrays_by_place(tree)
            entries = [_recorded(entry, here.get(place)) for place, entry in self._entries.items()]
            new = jax.tree.structure(self._mass).unflatten(entries)
        return new if old is None else _in_place(old, new)

    def _of_array(self, place: Path, array: Any) -> jax.Array:
        entry = mass_at(self._entries, place)
        if entry is None:
            raise ValueError(
                f"`mass` has none for the parameter at {layer_name(place)!r}. {_REMEDY}"
            )
        if jnp.ndim(entry) and (place not in self._entries or jnp.shape(entry) != array.shape):
            raise ValueError(
                f"`mass` must have a number or an array of shape {array.shape} for the parameter "
                f"at {layer_name(place)!r}, got an array of shape {jnp.shape(entry)}. {_REMEDY}"
            )
        return like(entry, compute_dtype(array.dtype))


def check_places(name: str, entries: Mapping[Path, Any], tree: Any, remedy: str) -> None:
    """Raises for an entry of a tree, such as that of masses, that belongs to no parameter."""
    if not jax.tree.leaves(tree):  # a group with nothing to move, or a probe of optax
        return
    nodes = jax.tree.leaves(tree, is_leaf=is_masked)
    places = dict(zip(plain_paths(tree, is_leaf=is_masked), nodes, strict=True))
    above = {place[:n] for place in places for n in range(len(place) + 1)}
    masked = {place for place, node in places.items() if is_masked(node)}
    for place in entries:
        if place not in above and not any(place[:n] in masked for n in range(len(place))):
            raise ValueError(
                f"`{name}` has an entry at {layer_name(place)!r}, where there is no parameter: "
                f"they are at {sorted(map(layer_name, places))[:10]}. {remedy}"
            )


def mass_at(entries: Mapping[Path, Any], place: Path) -> Any:
    """The entry at a place, or the one above it; None without one."""
    for length in range(len(place), -1, -1):
        if place[:length] in entries:
            return entries[place[:length]]
    return None


def masses_of(sampler: Any, otherwise: Any = 1.0) -> Iterable[tuple[Path, jax.Array, Any]]:
    """Place, momentum and mass of each array in the state of a sampler with momenta.

    Args:
        sampler: the state; its field `mass` has the masses.
        otherwise: the mass of samplers without this field.
    """
    entries = arrays_by_place(getattr(sampler, "mass", otherwise))
    for place, momentum in arrays_by_place(sampler.momentum).items():
        yield place, momentum, mass_at(entries, place)


def sum_of_squares_over(mass: Any, array: jax.Array) -> jax.Array:
    """The sum of p^2 / m over an array p, which has one mass or one for each coordinate."""
    mass = like(mass, array.dtype)
    if mass.ndim:
        return sum_of_squares(array / jnp.sqrt(mass))
    return sum_of_squares(array) / mass


def _in_place(old: Tree, new: Tree) -> Tree:
    """The new masses, in the containers of the old ones and sharded like those."""
    before, after = arrays_by_place(old), arrays_by_place(new)
    kinds = [{layer_name(p): jnp.shape(m) for p, m in masses.items()} for masses in (before, after)]
    if kinds[0] != kinds[1]:
        raise ValueError(
            f"`mass` must be like the masses that `init` saw, of shapes {kinds[0]}, got "
            f"{kinds[1]}. Other numbers may be passed when a run goes on, but not another tree: "
            "call `init` for that."
        )
    entries = [jnp.clip(mass, after[place], after[place]) for place, mass in before.items()]
    return jax.tree.structure(old).unflatten(entries)


def _recorded(entry: Any, param: Any) -> jax.Array:
    """An array of another group of a partition is recorded as a 1, which takes no memory."""
    if not jnp.ndim(entry):
        return jnp.array(entry, jnp.float32)
    if param is None:
        return jnp.ones([], jnp.float32)
    # Like the parameter, since a mass does not know on which devices that lives.
    return jnp.zeros_like(param, jnp.float32) + jnp.asarray(entry, jnp.float32)


def real_numbers(name: str, entry: Any, remedy: str) -> np.ndarray | None:
    """The numbers of an entry of such a tree, where they are known; raises for what is none."""
    kind = getattr(entry, "dtype", None)
    real = kind is not None and (
        jnp.issubdtype(kind, jnp.floating) or jnp.issubdtype(kind, jnp.integer)
    )
    if not real and (not is_number(entry) or isinstance(entry, complex)):
        raise TypeError(
            f"{name} must be a real number or an array of such, got {entry!r} of type "
            f"{type(entry).__name__}. {remedy}"
        )
    if isinstance(entry, Tracer) or not getattr(entry, "is_fully_addressable", True):
        return None
    return np.asarray(entry, float).ravel()


def _can_divide(numbers: np.ndarray) -> np.ndarray:
    return np.isfinite(numbers) & (numbers > 0)


def _check_entry(place: Path, entry: Any) -> None:
    name = f"`mass` at {layer_name(place)!r}"
    numbers = real_numbers(name, entry, _REMEDY)
    if 0 in jnp.shape(entry):
        raise ValueError(
            f"{name} is an array without elements, of shape {jnp.shape(entry)}: write a number "
            "there, such as 1.0, also for a parameter without elements."
        )
    bad = [] if numbers is None else numbers[~_can_divide(as_computed(numbers))]
    if len(bad):
        raise ValueError(
            f"{name} must be finite and positive, got {bad[0]}. Pass numbers above 0: a mass "
            "sets the time scale of a parameter, and leaves the sampled density alone."
        )
