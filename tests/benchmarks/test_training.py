"""The engine: every method of the comparison trains, and networks do not disturb each other."""

import jax
import numpy as np
import pytest

from benchmarks.engine import networks
from benchmarks.engine.problem import grid
from benchmarks.engine.training import Meter, Trainer
from benchmarks.layers import comparison, methods, planar, settings
from tests.selection import each

SPIRAL = settings.PROBLEMS["spiral"]
SEEDS = range(2)
POINTS = planar.problem(SPIRAL, planar.draw(SPIRAL, SEEDS))


def train(problem, method, *, steps, chunks):
    trainer = Trainer(problem, method, steps // chunks)
    return trainer.train(method.settings, SEEDS, chunks=chunks, examples=problem.examples)


def on_test_data(problem, chunk):
    return Meter(problem)(chunk.params, ("test",))["test"]


@pytest.fixture(autouse=True)
def _promotion_as_users_have_it():
    # Flax and optax's Adam promote dtypes and ranks by themselves.
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


@each(SPIRAL.methods, *SPIRAL.methods.keys() - {"sgd"})
def test_every_method_trains_its_networks(name):
    method = SPIRAL.methods[name]
    first, last = train(POINTS, method, steps=50, chunks=2)
    measured = on_test_data(POINTS, last)

    shape = (len(method.settings), len(SEEDS))
    assert last.loss.shape == last.temperature.shape == (25, *shape)
    for values in (measured["loss"], measured["accuracy"], np.mean(last.loss, axis=0)):
        assert values.shape == shape
        assert np.all(np.isfinite(values))
    assert (first.step, last.step) == (25, 50)
    assert last.seconds_per_step > 0
    assert np.all((measured["accuracy"] > 0.3) & (measured["accuracy"] < 0.9))
    assert np.all(last.temperature > 0) or method.thermometer is None
    for before, after in zip(*map(jax.tree.leaves, (first.params, last.params)), strict=True):
        assert after.shape[:2] == shape
        moved = np.any(np.asarray(before != after).reshape(*shape, -1), axis=-1)
        assert np.all(moved)


def test_both_problems_compare_the_same_methods():
    trig = settings.PROBLEMS["trig"]
    assert {n: m.label for n, m in trig.methods.items()} == {
        n: m.label for n, m in SPIRAL.methods.items()
    }
    for method in (*trig.methods.values(), *SPIRAL.methods.values()):
        names = {tuple(row) for row in method.settings}
        assert len(names) == 1  # rows of one table
        assert method.set_temperature is None or method.set_temperature in method.settings[0]


@pytest.mark.slow
def test_a_setting_trains_alike_alone_and_in_a_grid():
    rows = grid(learning_rate=(0.1, 0.5), momentum=(0.0, 0.9))

    def losses(rows):
        (chunk,) = train(POINTS, methods.sgd(rows), steps=20, chunks=1)
        return on_test_data(POINTS, chunk)["loss"]

    together, alone = losses(rows), losses(rows[2:3])
    assert len(np.unique(together)) == together.size
    np.testing.assert_allclose(together[2:3], alone, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", settings.IMAGE_METHODS)
def test_every_method_learns_images_that_all_seeds_share(name):
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, 60)
    images = np.zeros((60, 2, 3), np.uint8)
    images[np.arange(60), 0, labels] = 255  # the class is the pixel that is lit
    problem = comparison.classification(
        "pixels",
        (images, labels, images[:20], labels[:20]),
        (6, 16, 16, 3),
        networks.class_loss,
        networks.class_accuracy,
        batch_size=16,
        data_per_seed=False,
        prepare=lambda batch: batch.reshape(*batch.shape[:-2], -1) / np.float32(255),
    )
    method = settings.IMAGE_METHODS[name]
    (chunk,) = train(problem, method, steps=1000, chunks=1)
    accuracy = on_test_data(problem, chunk)["accuracy"]
    assert accuracy.shape == (len(method.settings), len(SEEDS))
    assert np.all(accuracy == 1)
    assert np.all(chunk.temperature > 0) or method.thermometer is None


def test_networks_start_as_in_pytorch():
    init, apply = networks.functional((400, 300, 1))
    leaves = jax.tree.leaves(init(jax.random.key(0)))
    assert sorted(leaf.shape for leaf in leaves) == [(1,), (300,), (300, 1), (400, 300)]
    for leaf in leaves:
        bound = 400**-0.5 if leaf.shape[-1] == 300 else 300**-0.5
        assert np.max(np.abs(leaf)) <= bound
        if leaf.size > 1000:
            assert np.std(leaf) == pytest.approx(bound / 3**0.5, rel=0.02)
    assert apply(init(jax.random.key(0)), np.ones((5, 400), np.float32)).shape == (5, 1)
