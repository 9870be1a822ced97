"""Minibatches by key and step: each epoch has every example once, in an order of its own."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

import thermo_optax as to
from tests.compiling import quick_jit
from tests.statistics import Z, assert_variance
from thermo_optax.samples._shuffling import drawn, grid_of, shuffled

KEY = jax.random.key(7)
WITHOUT_REPLACEMENT = ["reshuffled", "symmetric"]
ORDERS = [*WITHOUT_REPLACEMENT, "replacement"]


def batches(order, steps, start=0):
    indices, weights = quick_jit(jax.vmap(order))(jnp.arange(start, start + steps))
    return np.asarray(indices), np.asarray(weights)


def assert_uniform(counts, name):
    """Chi-squared, in standard errors: mean k and variance 2 k for k + 1 cells."""
    counts = np.asarray(counts, np.float64).ravel()
    expected = counts.sum() / counts.size
    assert expected >= 20, "too few to judge"
    squared = np.sum((counts - expected) ** 2) / expected
    off = (squared - (counts.size - 1)) / np.sqrt(2 * (counts.size - 1))
    assert abs(off) <= Z, f"{name}: chi-squared {off:.1f} standard errors off"


# Shuffling.


def test_each_number_has_one_place():
    sizes = [*range(1, 71), 127, 128, 129, 255, 256, 257, 997, 1023, 1024, 1025]
    places = jnp.arange(max(sizes), dtype=jnp.uint32)
    grids = jax.tree.map(lambda *numbers: jnp.stack(numbers), *map(grid_of, sizes))

    def order(key, grid):
        return shuffled(key, places % grid.size, grid)

    def orders(key):
        return jax.vmap(order, in_axes=(None, 0))(key, grids)

    for of_key in np.asarray(quick_jit(jax.vmap(orders))(jax.random.bits(KEY, (4, 2)))):
        for size, numbers in zip(sizes, of_key, strict=True):
            np.testing.assert_array_equal(np.sort(numbers[:size]), np.arange(size))


def test_largest_number_of_examples():
    num = 2**31 - 1
    places, key = jnp.arange(2_000, dtype=jnp.uint32), jnp.array([5, 6], jnp.uint32)
    numbers = quick_jit(lambda key: shuffled(key, places, grid_of(num)))(key)
    assert len(np.unique(numbers)) == 2_000 and np.max(numbers) < num
    assert_uniform(np.histogram(numbers, bins=20, range=(0, num))[0], "2^31 - 1")


@pytest.mark.parametrize("num", [2, 3, 4, 5])
def test_all_orders_are_equally_likely(num):
    keys = jax.random.bits(KEY, (30_000, 2))
    places = jnp.arange(num, dtype=jnp.uint32)
    orders = quick_jit(jax.vmap(lambda key: shuffled(key, places, grid_of(num))))(keys)
    codes = np.asarray(orders, np.int64) @ num ** np.arange(num)
    _, counts = np.unique(codes, return_counts=True)
    assert len(counts) == np.prod(np.arange(1, num + 1))
    assert_uniform(counts, f"orders of {num}")


@pytest.mark.parametrize("num", [13, 16])
def test_pairs_of_places_are_uniform(num):
    keys = jax.random.bits(KEY, (20_000, 2))
    places = jnp.arange(num, dtype=jnp.uint32)
    orders = np.asarray(
        quick_jit(jax.vmap(lambda key: shuffled(key, places, grid_of(num))))(keys), np.int64
    )
    for first, second in [(0, 1), (1, 7), (3, num - 1), (4, 8)]:
        pairs = np.bincount(orders[:, first] * num + orders[:, second], minlength=num**2)
        pairs = pairs.reshape(num, num)[~np.eye(num, dtype=bool)]
        assert_uniform(pairs, f"places {first} and {second} of {num}")


def test_a_batch_is_a_random_subset():
    """Its mean has the variance of a draw without replacement, neighbours or not."""
    num, size = 1_000, 50
    values = np.arange(num) - (num - 1) / 2

    def mean_of_first(key):
        indices, _ = to.batch_order(num, size, key=key)(0)
        return jnp.mean(jnp.asarray(values, jnp.float32)[indices])

    means = quick_jit(jax.vmap(mean_of_first))(jax.random.split(KEY, 20_000))
    assert_variance(means, np.var(values) / size * (num - size) / (num - 1))


def test_draws_are_uniform_and_independent():
    places, key = jnp.arange(60_000, dtype=jnp.uint32), jnp.array([1, 2], jnp.uint32)
    draw = quick_jit(lambda key, num: drawn(key, places, num), static_argnums=1)
    numbers = np.asarray(draw(key, 12), np.int64)
    assert_uniform(np.bincount(numbers), "draws")
    assert_uniform(np.bincount(numbers[:-1] * 12 + numbers[1:]), "neighbours")
    # Of the words of 32 bits 1.4 x 10^9 numbers take three quarters, and the rest is drawn again.
    large = draw(key, 1_400_000_000)
    assert_uniform(np.histogram(large, bins=100, range=(0, 1_400_000_000))[0], "large")


# Epochs.


@pytest.mark.parametrize("order", WITHOUT_REPLACEMENT)
@pytest.mark.parametrize(
    "num, size", [(12, 4), (10, 4), (11, 10), (7, 1), (5, 5), (1, 1), (100, 7)]
)
def test_mean_over_an_epoch_is_the_full_gradient(order, num, size):
    made = to.batch_order(num, size, order=order, key=KEY)
    steps = made.steps_per_epoch
    indices, weights = batches(made, 3 * steps)
    assert indices.shape == weights.shape == (3 * steps, size)
    for epoch in range(3):
        rows = slice(epoch * steps, (epoch + 1) * steps)
        share = np.bincount(indices[rows].ravel(), weights[rows].ravel(), minlength=num)
        # Of each example's gradient the mean over the epoch has exactly 1 / N.
        np.testing.assert_allclose(share / (steps * size), 1 / num, rtol=1e-6)
        counted = indices[rows][weights[rows] > 0]
        np.testing.assert_array_equal(np.sort(counted), np.arange(num))
    assert all(len(set(row)) == size for row in indices), "an example twice in a batch"
    if num % size == 0:
        assert np.all(weights == 1)


def test_examples_are_shared_out_evenly():
    """Not 3 of 10 in the last batch: its gradient would count a third as much."""
    _, weights = batches(to.batch_order(103, 10, key=KEY), 11)
    counts = np.sum(weights > 0, axis=1)
    assert set(counts) == {9, 10} and counts.sum() == 103


def test_epochs_differ():
    made = to.batch_order(60, 20, key=KEY)
    indices, _ = batches(made, 9)
    assert not np.array_equal(indices[:3], indices[3:6])
    assert not np.array_equal(indices[3:6], indices[6:])


def test_neighbouring_epochs_are_independent():
    num = 7

    def place_of_first(key):
        made = to.batch_order(num, num, key=key)
        return jnp.stack([made(epoch).indices[0] for epoch in (0, 1)])

    first, second = quick_jit(jax.vmap(place_of_first))(jax.random.split(KEY, 10_000)).T
    assert_uniform(np.bincount(np.asarray(first) * num + np.asarray(second)), "two epochs")


@pytest.mark.parametrize("num, size", [(24, 4), (23, 4)])
def test_symmetric_sweep_goes_back_as_it_came(num, size):
    made = to.batch_order(num, size, order="symmetric", key=KEY)
    steps = made.steps_per_epoch
    for part in batches(made, 2 * steps):
        np.testing.assert_array_equal(part[:steps], part[steps:][::-1])
    there = batches(made, steps)[0]
    assert not np.array_equal(there, batches(made, steps, start=2 * steps)[0])
    assert not np.array_equal(there, there[::-1])


# A pure function.


@pytest.mark.parametrize("order", ORDERS)
def test_same_batches_however_they_are_computed(order):
    made = to.batch_order(1_001, 8, order=order, key=3)
    eager = [made(step) for step in (0, 1, 126, 300)]
    scan = quick_jit(lambda steps: jax.lax.scan(lambda _, step: (0, made(step)), 0, steps)[1])
    scanned = jax.tree.map(np.asarray, scan(jnp.arange(301)))
    again = to.batch_order(1_001, 8, order=order, key=jax.random.key(3))
    for batch, step in zip(eager, (0, 1, 126, 300), strict=True):
        later = again(np.int64(step))
        for one, other, third in zip(batch, later, scanned, strict=True):
            np.testing.assert_array_equal(one, other)
            np.testing.assert_array_equal(one, third[step])
    assert eager[0].indices.dtype == jnp.int32 and eager[0].weights.dtype == jnp.float32
    assert all(not leaf.weak_type for leaf in eager[0])


@pytest.mark.parametrize("order", ORDERS)
def test_chains_have_orders_of_their_own(order):
    keys = jax.random.split(KEY, 3)

    def make(key):
        return to.batch_order(40, 10, order=order, key=key)

    def fifth(made):  # a pytree that vmap takes
        return made(5).indices

    of_chains = quick_jit(jax.vmap(fifth))(quick_jit(jax.vmap(make))(keys))
    alone = quick_jit(lambda key: fifth(make(key)))
    np.testing.assert_array_equal(of_chains, [alone(key) for key in keys])
    assert len(np.unique(of_chains, axis=0)) == 3


def test_key_of_a_sampler_may_be_used_again():
    """The order has a stream of its own; a typed key, a raw one and a seed are one key."""
    words = [to.batch_order(9, 3, key=key).words for key in (1, KEY, jax.random.key(1))]
    np.testing.assert_array_equal(words[0], words[2])
    assert not np.array_equal(words[0], to.sgld(0.1, 1.0, key=1).init(jnp.ones(1)).rng_key)


@pytest.mark.slow
@pytest.mark.parametrize("order", ORDERS)
def test_processes_take_parts_of_one_batch(order):
    whole = to.batch_order(103, 12, order=order, key=KEY)
    parts = [
        to.batch_order(103, 12, order=order, process_index=i, process_count=3, key=KEY)
        for i in range(3)
    ]
    for step in (0, 8, 30):
        together = jax.tree.map(lambda *rows: jnp.concatenate(rows), *[one(step) for one in parts])
        np.testing.assert_array_equal(together.indices, whole(step).indices)
        np.testing.assert_array_equal(together.weights, whole(step).weights)


def mesh_of(axis):
    devices = jax.devices("cpu")[:4]
    return jax.make_mesh((4,), (axis,), axis_types=(AxisType.Auto,), devices=devices)


def test_shards_take_parts_by_their_place_in_the_mesh():
    mesh = mesh_of("data")

    def part(step):
        place = jax.lax.axis_index("data")
        return to.batch_order(50, 8, process_index=place, process_count=4, key=0)(step).indices

    sharded = jax.jit(jax.shard_map(part, mesh=mesh, in_specs=P(), out_specs=P("data")))(9)
    np.testing.assert_array_equal(sharded, to.batch_order(50, 8, key=0)(9).indices)


@pytest.mark.slow
@pytest.mark.parametrize("order", ["symmetric", "replacement"])
def test_shards_may_have_keys_of_their_own(order):
    mesh = mesh_of("chain")
    seeds = jnp.arange(4)

    def of_chain(seed):
        return to.batch_order(50, 8, order=order, key=seed[0])(9).indices[None]

    sharded = jax.jit(jax.shard_map(of_chain, mesh=mesh, in_specs=P("chain"), out_specs=P("chain")))
    alone = [to.batch_order(50, 8, order=order, key=int(seed))(9).indices for seed in seeds]
    np.testing.assert_array_equal(sharded(seeds), jnp.stack(alone))


@pytest.mark.parametrize("order", ORDERS)
def test_step_sorts_nothing_and_stores_nothing(order):
    made = to.batch_order(1_000_003, 16, order=order, key=0)
    text = jax.jit(made).lower(3).as_text()
    assert "sort" not in text
    sizes = [int(size) for size in re.findall(r"tensor<(\d+)x", text)]
    assert sizes and max(sizes) <= 16


# Bad input.


@pytest.mark.parametrize(
    "args, options, message",
    [
        ((0, 1), {}, "`num_examples` must be an integer of at least 1, got 0. There must be data"),
        ((10.0, 1), {}, "`num_examples` must be an integer"),
        ((2**31, 1), {}, "`num_examples` must be at most 2.31 - 1"),
        ((10, 0), {}, "`batch_size` must be an integer of at least 1, got 0"),
        ((10, 2.5), {}, "`batch_size` must be an integer"),
        ((10, 11), {}, "`batch_size` must be at most the number of examples, 10, got 11"),
        ((10, 2), {"order": "random"}, "`order` must be one of .*'random'"),
        ((10, 2), {"process_count": 0}, "`process_count` must be an integer of at least 1, got 0"),
        ((10, 4), {"process_count": 3}, "`process_count` must divide `batch_size`, got 3 and 4"),
        ((10, 2), {"process_count": 2, "process_index": 2}, "`process_index` must be below"),
        ((10, 2), {"process_index": -1}, "`process_index` must be an integer of at least 0"),
    ],
)
def test_bad_settings(args, options, message):
    with pytest.raises(ValueError, match=message):
        to.batch_order(*args, key=0, **options)


def test_key_is_required():
    with pytest.raises(TypeError, match="key"):
        to.batch_order(10, 2)  # pyright: ignore[reportCallIssue]
    with pytest.raises(TypeError, match="`key` is required"):
        to.batch_order(10, 2, key=None)  # pyright: ignore[reportArgumentType]


def test_bad_step():
    made = to.batch_order(10, 2, key=0)
    for step in (-1, 1.5, jnp.arange(3)):
        with pytest.raises(ValueError, match="`step` must be an integer of at least 0"):
            made(step)
    with pytest.raises(TypeError, match="`step` must be a single integer, got float32"):
        jax.eval_shape(made, 1.0)


def test_draws_from_a_power_of_two():
    """All words are below 2^32, the largest multiple of it: nothing is drawn again."""
    made = to.batch_order(64, 64, order="replacement", key=0)
    counts = np.bincount(np.ravel(quick_jit(jax.vmap(made))(jnp.arange(64)).indices), minlength=64)
    assert len(counts) == 64 and abs(np.var(counts) / 63 - 1) < 5 * (2 / 63) ** 0.5


def test_a_step_beyond_int32():
    made = to.batch_order(10, 2, key=0)
    with pytest.raises(ValueError, match=r"`step` must be at most 2\^31 - 1, got 8589934592"):
        made(2**33)
    # A count from a checkpoint may be an integer of NumPy's or JAX's.
    for step in (np.int64(2**31 + 5), np.uint32(2**31 + 5), jnp.uint32(2**31 + 5)):
        with pytest.raises(ValueError, match=r"`step` must be at most 2\^31 - 1, got 2147483653"):
            made(step)
    np.testing.assert_array_equal(made(np.int64(2**31 - 1)).indices, made(2**31 - 1).indices)
    with jax.enable_x64():
        np.testing.assert_array_equal(made(5).indices, to.batch_order(10, 2, key=0)(5).indices)
        for order in ORDERS:  # which draw from the number of the epoch, or of the step
            wide, epochs = to.batch_order(1_000, 4, order=order, key=0), 2 * 250 * 2**32
            assert np.any(wide(epochs + 5).indices != wide(5).indices)
