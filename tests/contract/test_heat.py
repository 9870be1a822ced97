"""The one bath channel: schedules, and `temperature_scale`, through whatever wraps the sampler."""

import jax
import jax.numpy as jnp
import optax
import pytest

from tests.compiling import quick_jit
from tests.registry import METHODS, PRIMARY, TEMPERATURE, TURNS

from .programs import STEPS, assert_close, assert_equal, differ, init, numbers, params, update

# Read once, when the state is made: there is nothing to schedule.
AT_START_ONLY = ("initial_friction",)


def with_key(state, key):
    """The state with another key for the noise to come."""

    def replace(path, leaf):
        is_key = jax.tree_util.keystr(path).endswith("rng_key")
        return jnp.broadcast_to(key, leaf.shape) if is_key else leaf

    return jax.tree_util.tree_map_with_path(replace, state)


@pytest.mark.parametrize("name", METHODS)
def test_scale_multiplies_the_temperature(name):
    """From the same state, a scale s does what the temperature s T does, with the same noise.

    The noise amplitude of an adaptive sampler is heat, too: its square is scaled.
    """
    tree, state, s = params(), init(name), 4.0
    settings = numbers(name)
    hotter = {"temperature": s * TEMPERATURE}
    if "noise_amplitude" in settings:
        hotter["noise_amplitude"] = s**0.5 * settings["noise_amplitude"]
    scaled = update(name, tree, state, tree, scale=s)
    assert_close(scaled, update(name, tree, state, tree, **hotter))
    assert differ(scaled[0], update(name, tree, state, tree)[0])


@pytest.mark.parametrize("name", METHODS)
def test_no_heat_no_noise(name):
    tree, state = params(), init(name)
    other = with_key(state, jnp.uint32([1, 2]))
    for cold in ({"scale": 0.0}, {"temperature": 0.0}):
        updates, cold_state = update(name, tree, state, tree, **cold)
        other_updates, other_state = update(name, tree, other, tree, **cold)
        assert_equal(updates, other_updates)
        assert_equal(with_key(cold_state, 0), with_key(other_state, 0))
    assert differ(update(name, tree, state, tree)[0], update(name, tree, other, tree)[0])


@pytest.mark.quick(*TURNS[2])
@pytest.mark.parametrize("name", PRIMARY)
def test_schedules(name):
    """Constant ones change nothing; a temperature that rises is a scale that rises."""

    def rising(count):
        return TEMPERATURE * jnp.float32(1 + count)

    constants = {
        key: value if key in AT_START_ONLY else optax.constant_schedule(value)
        for key, value in METHODS[name].numbers.items()
    }
    if "noise_amplitude" in constants:  # whose square rises with the temperature
        amplitude = METHODS[name].numbers["noise_amplitude"]
        constants["noise_amplitude"] = lambda count: amplitude * jnp.sqrt(jnp.float32(1 + count))
    tx = METHODS[name](rising, jax.random.key(0), **constants)
    step, scheduled = quick_jit(tx.update), (params(), tx.init(params()))
    tree, state = params(), init(name)
    for count in range(STEPS):
        updates, own = step(scheduled[0], scheduled[1], scheduled[0])
        scheduled = optax.apply_updates(scheduled[0], updates), own
        updates, state = update(name, tree, state, tree, scale=1 + count)
        tree = optax.apply_updates(tree, updates)
    assert_close(scheduled, (tree, state), rtol=1e-4)


WRAPPERS = {
    "chain": lambda make: optax.chain(optax.clip(100.0), make()),
    "masked": lambda make: optax.masked(make(), True),
    "partition": lambda make: optax.partition({"all": make()}, lambda tree: "all"),
    "inject_hyperparams": lambda make: make.injected(),
    "MultiSteps": lambda make: optax.MultiSteps(make(), every_k_schedule=1),
    "apply_if_finite": lambda make: optax.apply_if_finite(make(), 3),
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("name", ["langevin", "adlala"])
@pytest.mark.usefixtures("standard_promotion")
def test_scale_passes_through(name, wrapper):
    tx, tree = WRAPPERS[wrapper](METHODS[name]), params()
    step, state = quick_jit(tx.update), tx.init(tree)

    def updates(scale, key):
        return step(tree, with_key(state, key), tree, temperature_scale=scale)[0]

    keys = jnp.uint32([1, 2]), jnp.uint32([3, 4])
    assert_equal(updates(0.0, keys[0]), updates(0.0, keys[1]))
    assert differ(updates(1.0, keys[0]), updates(1.0, keys[1]))
    assert differ(updates(0.0, keys[0]), updates(1.0, keys[0]))


def test_negative_scale_is_refused():
    for name, method in METHODS.items():
        tx, tree = method(), params()
        state = init(name)
        with pytest.raises(ValueError, match="`temperature_scale` must be finite and not negative"):
            jax.eval_shape(lambda: tx.update(tree, state, tree, temperature_scale=-1.0))  # noqa: B023
