"""No two random numbers are the same: not over leaves, groups, methods, replicas, steps."""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.compiling import quick, quick_jit
from tests.statistics import assert_mean, assert_uncorrelated, assert_variance

SIZE = 2**15


def sgld(key):
    return to.sgld(0.5, 1.0, key=key)  # without a gradient, its update is standard normal


def noise(tx, params, steps=1):
    """The updates of each step without any gradient: noise alone."""
    zeros = jax.tree.map(jnp.zeros_like, params)

    def step(state, _):
        updates, state = tx.update(zeros, state, params)
        return state, updates

    run = quick_jit(lambda: jax.lax.scan(step, tx.init(params), length=steps)[1])
    series = jax.tree.map(np.asarray, run())
    return [jax.tree.map(lambda leaf, i=i: leaf[i], series) for i in range(steps)]


def assert_independent(*arrays):
    arrays = [np.ravel(array) for array in arrays]
    for (i, first), (j, second) in itertools.combinations(enumerate(arrays), 2):
        assert_uncorrelated(first, second, name=f"{i} and {j}")
        # Not only uncorrelated: the same sizes with other signs would be no better.
        assert_uncorrelated(abs(first), abs(second), name=f"sizes of {i} and {j}")


def three_leaves():
    return {"a": jnp.zeros(SIZE), "b": jnp.zeros((2, SIZE // 2)), "c": jnp.zeros((SIZE, 1))}


@pytest.mark.parametrize("generator", [*to.noise_generators()])
def test_leaves_and_steps(generator):
    tx = to.sgld(0.5, 1.0, generator=generator, key=0)
    updates = noise(tx, three_leaves(), steps=2)
    draws = [leaf for step in updates for leaf in jax.tree.leaves(step)]
    assert_independent(*draws)
    for draw in draws:
        assert_mean(draw, 0.0)
        assert_variance(draw, 1.0)


def test_neighbouring_coordinates():
    (updates,) = noise(sgld(0), jnp.zeros(4 * SIZE))
    for lag in (1, 2, 3, 64, SIZE, 2 * SIZE):
        assert_uncorrelated(updates[:-lag], updates[lag:], name=f"lag {lag}")


@pytest.mark.parametrize("word", ["BAOAB", "OBOAB"])
def test_steps_and_the_initial_momentum(word):
    tx = quick(to.langevin(0.5, 1.0, friction=1.0, splitting=word, key=0))
    params = jnp.zeros(SIZE)
    states: list[Any] = [tx.init(params)]
    for _ in range(3):
        states.append(tx.update(jnp.zeros(SIZE), states[-1], params)[1])
    # The stored momentum decays by c in a step; what is added is new noise.
    momenta = [np.asarray(state.momentum) for state in states]
    fresh = [b - np.exp(-0.5) * a for a, b in itertools.pairwise(momenta)]
    assert_independent(momenta[0], *fresh)


@pytest.mark.parametrize(
    "make",
    [
        sgld,
        lambda key: to.leimkuhler_matthews(0.5, 1.0, key=key),
        lambda key: to.langevin(0.5, 1.0, friction=2.0, key=key),
        lambda key: to.sghmc(0.5, 1.0, momentum=0.5, key=key),
        lambda key: to.adaptive_langevin(0.5, 1.0, noise_amplitude=1.0, coupling=1e-6, key=key),
        lambda key: to.psgld(0.5, 1.0, key=key),
        lambda key: to.santa(0.5, 1.0, coupling=1e-6, key=key),
    ],
    ids=["sgld", "leimkuhler_matthews", "langevin", "sghmc", "adaptive_langevin", "psgld", "santa"],
)
class TestTheSameKeyTwice:
    def test_groups_of_a_partition(self, make):
        params = {"a": jnp.zeros(SIZE), "b": jnp.zeros(SIZE)}
        tx = optax.partition({"a": make(0), "b": make(0)}, {"a": "a", "b": "b"})
        updates = noise(tx, params, steps=2)
        assert_independent(updates[0]["a"], updates[0]["b"])
        assert_independent(updates[1]["a"], updates[1]["b"])

    def test_replicas(self, make):
        params = jnp.zeros(SIZE)

        def first(key):
            tx = make(key)
            return tx.update(params, tx.init(params), params)[0]

        run = quick_jit(jax.vmap(first))
        assert_independent(*run(jax.random.split(jax.random.key(0), 3)))


def test_methods_with_the_same_key():
    makers = [sgld, lambda key: to.leimkuhler_matthews(0.5, 1.0, key=key)]
    makers += [lambda key: to.psgld(0.5, 1.0, key=key)]
    assert_independent(*(noise(make(7), jnp.zeros(SIZE))[0] for make in makers))


def test_groups_of_adlala_and_lol():
    params = {"first": jnp.zeros(SIZE), "last": jnp.zeros(SIZE)}
    for tx in (
        to.adlala(0.1, adaptive_groups={"adaptive": 1.0}, langevin_groups={"langevin": 1.0}, key=3),
        to.lol(
            0.1, langevin_groups={"langevin": 1.0}, overdamped_groups={"overdamped": 1.0}, key=3
        ),
        to.lala(0.1, hidden_groups={"hidden": 1.0}, output_groups={"output": 1.0}, key=3),
    ):
        for updates in noise(tx, params, steps=2):
            assert_independent(updates["first"], updates["last"])


def test_noise_does_not_depend_on_the_neighbours_in_the_state():
    """Other steps of the same key repeat to the bit; another key does not."""
    params = three_leaves()
    first, again = noise(sgld(5), params), noise(sgld(jax.random.key(5)), params)
    jax.tree.map(lambda a, b: (a == b).all() or pytest.fail("not repeatable"), first, again)
    assert_independent(first[0]["a"], noise(sgld(6), params)[0]["a"])
