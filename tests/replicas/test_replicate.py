"""Replicas are independent, and each is what the transformation alone would be."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.compiling import quick, quick_jit
from tests.statistics import assert_uncorrelated, assert_variance

SIZE = 4


def stacked(tree, size=SIZE):
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (size, *leaf.shape)), tree)


def one_step(tx, params, **extra_args):
    """The updates of the first step."""
    return quick_jit(lambda x: tx.update(x, tx.init(x), x, **extra_args)[0])(params)


def test_replicas_share_no_noise_and_no_first_momenta():
    tx = quick(to.replicate(to.langevin(0.5, 1.0, friction=1.0, key=0), 2))
    params = jnp.zeros((2, 20_000))
    state = tx.init(params)
    momenta = state.momentum
    updates, state = tx.update(params, state, params)
    for pair in (momenta, updates):
        assert_variance(pair[0], float(np.var(pair)), name="the same law")
        assert_uncorrelated(*pair, name="two replicas")
    assert len(np.unique(state.rng_key, axis=0)) == 2


@pytest.mark.parametrize(
    "wrap",
    [
        lambda tx: optax.chain(optax.clip(1e9), tx),
        lambda tx: optax.masked(tx, True),
        lambda tx: optax.MultiSteps(tx, 1),
        lambda tx: optax.partition({"a": tx}, "a"),
        lambda tx: to.local_entropy(tx, optax.sgd(1.0)),
        lambda tx: to.replicate(tx, 1),
    ],
    ids=["chain", "masked", "MultiSteps", "partition", "local_entropy", "replicate"],
)
@pytest.mark.usefixtures("standard_promotion")
def test_keys_reach_through_wrappers(wrap):
    tx = to.replicate(wrap(to.sgld(0.1, 1.0, key=0)), 2)
    updates = np.asarray(one_step(tx, jnp.zeros((2, 1, 3))))
    assert not np.any(updates[0] == updates[1])


@pytest.mark.usefixtures("standard_promotion")
def test_noise_of_optax_gets_keys_too():
    updates = np.asarray(one_step(to.replicate(optax.noisy_sgd(0.1, key=3), 2), jnp.zeros((2, 3))))
    assert not np.any(updates[0] == updates[1])


@pytest.mark.usefixtures("standard_promotion")
def test_each_replica_is_the_transformation_alone():
    """Deterministic ones, to the bit; with hyperparameters of its own for each."""
    make = optax.inject_hyperparams(optax.adam)
    rates = jnp.array([0.1, 0.2, 0.3, 0.4])
    tx = to.replicate(make(0.5), SIZE, hyperparams={"learning_rate": rates})
    params = jax.random.normal(jax.random.key(0), (SIZE, 5))
    tx = quick(tx)
    updates, _ = tx.update(params, tx.init(params), params)

    start = quick_jit(lambda rate, own: make(rate).init(own))
    alone = quick_jit(lambda rate, own, state: make(rate).update(own, state, own)[0])
    for replica, rate in enumerate(rates):
        own = params[replica]
        expected = alone(rate, own, start(rate, own))
        np.testing.assert_array_equal(np.asarray(updates)[replica], expected)


def test_extra_arguments_are_given_out():
    def update(updates, state, params=None, *, value, scale, value_fn, **extra_args):
        del params, extra_args
        return jax.tree.map(lambda u: u * value * scale + value_fn(u), updates), state

    tx = optax.GradientTransformationExtraArgs(lambda params: (), update)
    values = jnp.arange(1.0, SIZE + 1)
    params = jnp.ones((SIZE, 2))
    extra = {"value": values, "scale": 2.0, "value_fn": lambda u: jnp.sum(u)}
    updates = one_step(to.replicate(tx, SIZE), params, **extra)
    np.testing.assert_array_equal(updates[:, 0], 2 * np.asarray(values) + 2)
    listed = extra | {"value": values.tolist()}
    again = one_step(to.replicate(tx, SIZE), params, **listed)
    np.testing.assert_array_equal(again, updates)


def gradient_from(data):
    """A function of one replica's parameters, with its data among its arrays."""
    return jax.tree_util.Partial(lambda data, params: jnp.mean(data) * params, data)


def by_function(updates, state, params=None, *, grad_fn, batch, **extra_args):
    """The gradient of each replica from arguments that serve all of them."""
    del updates, extra_args
    shift = sum(jnp.sum(leaf) for leaf in jax.tree.leaves(batch))
    return jax.tree.map(lambda u: u + shift, grad_fn(params)), state


@pytest.mark.slow
@pytest.mark.parametrize("wrap", ["replicate", "replica_exchange"])
def test_what_has_as_many_rows_as_there_are_replicas_is_not_split(wrap):
    tx = optax.GradientTransformationExtraArgs(lambda params: (), by_function)
    data, params = jnp.arange(float(SIZE)), jnp.ones((SIZE, 2))
    batch = {"x": jnp.ones((SIZE, 3)), "y": jnp.ones(SIZE)}
    if wrap == "replicate":
        shared, split = to.replicate(tx, SIZE), to.replicate(tx, SIZE, per_replica_args="grad_fn")
    else:
        shared, split = (
            to.replica_exchange(
                tx,
                {"dropout_rate": [0.1, 0.2, 0.3, 0.4]},
                model_hyperparams="dropout_rate",
                per_replica_args=names,
                key=0,
            )
            for names in ((), ("grad_fn",))
        )
    extra = {"grad_fn": gradient_from(data), "batch": batch, "value": jnp.ones(SIZE)}
    updates, _ = shared.update(params, shared.init(params), params, **extra)
    np.testing.assert_allclose(updates, jnp.mean(data) + 4 * SIZE)
    updates, _ = split.update(params, split.init(params), params, **extra)
    np.testing.assert_allclose(updates[:, 0], data + 4 * SIZE)
    extra["grad_fn"] = gradient_from(data[1:])
    with pytest.raises(ValueError, match=r"`grad_fn.*must have a first axis of 4.*\(3,\)"):
        split.update(params, split.init(params), params, **extra)


def test_arrays_of_a_value_fn_are_not_split():
    rows = jnp.arange(float(SIZE))
    sgd = optax.inject_hyperparams(optax.sgd)(0.1)
    ladder = {"learning_rate": [0.1, 0.2, 0.3, 0.4]}
    tx = to.replica_exchange(sgd, ladder, swap_period=1, energy="value_fn", key=0)
    params = jnp.ones((SIZE, 1))
    state = quick(tx).init(params)
    loss = jax.tree_util.Partial(lambda rows, params: jnp.sum(rows) * jnp.sum(params), rows)
    update = quick_jit(lambda state, loss: tx.update(params, state, params, value_fn=loss)[1])
    for _ in range(2):
        state = update(state, loss)
    np.testing.assert_allclose(state.energies.latest, np.sum(rows))


@pytest.mark.usefixtures("standard_promotion")
def test_hyperparameters_go_along_the_axis_of_their_own_replicas():
    inner = optax.inject_hyperparams(optax.sgd)(0.5)
    rates = np.array([0.1, 0.2], np.float32)
    tx = to.replicate(to.replicate(inner, 2), 2, hyperparams={"learning_rate": rates})
    updates = one_step(tx, jnp.ones((2, 2, 3)))
    np.testing.assert_allclose(updates[:, :, 0], -rates[:, None] * np.ones((1, 2)))


@pytest.mark.usefixtures("standard_promotion")
def test_first_momenta_have_the_heat_of_their_own_replica():
    values = {
        "temperature": np.array([1.0, 4.0, 9.0, 16.0]),
        "mass": np.array([1.0, 1.0, 4.0, 4.0]),
    }
    tx = optax.inject_hyperparams(to.langevin)(0.1, 1.0, friction=1.0, mass=1.0, key=0)
    params = jnp.ones((SIZE, 3))
    alike = quick(to.replicate(tx, SIZE)).init(params).inner_state.momentum
    own = quick(to.replicate(tx, SIZE, hyperparams=values)).init(params).inner_state.momentum
    np.testing.assert_allclose(
        own, np.asarray(alike) * np.array([[1.0], [2.0], [6.0], [8.0]]), rtol=1e-6
    )


@pytest.mark.usefixtures("standard_promotion")
def test_first_momenta_of_cold_replicas_are_at_rest():
    tx = optax.inject_hyperparams(to.langevin)(0.1, 0.0, friction=1.0, key=0)
    own = to.replicate(tx, SIZE, hyperparams={"temperature": np.arange(SIZE, dtype=float)})
    np.testing.assert_array_equal(quick(own).init(jnp.ones((SIZE, 3))).inner_state.momentum, 0)


@pytest.mark.usefixtures("standard_promotion")
def test_noise_of_optax_differs_at_every_depth():
    tx = to.replicate(to.replicate(optax.add_noise(0.1, 0.5, key=3), 2), 2)
    updates = one_step(tx, jnp.zeros((2, 2, 3)))
    assert len(np.unique(updates)) == updates.size


def test_first_momenta_differ_at_every_depth():
    inner = to.langevin(0.5, 1.0, friction=1.0, key=0)
    tx = to.replicate(to.replica_exchange(inner, {"temperature": [1.0, 2.0]}, key=1), 3)
    momenta = quick(tx).init(jnp.zeros((3, 2, 5))).inner_state.momentum
    assert len(np.unique(momenta)) == momenta.size


def test_shapes_alone_will_do():
    tx = to.replicate(to.langevin(0.5, 1.0, friction=1.0, key=0), SIZE)
    shape = jax.ShapeDtypeStruct((SIZE, 3), jnp.bfloat16)
    expected = jax.eval_shape(tx.init, jnp.zeros((SIZE, 3), jnp.bfloat16))
    given = quick_jit(lambda: tx.init(shape))()
    assert jax.tree.structure(given) == jax.tree.structure(expected)
    assert [x.shape for x in jax.tree.leaves(given)] == [x.shape for x in jax.tree.leaves(expected)]


@pytest.mark.slow
def test_init_replicas_for_every_kind_of_model():
    flax = pytest.importorskip("flax", reason="flax is in the extra `bench`")
    equinox = pytest.importorskip("equinox", reason="equinox is in the extra `test`")
    from flax import nnx

    x = jnp.ones((1, 2))
    linen = flax.linen.Dense(3)
    models = {
        "linen": lambda key: linen.init(key, x),
        "nnx": lambda key: nnx.state(nnx.Linear(2, 3, rngs=nnx.Rngs(key)), nnx.Param),
        "equinox": lambda key: equinox.nn.MLP(2, 3, 4, 1, key=key),
        "plain": lambda key: {"w": jax.random.normal(key, (2, 3))},
    }
    for name, init_fn in models.items():
        params = to.init_replicas(init_fn, 0, SIZE)
        one = init_fn(jax.random.key(0))
        assert jax.tree.structure(params) == jax.tree.structure(one), name
        matrices = [x for x in jax.tree.leaves(params) if getattr(x, "ndim", 0) == 3]
        assert matrices, name
        for matrix in matrices:
            assert len(np.unique(matrix)) == matrix.size, f"{name}: replicas are alike"
    outputs = equinox.filter_vmap(lambda model: model(x[0]))(
        to.init_replicas(models["equinox"], 0, 2)
    )
    assert outputs.shape == (2, 3)


def test_bad_input():
    sgd = optax.inject_hyperparams(optax.sgd)(0.1)
    with pytest.raises(ValueError, match="`num_replicas` must be an integer of at least 1, got 0"):
        to.replicate(sgd, 0)
    with pytest.raises(ValueError, match=r"`params\['w'\]` must have a first axis of 4.*\(3, 2\)"):
        to.replicate(sgd, 4).init({"w": jnp.ones((3, 2))})
    with pytest.raises(ValueError, match=r"`hyperparams\['learning_rate'\]` must have 4 values"):
        to.replicate(sgd, 4, hyperparams={"learning_rate": [0.1, 0.2]})
    with pytest.raises(ValueError, match=r"no hyperparameter 'momentum'.*\['learning_rate'\]"):
        to.replicate(sgd, 2, hyperparams={"momentum": [0.1, 0.2]}).init(jnp.ones((2, 1)))
    misspelt, x = to.replicate(optax.sgd(0.1), 2, per_replica_args="bacth"), jnp.ones(2)
    with pytest.raises(ValueError, match=r"`per_replica_args` names \['bacth'\].*'batch'"):
        misspelt.update(x, misspelt.init(x), x, batch=x)
    two, x = to.replicate(to.sgld(0.1, 1.0, key=0), 2), jnp.ones((2, 3))
    with pytest.raises(ValueError, match=r"`params` must have a first axis of 2.*\(3,\)"):
        two.update(x, quick(two).init(x), x[0])
    others = quick(to.replicate(to.sgld(0.1, 1.0, key=0), 3)).init(jnp.ones((3, 3)))
    with pytest.raises(ValueError, match=r"`state.count` must have a first axis of 2.*`init`"):
        two.update(x, others, x)
    heated = optax.inject_hyperparams(to.langevin)(0.1, 1.0, friction=1.0, key=0)
    with pytest.raises(ValueError, match=r"`hyperparams\['temperature'\]` must be .*got -1"):
        to.replicate(heated, 2, hyperparams={"temperature": [-1, 2]})
    with pytest.raises(TypeError, match=r"`hyperparams\['temperature'\]` must be numbers"):
        to.replicate(heated, 2, hyperparams={"temperature": [True, False]})
    scheduled = optax.inject_hyperparams(optax.sgd)(optax.constant_schedule(0.1))
    with pytest.raises(ValueError, match="not a schedule"):
        values = {"learning_rate": [0.1, 0.2]}
        to.replicate(scheduled, 2, hyperparams=values).init(jnp.ones((2, 1)))
