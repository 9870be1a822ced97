"""The noise of the library once more, in plain NumPy: slow, obvious, and with laws in float64."""

import math

import numpy as np

from thermo_optax._noise import _layout

ROTATIONS = [[13, 15, 26, 6], [17, 29, 16, 24]]


def threefry2x32(key, words, rounds=20):
    """The two words of Threefry-2x32, by the text of Salmon et al., 2011."""
    mask = np.uint64(0xFFFFFFFF)  # 64-bit integers, reduced by hand: no sum overflows
    k0, k1 = (np.uint64(k) for k in key)
    keys = [k0, k1, k0 ^ k1 ^ np.uint64(0x1BD11BDA)]
    x, y = (np.asarray(word, np.uint64) for word in words)
    x, y = (x + keys[0]) & mask, (y + keys[1]) & mask
    for i in range(rounds):
        bits = np.uint64(ROTATIONS[(i // 4) % 2][i % 4])
        x = (x + y) & mask
        y = ((y << bits) | (y >> (np.uint64(32) - bits))) & mask ^ x
        if (i + 1) % 4 == 0:
            injection = (i + 1) // 4
            x = (x + keys[injection % 3]) & mask
            y = (y + keys[(injection + 1) % 3] + np.uint64(injection)) & mask
    return x.astype(np.uint32), y.astype(np.uint32)


def box_muller(w0, w1):
    """Two normals in float64; the radius takes, as the library does, 24 digits of 31 bits."""
    u = ((w0 >> np.uint32(1)).astype(np.float32) + np.float32(0.5)).astype(np.float64) / 2**31
    radius, angle = np.sqrt(-2 * np.log(u)), 2 * math.pi * (w1.astype(np.float64) / 2**32)
    return radius * np.cos(angle), radius * np.sin(angle)


def words(key, tick, shapes, rounds=20, digits=1):
    """For leaves of some shapes: both words of each coordinate's counter, and the leaf's lane.

    With several digits, the words end where a leaf has all its numbers: they are not in its shape.
    """
    result: dict[int, tuple] = {}
    for group in _layout.plan([math.prod(shape) for shape in shapes], digits):
        for leaf, lane, offset in group.places:
            size = math.prod(shapes[leaf])
            index = np.arange(math.ceil(size / digits), dtype=np.uint64)
            both = counted(key, tick, group.start + offset, index, rounds)
            if digits == 1:
                both = (word.reshape(shapes[leaf]) for word in both)
            result[leaf] = (*both, lane)
    return [result[leaf] for leaf in range(len(shapes))]


def counted(key, tick, start, index, rounds=20):
    """Both words of counters from `start` on; a stretch of counters (2^32) has a key of its own."""
    high, low = np.divmod(np.uint64(start) + index, np.uint64(_layout.COUNTERS))
    words = np.empty((2, *low.shape), np.uint32)
    for number in np.unique(high).astype(int).tolist():
        own = key[0], int(key[1]) ^ number
        words[:, high == number] = threefry2x32(own, (np.uint64(tick), low[high == number]), rounds)
    return words


def ternary(word, shape, digits=4):
    """Digits 2 and 3 in base 6 are a step up and a step down; by digits, then by words."""
    rows = [(word.astype(object) * 6 ** (i + 1) >> 32) % 6 for i in range(digits)]
    digit = np.concatenate(rows)[: math.prod(shape)].reshape(shape).astype(int)
    return math.sqrt(3) * ((digit == 2).astype(int) - (digit == 3))
