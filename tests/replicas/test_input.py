"""Bad input gets a message that names the argument, the value and the remedy."""

import jax.numpy as jnp
import optax
import pytest

import thermo_optax as to
from tests.compiling import quick_jit

pytestmark = pytest.mark.usefixtures("standard_promotion")  # `optax.inject_hyperparams` needs it

SGLD = to.sgld(0.1, 1.0, key=0)
SGD = optax.inject_hyperparams(optax.sgd)(0.1, momentum=0.9)
HEAT = {"temperature": [1.0, 2.0, 4.0]}
PARAMS = jnp.ones((3, 2))


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"ladder": {}}, TypeError, "`ladder` must map names"),
        ({"ladder": [1.0, 2.0]}, TypeError, "`ladder` must map names"),
        ({"ladder": {"temperature": [1.0]}}, ValueError, r"at least two, got the shapes"),
        ({"ladder": {"temperature": 1.0}}, ValueError, r"`ladder` must have one value for each"),
        ({"ladder": {**HEAT, "x": [1.0, 2.0]}}, ValueError, r"equally many.*\(3,\).*\(2,\)"),
        ({"ladder": {"temperature": [1.0, 3.0, 2.0]}}, ValueError, "strictly monotone"),
        ({"ladder": {"temperature": [1.0, 1.0]}}, ValueError, "strictly monotone.*Sort it"),
        ({"ladder": {"temperature": [0.0, 1.0]}}, ValueError, "inverse temperature above 0"),
        ({"ladder": {"dropout_rate": [0.0, 0.5]}}, ValueError, "dropout between 0 and 1"),
        ({"ladder": {"temperature": [1.0, jnp.nan]}}, ValueError, "strictly monotone"),
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
    tx.init(PARAMS)
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


def test_states_within_chains_are_found():
    tx = optax.chain(optax.clip(1.0), to.replica_exchange(SGLD, HEAT, key=1))
    state = tx.init(PARAMS)
    assert to.by_rung(state, PARAMS).shape == PARAMS.shape
    assert list(to.replica_hyperparams(state)) == ["temperature"]


def test_traced_ladders_pass():
    @quick_jit
    def first(values):
        tx = to.replica_exchange(SGLD, {"temperature": values}, key=1)
        return tx.init(PARAMS).ladder["temperature"]

    assert first(jnp.array([1.0, 2.0, 3.0])).shape == (3,)
