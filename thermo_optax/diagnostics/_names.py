"""Names of arrays and layers in readings, one for each."""

from collections.abc import Sequence

from thermo_optax._base import Path


def unique_names(places: Sequence[Path], separator: str = "/") -> list[str]:
    """The names of places, joined by the separator; raises where two would be the same.

    A slash inside of a name, as Haiku's modules have it, counts as a separator.
    """
    names = [separator.join(place).replace("/", separator) or "params" for place in places]
    places_of: dict[str, Path] = {}
    for name, place in zip(names, places, strict=True):
        other = places_of.setdefault(name, place)
        if other != place:
            raise ValueError(
                f"the parameters at {list(other)} and at {list(place)} would both be named "
                f"{name!r}, and one would be lost. Rename one of them."
            )
    return names
