"""Inside optax's wrappers, on parts of the parameters, and what is refused."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.compiling import quick, quick_jit
from tests.samples.walks import counting, walk, walk_inside

TREE = {"hidden": {"w": jnp.zeros((2, 3)), "b": jnp.zeros(3)}, "output": {"w": jnp.full(2, 7.0)}}
READERS = {
    "samples": (to.collect_samples, {"num_samples": 5}, lambda s, p: to.collected_samples(s, p)),
    "moments": (to.running_moments, {}, to.posterior_mean),
}


LABELS = {
    "layers": {"hidden": "a", "output": "b"},
    "leaves": {"hidden": {"w": "a", "b": "a"}, "output": {"w": "b"}},
}


@pytest.mark.slow
@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("kind", READERS)
def test_one_group_of_a_partition(kind, labels):
    """Labels may name leaves or whole layers; what is not collected is read as it is."""
    make, settings, read = READERS[kind]
    groups = {"a": make(counting(), **settings), "b": optax.set_to_zero()}
    params, state, _ = walk(optax.partition(groups, LABELS[labels]), TREE, 3)
    found = read(state, params)
    assert jax.tree.structure(found) == jax.tree.structure(TREE)
    expected = [1.0, 2.0, 3.0] if kind == "samples" else 2.0
    np.testing.assert_array_equal(found["hidden"]["w"][..., 0, 0], expected)
    assert np.all(found["output"]["w"] == 7)
    assert found["output"]["w"].shape == ((3, 2) if kind == "samples" else (2,))


@pytest.mark.parametrize("kind", READERS)
def test_each_group_of_a_partition(kind):
    make, settings, read = READERS[kind]
    tx = optax.partition(
        {"a": make(counting(), **settings), "b": make(counting(), **settings)},
        {"hidden": "a", "output": "b"},
    )
    params, state, visited = walk(tx, TREE, 3)
    expected = visited if kind == "samples" else jax.tree.map(lambda x: x.mean(0), visited)
    jax.tree.map(np.testing.assert_array_equal, read(state, params), expected)


def test_samples_of_a_part_without_the_rest():
    tx = optax.masked(to.collect_samples(counting(), 5), {"hidden": True, "output": False})
    _, state, _ = walk(tx, TREE, 3)
    samples = to.collected_samples(state)
    assert samples["hidden"]["b"].shape == (3, 3)
    assert isinstance(samples["output"], optax.MaskedNode)


def test_the_rest_of_vmapped_chains():
    tx = optax.partition(
        {"a": to.collect_samples(counting(), 5), "b": optax.set_to_zero()},
        {"hidden": "a", "output": "b"},
    )
    trees = jax.tree.map(lambda x: jnp.stack([x, x + 1]), TREE)
    walks = quick_jit(jax.vmap(lambda tree: walk_inside(tx, tree, 3)))
    params, state, visited = walks(trees)
    samples = to.collected_samples(state, params)
    jax.tree.map(np.testing.assert_array_equal, samples, visited)


@pytest.mark.slow
def test_a_partition_inside():
    tx = to.collect_samples(
        to.lala(
            0.1,
            hidden_groups={"hidden": 1.0},
            output_groups={"output": 1.0},
            hidden_friction=1.0,
            output_friction=1.0,
            key=0,
        ),
        4,
    )
    _, state, visited = walk(tx, TREE, 4)
    jax.tree.map(np.testing.assert_array_equal, to.collected_samples(state), visited)


def _injected(**options):
    static = ("inner", "num_samples", "collect_if", "when_full")
    return optax.inject_hyperparams(to.collect_samples, static_args=static)(
        counting(), 5, **options
    )


WRAPPED = {
    "chain": (lambda: optax.chain(optax.clip(1.0), to.collect_samples(counting(), 5)), range(2, 7)),
    "MultiSteps": (lambda: optax.MultiSteps(to.collect_samples(counting(), 5), 2), range(1, 4)),
    "injected numbers": (lambda: _injected(burn_in=1, thinning=2), (2, 4, 6)),
    "injected schedule": (lambda: _injected(collect=lambda t: jnp.float32(t > 3)), (5, 6)),
}


@pytest.mark.parametrize("wrapper", WRAPPED)
@pytest.mark.usefixtures("standard_promotion")
def test_wrappers(wrapper):
    make, expected = WRAPPED[wrapper]
    _, state, _ = walk(make(), jnp.zeros(2), 6)
    np.testing.assert_array_equal(to.collected_samples(state)[:, 0], list(expected))


def test_the_bath_channel_passes_through():
    x = jnp.ones(3)
    for make in (lambda inner: to.collect_samples(inner, 2), to.running_moments):
        tx = quick(make(to.sgld(0.1, 1.0, key=0)))
        cold, _ = tx.update(x, tx.init(x), x, temperature_scale=0.0)
        np.testing.assert_allclose(cold, -0.1 * np.asarray(x), rtol=1e-6)


def once(inner, **rule):
    tx, x = to.collect_samples(inner, 5, **rule), jnp.ones(2)
    return tx.update(x, tx.init(x), x)


REFUSED = {
    "no samples": (lambda: to.collect_samples(counting(), 0), ValueError, "`num_samples` must be"),
    "half": (lambda: to.collect_samples(counting(), 1.5), ValueError, "`num_samples` must be"),
    "burn-in": (lambda: to.running_moments(counting(), burn_in=-1), ValueError, "`burn_in` must"),
    "thinning": (lambda: to.running_moments(counting(), thinning=0), ValueError, "`thinning` must"),
    "rank": (lambda: to.running_moments(counting(), rank=-1), ValueError, "`rank` must"),
    "full": (
        lambda: to.collect_samples(counting(), 1, when_full="grow"),
        ValueError,
        "`when_full` must be one of",
    ),
    "collect": (
        lambda: to.running_moments(counting(), collect="now"),
        TypeError,
        "`collect` must be a number",
    ),
    "collect_if": (
        lambda: to.running_moments(counting(), collect_if=True),
        TypeError,
        "`collect_if` must be a function of the inner state.*`collect=`",
    ),
    "collect_if of several": (
        lambda: once(counting(), collect_if=lambda state: jnp.ones(2) > 0),
        ValueError,
        r"`collect_if` must return one bool.*\(2,\).*`jnp.all`",
    ),
    "collect_if of nothing": (
        lambda: once(counting(), collect_if=lambda state: None),
        ValueError,
        "`collect_if` must return one bool.*None",
    ),
    "collect of several": (
        lambda: once(counting(), collect=lambda step: jnp.ones(3)),
        ValueError,
        r"`collect` must return one bool.*\(3,\)",
    ),
    "traced": (
        lambda: jax.eval_shape(lambda n: to.collect_samples(counting(), n), 3),
        TypeError,
        "`num_samples` must be a Python integer.*static_args",
    ),
    "no params": (
        lambda: to.collect_samples(counting(), 1).update(jnp.ones(2), None),
        ValueError,
        "`params` is required",
    ),
    "no state": (lambda: to.collected_samples(optax.EmptyState()), ValueError, "has no `collect_"),
    "no moments": (
        lambda: to.posterior_mean(optax.EmptyState(), jnp.ones(2)),
        ValueError,
        "has no `running_moments`",
    ),
    "none yet": (
        lambda: to.collected_samples(to.collect_samples(counting(), 1).init(jnp.ones(2))),
        ValueError,
        "at least one.*Run past `burn_in`",
    ),
    "inside jit": (
        lambda: jax.jit(to.collected_samples)(to.collect_samples(counting(), 1).init(jnp.ones(2))),
        TypeError,
        "use `samples_and_mask` inside jit",
    ),
    "no rank": (
        lambda: to.posterior_deviations(to.running_moments(counting()).init(jnp.ones(2)), 0),
        ValueError,
        "`rank=20`",
    ),
    "no key": (
        lambda: to.draw_posterior(to.running_moments(counting()).init(jnp.ones(2)), 0, 3, key=None),
        TypeError,
        "`key` is required",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    act, error, message = REFUSED[case]
    with pytest.raises(error, match=message):
        act()


def test_groups_that_do_not_fit():
    tx = optax.partition(
        {"a": to.collect_samples(counting(), 5), "b": to.collect_samples(counting(), 3)},
        {"hidden": "a", "output": "b"},
    )
    params, state, _ = walk(tx, TREE, 4)
    with pytest.raises(ValueError, match=r"holds \[3, 4\] samples"):
        to.collected_samples(state, params)
    often = {"a": to.collect_samples(counting(), 2), "b": to.collect_samples(counting(), 2)}
    seldom = often | {"b": to.collect_samples(counting(), 2, thinning=3)}
    labels = {"hidden": "a", "output": "b"}
    params, state, _ = walk(optax.partition(seldom, labels), TREE, 4)  # steps 3 and 4; 1 and 4
    with pytest.raises(ValueError, match=r"have collected \[4, 2\] samples"):
        to.collected_samples(state, params)
    params, state, visited = walk(optax.partition(often, labels), TREE, 4)
    samples = to.collected_samples(state, params)
    jax.tree.map(np.testing.assert_array_equal, samples, jax.tree.map(lambda x: x[2:], visited))
    params, state, _ = walk(tx, TREE, 2)
    with pytest.raises(ValueError, match="`params` is required to read 2 `collect_samples`"):
        to.collected_samples(state)
    with pytest.raises(ValueError, match="one mask cannot serve"):
        to.samples_and_mask(state)


def test_a_group_without_parameters_changes_nothing():
    tx = {"a": to.collect_samples(to.running_moments(counting(), rank=2), 5)}
    labels = {"hidden": "a", "output": "a"}
    states = []
    for groups in (tx, tx | {"b": to.collect_samples(to.running_moments(counting(), rank=3), 5)}):
        params, state, _ = walk(optax.partition(groups, labels), TREE, 3)
        states.append(state)
    for read in (
        to.collected_samples,
        to.samples_and_mask,
        to.posterior_mean,
        to.posterior_deviations,
        quick_jit(lambda state, params: to.draw_posterior(state, params, 3, key=0)),
    ):
        jax.tree.map(np.testing.assert_array_equal, *(read(state, params) for state in states))
    assert to.posterior_deviations(states[1], params)["output"]["w"].shape == (2, 2)


OF_PARAMETERS = {
    "samples": to.collected_samples,
    "samples and mask": to.samples_and_mask,
    "mean": to.posterior_mean,
    "variance": to.posterior_variance,
    "draws": lambda state, params: to.draw_posterior(state, params, 2, key=0),
}


@functools.cache
def three_steps():
    return walk(to.collect_samples(to.running_moments(counting()), 3), TREE, 3)[:2]


@pytest.mark.parametrize("reader", OF_PARAMETERS)
def test_parameters_that_are_none_of_the_state(reader):
    """The present ones, repeated as if nobody had collected them, would be no answer."""
    params, state = three_steps()
    with pytest.raises(ValueError, match=r"it has none at \['hidden/b'.*variables\['params'\]"):
        OF_PARAMETERS[reader](state, {"params": params})
    longer = jax.tree.map(lambda x: jnp.ones((2, *x.shape)), params)
    with pytest.raises(ValueError, match="but the state has"):
        OF_PARAMETERS[reader](state, longer)


def test_of_one_within_another_the_outer_one_is_read():
    inner = to.collect_samples(to.running_moments(counting()), 2)
    x, state, _ = walk(to.collect_samples(to.running_moments(inner, burn_in=3), 3), jnp.zeros(2), 5)
    np.testing.assert_array_equal(to.collected_samples(state)[:, 0], [3, 4, 5])
    np.testing.assert_array_equal(to.posterior_mean(state, x), [4.5, 4.5])
    part = state.inner_state.inner_state
    np.testing.assert_array_equal(to.collected_samples(part)[:, 0], [4, 5])
    np.testing.assert_array_equal(to.posterior_mean(part, x), [3, 3])
    pair = optax.chain(to.running_moments(counting()), to.running_moments(counting()))
    with pytest.raises(ValueError, match=r"several that know the parameters at \['params'\]"):
        to.posterior_mean(walk(pair, x, 2)[1], x)


RESUMED = {
    "num_samples": [lambda n=n: to.collect_samples(counting(), n) for n in (3, 5)],
    "rank": [lambda n=n: to.running_moments(counting(), rank=n) for n in (3, 5)],
    "rank 0": [lambda n=n: to.running_moments(counting(), rank=n) for n in (3, 0)],
}


@pytest.mark.parametrize("case", RESUMED)
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_run_goes_on_with_as_many_rows(case, order):
    """Sizes are in the state; what decides when to collect is not, and may change."""
    first, then = (RESUMED[case][i]() for i in order)
    x = jnp.zeros(2)
    with pytest.raises(ValueError, match="goes on with"):
        then.update(x, first.init(x), x)
    state = to.collect_samples(counting(), 3).init(x)
    _, state = to.collect_samples(counting(), 3, burn_in=1).update(x, state, x)
    assert state.num_collected == 0


def test_readers_of_one_chain():
    """Of several they would take the axis of chains for one of the parameters."""

    def run(x):
        return walk_inside(to.collect_samples(to.running_moments(counting()), 3), x, 3)[:2]

    params, state = quick_jit(jax.vmap(run))(jnp.zeros((2, 2)))
    for reader in (to.posterior_mean, to.samples_and_mask):
        with pytest.raises(ValueError, match="`state` is of 2 chains: `jax.vmap` the reader"):
            reader(state, params)
    mean = jax.vmap(to.posterior_mean)(state, params)
    np.testing.assert_array_equal(mean, np.full((2, 2), 2.0))
    samples, mask = jax.vmap(to.samples_and_mask)(state, params)
    assert np.all(mask)
    np.testing.assert_array_equal(samples, to.collected_samples(state))
