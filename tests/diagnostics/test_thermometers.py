"""Thermometers against laws that are known exactly."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.stats import chi2

import thermo_optax as to

PARTICLES = 1 << 17
T = 0.7


def equilibrium(tx, curvature, steps=200):
    """Parameters, gradient and state after many steps in a harmonic well."""

    def step(carry, _):
        x, state = carry
        updates, state = tx.update(curvature * x, state, x)
        return (optax.apply_updates(x, updates), state), None

    x = jnp.zeros(PARTICLES)
    (x, state), _ = jax.jit(lambda x, s: jax.lax.scan(step, (x, s), length=steps))(x, tx.init(x))
    return x, curvature * x, state


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [
        lambda: to.langevin(1.0, T, friction=1.0, mass=2.0, key=0),
        lambda: to.langevin(1.0, T, friction=1.0, mass=2.0, splitting="OBABO", key=0),
        lambda: to.sghmc(0.5, T, momentum=0.6, key=0),
    ],
    ids=["BAOAB", "OBABO", "sghmc"],
)
def test_kinetic_temperature_has_no_bias_at_a_large_step(make):
    x, grads, state = equilibrium(make(), curvature=1.5)
    reading = to.diagnostics.kinetic_temperature(state, grads)
    assert abs(reading.value / T - 1) < 5 * np.sqrt(2 / PARTICLES)
    assert reading.degrees == PARTICLES


def test_without_the_gradient_a_kicked_momentum_reads_hot():
    # Stored momentum of OBABO: variance m T / (1 - h^2 k / (4 m)).
    tx = to.langevin(1.0, T, friction=1.0, splitting="OBABO", key=0)
    _, grads, state = equilibrium(tx, curvature=1.0)
    hot = to.diagnostics.kinetic_temperature(state).value
    assert abs(hot / (T / 0.75) - 1) < 5 * np.sqrt(2 / PARTICLES)


def test_configurational_temperature():
    x, grads, _ = equilibrium(to.leimkuhler_matthews(0.5, T, key=0), curvature=1.5)
    reading = to.diagnostics.configurational_temperature({"x": x}, {"x": grads})
    assert abs(reading.value / T - 1) < 5 * np.sqrt(2 / PARTICLES)
    shifted = to.diagnostics.configurational_temperature(x + 3, grads, center=jnp.full_like(x, 3.0))
    np.testing.assert_allclose(shifted.value, reading.value, rtol=1e-4)


@pytest.mark.slow
def test_the_interval_covers_the_truth_as_often_as_it_says():
    runs, degrees = 4_000, 20
    momenta = jnp.sqrt(T) * jax.random.normal(jax.random.key(0), (runs, degrees))
    state = to.langevin(0.1, T, friction=1.0, key=0).init(jnp.zeros(degrees))
    read = jax.vmap(
        lambda p: to.diagnostics.kinetic_temperature(state._replace(momentum=p), confidence=0.9)
    )
    low, high = read(momenta).low, read(momenta).high
    share = jnp.mean((low < T) & (high > T))
    assert abs(share - 0.9) < 5 * np.sqrt(0.9 * 0.1 / runs)


@pytest.mark.parametrize("degrees", [1, 10, 100_000_000])
def test_the_band_is_that_of_chi_squared(degrees):
    low, high = to.diagnostics.temperature_band(2.0, degrees, confidence=0.95)
    np.testing.assert_allclose(low, 2 * chi2.ppf(0.025, degrees) / degrees, rtol=1e-5)
    np.testing.assert_allclose(high, 2 * chi2.ppf(0.975, degrees) / degrees, rtol=1e-5)


def test_groups_and_layers_have_temperatures_of_their_own():
    params = {
        "hidden": {"w": jnp.ones((300, 200)), "b": jnp.ones(200)},
        "output": jnp.ones((200, 50)),
    }
    tx = to.lala(hidden_groups={"hot": 1.0}, output_groups={"cold": 0.1}, key=0)
    state = tx.init(params)
    groups = to.diagnostics.kinetic_temperature(state)
    layers = to.diagnostics.equipartition(state)
    assert set(groups) == {"hot", "cold"}
    assert set(layers) == {"hidden", "output"}
    for reading, truth in [(groups["hot"], 1.0), (groups["cold"], 0.1), (layers["output"], 0.1)]:
        assert reading.low < truth < reading.high
    np.testing.assert_allclose(layers["hidden"].value, groups["hot"].value, rtol=1e-6)


def test_an_adaptive_state_gives_the_reading_of_its_thermostats():
    params = {"a": jnp.ones(3), "b": jnp.ones(5)}
    tx = to.adaptive_langevin(0.1, T, thermostat="tensor", key=0)
    state = tx.init(params)._replace(kinetic_temperature=jnp.array([1.0, 2.0]))
    np.testing.assert_allclose(to.diagnostics.kinetic_temperature(state).value, 13 / 8)


SAMPLERS = {
    "langevin": lambda key, T: to.langevin(0.1, T, friction=1.0, key=key),
    "sghmc": lambda key, T: to.sghmc(0.1, T, momentum=0.9, key=key),
    "leimkuhler_matthews": lambda key, T: to.leimkuhler_matthews(0.1, T, key=key),
    "adaptive_langevin": lambda key, T: to.adaptive_langevin(0.1, T, key=key),
    "covariance_controlled_langevin": lambda key, T: to.covariance_controlled_langevin(
        0.1, T, key=key
    ),
    "santa": lambda key, T: to.santa(0.1, T, key=key),
}
LAYERS = {"hidden": {"w": jnp.ones((300, 200))}, "output": {"w": jnp.ones((200, 300))}}


@pytest.mark.parametrize("kind", SAMPLERS)
def test_masked_samplers_in_a_chain(kind):
    """Each has its reading, by its place in the chain, and each layer has its own."""
    make = SAMPLERS[kind]
    parts = {"hidden": True, "output": False}, {"hidden": False, "output": True}
    heats = zip((1.0, 0.1), parts, strict=True)
    tx = optax.chain(*(optax.masked(make(0, heat), part) for heat, part in heats))
    state = tx.init(LAYERS)
    readings = to.diagnostics.kinetic_temperature(state)
    layers = to.diagnostics.equipartition(state)
    assert set(readings) == {"0", "1"} and set(layers) == {"hidden", "output"}
    for reading, truth in [(layers["hidden"], 1.0), (layers["output"], 0.1)]:
        np.testing.assert_allclose(reading.value, truth, rtol=0.1)  # `sghmc` has yet to be kicked
    assert [t.degrees for t in readings.values()] == [60_000, 60_000]
    if kind not in ("santa", "adaptive_langevin", "covariance_controlled_langevin"):
        for name, layer in zip("01", layers.values(), strict=True):
            np.testing.assert_allclose(readings[name].value, layer.value, rtol=1e-6)


def test_chains_within_one_group_are_told_apart():
    make = SAMPLERS["langevin"]
    parts = {"hidden": True, "output": False}, {"hidden": False, "output": True}
    group = optax.chain(*(optax.masked(make(0, 1.0), part) for part in parts))
    state = optax.partition({"hot": group}, "hot").init(LAYERS)
    assert set(to.diagnostics.kinetic_temperature(state)) == {"hot/0", "hot/1"}


def test_layers_of_one_name_are_refused():
    params = {"a/b": {"w": jnp.ones(3)}, "a": {"b": {"w": jnp.ones(2)}}}
    state = SAMPLERS["langevin"](0, T).init(params)
    with pytest.raises(ValueError, match=r"\['a', 'b'\] and at \['a/b'\] would both be named"):
        to.diagnostics.equipartition(state)


@pytest.mark.slow
@pytest.mark.parametrize("kind", SAMPLERS)
def test_replicas_are_read_one_by_one(kind):
    """Of many, the axis of replicas would be taken for one of the parameters, or of thermostats."""
    tx = to.replicate(SAMPLERS[kind](0, T), 4)
    params = {"x": jnp.ones((4, 30_000)), "y": jnp.ones((4, 5))}
    state = tx.init(params)
    for read in (to.diagnostics.kinetic_temperature, to.diagnostics.equipartition):
        with pytest.raises(ValueError, match="`state` is of 4 chains: `jax.vmap` the reader"):
            read(state)
    reading = jax.vmap(to.diagnostics.equipartition)(state)["x"]
    np.testing.assert_allclose(reading.value, T, rtol=0.1)


def test_readers_of_several_chains_say_so():
    """Every reader that would misread them; those of samples have their own test."""

    def chains(tx, x):
        return jax.vmap(tx.init)(jnp.stack([x, x]))

    sampler, x = to.sgld(0.1, 1.0, key=0), jnp.ones((2, 3))
    ladder = {"temperature": [1.0, 2.0]}
    exchange = chains(to.replica_exchange(sampler, ladder, key=1), x)
    tempered = chains(to.continuous_tempering(sampler, 1.0, key=1), x)
    readers = [
        lambda: to.by_rung(exchange, x),
        lambda: to.best_replica(exchange, x),
        lambda: to.replica_hyperparams(exchange),
        lambda: to.tempering_profile(tempered),
        lambda: to.unbiasing_log_weights(tempered, 0.0),
    ]
    for read in readers:
        with pytest.raises(ValueError, match="`state` is of 2 chains"):
            read()
    assert to.swap_acceptance(exchange).rate.shape == (2, 1)
    assert to.tempering_state(tempered).alpha.shape == (2,)


def test_thermometers_run_inside_scan():
    tx = optax.chain(optax.clip(1.0), to.langevin(0.1, T, friction=1.0, key=0))
    params = {"x": jnp.ones(8)}

    def step(carry, _):
        params, state = carry
        grads = params
        readings = (
            to.diagnostics.kinetic_temperature(state, grads),
            to.diagnostics.equipartition(state, grads),
            to.diagnostics.configurational_temperature(params, grads),
        )
        updates, state = tx.update(grads, state, params)
        return (optax.apply_updates(params, updates), state), readings

    _, (kinetic, layers, configurational) = jax.lax.scan(step, (params, tx.init(params)), length=4)
    assert kinetic.value.shape == layers["x"].high.shape == configurational.low.shape == (4,)


MISFITS = {
    "column": (jnp.ones(3), jnp.ones((3, 1)), None, "`grads`"),
    "one gradient": (jnp.ones(3), jnp.ones(1), None, "`grads`"),
    "scalar gradient": ({"x": jnp.ones(3)}, {"x": jnp.float32(1)}, None, "`grads`"),
    "scalar parameter": (jnp.float32(1), jnp.ones(3), None, "`grads`"),
    "center": (jnp.ones(3), jnp.ones(3), jnp.ones((3, 1)), "`center`"),
    "number as center": ({"x": jnp.ones(3)}, {"x": jnp.ones(3)}, 0.0, "`center`"),
    "gradient lacking": ({"x": jnp.ones(3), "y": jnp.ones(2)}, {"x": jnp.ones(3)}, None, "`grads`"),
    "gradient left over": ({"x": jnp.ones(3)}, {"x": jnp.ones(3), "y": jnp.ones(2)}, None, "'y'"),
}


@pytest.mark.parametrize("case", MISFITS)
def test_nothing_is_broadcast(case):
    params, grads, center, message = MISFITS[case]
    with pytest.raises(ValueError, match=message), jax.numpy_rank_promotion("allow"):
        to.diagnostics.configurational_temperature(params, grads, center=center)


@pytest.mark.parametrize("thermostat", [None, "group", "tensor"])
def test_nothing_has_no_temperature(thermostat):
    tx = to.langevin(0.1, 1.0, friction=1.0, key=0)
    if thermostat is not None:
        tx = to.adaptive_langevin(0.1, 1.0, thermostat=thermostat, key=0)
    assert np.all(np.isnan(to.diagnostics.kinetic_temperature(tx.init({}))[:3]))
    assert np.all(np.isnan(to.diagnostics.configurational_temperature({}, {})[:3]))


def test_messages():
    params = {"x": jnp.ones(8)}
    with pytest.raises(TypeError, match=r"`center\['x'\]` has dtype complex64"):
        center = {"x": jnp.ones(8, complex)}
        to.diagnostics.configurational_temperature(params, params, center=center)
    with pytest.raises(ValueError, match="`state` holds no momenta"):
        to.diagnostics.kinetic_temperature(to.sgld(0.1, 1.0, key=0).init(params))
    state = to.langevin(0.1, 1.0, friction=1.0, key=0).init(params)
    for grads in ({"x": jnp.ones((8, 1))}, {"x": jnp.ones(())}, {"y": jnp.ones(8)}):
        for read in (to.diagnostics.kinetic_temperature, to.diagnostics.equipartition):
            with pytest.raises(ValueError, match=r"`grads` must have an array of shape \(8,\)"):
                read(state, grads)
    with pytest.raises(ValueError, match="`confidence`.*1.5"):
        to.diagnostics.temperature_band(1.0, 10, confidence=1.5)
    with pytest.raises(ValueError, match="`degrees`.*0"):
        to.diagnostics.temperature_band(1.0, 0)
