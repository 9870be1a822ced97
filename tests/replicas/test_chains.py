"""Chains that are started and run: their laws, their bits, and what stops a wrong call."""

import dataclasses
import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest

import thermo_optax as to
from tests.compiling import quick_jit
from tests.contract.programs import assert_equal

SIZE, EXAMPLES, TEMPERATURE = 4, 10, 0.5
DATA = jnp.linspace(-1, 1, EXAMPLES)
ORDER = to.batch_order(EXAMPLES, 3, key=3)


def start(key):
    return {"w": 2 * jax.random.normal(key, (3,)), "b": jax.random.normal(key)}


def loss(params, batch=None):
    """A well around the mean of the data of a batch."""
    center = jnp.mean(DATA if batch is None else batch.weights * DATA[batch.indices])
    return optax.tree.norm(jax.tree.map(lambda x: x - center, params), squared=True) / 2


SAMPLER = to.langevin(0.5, TEMPERATURE, friction=1.0, key=0)
TX = to.collect_samples(SAMPLER, 8, burn_in=5, thinning=3)
REST = optax.sgd(0.0)  # where only the losses count
ADVANCE = functools.partial(to.run_chains, TX, loss, batches=ORDER)


@pytest.fixture(scope="module")
def chains():
    return to.init_chains(TX, start, SIZE, key=1)


def stacked():
    return quick_jit(jax.vmap(start))(jax.random.split(jax.random.key(1), SIZE))


def test_starts_and_noise_differ(chains):
    """They are what `init_replicas` and `replicate` make."""
    assert chains.count == 0 and chains.params["w"].shape == (SIZE, 3)
    for leaf in (chains.params["w"], chains.state.inner_state.rng_key):
        assert len(np.unique(leaf, axis=0)) == SIZE
    assert_equal(chains.params, to.init_replicas(start, 1, SIZE))
    keys = quick_jit(to.replicate(TX, SIZE).init)(chains.params).inner_state.rng_key
    np.testing.assert_array_equal(chains.state.inner_state.rng_key, keys)


def test_the_steps_are_those_of_a_loop_by_hand(chains):
    found, trace = ADVANCE(chains, 12, chunk=6)

    @quick_jit
    def step(count, params, state):
        def one(params, chain):
            return jax.value_and_grad(loss)(params, ORDER(count, chain))

        values, grads = jax.vmap(one)(params, jnp.arange(SIZE))
        updates, state = to.replicate(TX, SIZE).update(grads, state, params)
        return optax.apply_updates(params, updates), state, values

    params, state, losses = chains.params, chains.state, []
    heats = []
    for count in range(12):
        params, state, values = step(count, params, state)
        losses.append(values)
        momentum = jax.tree.map(np.asarray, state.inner_state.momentum)
        heats.append(np.mean(momentum["w"] ** 2, 1) * 3 / 4 + momentum["b"] ** 2 / 4)
    assert found.count == 12
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-5), found.params, params)
    np.testing.assert_array_equal(trace.count, [6, 12])
    for traced, expected in ((trace.loss, losses), (trace.temperature, heats)):
        means = np.reshape(expected, (2, 6, SIZE)).mean(1).T
        np.testing.assert_allclose(traced, means, rtol=1e-5)
    samples = to.collected_samples(found)  # steps 6 and 9 and 12
    assert samples["w"].shape == (SIZE, 3, 3)
    np.testing.assert_array_equal(samples["b"][:, -1], found.params["b"])


def test_a_run_in_parts_has_the_bits_of_one(chains, tmp_path):
    """Whatever the parts and chunks are, and also after a save and a restore."""
    whole, trace = ADVANCE(chains, 30)
    assert trace.loss.shape == (SIZE, 1)
    first, _ = ADVANCE(chains, 13, chunk=4)
    assert_equal(ADVANCE(first, 17, chunk=16)[0], whole)
    template = jax.eval_shape(lambda: to.init_chains(TX, start, SIZE, key=1))
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "chains", first)
        checkpointer.wait_until_finished()
        restored = checkpointer.restore(tmp_path / "chains", template)
    assert isinstance(restored, to.Chains)
    assert_equal(ADVANCE(restored, 17)[0], whole)


def test_nothing_is_compiled_twice(chains):
    ADVANCE(chains, 3)
    traced = []

    def counted(params, batch):
        traced.append(None)
        return loss(params, batch)

    run = functools.partial(to.run_chains, TX, counted, batches=ORDER)
    later, _ = run(chains, 5, chunk=2)
    first = len(traced)
    again, _ = run(later, 40, chunk=7)
    assert len(traced) == first + 1  # the shape of the loss is looked at in every call
    other = to.batch_order(EXAMPLES, 3, key=4)  # another order is another array, not a program
    to.run_chains(TX, counted, again, 3, batches=other)
    assert len(traced) == first + 2


def test_batches_differ_between_chains_if_they_ask_for_it():
    """A `batch_order` has an order for each chain; a function may leave the chain out."""

    def one(values, batch):
        return jnp.sum(values) * batch.indices[0].astype(jnp.float32)

    def seen(batches):
        still = to.init_chains(REST, jnp.ones((SIZE, 1)), SIZE)
        return to.run_chains(REST, one, still, 4, batches=batches, chunk=1)[1].loss

    own = seen(ORDER)
    assert len(np.unique(own, axis=0)) == SIZE
    first = quick_jit(lambda step, chain: ORDER(step, chain).indices[0])
    expected = [[first(step, chain) for step in range(4)] for chain in range(SIZE)]
    np.testing.assert_array_equal(own, expected)
    shared = seen(lambda step, chain: ORDER(step))
    np.testing.assert_array_equal(shared, np.tile(shared[:1], (SIZE, 1)))
    assert np.any(np.asarray(own)[0] != np.asarray(shared)[0])


def test_batches_go_on_after_the_last_count():
    """The count ends at the largest int32; the batch of that step must not be the last one."""
    still = to.init_chains(REST, jnp.ones((1, 1)), 1)._replace(count=jnp.int32(2**31 - 3))
    _, trace = to.run_chains(
        REST, lambda x, step: x[0] * (step % 16).astype(x.dtype), still, 6, batches=order, chunk=1
    )
    np.testing.assert_array_equal(trace.loss[0], [13, 14, 15, 0, 1, 2])


def order(step, chain):
    del chain
    return step


def test_the_mean_of_a_long_chunk():
    """Late losses move the mean by less than its last digit."""
    half = 2**17
    still = to.init_chains(REST, jnp.ones((1, 1)), 1)

    def two_levels(x, step):
        return x[0] * jnp.where(step < half, 0.999, 1.001)

    trace = to.run_chains(REST, two_levels, still, 2 * half, batches=order, chunk=2 * half)[1]
    np.testing.assert_allclose(trace.loss[0], [1.0], atol=2e-6)


def test_steps_of_different_lengths_count_by_their_lengths():
    """The losses are those of the parameters before a step, and so are their times."""

    def make(step_size):
        return to.langevin(step_size, TEMPERATURE, friction=1.0, key=0)

    tx = to.adaptive_step(make, 0.2, typical_square=1.0)
    begin = to.init_chains(tx, start, SIZE, key=1)
    times = [jax.vmap(to.time_weight)(begin.state)]

    def note(chains, _):
        times.append(jax.vmap(to.time_weight)(chains.state))

    _, single = to.run_chains(tx, loss, begin, 12, chunk=1, on_chunk=note)
    _, trace = to.run_chains(tx, loss, begin, 12, chunk=12)
    before, after = np.stack(times[:-1], axis=1), np.stack(times[1:], axis=1)
    assert np.max(after) > 1.5 * np.min(after)
    mean = np.average(single.loss, axis=1, weights=before)
    np.testing.assert_allclose(trace.loss[:, 0], mean, rtol=1e-5)
    mean = np.average(single.temperature, axis=1, weights=after)
    np.testing.assert_allclose(trace.temperature[:, 0], mean, rtol=1e-5)


def test_data_may_be_arguments():
    """In a `Partial` they are traced: other data of this shape need no other program."""
    traced, chains = [], to.init_chains(REST, start, SIZE, key=1)

    def shifted(data, params):
        traced.append(None)
        return loss(params) + jnp.mean(data)

    for level in (1.0, 2.0):
        function = jax.tree_util.Partial(shifted, jnp.full(5, level))
        trace = to.run_chains(REST, function, chains, 1)[1]
        expected = quick_jit(jax.vmap(function))(chains.params)
        np.testing.assert_allclose(trace.loss[:, 0], expected, rtol=1e-6)
    # A check of the loss in each call, and once the shapes and the loop.
    assert len(traced) == 2 + 2 + 2


def test_on_chunk_is_called_between_chunks(chains):
    seen = []

    def on_chunk(chains, trace):
        seen.append((int(chains.count), trace.loss.shape, trace.temperature.shape))

    _, trace = ADVANCE(chains, 7, chunk=3, on_chunk=on_chunk)
    assert seen == [(3, (SIZE, 1), (SIZE, 1)), (6, (SIZE, 2), (SIZE, 2)), (7, (SIZE, 3), (SIZE, 3))]
    np.testing.assert_array_equal(trace.count, [3, 6, 7])


def test_readings_of_groups_and_of_samplers_without_momenta():
    overdamped = to.sgld(0.1, TEMPERATURE, key=0)
    tx = optax.partition({"w": SAMPLER, "b": overdamped}, {"w": "w", "b": "b"})
    trace = to.run_chains(tx, loss, to.init_chains(tx, start, SIZE, key=1), 2)[1]
    assert {name: heat.shape for name, heat in trace.temperature.items()} == {"w": (SIZE, 1)}
    chains = to.init_chains(overdamped, start, 1, key=1)
    assert to.run_chains(overdamped, loss, chains, 2)[1].temperature is None


def test_the_loss_reaches_the_transformation():
    """Each chain's own: tempering needs it."""

    def update(updates, state, params=None, **extra_args):
        return jax.tree.map(jnp.zeros_like, updates), extra_args["value"]

    tx = optax.GradientTransformationExtraArgs(lambda params: jnp.zeros([]), update)
    chains = to.init_chains(tx, start, SIZE, key=1)
    expected = quick_jit(jax.vmap(loss))(chains.params)
    np.testing.assert_allclose(to.run_chains(tx, loss, chains, 2)[0].state, expected, rtol=1e-6)


LADDER = to.replica_exchange(
    SAMPLER, {"temperature": jnp.array([0.5, 1.0, 2.0])}, swap_period=3, key=4
)
EACH = jax.vmap(loss)  # of the replicas of one ladder


@pytest.mark.parametrize("nested", [False, True], ids=["ladders", "replicated ladders"])
def test_chains_of_ladders(nested):
    """The loss of each replica decides on its swaps, and is traced; its gradient is its own."""
    tx = to.replicate(LADDER, 2) if nested else LADDER
    shape = (2, 3) if nested else (3,)
    starts = {"w": jnp.full((SIZE, *shape, 3), 2.0), "b": jnp.ones((SIZE, *shape))}
    each, all_chains = (jax.vmap(EACH) if nested else EACH), to.replicate(tx, SIZE)
    found, trace = to.run_chains(tx, each, to.init_chains(tx, starts, SIZE), 12, chunk=6)

    @quick_jit
    def step(params, state):
        values, pull = jax.vjp(jax.vmap(each), params)
        (grads,) = pull(jnp.ones_like(values))
        updates, state = all_chains.update(grads, state, params, value=values)
        return optax.apply_updates(params, updates), state, values

    params, state, losses = starts, quick_jit(all_chains.init)(starts), []
    for _ in range(12):
        params, state, values = step(params, state)
        losses.append(values)
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-4), found.params, params)
    assert int(np.sum(found.state.swaps.acceptances)) == np.sum(state.swaps.acceptances) > 0
    assert trace.loss.shape == (SIZE, *shape, 2) and trace.temperature is None
    means = np.reshape(losses, (2, 6, SIZE, *shape)).mean(1)
    np.testing.assert_allclose(np.moveaxis(trace.loss, -1, 0), means, rtol=1e-4)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda params: jnp.sum(EACH(params)), r"each replica, of shape \(3,\).*got shape \(\)"),
        (lambda params: params["w"], r"of shape \(3,\).*got shape \(3, 3\): `jax.vmap`"),
        (lambda params: (EACH(params), 0), "single number, got a tuple"),
    ],
)
def test_losses_of_ladders_that_are_refused(returned, message):
    chains = to.init_chains(LADDER, lambda key: to.init_replicas(start, key, 3), SIZE, key=1)
    with pytest.raises(ValueError, match=message):
        to.run_chains(LADDER, returned, chains, 2)


def test_a_state_begins_on_the_devices_of_the_starts():
    """On a single one it may be more than that holds."""
    mesh = jax.make_mesh((4,), ("chains",), axis_types=(jax.sharding.AxisType.Auto,))
    spread = jax.device_put(stacked(), jax.NamedSharding(mesh, jax.P("chains")))
    chains = to.init_chains(SAMPLER, spread, SIZE)
    for momentum, params in zip(
        *map(jax.tree.leaves, (chains.state.momentum, spread)), strict=True
    ):
        assert momentum.sharding == params.sharding


@pytest.mark.slow  # two programs more, one of them for four devices
def test_chains_split_over_devices_give_the_same_numbers(chains):
    mesh = jax.make_mesh((4,), ("chains",), axis_types=(jax.sharding.AxisType.Auto,))
    spread = jax.device_put(stacked(), jax.NamedSharding(mesh, jax.P("chains")))
    found = to.init_chains(TX, spread, SIZE)
    found, _ = ADVANCE(found, 6)
    assert len(found.params["w"].sharding.device_set) == 4
    expected, _ = ADVANCE(to.init_chains(TX, stacked(), SIZE), 6)
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6),
        found.params,
        expected.params,
    )


@pytest.mark.slow  # two programs, one of them for four devices
def test_chains_over_an_explicit_axis():
    def well(params):
        return sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(params)) / 2

    expected, trace = to.run_chains(SAMPLER, well, to.init_chains(SAMPLER, stacked(), SIZE), 3)
    mesh = jax.make_mesh((4,), ("chains",), axis_types=(jax.sharding.AxisType.Explicit,))
    with jax.set_mesh(mesh):
        spread = jax.device_put(stacked(), jax.NamedSharding(mesh, jax.P("chains")))
        chains = to.init_chains(SAMPLER, spread, SIZE)
        found, seen = to.run_chains(SAMPLER, well, chains, 3)
    close = functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6)
    jax.tree.map(close, found.params, expected.params)
    jax.tree.map(close, seen, trace)


def test_a_fault_in_one_chain_stays_there(chains):
    """Its loss is not a number in the trace, its state survives, and the others go on."""

    def faulty(params, batch):
        return loss(params, batch) * jnp.where(params["b"] == bad, jnp.nan, 1)

    bad = chains.params["b"][2]
    found, trace = to.run_chains(TX, faulty, chains, 1, batches=ORDER)
    np.testing.assert_array_equal(np.isnan(trace.loss[:, 0]), [False, False, True, False])
    assert np.all(np.isfinite(found.state.inner_state.momentum["w"]))
    assert np.all(np.isfinite(np.delete(found.params["w"], 2, axis=0)))


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"num_chains": 0}, ValueError, "`num_chains` must be an integer of at least 1, got 0"),
        ({"num_chains": 2.0}, ValueError, "`num_chains` must be an integer"),
        ({"key": None}, TypeError, "`key` is required"),
        ({"params": jnp.ones((SIZE, 2))}, ValueError, "`key` draws the starts where.*Leave it out"),
        (
            {"params": jnp.ones((3, 2)), "key": None},
            ValueError,
            r"`params` must have a first axis of 4.*\(3, 2\).*Pass a function of a key",
        ),
        ({"params": {}, "key": None}, ValueError, "`params` has no arrays"),
        ({"params": lambda key: {}}, ValueError, "`params` has no arrays"),
        ({"params": lambda key: jnp.arange(3)}, TypeError, "`params` has dtype int32"),
    ],
)
def test_starts_that_are_refused(settings, error, message):
    settings = {"params": start, "num_chains": SIZE, "key": 1} | settings
    with pytest.raises(error, match=message):
        to.init_chains(TX, **settings)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"num_steps": 0}, ValueError, "`num_steps` must be an integer of at least 1, got 0"),
        ({"num_steps": 1e3}, ValueError, "`num_steps` must be an integer"),
        ({"chunk": 0}, ValueError, "`chunk` must be an integer of at least 1, got 0"),
        ({"loss": None}, TypeError, "`loss` must be a function, got None"),
        ({"batches": DATA}, TypeError, "`batches` must be a function"),
        ({"on_chunk": 3}, TypeError, "`on_chunk` must be a function, got 3"),
        ({"chains": (0, {}, {})}, TypeError, "`chains` must be what `init_chains` returns, got t"),
        ({"tx": SAMPLER}, ValueError, "`chains.state` must be a state of `tx`.*`init_chains`"),
        (
            {"tx": to.collect_samples(SAMPLER, 9, burn_in=5, thinning=3)},
            ValueError,
            r"`chains.state.samples\['b'\]` must be float32 of shape \(4, 9\).* got .*\(4, 8\)",
        ),
        ({"loss": lambda params: params["w"]}, ValueError, r"`loss` must return a single num.*3"),
        ({"loss": lambda params: (loss(params), 0)}, ValueError, "single number, got a tuple"),
        (
            {"loss": lambda params: jnp.int32(0)},
            TypeError,
            "`loss` must return a real .*, got int32",
        ),
    ],
)
def test_runs_that_are_refused(settings, error, message, chains):
    settings = {"tx": TX, "loss": loss, "chains": chains, "num_steps": 2} | settings
    with pytest.raises(error, match=message):
        to.run_chains(**settings)


def test_a_loss_without_a_hash():
    """Such as a dataclass that can be called, whose numbers may change from run to run."""

    @dataclasses.dataclass
    class Scaled:
        factor: float

        def __call__(self, params):
            return self.factor * loss(params)

    chains = to.init_chains(REST, start, SIZE, key=1)
    scaled, losses = Scaled(1.0), []
    for factor in (1.0, 2.0):
        scaled.factor = factor
        losses.append(np.asarray(to.run_chains(REST, scaled, chains, 1)[1].loss))
    np.testing.assert_allclose(losses[1], 2 * losses[0], rtol=1e-6)


def test_traced_chains_are_refused(chains):
    with pytest.raises(TypeError, match="`chains` are traced.*outside of `jax.jit`"):
        jax.eval_shape(lambda chains: to.run_chains(TX, loss, chains, 2), chains)


def test_starts_in_a_model_that_can_be_called():
    """As modules of Equinox can; a function with data of its own is a tree as well, and a start."""
    rest = optax.sgd(0.1)
    model = eqx.nn.Linear(2, 3, key=jax.random.key(0))
    stacked = jax.tree.map(lambda x: jnp.stack([x, x]), model)
    assert to.init_chains(rest, stacked, 2).params is stacked
    start = jax.tree_util.Partial(lambda scale, key: scale * jax.random.normal(key, (3,)), 2.0)
    assert to.init_chains(rest, start, 2, key=0).params.shape == (2, 3)
