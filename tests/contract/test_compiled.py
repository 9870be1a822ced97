"""jit, scan, vmap and donation: what JAX makes of an update, and what the update may not do."""

import functools
import gc
import logging
import operator

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.compiling import quick_jit
from tests.registry import METHODS, PRIMARY, TEMPERATURE, TURNS

from .programs import STEPS, assert_close, init, numbers, params, trajectory, types, update


@pytest.mark.quick(*TURNS[0])
@pytest.mark.parametrize("name", METHODS)
def test_extra_arguments_change_nothing(name):
    tx, tree = METHODS[name](), params()
    state = jax.eval_shape(tx.init, tree)
    needed = {"value": np.float32(1)} if METHODS[name].needs_loss else {}

    def plain(grads, state, tree):
        return tx.update(grads, state, tree, **needed)

    def with_others(grads, state, tree):
        return tx.update(grads, state, tree, value=np.float32(1), unheard_of="by this method")

    programs = [jax.make_jaxpr(fn)(tree, state, tree) for fn in (plain, with_others)]
    assert str(programs[0]) == str(programs[1])


@pytest.fixture
def compilations():
    """The names of the programs that JAX compiles while a test runs."""
    names = []

    class Listener(logging.Handler):
        def emit(self, record):
            if record.getMessage().startswith("Compiling"):
                names.append(record.getMessage())

    listener = Listener()
    logging.getLogger("jax").addHandler(listener)
    with jax.log_compiles():
        jax.jit(lambda x: x + 1)(jnp.ones(3))
        assert names, "JAX no longer logs compilations in a form that this test can see"
        names.clear()
        yield names
    logging.getLogger("jax").removeHandler(listener)


@pytest.mark.quick(*TURNS[1])
@pytest.mark.parametrize("name", METHODS)
def test_second_update_does_not_compile(name, compilations):
    tree, state = params(), init(name)
    updates, state = update(name, tree, state, tree)
    del compilations[:]
    update(name, updates, state, tree)
    assert not compilations


@pytest.mark.quick(*TURNS[2])
@pytest.mark.parametrize("name", PRIMARY)
def test_scan_and_vmap_do_what_a_loop_does(name):
    """A batch of three runs, each with a key, a temperature and settings of its own."""
    keys = jax.random.split(jax.random.key(1), 3)
    factors = jnp.array([1.0, 0.9, 0.5])
    settings = {key: value * factors for key, value in numbers(name).items()}
    temperatures = TEMPERATURE * factors

    def run(key, temperature, settings):
        return trajectory(name, key, temperature, settings, params())

    runs = quick_jit(jax.vmap(run))(keys, temperatures, settings)
    for i in range(3):
        tree = params()
        setting = {"temperature": temperatures[i], **{k: v[i] for k, v in settings.items()}}
        state = init(name, tree, keys[i], **setting)
        for _ in range(STEPS):
            updates, state = update(name, tree, state, tree, **setting)
            tree = optax.apply_updates(tree, updates)
        own = jax.tree.map(operator.itemgetter(i), runs)
        assert_close(own, (tree, state), rtol=1e-4)


@pytest.mark.quick(*TURNS[0])
@pytest.mark.parametrize("name", PRIMARY)
def test_donated_state_takes_nothing_of_the_caller(name):
    key, tree = jax.random.PRNGKey(0), params()
    tx = METHODS[name](key=key)

    def step(tree, state):
        updates, state = tx.update(tree, state, tree)
        return optax.apply_updates(tree, updates), state

    for make_state in (tx.init, quick_jit(tx.init)):
        state = make_state(tree)
        copy = jax.tree.map(jnp.copy, tree)
        jax.block_until_ready(quick_jit(step, donate_argnums=(0, 1))(copy, state))
        assert all(leaf.is_deleted() for leaf in jax.tree.leaves(copy))
        assert not any(leaf.is_deleted() for leaf in jax.tree.leaves((key, tree)))


def test_donated_state_has_no_number_of_the_caller():
    """Numbers that `init` writes into the state as they are would be deleted with it."""
    number, tree = jnp.full([], 0.5), {"w": jnp.ones((2, 3))}
    rates = jnp.full(2, 0.5)
    langevin = functools.partial(to.langevin, temperature=number, key=0)
    injected = optax.inject_hyperparams(optax.sgd)(0.1)
    cases = [
        to.warm_up(langevin, step_size=number, friction=number),
        to.adaptive_langevin(number, number, initial_friction=number, key=0),
        to.replicate(injected, 2, hyperparams={"learning_rate": rates}),
    ]
    for tx in cases:
        for leaf in jax.tree.leaves(tx.init(tree)):
            leaf.delete()
    assert number == 0.5 and rates[0] == 0.5


@pytest.mark.quick(*TURNS[1])
@pytest.mark.parametrize("name", METHODS)
def test_no_tracer_leaks(name):
    with jax.checking_leaks():
        jax.eval_shape(
            lambda key, heat, settings: trajectory(name, key, heat, settings, params()),
            jax.random.key(0),
            jnp.float32(TEMPERATURE),
            numbers(name),
        )


@pytest.fixture
def few_objects():
    """For the report of a leak JAX looks through all objects that Python's collector knows."""
    gc.freeze()
    yield
    gc.unfreeze()


def test_leaks_would_be_seen(few_objects):
    leaked = []
    with jax.checking_leaks(), pytest.raises(Exception, match="Leaked"):
        jax.eval_shape(leaked.append, jnp.ones(3))


@pytest.mark.parametrize("name", PRIMARY)
def test_init_is_the_same_without_jit(name):
    tree = params()
    assert types(METHODS[name]().init(tree)) == types(init(name, tree))
    assert_close(METHODS[name]().init(tree), init(name, tree))
