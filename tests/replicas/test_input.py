"""Bad input gets a message that names the argument, the value and the remedy."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.compiling import quick, quick_jit

pytestmark = pytest.mark.usefixtures("standard_promotion")  # `optax.inject_hyperparams` needs it

SGLD = to.sgld(0.1, 1.0, key=0)
SGD = optax.inject_hyperparams(optax.sgd)(0.1, momentum=0.9)
HEAT = {"temperature": [1.0, 2.0, 4.0]}
PARAMS = jnp.ones((3, 2))


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"ladder": {}}, TypeError, "`ladder` must map names"),
        ({"ladder": {"temperature": jnp.sqrt}}, TypeError, "must be numbers.*`temperature_scale`"),
        ({"ladder": [1.0, 2.0]}, TypeError, "`ladder` must map names"),
        ({"ladder": {"temperature": ["1", "2"]}}, TypeError, "must be numbers, one for each rung"),
        (
            {"ladder": {"temperature": [True, False]}},
            TypeError,
            "must be numbers, one for each rung",
        ),
        ({"ladder": {"temperature": [1.0]}}, ValueError, r"at least two, got the shapes"),
        ({"ladder": {"temperature": 1.0}}, ValueError, r"`ladder` must have one value for each"),
        ({"ladder": {**HEAT, "x": [1.0, 2.0]}}, ValueError, r"equally many.*\(3,\).*\(2,\)"),
        ({"ladder": {"temperature": [1.0, 3.0, 2.0]}}, ValueError, "strictly monotone"),
        ({"ladder": {"temperature": [1.0, 1.0]}}, ValueError, "strictly monotone.*Sort it"),
        ({"ladder": {"temperature": [0.0, 1.0]}}, ValueError, "inverse temperature above 0"),
        ({"ladder": {"dropout_rate": [0.0, 0.5]}}, ValueError, "dropout between 0 and 1"),
        ({"ladder": {"temperature": [1.0, jnp.nan]}}, ValueError, "strictly monotone"),
        ({"ladder": {"temperature": [1.0, jnp.inf]}}, ValueError, "must be finite.*power of the"),
        ({"ladder": {"temperature": [4.0, 2.0, 1.0]}}, ValueError, "begin with the coldest rung"),
        ({"ladder": {"x": [4.0, 2.0, 1.0]}}, ValueError, "begin with the coldest rung.*Reverse"),
        ({"ladder": {"keep": [0.5, 0.8]}}, ValueError, "begin with the coldest rung.*Reverse"),
        ({"ladder": {"dropout": [0.5, 0.2]}}, ValueError, "begin with the coldest rung.*Reverse"),
        ({"ladder": {"x": [1.0, 2.0], "temperature": [2.0, 1.0]}}, ValueError, "coldest rung"),
        (
            {"ladder": {"x": [1.0, 2.0], "temperature": [2.0, 1.0]}, "normalization": {"x": 1.0}},
            ValueError,
            "coldest rung, got .2. 1.",
        ),
        (
            {"ladder": {**HEAT, "mass": [1.0, 0.0, 2.0]}},
            ValueError,
            r"`ladder\['mass'\]` must be above 0",
        ),
        (
            {"ladder": {"p": [1.0, 0.5, 0.5]}, "betas": {"p": lambda p: p}},
            ValueError,
            "strictly monotone.*`normalization` 0",
        ),
        ({"mass_groups": {"p": "a"}}, ValueError, r"`mass_groups` names \['p'\]"),
        (
            {"heated_groups": {"temperature": "a"}, "model_hyperparams": "temperature"},
            ValueError,
            "`heated_groups` names .*`model_hyperparams` too",
        ),
        ({"noise_correction": 3.0}, ValueError, "`noise_correction` must be between 0 and 1"),
        ({"noise_decay": 1.0}, ValueError, "`noise_decay` must be at least 0 and below 1"),
        (
            {"noise_correction": 0.5, "energy": "value_fn"},
            ValueError,
            "`noise_correction`=0.5 has no effect with `energy`='value_fn'",
        ),
        (
            {"normalization": 0.0, "adaptation_steps": 9},
            ValueError,
            "`adaptation_steps`=9 needs rungs that reject",
        ),
        ({"adaptation_steps": 320}, ValueError, "`adaptation_steps`=320 end before .* than 320"),
        (
            {"adaptation_steps": 400, "warmup_steps": 90},
            ValueError,
            "`adaptation_steps`=400 end before .* more than 410",
        ),
        (
            {"adaptation_steps": 999, "swap_period": None},
            ValueError,
            "`adaptation_steps`=999 needs swaps, but `swap_period` is None",
        ),
        ({"scheme": "all"}, ValueError, "`scheme` must be one of.*even-odd"),
        ({"energy": "loss"}, ValueError, "`energy` must be one of"),
        ({"swap_period": 0}, ValueError, "`swap_period` must be an integer of at least 1"),
        ({"swap_period": 1.5}, ValueError, "`swap_period` must be an integer"),
        ({"warmup_steps": -1}, ValueError, "`warmup_steps` must be an integer of at least 0"),
        ({"adaptation_steps": -1}, ValueError, "`adaptation_steps` must be an integer"),
        ({"path_length": -1}, ValueError, "`path_length` must be an integer"),
        ({"normalization": -1.0}, ValueError, "`normalization of 'temperature'` must be finite"),
        ({"normalization": {"lr": 1.0}}, ValueError, r"`normalization` names \['lr'\]"),
        ({"betas": {"lr": lambda x: x}}, ValueError, r"`betas` names \['lr'\]"),
        ({"model_hyperparams": ("p",)}, ValueError, r"`model_hyperparams` names \['p'\]"),
        ({"heated_groups": {"p": "a"}}, ValueError, r"`heated_groups` names \['p'\]"),
        ({"noise_correction": -0.5}, ValueError, "`noise_correction` must be between 0 and 1"),
        ({"noise_decay": 0.0}, ValueError, "`noise_decay` must be above 0"),
        ({"reference_temperature": 0.0}, ValueError, "`reference_temperature` must be finite"),
        ({"key": None}, TypeError, "`key` is required"),
    ],
)
def test_at_construction(settings, error, message):
    with pytest.raises(error, match=message):
        to.replica_exchange(SGLD, **{"ladder": HEAT, "key": 1, **settings})


def test_names_that_the_inner_transformation_does_not_have():
    rates = {"learning_rate": [0.1, 0.2, 0.3]}
    tx = to.replica_exchange(optax.inject_hyperparams(to.sgld)(0.1, 1.0, key=0), rates, key=1)
    quick(tx).init(PARAMS)
    tx = to.replica_exchange(SGD, {"dropout_rate": [0.1, 0.2, 0.3]}, key=1)
    with pytest.raises(ValueError, match=r"'dropout_rate'.*\['learning_rate', 'momentum'\]"):
        tx.init(PARAMS)
    with pytest.raises(ValueError, match=r"'learning_rate'.*it has \[\].*inject_hyperparams"):
        to.replica_exchange(optax.sgd(0.1), rates, key=1).init(PARAMS)
    with pytest.raises(ValueError, match=r"no bath.*\['learning_rate', 'momentum'\]"):
        to.replica_exchange(SGD, HEAT, key=1).init(PARAMS)


@pytest.mark.parametrize("temperatures", [(1.0, 2.0), (0.0, 0.0), (optax.constant_schedule(1.0),)])
def test_a_bath_of_several_temperatures_needs_a_reference(temperatures):
    groups = {str(n): to.sgld(0.1, T, key=0) for n, T in enumerate(temperatures)}
    params = {name: PARAMS for name in groups}
    inner = optax.partition(groups, {name: name for name in groups})
    with pytest.raises(ValueError, match="must have one temperature above 0.*`reference_temp"):
        to.replica_exchange(inner, HEAT, key=1).init(params)
    state = to.replica_exchange(inner, HEAT, reference_temperature=2.0, key=1).init(params)
    assert state.reference_temperature == 2


def test_groups_that_the_inner_transformation_does_not_have():
    def layers(heat):
        groups = {"a": to.sgld(0.1, heat, key=0), "b": to.sgld(0.1, 1.0, key=0)}
        return optax.partition(groups, {"x": "a", "y": "b"})

    inner, params = optax.inject_hyperparams(layers)(1.0), {"x": PARAMS, "y": PARAMS}
    ladder = {"heat": [1.0, 2.0, 4.0]}
    for argument in ("heated_groups", "mass_groups"):
        to.replica_exchange(inner, ladder, **{argument: {"heat": "a"}}, key=1).init(params)
        with pytest.raises(ValueError, match=rf"`{argument}` names .* 'c'.*\['a', 'b'\].*one of"):
            to.replica_exchange(inner, ladder, **{argument: {"heat": "c"}}, key=1).init(params)
        with pytest.raises(ValueError, match=r"the groups \[\].*leave the argument out"):
            tx = to.replica_exchange(SGLD, HEAT, **{argument: {"temperature": "a"}}, key=1)
            tx.init(PARAMS)


@pytest.mark.parametrize("dtype", [jnp.complex64, jnp.bool_])
def test_losses_are_real(dtype):
    losses = jnp.zeros(len(PARAMS), dtype)
    tx = to.replica_exchange(SGLD, HEAT, key=1)
    with pytest.raises(TypeError, match="`value` must be the loss, a real number"):
        jax.eval_shape(tx.update, PARAMS, tx.init(PARAMS), PARAMS, value=losses)
    tx = to.replica_exchange(SGLD, HEAT, energy="value_fn", key=1)
    with pytest.raises(TypeError, match="`value` must be the loss, a real number"):
        state = tx.init(PARAMS)
        jax.eval_shape(lambda: tx.update(PARAMS, state, PARAMS, value_fn=lambda x: losses[0]))


@pytest.mark.parametrize("values", [[1.0, 1.5, 2.5], [1.0, 2.0, 4.0]])
def test_an_integer_holds_no_fractions(values):
    inner = optax.inject_hyperparams(to.sgld)(0.1, 1, key=0)  # optax keeps 1 as an integer
    whole = values[1] == 2
    settings = {"adaptation_steps": 999} if whole else {}  # which would move the rungs
    with pytest.raises(ValueError, match=r"'temperature' as int32.*temperature=1\.0"):
        to.replica_exchange(inner, {"temperature": values}, **settings, key=1).init(PARAMS)
    tx = to.replicate(inner, 3, hyperparams={"temperature": values})
    if whole:
        assert list(tx.init(PARAMS).hyperparams["temperature"]) == [1, 2, 4]
        return
    with pytest.raises(ValueError, match=r"'temperature' as int32.*temperature=1\.0"):
        tx.init(PARAMS)


def test_half_precision_holds_no_narrow_ladder():
    """Rungs of 1 and 1.002 are one and the same in bfloat16, and swaps would take them for two."""
    small, narrow = 1e-3 * PARAMS.astype(jnp.bfloat16), {"temperature": [1.0, 1.002, 1.004]}
    make = optax.inject_hyperparams(to.sgld)
    with pytest.raises(ValueError, match="'temperature' as bfloat16.*hyperparam_dtype"):
        to.replica_exchange(make(0.1, 1.0, key=0), narrow, key=1).init(small)
    wide = optax.inject_hyperparams(to.sgld, hyperparam_dtype=jnp.float32)(0.1, 1.0, key=0)
    for inner, ladder in [(wide, narrow), (make(0.1, 1.0, key=0), HEAT)]:
        heat = to.replica_exchange(inner, ladder, key=1).init(small).inner_state.hyperparams
        np.testing.assert_allclose(heat["temperature"].astype(float), ladder["temperature"])
    ladder = {**HEAT, "learning_rate": [0.1, 0.1001, 0.1002]}  # comes along, as optax rounds it
    to.replica_exchange(make(0.1, 1.0, key=0), ladder, key=1).init(small)


def test_a_temperature_that_only_some_samplers_have():
    def inner(temperature, make):
        groups = {"a": make(0.1, 1.0, key=0), "b": to.sgld(0.1, temperature, key=0)}
        return optax.partition(groups, {"x": "a", "y": "b"})

    params = {"x": PARAMS, "y": PARAMS}
    injected = optax.inject_hyperparams(to.sgld)
    with pytest.raises(ValueError, match="does not reach the sampler at .*'b'.*`optax.inject"):
        to.replica_exchange(inner(1.0, injected), HEAT, key=1).init(params)
    named = {"heated_groups": {"temperature": "a"}}
    for tx in (
        to.replica_exchange(inner(1.0, injected), HEAT, **named, key=1),
        to.replica_exchange(inner(0.0, injected), HEAT, key=1),  # there is no heat
        to.replica_exchange(inner(1.0, to.sgld), HEAT, key=1),  # all by their baths
    ):
        assert tx.init(params).rung.shape == (3,)


def test_a_reference_without_effect():
    injected = optax.inject_hyperparams(to.sgld)(0.1, 1.0, key=0)
    for inner, ladder in [(injected, HEAT), (SGD, {"learning_rate": [0.1, 0.2, 0.3]})]:
        tx = to.replica_exchange(inner, ladder, reference_temperature=2.0, key=1)
        with pytest.raises(ValueError, match="`reference_temperature`=2.0 has no effect"):
            tx.init(PARAMS)


@pytest.mark.slow
def test_names_that_only_come_along_may_have_any_values():
    inner = optax.inject_hyperparams(to.sgld)(0.1, 1.0, key=0)
    for rates in ([0.1] * 3, [0.1, 0.3, 0.2], [0.3, 0.2, 0.1]):
        state = to.replica_exchange(inner, {**HEAT, "learning_rate": rates}, key=1).init(PARAMS)
        np.testing.assert_allclose(state.inner_state.hyperparams["learning_rate"], rates)
    ladder = {"dropout_rate": [0.0, 0.5, 0.0], "learning_rate": [0.1, 0.2, 0.3]}
    settings = {"normalization": {"learning_rate": 1.0}, "model_hyperparams": "dropout_rate"}
    tx = to.replica_exchange(inner, ladder, swap_period=1, **settings, key=1)
    state = tx.init(PARAMS)
    for _ in range(5):  # with a round of swaps in the third and in the fifth
        _, state = tx.update(PARAMS, state, PARAMS, value=jnp.arange(3.0))
    expected = np.exp([-5.0, -10 / 6])
    np.testing.assert_allclose(to.swap_acceptance(state).probability, expected, rtol=1e-5)
    everything = {**HEAT, "learning_rate": [0.1] * 3}
    to.replica_exchange(inner, everything, normalization=0.0, key=1).init(PARAMS)


def test_a_rung_for_the_prior():
    """Powers of the likelihood from 1 to 0: swaps use differences of betas only."""
    powers = {"power": [1.0, 0.5, 0.0]}
    settings = {"betas": {"power": lambda power: power}, "model_hyperparams": "power"}
    tx = to.replica_exchange(SGLD, powers, swap_period=1, adaptation_steps=100, **settings, key=1)
    losses = jnp.array([1.0, 3.0, 7.0])

    def step(state, _):
        state = tx.update(jnp.zeros_like(PARAMS), state, PARAMS, value=losses[state.rung])[1]
        return state, to.swap_acceptance(state).probability

    state, acceptance = quick_jit(lambda state: jax.lax.scan(step, state, length=80))(
        tx.init(PARAMS)
    )
    np.testing.assert_allclose(acceptance[31], np.exp([-1.0, -2.0]), rtol=1e-5)
    found = np.asarray(state.ladder["power"])  # which reject equally often where it was measured
    assert found[0] == 1 and found[2] == 0 and 0 < found[1] < 0.5


def test_parameters_and_losses():
    tx = to.replica_exchange(SGLD, HEAT, key=1)
    state = tx.init(PARAMS)
    with pytest.raises(ValueError, match=r"first axis of 3, one entry for each replica.*\(4, 2\)"):
        tx.init(jnp.ones((4, 2)))
    with pytest.raises(ValueError, match="`value` is required.*one loss for each of the 3"):
        tx.update(PARAMS, state, PARAMS)
    for misshapen in (jnp.float32(1.0), jnp.ones(4), jnp.ones((3, 1))):
        with pytest.raises(ValueError, match=r"`value` must be one loss.*jax.vmap"):
            tx.update(PARAMS, state, PARAMS, value=misshapen)
    with pytest.raises(ValueError, match=r"`temperature_scale` must be one number.*\(3,\)"):
        tx.update(PARAMS, state, PARAMS, value=jnp.ones(3), temperature_scale=jnp.ones(3))
    by_function = to.replica_exchange(SGLD, HEAT, energy="value_fn", key=1)
    with pytest.raises(TypeError, match="`value_fn` is required"):
        by_function.update(PARAMS, state, PARAMS)
    with pytest.raises(TypeError, match="`params` is required"):
        by_function.update(PARAMS, state, value_fn=jnp.sum)
    off = to.replica_exchange(SGLD, HEAT, swap_period=None, key=1)
    off.update(PARAMS, off.init(PARAMS), PARAMS)  # needs no losses


def test_readers_of_other_states():
    state = optax.sgd(0.1).init(PARAMS)
    for reader in (to.replica_hyperparams, to.swap_acceptance):
        with pytest.raises(ValueError, match="`state` has no `replica_exchange` in it"):
            reader(state)
    with pytest.raises(ValueError, match="`by` must be one of"):
        tx = to.replica_exchange(SGLD, HEAT, key=1)
        to.best_replica(tx.init(PARAMS), PARAMS, by="luck")


def test_readers_of_several_exchanges():
    groups = {name: to.replica_exchange(SGLD, HEAT, key=n) for n, name in enumerate("ab")}
    params = {"a": PARAMS, "b": PARAMS}
    state = optax.partition(groups, {"a": "a", "b": "b"}).init(params)
    for reader in (to.replica_hyperparams, to.swap_acceptance, to.ladder_thermodynamics):
        with pytest.raises(ValueError, match="`state` has 2 of `replica_exchange`"):
            reader(state)


@pytest.mark.parametrize("params", [{}, {"w": jnp.ones(())}, jnp.ones((1, 2)), jnp.ones((5, 2))])
def test_the_best_of_other_parameters(params):
    state = to.replica_exchange(SGLD, HEAT, key=1).init(PARAMS)
    with pytest.raises(ValueError, match="`params.*(no arrays|first axis of 3)"):
        to.best_replica(state, params)


@pytest.mark.parametrize(
    ("value_fn", "found"),
    [(lambda x: x, r"\(2,\)"), (lambda x: (jnp.sum(x), x), "tuple"), (lambda x: None, "NoneType")],
)
def test_what_a_value_fn_returns(value_fn, found):
    tx = to.replica_exchange(SGLD, HEAT, energy="value_fn", key=1)
    state = tx.init(PARAMS)
    with pytest.raises(ValueError, match=f"`value_fn` must return one number.*returned {found}"):
        jax.eval_shape(lambda: tx.update(PARAMS, state, PARAMS, value_fn=value_fn))
    with pytest.raises(TypeError, match="`value_fn` must be a function"):
        tx.update(PARAMS, state, PARAMS, value_fn=3.0)


def test_states_within_chains_are_found():
    tx = optax.chain(optax.clip(1.0), to.replica_exchange(SGLD, HEAT, key=1))
    state = tx.init(PARAMS)
    assert to.by_rung(state, PARAMS).shape == PARAMS.shape
    assert list(to.replica_hyperparams(state)) == ["temperature"]


def test_replicas_within_a_rung_have_one_temperature():
    params = jnp.ones((3, 2, 4))
    tx = quick(to.replica_exchange(to.replicate(SGLD, 2), HEAT, key=1))
    state = tx.update(params, tx.init(params), params, value=jnp.zeros(3))[1]
    np.testing.assert_array_equal(state.inner_state.bath_temperature, [[1, 1], [2, 2], [4, 4]])


def test_lists_and_states_in_numpy():
    tx = to.replica_exchange(SGLD, HEAT, key=1)
    wanted, _ = tx.update(PARAMS, tx.init(PARAMS), PARAMS, value=jnp.arange(3.0))
    state = jax.device_get(tx.init(PARAMS))
    for losses in ([0.0, 1.0, 2.0], (0.0, 1.0, 2.0), np.arange(3.0)):
        updates, _ = tx.update(PARAMS, state, PARAMS, value=losses)
        np.testing.assert_array_equal(updates, wanted)
    assert np.all(np.isnan(to.swap_acceptance(state).rate))  # of no attempts, without a warning


@pytest.mark.parametrize("make", [to.replicate, lambda tx, _: to.replica_exchange(tx, HEAT, key=1)])
def test_losses_in_a_list_are_an_array_under_jit(make):
    tx = make(SGLD, 3)
    state = tx.init(PARAMS)

    def losses(values):
        return tx.update(PARAMS, state, PARAMS, value=values)[0]

    listed = jax.eval_shape(lambda x: losses([x, 2 * x, x]), 1.0)
    assert listed.shape == jax.eval_shape(losses, jnp.zeros(3)).shape


def test_a_run_that_is_donated_leaves_the_next_one_alone():
    heat = jnp.float32(2.0)
    tx = to.replica_exchange(to.sgld(0.1, heat, key=0), HEAT, key=1)
    first, second = tx.init(PARAMS), tx.init(PARAMS)
    step = jax.jit(lambda state, x: tx.update(x, state, x, value=jnp.zeros(3))[1], donate_argnums=0)
    step(first, PARAMS)
    assert second.reference_temperature == tx.init(PARAMS).reference_temperature == heat


def test_traced_ladders_pass():
    @quick_jit
    def first(values):
        tx = to.replica_exchange(SGLD, {"temperature": values}, key=1)
        return tx.init(PARAMS).ladder["temperature"]

    assert first(jnp.array([1.0, 2.0, 3.0])).shape == (3,)
    assert first([1.0, 2.0, 3.0]).shape == (3,)  # traced one by one


def test_the_temperature_of_one_group_must_be_its_own():
    """Rungs that heat by `temperature_scale` heat all groups."""
    both = {"x": PARAMS, "y": PARAMS}
    own = optax.inject_hyperparams(to.sgld)(0.1, 1.0, key=0)
    settings = {"heated_groups": {"temperature": "a"}, "key": 1}

    def partition(hot):
        return optax.partition({"a": hot, "b": to.sgld(0.1, 1.0, key=2)}, {"x": "a", "y": "b"})

    with pytest.raises(ValueError, match="`heated_groups` names 'temperature', .* all of `inner`"):
        to.replica_exchange(partition(SGLD), HEAT, **settings).init(both)
    tx = to.replica_exchange(partition(own), HEAT, **settings)
    updates, state = tx.update(both, tx.init(both), both, value=jnp.zeros(3))
    groups = state.inner_state.inner_states
    heat = [optax.tree.get(groups[label], "bath_temperature") for label in ("a", "b")]
    np.testing.assert_allclose(heat, [HEAT["temperature"], [1.0] * 3])


def test_readers_want_arrays():
    tx = to.replica_exchange(SGLD, HEAT, key=1)
    state = tx.init(PARAMS)
    for read in (to.by_rung, to.best_replica):
        with pytest.raises(
            TypeError, match=r"`(params|tree)\['act'\]` must be an array.*eqx.filter"
        ):
            read(state, {"w": PARAMS, "act": jnp.tanh})
    with pytest.raises(TypeError, match=r"`samples\['act'\]` must be an array.*eqx.filter"):
        to.ensemble_predict(lambda x, _: x["w"], {"w": PARAMS, "act": jnp.tanh}, None)


def test_a_tempered_sampler_is_no_rung():
    """Its energy is g(alpha) L, and not the loss that decides on swaps."""
    tempered = to.continuous_tempering(SGLD, 1.0, mode="exact", key=1)
    with pytest.raises(ValueError, match=r"`ladder` exchanges \['temperature'\] .*one of the two"):
        to.replica_exchange(tempered, HEAT, key=2).init(PARAMS)


@pytest.mark.parametrize("bad", [-1.0, np.nan])
def test_temperatures_of_replicas_are_checked(bad):
    injected = optax.inject_hyperparams(to.sgld)(0.1, 1.0, key=0)
    with pytest.raises(ValueError, match="`hyperparams\\['temperature'\\]` must be finite and not"):
        to.replicate(injected, 3, hyperparams={"temperature": [1.0, bad, 2.0]})


def test_a_loss_that_is_given_parameters_only_cannot_read_a_ladder():
    """All rungs would be alike, without a word."""
    ladder = HEAT | {"dropout_rate": [0.0, 0.1, 0.2]}
    tx = to.replica_exchange(SGLD, ladder, model_hyperparams=("dropout_rate",), key=1)
    chains = to.init_chains(tx, jnp.ones((4, 3, 2)), 4)
    with pytest.raises(ValueError, match=r"a ladder of \['dropout_rate'\].*`replica_hyperparams"):
        to.run_chains(tx, lambda x: jnp.sum(x**2, 1), chains, 2)
