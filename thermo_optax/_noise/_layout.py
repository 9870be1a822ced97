"""Which counter, and which of its two numbers, belongs to each coordinate of a tree.

A law makes two numbers of one counter, as if every counter had two lanes. Leaves lie whole in a
lane, one after the other, and a group of leaves shares a stretch of counters. If one word yields D
variates, a leaf of n coordinates uses ceil(n / D) words: coordinate i takes variate i // words of
word i % words. The plan follows from the sizes of the leaves alone. Hence the numbers are the same
however they are computed: group by group or leaf by leaf, on one device or on many.

Counters have 64 bits. All counters of a group share the upper word, which changes the key and not
the hash; only a leaf with more than 2^32 coordinates needs both words for each of them.
"""

from collections.abc import Sequence
from typing import NamedTuple

from ._counters import COUNTERS

# Counters of a group, at most: their numbers, 4 MB, stay in the cache until they are used. Groups
# of half or of twice the size are no faster.
GROUP = 2**19


class Place(NamedTuple):
    """The numbers of a leaf: those of one lane, from the group's counter `offset` on."""

    leaf: int
    lane: int
    offset: int


class Group(NamedTuple):
    """Leaves side by side on `length` counters, the first of which is `start`."""

    start: int
    length: int
    even: bool  # whether both lanes are used enough to compute them together
    places: tuple[Place, ...]


def plan(sizes: Sequence[int], digits: int = 1) -> list[Group]:
    """Groups for leaves of the given sizes. A leaf above the size of a group has one for itself."""
    sizes = [words(size, digits) for size in sizes]
    # The largest first: that fills the groups, and puts leaves of equal size together, so that
    # many groups have equal length and share one compiled kernel.
    order = sorted(range(len(sizes)), key=lambda leaf: -sizes[leaf])
    groups: list[Group] = []
    while order:
        start = groups[-1].start + groups[-1].length if groups else 0
        group, order = _group(start, order, sizes)
        past = start % COUNTERS + group.length > COUNTERS
        groups.append(group._replace(start=-(-start // COUNTERS) * COUNTERS) if past else group)
    return groups


def words(size: int, digits: int) -> int:
    """How many words a leaf needs that takes so many numbers of each."""
    return -(-size // digits)


def _group(start: int, order: list[int], sizes: Sequence[int]) -> tuple[Group, list[int]]:
    """The first leaves of the order that fit a group, and the leaves left over."""
    lanes = [0, 0]
    places: list[Place] = []
    for leaf in order:
        lane = lanes.index(min(lanes))
        if places and max(*lanes, lanes[lane] + sizes[leaf]) > GROUP:
            break
        places.append(Place(leaf, lane, lanes[lane]))
        lanes[lane] += sizes[leaf]
    # Drawing both lanes costs a buffer: in a group where one leaf outweighs all others, more than
    # the hashes that are saved.
    even = 4 * min(lanes) >= max(lanes)
    return Group(start, max(lanes), even, tuple(places)), order[len(places) :]
