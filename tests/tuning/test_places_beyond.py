"""Places that are far stiffer than the rest: in the warm-up, and after it."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.compiling import quick_jit
from tests.tuning.test_warm_up import make_langevin
from thermo_optax.tuning import _gauges

WARM = 400


def run(tx, gradient, x, counts, state=None):
    """The last state, and the path."""

    def step(carry, count):
        x, state = carry
        updates, state = tx.update(gradient(x, count), state, x)
        return (optax.apply_updates(x, updates), state), x

    state = tx.init(x) if state is None else state
    (_, state), path = jax.lax.scan(step, (x, state), counts)
    return state, path


def test_a_stiff_place_on_the_way_does_not_shorten_the_step_for_good():
    """What it shows is forgotten as the step falls: else the step would fall on and on."""

    @quick_jit
    def chosen(stiffness):
        def gradient(x, count):
            return jnp.where((count >= 210) & (count < 213), stiffness, 1.0) * x

        def one(key):
            tx = to.warm_up(make_langevin(key), WARM)
            return run(tx, gradient, jnp.ones(10), jnp.arange(WARM))[0].settings.step_size

        return jax.vmap(one)(jax.random.split(jax.random.key(0), 16))

    usual, after = chosen(1.0), chosen(1e4)
    assert np.min(after) > np.median(usual) / 20


def test_the_loss_of_another_step():
    """The turn that was measured at one step tells that at another, in proportion to h^2."""
    frequency = 0.5

    def gauges(h):
        angle = np.arccos(1 - (h * frequency) ** 2 / 2)
        return _gauges.fresh()._replace(
            square=jnp.float32(1),
            lag=jnp.cos(angle),
            lag_loss=jnp.cos(angle) - jnp.cos(2 * angle),
        )

    short = _gauges.at_step(gauges(0.4), jnp.float32(0.1 / 0.4), near=jnp.bool_(False))
    np.testing.assert_allclose(_gauges.turn(short), (0.1 * frequency) ** 2, rtol=0.02)
    overturned = gauges(0.4)._replace(lag=jnp.float32(-1))
    assert _gauges.at_step(overturned, jnp.float32(0.5), near=jnp.bool_(True)).lag == 0


def wall(x, count):
    """The gradient of x^2 / 2 + x^4 / 4 in each coordinate: stiffer and stiffer outside."""
    return x + x**3


@pytest.fixture(scope="module")
def warmed():
    """A chain in the middle of that, after its warm-up and 2,000 more steps."""
    tx = to.warm_up(make_langevin(0), WARM)
    state, path = quick_jit(lambda: run(tx, wall, jnp.ones(10), jnp.arange(WARM + 2_000)))()
    return tx, state, path[-1]


def test_a_chain_within_its_law_is_left_alone(warmed):
    assert warmed[1].calmed == 0
    assert not to.warm_up_report(warmed[1]).warnings


def test_a_chain_comes_back_from_where_its_step_is_far_too_long(warmed):
    tx, state, x = warmed
    plain = to.langevin(*state.settings[:1], 0.5, friction=state.settings.friction, key=0)
    lost = run(plain, wall, 5 * x, jnp.arange(500))[1]
    assert not np.all(np.isfinite(lost))
    go = quick_jit(functools.partial(run, tx, wall))
    after, path = go(5 * x, jnp.arange(2_000), state)
    assert np.max(np.abs(path[-500:])) < 5
    assert after.calmed > 3
    report = to.warm_up_report(after)
    assert report.calmed == after.calmed
    assert any("beyond the law" in text for text in report.warnings)


def test_a_bath_that_was_cooled_does_not_slow_what_is_still_hot():
    tx = to.warm_up(make_langevin(0), 40)
    state, path = quick_jit(lambda: run(tx, lambda x, count: x, jnp.ones(10), jnp.arange(200)))()
    cold = state._replace(inner_state=state.inner_state._replace(bath_temperature=jnp.float32(0)))
    _, after = quick_jit(tx.update)(path[-1], cold, path[-1])
    assert after.calmed == 0


def test_heat_that_has_left_allows_no_bold_step():
    """A kick is some momenta of the present heat, even if the mean heat was a million just now."""
    tx = to.warm_up(make_langevin(0), WARM)
    state, path = quick_jit(lambda: run(tx, lambda x, count: x, jnp.ones(10), jnp.arange(250)))()
    state = state._replace(
        gauges=state.gauges._replace(heat=jnp.float32(1e6)),
        settings=state.settings._replace(step_size=jnp.float32(100)),
    )
    _, after = quick_jit(tx.update)(path[-1], state, path[-1])
    assert after.settings.step_size < 10


def test_gradients_that_are_zero_for_a_while_tell_nothing():
    """As those of a network that is dead at first, or those that are no number and are left out."""
    counts = jnp.arange(WARM)
    windows = jnp.isin(counts, jnp.array([0, 40, 100, 200, 280, 380]))
    given = jnp.stack([counts < 0, counts > 150, counts < 150, ~windows, windows])

    @quick_jit
    @jax.vmap
    def chains(given):
        def gradient(x, count):
            return jnp.where(given[count], 1.0, 0.0) * x

        tx = to.warm_up(make_langevin(0), WARM)
        state, path = run(tx, gradient, jnp.ones(5), counts)
        return state.settings, state.mass, path[-1]

    found = chains(given)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(found))
    steps = np.asarray(found[0].step_size)
    assert steps[0] == np.float32(0.1)  # the first guess
    assert np.all(steps[:4] > 0.02) and steps[4] > 0
    np.testing.assert_array_equal(found[1][0], 1)
