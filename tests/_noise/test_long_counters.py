"""Counters of 64 bits: models that need more than the 2^32 of one word."""

import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from tests._noise import reference_noise as reference
from tests.statistics import assert_uncorrelated
from thermo_optax._noise import GENERATORS, _counters, _layout, _map, map_with_noise
from thermo_optax._noise._variates import THREEFRY

KEY = np.array([0x12345678, 0x9ABCDEF0], np.uint32)
WORD = 2**32
SHAPES = {
    "one leaf": [(2**31, 3)],
    "one axis": [(3 * 2**31 + 5,)],
    "many leaves": [(32, 4096, 11008)] * 4 + [(4096,), ()],
    "a large one among small ones": [(5,), (3, 2**31), (7, 9)],
}


def abstract(shapes):
    return [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]


def step(generator, layout, tree, count):
    return map_with_noise(
        lambda z, leaf: leaf + z, KEY, (count,), tree, generator=generator, _layout=layout
    )


def long_lane(start, shape, generator="threefry", lane=0, sharding=None):
    """The numbers of a leaf whose first counter is `start`, by the words of 64-bit counters."""
    return _map._draw_long_lane(
        KEY, jnp.uint32(7), _counters.pair(start), shape, sharding, lane, generator
    )


@pytest.mark.parametrize("layout", ["fused", "paired"])
@pytest.mark.parametrize("generator", GENERATORS)
@pytest.mark.parametrize("shapes", SHAPES.values(), ids=SHAPES.keys())
def test_more_coordinates_than_a_word_counts(shapes, generator, layout):
    tree = abstract(shapes)
    moved = jax.eval_shape(functools.partial(step, generator, layout), tree, jnp.int32(0))
    assert moved == tree


@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit], ids=["auto", "explicit"])
@pytest.mark.parametrize("generator", ["threefry", "ternary"])
def test_shards_of_long_leaves_need_no_communication(generator, kind):
    mesh = jax.make_mesh((4, 2), ("x", "y"), axis_types=(kind, kind))
    with jax.set_mesh(mesh):
        spread = NamedSharding(mesh, PartitionSpec("x", "y"))
        rows = NamedSharding(mesh, PartitionSpec("x"))
        shapes = {(2**20, 2**13): spread, (2**33,): rows, (8, 8): spread}
        tree = [
            jax.ShapeDtypeStruct(shape, jnp.float32, sharding=sharding)
            for shape, sharding in shapes.items()
        ]
        program = jax.jit(functools.partial(step, generator, None), donate_argnums=0)
        compiled = program.lower(tree, jnp.int32(0)).compile()
    text = str(compiled.as_text())
    assert "all-" not in text and "collective" not in text
    memory = compiled.memory_analysis()
    assert memory is not None and memory.temp_size_in_bytes < 1e6


def test_groups_lie_within_one_word():
    sizes = [3 * 10**9, 2**32, 2**33 + 1, 3 * 10**9, 2**20, 2**20, 7]
    groups = _layout.plan(sizes)
    ends = [(group.start, group.start + group.length) for group in groups]
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(ends))
    for group, (start, end) in zip(groups, ends, strict=True):
        assert group.length > WORD or start // WORD == (end - 1) // WORD
        if group.length > WORD:
            assert len(group.places) == 1


@pytest.mark.parametrize("layout", ["fused", "paired"])
def test_groups_after_the_first_word(layout, monkeypatch):
    """As if a word counted to 1024 only: then the tree needs three of them."""
    for module in (_counters, _layout, _map):
        monkeypatch.setattr(module, "COUNTERS", 1024)
    monkeypatch.setattr(_layout, "GROUP", 512)
    shapes = [(700,), (600,), (16, 30), (20, 25), (3, 10, 16), (480,), (5,), (2, 3)]
    starts = [group.start // 1024 for group in _layout.plan([int(np.prod(s)) for s in shapes])]
    assert set(starts) == {0, 1, 2}
    tree = [jnp.zeros(shape) for shape in shapes]
    drawn = jax.jit(functools.partial(step, "threefry", layout))(tree, 7)
    for noise, (w0, w1, lane) in zip(drawn, reference.words(KEY, 7, shapes), strict=True):
        np.testing.assert_allclose(noise, reference.box_muller(w0, w1)[lane], atol=1e-6)


@pytest.mark.parametrize("generator", THREEFRY)
def test_below_the_border_numbers_are_those_of_one_word(generator):
    shape = (6, 5, 7)
    (plain,) = step(generator, "fused", [jnp.zeros(shape)], 7)
    np.testing.assert_allclose(long_lane(0, shape, generator), plain, rtol=0, atol=1e-6)


@pytest.mark.parametrize("start", [WORD - 100, 2 * WORD - 7, 2**40 + WORD - 1, 2**50 - 30])
def test_numbers_around_a_border_are_those_of_the_reference(start):
    shape = (12, 25)
    words = reference.counted(KEY, 7, start, np.arange(300, dtype=np.uint64))
    for lane, expected in enumerate(reference.box_muller(*words)):
        drawn = long_lane(start, shape, lane=lane)
        np.testing.assert_allclose(np.ravel(drawn), expected, atol=1e-6)


def test_ternary_numbers_around_a_border():
    shape, start = (12, 25), WORD - 30
    word, _ = reference.counted(KEY, 7, start, np.arange(75, dtype=np.uint64), rounds=13)
    expected = reference.ternary(word, shape).astype(np.float32)
    np.testing.assert_array_equal(long_lane(start, shape, "ternary"), expected)


@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit], ids=["auto", "explicit"])
def test_shards_on_both_sides_of_a_border(kind):
    start, shape = WORD - 200, (8, 50)
    whole = long_lane(start, shape)
    mesh = jax.make_mesh((8,), ("x",), axis_types=(kind,))
    spread = NamedSharding(mesh, PartitionSpec("x"))
    inside = spread if kind == AxisType.Explicit else None
    with jax.set_mesh(mesh):
        program = jax.jit(lambda: long_lane(start, shape, sharding=inside), out_shardings=spread)
        shards = program().addressable_shards
        text = str(program.lower().compile().as_text())
    assert len(shards) == 8 and "all-" not in text
    for shard in shards:  # each alone: the row that it holds, from its own counter on
        row = shard.index[0].start
        np.testing.assert_allclose(shard.data, whole[shard.index], atol=1e-6)
        np.testing.assert_allclose(shard.data, long_lane(start + 50 * row, (1, 50)), atol=1e-6)


@pytest.mark.parametrize("shape", [(2**20, 2**13), (80, 8192, 28672), (3, 2**33, 5), (2**34,)])
def test_places_in_huge_arrays(shape):
    """Exact, for some thousand coordinates of arrays that no memory holds."""
    draw = np.random.default_rng(0)
    corners = np.array(list(itertools.product(*((0, size - 1) for size in shape))))
    inner = np.stack([draw.integers(0, size, 4000) for size in shape], axis=1)
    points = np.concatenate([corners, inner])
    words = [np.divmod(axis, WORD) for axis in points.T]
    places = [(high.astype(jnp.uint32), low.astype(jnp.uint32)) for high, low in words]
    high, low = (np.asarray(word).astype(object) for word in _counters.index_of(places, shape))
    strides = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    expected = (points.astype(object) * np.array(strides, object)).sum(axis=1).tolist()
    assert (high * WORD + low).tolist() == expected


def test_an_axis_beyond_a_word_is_counted():
    """By an axis of few elements, as if a word counted to 100 only."""
    high, low = _counters._places((3, 2**17 + 5), 1, jnp.uint32(0), None, longest=100)
    assert not np.any(high)
    np.testing.assert_array_equal(low, np.broadcast_to(np.arange(2**17 + 5), (3, 2**17 + 5)))


def test_words_do_not_repeat_or_correlate():
    """The same low words under another upper word, and neighbours across the border."""
    size = 2**18
    starts = (0, WORD, 2 * WORD, 3 * WORD, WORD - size)
    blocks = {str(start): np.asarray(long_lane(start, (size,))) for start in starts}
    blocks["other lane"] = np.asarray(long_lane(WORD, (size,), lane=1))
    for (one, first), (other, second) in itertools.combinations(blocks.items(), 2):
        assert np.mean(first == second) < 1e-3
        assert_uncorrelated(first, second, name=f"{one} and {other}")
        assert_uncorrelated(first**2, second**2, name=f"squares of {one} and {other}")
