"""Keys: every form that JAX knows, equal noise for equal keys, and independent noise otherwise."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.compiling import quick, quick_jit
from tests.registry import METHODS, PRIMARY, TURNS
from tests.statistics import assert_uncorrelated

from .programs import assert_equal, differ, init, params, update

SAME_KEY = {
    "typed": lambda seed: jax.random.key(seed),
    "raw": lambda seed: jax.random.PRNGKey(seed),
    "raw NumPy": lambda seed: np.asarray(jax.random.PRNGKey(seed)),
    "int": lambda seed: seed,
    "NumPy int": lambda seed: np.int64(seed),
    "JAX int": lambda seed: jnp.int32(seed),
}
OTHER_GENERATORS = {
    "typed rbg": lambda seed: jax.random.key(seed, impl="rbg"),
    "raw rbg": lambda seed: jax.random.key_data(jax.random.key(seed, impl="rbg")),
    "typed unsafe_rbg": lambda seed: jax.random.key(seed, impl="unsafe_rbg"),
}


def rng_keys(state):
    """The keys in a state, one for each group of a partition."""
    with_path = jax.tree_util.tree_leaves_with_path(state)
    return [leaf for path, leaf in with_path if jax.tree_util.keystr(path).endswith("rng_key")]


@pytest.mark.parametrize("form", SAME_KEY)
def test_forms_of_a_key(form):
    """A state is made without jit, so that each method sees the user's own object."""
    for name in PRIMARY:
        state = METHODS[name](key=SAME_KEY[form](7)).init(params())
        assert_equal(rng_keys(state), rng_keys(init(name, key=7)))
        assert all(key.dtype == jnp.uint32 and key.shape[-1:] == (2,) for key in rng_keys(state))


@pytest.mark.parametrize("form", OTHER_GENERATORS)
def test_keys_of_other_generators(form):
    tree = params()
    seven, again, eight = (
        METHODS["sgld"](key=OTHER_GENERATORS[form](seed)).init(tree) for seed in (7, 7, 8)
    )
    assert_equal(seven, again)
    assert differ(seven.rng_key, eight.rng_key)
    assert differ(seven.rng_key, init("sgld", key=7).rng_key)


def test_both_halves_of_an_rbg_key_count():
    words = [METHODS["sgld"](key=jnp.zeros(4, jnp.uint32).at[i].set(1)) for i in range(4)]
    keys = [tuple(map(int, tx.init(params()).rng_key)) for tx in words]
    assert len(set(keys)) == 4


@pytest.mark.parametrize("form", [*SAME_KEY, *OTHER_GENERATORS])
def test_forms_of_a_key_in_inject_hyperparams(form):
    """There a key is an array in the state, and the transformation is built anew in every step."""
    key, tree = {**SAME_KEY, **OTHER_GENERATORS}[form](7), params()
    injected, alone = METHODS["sgld"].injected(key=key), METHODS["sgld"](key=key)
    assert_equal(rng_keys(injected.init(tree)), rng_keys(alone.init(tree)))

    def implementations(tx):
        program = jax.make_jaxpr(lambda grads: tx.update(grads, tx.init(grads), grads)[0])(tree)
        return set(re.findall(r"key<\w+>", str(program)))

    method = METHODS["sgld-jax"]
    own = implementations(method(key=key))
    assert own == implementations(method.injected(key=key)) != set()
    assert ("key<fry>" in own) == (form in SAME_KEY)


@pytest.mark.parametrize("name", METHODS)
def test_equal_keys_equal_bits(name):
    tree = params()

    def two_steps(key):
        first, state = update(name, tree, init(name, key=key), tree)
        second, state = update(name, tree, state, tree)
        return first, second, state

    assert_equal(two_steps(1), two_steps(1))
    assert differ(two_steps(1)[:2], two_steps(2)[:2])
    first, second, _ = two_steps(1)
    assert differ(first, second)


@pytest.mark.parametrize("name", METHODS)
def test_the_key_is_constant_and_the_count_moves(name):
    """Noise is a function of both, so a checkpoint holds all there is to know."""
    tree, state = params(), init(name)
    _, new_state = update(name, tree, state, tree)
    assert_equal(rng_keys(new_state), rng_keys(state))
    counts = optax.tree.get_all_with_path(new_state, "count")
    assert counts and all(np.all(count == 1) for _, count in counts)


def test_integers_of_64_bits():
    """No two integers are one key; beyond 64 bits they are refused."""
    seeds = (0, 1, -1, 2**32 - 1, 2**32, 2**32 + 1, -(2**32), 2**63 - 1, -(2**63), np.int64(-2))
    keys = {tuple(map(int, METHODS["sgld"](key=seed).init(params()).rng_key)) for seed in seeds}
    assert len(keys) == len(seeds)
    for seed in (5, -1, -(2**31)):  # as an array, in `inject_hyperparams`
        arrays = jnp.int32(seed), np.asarray(seed)
        expected = METHODS["sgld"](key=seed).init(params()).rng_key
        for array in arrays:
            found = METHODS["sgld"](key=array).init(params()).rng_key
            np.testing.assert_array_equal(found, expected)
    for seed in (2**63, -(2**63) - 1):
        with pytest.raises(ValueError, match="`key` must be an int of at most 64 bits"):
            METHODS["sgld"](key=seed)


@pytest.mark.parametrize("name", METHODS)
def test_noise_goes_on_where_the_count_stays(name):
    """A count of steps saturates at 2^31 - 1; noise that knows only it would repeat for ever."""
    tree, last = params(), np.iinfo(np.int32).max

    def late(path, leaf):
        is_count = jax.tree_util.keystr(path).endswith("count")
        return jnp.full_like(leaf, last) if is_count else leaf

    state = jax.tree_util.tree_map_with_path(late, init(name))
    drawn, keys = [], []
    for _ in range(3):
        updates, state = update(name, jax.tree.map(jnp.zeros_like, tree), state, tree)
        drawn.append(updates)
        keys.append(rng_keys(state))
    assert differ(drawn[1], drawn[2])
    if name != "replica_exchange":  # whose own noise goes by rounds of swaps
        assert all(map(differ, keys[1], keys[2]))


def test_groups_that_nothing_tells_apart():
    """In `optax.flatten` a sampler sees an array without a name."""
    tree = {"a": jnp.ones(3), "b": jnp.ones(3)}
    one, other = (optax.flatten(METHODS["sgld"](key=key)) for key in (1, 2))
    labels = {"a": "a", "b": "b"}
    both = to.heated(optax.partition({"a": one, "b": one}, labels))
    with pytest.raises(ValueError, match=r"samplers at .*'a'.* and .*'b'.* `key` of its own"):
        both.init(tree)
    to.heated(optax.partition({"a": one, "b": other}, labels)).init(tree)


def in_replicas(wrap):
    """The groups inside of what gives each replica a key: all of them are traced."""
    return lambda groups: jax.eval_shape(wrap(groups).init, {"a": REPLICAS, "b": REPLICAS})


REPLICAS = jax.ShapeDtypeStruct((2, 3), jnp.float32)
WHERE_KEYS_ARE_TRACED = {
    "jit": lambda groups: jax.jit(to.heated(groups).init)({"a": jnp.ones(3), "b": jnp.ones(3)}),
    "replicate": in_replicas(lambda groups: to.replicate(groups, 2)),
    "replica_exchange": in_replicas(
        lambda groups: to.replica_exchange(groups, {"temperature": [0.1, 0.2]}, key=0)
    ),
    "replicas of replicas": lambda groups: jax.eval_shape(
        to.replicate(to.replicate(groups, 1), 1).init,
        {"a": jnp.ones((1, 1, 3)), "b": jnp.ones((1, 1, 3))},
    ),
    "chains": lambda groups: to.init_chains(
        groups, {"a": jnp.ones((2, 3)), "b": jnp.ones((2, 3))}, 2
    ),
}


@pytest.mark.parametrize("where", WHERE_KEYS_ARE_TRACED)
def test_groups_that_nothing_tells_apart_where_keys_are_traced(where):
    one, other = (optax.flatten(METHODS["sgld"](key=key)) for key in (1, 2))
    labels = {"a": "a", "b": "b"}
    with pytest.raises(ValueError, match=r"samplers at .*'a'.* and .*'b'.* `key` of its own"):
        WHERE_KEYS_ARE_TRACED[where](optax.partition({"a": one, "b": one}, labels))
    WHERE_KEYS_ARE_TRACED[where](optax.partition({"a": one, "b": other}, labels))


def test_inner_and_outer_sampler_with_one_key():
    tree = jnp.ones(SIZE)
    samplers = METHODS["langevin"](1.0, key=1), METHODS["langevin"](1.0, key=1)
    state = quick(to.local_entropy(*samplers, num_inner_steps=1)).init(tree)
    inner, outer = state.inner_state, state.outer_state
    assert differ(inner.rng_key, outer.rng_key)
    assert_uncorrelated(inner.momentum, outer.momentum, name="first momenta")


def test_local_entropies_in_each_other_with_one_key():
    def around(inner, outer):
        return to.local_entropy(inner, outer, num_inner_steps=1)

    def several():
        sampler = METHODS["sgld"](key=1)
        pair = around(sampler, sampler)
        return [around(pair, sampler), around(sampler, pair), around(pair, pair)]

    for tx, streams in zip(several(), (3, 3, 4), strict=True):
        keys = {tuple(key.tolist()) for key in rng_keys(quick(tx).init(jnp.ones(3)))}
        assert len(keys) == streams


def test_a_sampler_that_mixes_with_the_key_of_the_inner_one():
    sampler = METHODS["sgld"](key=1)

    def with_restarts(restart_mixing):
        return to.local_entropy(
            sampler, sampler, num_inner_steps=1, mixing=sampler, restart_mixing=restart_mixing
        ).init(jnp.ones(3))

    assert len({tuple(key.tolist()) for key in rng_keys(with_restarts(False))}) == 3
    with pytest.raises(ValueError, match="the same in each loop.*`restart_mixing=False`"):
        with_restarts(True)


SIZE = 1 << 14


def noise_of(tx, tree):
    """Two updates without gradients, one after the other: heat, and nothing else."""

    def step(state, _):
        updates, state = tx.update(jax.tree.map(jnp.zeros_like, tree), state, tree)
        return state, updates

    return jax.lax.scan(step, tx.init(tree), length=2)[1]


@pytest.mark.quick(*TURNS[0])
@pytest.mark.parametrize("name", [name for name in PRIMARY if METHODS[name].layers == 1])
def test_groups_with_one_key(name):
    """Two groups of a partition, of one method and one key, and two leaves of one group."""
    tree = {group: (jnp.ones(SIZE), jnp.ones(SIZE)) for group in "ab"}
    tx = METHODS[name](key=1)
    groups = optax.partition({"a": tx, "b": tx}, {"a": "a", "b": "b"})
    noise = jax.tree.map(np.asarray, quick_jit(lambda: noise_of(groups, tree))())
    first, second = (jax.tree.map(lambda leaf, i=i: leaf[i], noise) for i in range(2))
    arrays = {"a0": first["a"][0], "a1": first["a"][1], "b0": first["b"][0], "b1": first["b"][1]}
    pairs = [(x, y) for x in arrays for y in arrays if x < y]
    for x, y in pairs:
        assert_uncorrelated(arrays[x], arrays[y], name=f"{x} and {y}")
    for group in "ab":  # not even with a lag: no stream runs into another
        assert_uncorrelated(first[group][0], second[group][1], name="a lag of one step")
        assert_uncorrelated(first[group][0][1:], first[group][1][:-1], name="a lag of one place")


def test_chained_methods_with_one_key():
    tree = jnp.ones(SIZE)
    names = ("sgld", "leimkuhler_matthews", "langevin", "sghmc", "psgld", "santa")
    run = quick_jit(lambda: {name: noise_of(METHODS[name](key=1), tree)[1] for name in names})
    noises = jax.tree.map(np.asarray, run())
    for i, x in enumerate(names):
        for y in names[:i]:
            assert_uncorrelated(noises[x], noises[y], name=f"{x} and {y}")


@pytest.mark.parametrize("name", ["sgld", "langevin", "psgld"])
def test_replicas(name):
    """`vmap` over keys, in a function that builds the transformation."""
    tree = jnp.ones(SIZE)
    noise = quick_jit(jax.vmap(lambda key: noise_of(METHODS[name](key=key), tree)[1]))
    replicas = np.asarray(noise(jax.random.split(jax.random.key(1), 3)))
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert_uncorrelated(replicas[i], replicas[j], name=f"replicas {i} and {j}")
