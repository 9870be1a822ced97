"""Which counter, and which of its two numbers, belongs to each coordinate of a tree.

A law makes two numbers of each counter, so counters come with two lanes. Leaves lie whole
in one lane, one after the other, and groups of leaves share a stretch of counters. The
plan follows from the sizes of the leaves alone: whatever computes the numbers, and on
however many devices, coordinate for coordinate they are the same.
"""

from collections.abc import Sequence
from typing import NamedTuple

# Counters to a group: two lanes of 2^19 float32 are 4 MB, which stays in the cache.
GROUP = 2**19
COUNTERS = 2**32


class Place(NamedTuple):
    """Where the numbers of one leaf stand: at `lane` of the counters from `start` on."""

    leaf: int  # index among the leaves of the tree
    lane: int
    start: int


class Group(NamedTuple):
    """Leaves that share a stretch of counters."""

    start: int
    length: int
    places: tuple[Place, ...]


def plan(sizes: Sequence[int], group: int = GROUP) -> list[Group]:
    """Groups of leaves, in order, for leaves of the given sizes.

    A leaf that is larger than a group is a group by itself.
    """
    groups, start, lengths, places = [], 0, [0, 0], []

    def close():
        nonlocal start, lengths, places
        if places:
            groups.append(Group(start, max(lengths), tuple(places)))
        start, lengths, places = start + max(lengths), [0, 0], []

    for leaf, size in enumerate(sizes):
        lane = lengths.index(min(lengths))
        if lengths[lane] + size > group:
            close()
            lane = 0
        places.append(Place(leaf, lane, start + lengths[lane]))
        lengths[lane] += size
    close()
    if start > COUNTERS:
        raise ValueError(
            f"The tree needs {start} counters of noise, but one key has {COUNTERS}. Split the tree "
            "with `optax.partition` into groups of fewer parameters, each with a key of its own."
        )
    return groups
