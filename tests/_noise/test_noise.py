"""Noise of trees: the right words for each coordinate, however they are computed."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests._noise import reference_noise as reference
from tests.compiling import quick_jit
from thermo_optax._noise import GENERATORS, _layout, _variates, fold, map_with_noise

KEY = np.array([0x12345678, 0x9ABCDEF0], np.uint32)
LAYOUTS = ["fused", "paired"]
# Two even groups if a group has 512 counters, a leaf above that, and small change.
SHAPES = [(700,), (16, 30), (20, 25), (3, 10, 16), (480,), (5,), (2, 3), (), (0, 4), (1,)]


def leaves(shapes=SHAPES, dtype=jnp.float32):
    return [jnp.zeros(shape, dtype) for shape in shapes]


def draw(key, tick, tree, generator="threefry", layout=None):
    return map_with_noise(
        lambda z, leaf: z, key, (tick,), tree, generator=generator, _layout=layout
    )


@pytest.fixture
def small_groups(monkeypatch):
    monkeypatch.setattr(_layout, "GROUP", 512)


@pytest.fixture
def raw_words(monkeypatch):
    """A generator whose numbers are the upper 24 bits of the words: exact in float32."""

    def law(w0, w1):
        return [(word >> np.uint32(8)).astype(jnp.float32) for word in (w0, w1)]

    monkeypatch.setitem(_variates.THREEFRY, "words", _variates.Generator(20, law))
    monkeypatch.setattr(_variates, "GENERATORS", (*GENERATORS, "words"))


@pytest.mark.parametrize("digits", [1, 4])
def test_places_do_not_overlap(digits, small_groups):
    sizes = [int(np.prod(shape)) for shape in SHAPES]
    groups = _layout.plan(sizes, digits)
    assert digits > 1 or [group.even for group in groups] == [False, True, True]
    sizes = [-(-size // digits) for size in sizes]
    assert sorted(place.leaf for group in groups for place in group.places) == [*range(len(sizes))]
    seen = set()
    for group in groups:
        assert group.length <= max(512, max(sizes))
        for leaf, lane, offset in group.places:
            assert offset + sizes[leaf] <= group.length
            numbers = {(group.start + offset + i, lane) for i in range(sizes[leaf])}
            assert seen.isdisjoint(numbers)
            seen |= numbers


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_coordinate_gets_its_word(layout, jit, small_groups, raw_words):
    program = functools.partial(draw, generator="words", layout=layout)
    drawn = (jax.jit(program) if jit else program)(KEY, 7, leaves())
    for noise, (*words, lane) in zip(drawn, reference.words(KEY, 7, SHAPES), strict=True):
        np.testing.assert_array_equal(np.asarray(noise), words[lane] >> 8)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_normals_are_those_of_the_reference(layout, small_groups):
    drawn = jax.jit(functools.partial(draw, layout=layout))(KEY, 7, leaves())
    for noise, (w0, w1, lane) in zip(drawn, reference.words(KEY, 7, SHAPES), strict=True):
        np.testing.assert_allclose(noise, reference.box_muller(w0, w1)[lane], atol=1e-6)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_ternary_numbers_are_the_digits_of_the_words(layout, small_groups):
    drawn = jax.jit(functools.partial(draw, generator="ternary", layout=layout))(KEY, 7, leaves())
    words = reference.words(KEY, 7, SHAPES, rounds=13, digits=4)
    for noise, (*both, lane), shape in zip(drawn, words, SHAPES, strict=True):
        assert noise.shape == shape
        expected = reference.ternary(both[lane], shape)
        np.testing.assert_array_equal(noise, expected.astype(np.float32))


@pytest.mark.slow
@pytest.mark.parametrize("generator", [name for name in GENERATORS if name != "jax"])
def test_layouts_agree(generator, small_groups):
    # Up to the last bit, which the compiler rounds according to the loop around it.
    def both(tree, count, layout=None):
        ticks = (count, count - 1)
        return map_with_noise(
            lambda z, y, leaf: (z, y), KEY, ticks, tree, generator=generator, _layout=layout
        )

    eager = draw(KEY, 0, leaves(), generator), draw(KEY, -1, leaves(), generator)
    for layout in LAYOUTS:
        jax.tree.map(
            functools.partial(np.testing.assert_allclose, rtol=0, atol=1e-6),
            jax.jit(functools.partial(both, layout=layout))(leaves(), jnp.int32(0)),
            eager,
        )


def test_generators_differ_in_rounds_and_in_law():
    run = quick_jit(lambda: [draw(KEY, 0, leaves([(64,)]), name)[0] for name in GENERATORS])
    values = [np.asarray(drawn) for drawn in run()]
    for i, one in enumerate(values):
        assert all(np.mean(one == other) < 0.7 for other in values[:i])  # zeros of "ternary"


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shared_count", [True, False])
def test_batch_of_keys_equals_loop_over_keys(layout, shared_count, small_groups):
    """A scan, vmapped over keys and perhaps counts: how replicas are run."""
    keys = jnp.stack([fold(KEY, i) for i in range(3)])
    counts = jnp.array([5, 5, 5] if shared_count else [5, 9, 70], jnp.int32)

    def run(key, count):
        def step(carry, _):
            tree, count = carry
            tree = map_with_noise(lambda z, leaf: leaf + z, key, (count,), tree, _layout=layout)
            return (tree, count + 1), None

        return jax.lax.scan(step, (leaves(), count), length=3)[0]

    axes = (0, None if shared_count else 0)
    together = jax.jit(jax.vmap(run, axes))(keys, counts[0] if shared_count else counts)
    alone = [jax.jit(run)(key, count) for key, count in zip(keys, counts, strict=True)]
    for i in range(3):
        jax.tree.map(
            lambda batch, one, i=i: np.testing.assert_allclose(batch[i], one, atol=2e-6),
            together[0],
            alone[i][0],
        )


@pytest.mark.parametrize("generator", GENERATORS)
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_noise_is_float32_for_leaves_of_half_precision(generator, dtype):
    tree = leaves([(100,)], dtype)
    half, full = draw(KEY, 0, tree, generator)[0], draw(KEY, 0, leaves([(100,)]), generator)[0]
    assert half.dtype == jnp.float32
    np.testing.assert_array_equal(half, full)


@pytest.mark.parametrize("generator", ["threefry", "jax"])
def test_structures_pass_through(generator):
    tree = {"a": (jnp.ones(3), None), "b": optax.MaskedNode(), "c": 2.0}
    scales = {"a": (10.0, None), "b": optax.MaskedNode(), "c": jnp.float32(20)}

    def fn(early, late, leaf, scale):
        return early, late, scale * jnp.ones_like(leaf)

    early, late, scaled = map_with_noise(fn, KEY, (4, 5), tree, scales, generator=generator)
    for result in (early, late, scaled):
        assert jax.tree.structure(result) == jax.tree.structure(tree)
    jax.tree.map(np.testing.assert_array_equal, late, draw(KEY, 5, tree, generator))
    assert not np.any(early["a"][0] == late["a"][0])
    assert scaled["a"][0].tolist() == [10, 10, 10]
    assert float(scaled["c"]) == 20


@pytest.mark.parametrize("tree", [{}, {"a": None}, optax.MaskedNode(), ()])
def test_tree_without_leaves(tree):
    assert draw(KEY, 0, tree) == tree
    assert map_with_noise(lambda z, leaf: (leaf, z), KEY, (0,), tree) == (tree, tree)


def test_shapes_without_values_suffice():
    tree = {"a": jax.ShapeDtypeStruct((2, 3), jnp.float16)}
    np.testing.assert_array_equal(draw(KEY, 0, tree)["a"], draw(KEY, 0, leaves([(2, 3)]))[0])


def test_unknown_generator():
    with pytest.raises(ValueError, match="`generator` must be one of .*threefry.*, got 'philox'"):
        draw(KEY, 0, leaves(), "philox")


def test_fold_makes_keys_of_words():
    words = [0, 1, 2**32 - 1, 2**32, 2**64 - 1]
    keys = [tuple(fold(KEY, word).tolist()) for word in words]
    assert len({*keys, tuple(KEY.tolist())}) == 6
    assert keys[1] == tuple(int(w) for w in reference.threefry2x32(KEY, (0, 1)))
    assert keys[3] == tuple(int(w) for w in reference.threefry2x32(KEY, (1, 0)))
    traced = jax.jit(fold)(KEY, jnp.uint32(2**32 - 1))
    assert tuple(traced.tolist()) == keys[2]
    assert traced.dtype == jnp.uint32


def test_one_buffer_serves_all_groups(monkeypatch):
    """The paired layout needs temporary memory for one group, not for the tree."""
    monkeypatch.setattr(_layout, "GROUP", 1 << 12)
    tree = leaves([(1 << 12,)] * 16)

    def step(tree, count):
        return map_with_noise(lambda z, leaf: leaf + z, KEY, (count,), tree, _layout="paired")

    compiled = jax.jit(step).lower(tree, jnp.int32(0)).compile()
    buffer = 8 * (1 << 12)
    memory = compiled.memory_analysis()
    assert memory is not None
    assert buffer <= memory.temp_size_in_bytes < 1.5 * buffer
    assert str(compiled.as_text()).count("c64[4096]{0} call(") == 8  # one kernel for two leaves


@pytest.mark.parametrize("layout", LAYOUTS)
def test_loops_in_loops_keep_no_counters(layout):
    """Epochs of steps, or chains in turn: the places of coordinates are no copy of the tree."""
    tree = leaves([(64, 64), (16, 16, 16)])

    def step(tree, count):
        return map_with_noise(lambda z, leaf: leaf + z, KEY, (count,), tree, _layout=layout), None

    def epoch(tree, count):
        return jax.lax.scan(step, tree, 7 * count + jnp.arange(7))

    epochs = jax.jit(lambda tree: jax.lax.scan(epoch, tree, jnp.arange(3))[0], donate_argnums=0)
    memory = epochs.lower(tree).compile().memory_analysis()
    assert memory is not None
    both_lanes = 8 * 64**2 if layout == "paired" else 0
    assert memory.temp_size_in_bytes < both_lanes + 4 * 64**2 / 4


def _momentum_step(tree, momenta, count, rereads):
    """An update of which both results need the old momentum, as in BAOAB."""

    def leaf(z, g, p):
        new = 0.5 * p - g + z
        return new + p, new

    moved, new = map_with_noise(
        leaf, KEY, (count,), tree, momenta, rereads=rereads, _layout="paired"
    )
    return jax.tree.map(jnp.add, tree, moved), new


@pytest.mark.slow
def test_rereading_changes_no_number(small_groups):
    step = jax.jit(_momentum_step, static_argnames="rereads")
    plain, copied = (step(leaves(), leaves(), jnp.int32(3), rereads=r) for r in (False, True))
    jax.tree.map(np.testing.assert_array_equal, plain, copied)


def test_rereading_copies_one_group_at_a_time(monkeypatch):
    monkeypatch.setattr(_layout, "GROUP", 1 << 12)
    tree = leaves([(1 << 12,)] * 16)

    def temporary(rereads):
        step = jax.jit(functools.partial(_momentum_step, rereads=rereads), donate_argnums=(0, 1))
        memory = step.lower(tree, tree, jnp.int32(0)).compile().memory_analysis()
        assert memory is not None
        return memory.temp_size_in_bytes

    group = 16 * (1 << 12)  # its noise, and copies of its two leaves
    assert temporary(True) < 2.5 * group
    assert temporary(False) > 4 * group
