"""Warm-ups: what they choose, the laws that follow, and what they say where they cannot."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.compiling import quick_jit

CHAINS, WARM, STEPS, TEMPERATURE = 32, 400, 3_000, 0.5
CURVATURES = np.logspace(0, 4, 12).astype(np.float32)


def make_langevin(key, **settings):
    return functools.partial(to.langevin, temperature=TEMPERATURE, key=key, **settings)


def matrix(rotated):
    axes = np.linalg.qr(np.random.default_rng(0).standard_normal((12, 12)))[0] if rotated else 1.0
    curvatures = np.diag(CURVATURES)
    return jnp.asarray(axes @ curvatures @ axes.T if rotated else curvatures, jnp.float32)


def run(tx, gradient, x, steps=WARM + STEPS):
    def step(carry, _):
        x, state = carry
        updates, state = tx.update(gradient(x), state, x)
        return (optax.apply_updates(x, updates), state), x

    (_, state), path = jax.lax.scan(step, (x, tx.init(x)), length=steps)
    return state, path


@functools.cache
def well(rotated, learn):
    """A program of chains in a well of condition 10^4: the states and the paths."""

    @quick_jit
    def chains(first_step, start):
        def one(key):
            tx = to.warm_up(make_langevin(key), WARM, learn=learn, step_size=first_step)
            return run(tx, lambda x: matrix(rotated) @ x, start)

        return jax.vmap(one)(jax.random.split(jax.random.key(0), CHAINS))

    return chains


def variances(paths, rotated):
    """Of each mode, over kT: the mean over the chains and its standard error."""
    basis = np.linalg.eigh(np.asarray(matrix(rotated), float))[1] if rotated else np.eye(12)
    modes = np.asarray(paths, float)[:, WARM:] @ basis
    ratios = np.mean(modes**2, 1) * CURVATURES / TEMPERATURE
    return ratios.mean(0), ratios.std(0, ddof=1) / np.sqrt(CHAINS)


@pytest.mark.parametrize("first_step", [1e-4, 1e-2, 1.0, 100.0])
def test_law_whatever_the_first_step(first_step):
    states, paths = well(False, None)(first_step, jnp.full(12, 1.0))
    mean, error = variances(paths, rotated=False)
    np.testing.assert_array_less(np.abs(mean - 1), 5 * error)
    # It mixes well enough to know each variance to 8 % from these gradients.
    assert error.max() < 0.08
    assert not jnp.any(states.warming)


def test_masses_are_roots_of_the_curvatures():
    """Times the typical one, up to the pull to it, from gradients of the last window."""
    states, _ = well(False, None)(0.01, jnp.full(12, 1.0))
    masses = np.median(np.asarray(states.mass), 0)
    typical = np.exp(np.mean(np.log(CURVATURES)))
    np.testing.assert_allclose(masses, np.sqrt(CURVATURES * typical), rtol=0.5)


@pytest.mark.parametrize("name", ["step_size", "friction"])
def test_who_gives_no_number_is_told_of_the_warm_up(name):
    settings = {"step_size": 0.1, "friction": 1.0, name: None}
    with pytest.raises(TypeError, match=f"`{name}` must be a number.*`warm_up` finds a value"):
        to.langevin(temperature=1.0, key=0, **settings)


def test_masses_of_networks_are_learnt_only_by_name():
    """Where a parameter has two axes: what its weights show now does not hold later."""
    params = {"weights": jnp.ones((3, 2)), "bias": jnp.ones(2)}
    squares = {"weights": jnp.full((3, 2), 100.0), "bias": jnp.ones(2)}

    def spread(learn):
        tx = to.warm_up(make_langevin(0), 40, learn=learn)

        def step(carry, _):
            x, state = carry
            grads = jax.tree.map(jnp.multiply, squares, x)
            updates, state = tx.update(grads, state, x)
            return (optax.apply_updates(x, updates), state), None

        run = quick_jit(lambda x: jax.lax.scan(step, (x, tx.init(x)), length=40))
        (_, state), _ = run(params)
        masses = np.concatenate([np.ravel(m) for m in jax.tree.leaves(state.mass)])
        return masses.max() / masses.min()

    assert spread(None) == 1
    assert spread(("step_size", "friction", "mass")) > 1.5


def test_without_masses_in_a_rotated_well():
    states, paths = well(True, ("step_size", "friction"))(0.1, jnp.full(12, 0.3))
    mean, error = variances(paths, rotated=True)
    np.testing.assert_array_less(np.abs(mean - 1), 5 * error)
    steps = np.asarray(states.settings.step_size)
    assert np.all((steps > 0.3 / 100) & (steps < 2 / 100))  # the limit is 2 / sqrt(10^4)
    frictions = np.asarray(states.settings.friction)
    assert 0.05 < np.median(frictions) < 2  # the slowest frequency is 1
    np.testing.assert_array_equal(states.mass, 1)


@pytest.mark.parametrize("learnt", [True, False])
def test_the_mean_mode_turns_less_where_masses_are_learnt(learnt):
    """Parameters that were soft may become stiff later, and then have too small a mass."""
    learn = None if learnt else ("step_size", "friction")
    states, _ = well(not learnt, learn)(0.1, jnp.full(12, 0.3))
    found = states.findings
    judged, doubted = WARM // 4, 30  # steps: an unevenness of 3 is worth 30 of them
    uneven = (judged * found.unevenness + 3 * doubted) / (judged + doubted)
    turns = found.wanted * found.fastest * np.sqrt(uneven)
    assert np.max(turns) == pytest.approx(0.9 if learnt else 1.0, rel=1e-3)


GROUPS = {"soft": jnp.asarray(CURVATURES[:6]), "stiff": jnp.asarray(CURVATURES[6:])}


def _partition(key):
    def make(step_size, friction, mass={"soft": 1.0, "stiff": 30.0}):  # noqa: B006
        sampler = to.langevin(step_size, TEMPERATURE, friction=friction, mass=mass, key=key)
        return optax.partition({name: sampler for name in GROUPS}, {name: name for name in GROUPS})

    return make


def _tempered(key):
    def make(step_size, friction, mass):
        sampler = make_langevin(key)(step_size, friction=friction, mass=mass)
        return to.continuous_tempering(sampler, TEMPERATURE, mode="exact", key=key)

    return make


@pytest.mark.parametrize(
    ("make", "learn"),
    [
        pytest.param(_partition, ("step_size", "friction"), id="masses of layers, given"),
        pytest.param(_partition, None, id="partition", marks=pytest.mark.slow),
        pytest.param(_tempered, None, id="tempering", marks=pytest.mark.slow),
    ],
)
def test_law_of_what_is_not_one_sampler(make, learn):
    """From a start that is up to 100 standard deviations off."""
    tempered = make is _tempered

    def gradient(x):
        return jax.tree.map(jnp.multiply, GROUPS, x)

    def loss(x):
        return sum([jnp.vdot(k * x[name], x[name]) / 2 for name, k in GROUPS.items()], 0.0)

    @quick_jit
    @jax.vmap
    def chains(key):
        tx = to.warm_up(make(key), WARM, learn=learn)

        def step(carry, _):
            x, state = carry
            extra = {"value": loss(x)} if tempered else {}
            updates, state = tx.update(gradient(x), state, x, **extra)
            cold = jnp.abs(to.tempering_state(state).alpha) < 0.4 if tempered else True
            return (optax.apply_updates(x, updates), state), (x, jnp.float32(cold))

        x = jax.tree.map(jnp.ones_like, GROUPS)
        (_, state), seen = jax.lax.scan(step, (x, tx.init(x)), length=WARM + (1 + tempered) * STEPS)
        return state, seen

    state, (path, cold) = chains(jax.random.split(jax.random.key(0), CHAINS // 2))
    cold = np.asarray(cold)[:, WARM:, None]
    for name, curvatures in GROUPS.items():
        squares = np.asarray(path[name], float)[:, WARM:] ** 2 * np.asarray(curvatures)
        ratios = (squares * cold).sum(1) / cold.sum(1) / TEMPERATURE
        error = ratios.std(0, ddof=1) / np.sqrt(CHAINS // 2)
        np.testing.assert_array_less(np.abs(ratios.mean(0) - 1), 5 * error)
        assert error.max() < 0.25
    learnt = learn is None
    assert jax.tree.structure(state.mass) == jax.tree.structure(GROUPS if learnt else 1.0)


def test_of_lala_the_step_size_is_learnt():
    """It has a friction for each group, and takes no masses."""
    laws = {"hidden_groups": {"hidden": 1.0}, "output_groups": {"output": 1.0}}
    make = functools.partial(to.lala, hidden_friction=1.0, output_friction=1.0, key=0, **laws)
    params = {"hidden": jnp.ones(3), "output": jnp.ones(2)}
    state: Any = quick_jit(to.warm_up(make, 40, step_size=0.05).init)(params)
    np.testing.assert_array_equal(state.mass, 1)
    with pytest.raises(ValueError, match="`learn` names 'mass', but `make_sampler` takes no"):
        to.warm_up(make, 40, learn=("step_size", "mass"))


def test_only_the_learnt_settings_are_passed_on():
    seen = []

    def make(step_size, friction):
        seen.append((step_size, friction))
        return to.sghmc(
            jnp.square(step_size), TEMPERATURE, momentum=jnp.exp(-friction * step_size), key=0
        )

    tx = to.warm_up(make, WARM)
    state, _ = quick_jit(functools.partial(run, tx, lambda x: 4 * x))(jnp.ones(10))
    assert 0.1 < state.settings.step_size * 2 < 2
    fixed = to.warm_up(make_langevin(0, friction=0.7), 40)
    state, _ = quick_jit(functools.partial(run, fixed, lambda x: x, steps=50))(jnp.ones(10))
    assert state.settings.friction == np.float32(0.7)  # that of the sampler, for the report
    assert len(seen) >= 2


def test_a_function_that_asks_for_masses_gets_one_where_none_are_learnt():
    """For networks, or by `learn`: it has no mass of its own to fall back on."""

    seen = []

    def make(step_size, friction, mass):
        seen.append(mass)
        return to.langevin(step_size, TEMPERATURE, friction=friction, mass=mass, key=0)

    network = {"w": jnp.ones((3, 2)), "b": jnp.ones(2)}
    for tx, params in (
        (to.warm_up(make, 40), network),
        (to.warm_up(make, 40, learn=("step_size", "friction")), jnp.ones(3)),
    ):
        jax.eval_shape(lambda x, tx=tx: tx.update(x, tx.init(x), x), params)
    assert all(isinstance(mass, float) and mass == 1 for mass in seen)


def test_afterwards_it_is_the_plain_sampler():
    """With the settings that were chosen, to rounding, and they do not change any more."""
    tx, x = to.warm_up(make_langevin(3), 60), jnp.ones(5)
    state, path = quick_jit(functools.partial(run, tx, lambda x: x, steps=80))(x)
    x = path[-1]
    plain = to.langevin(
        state.settings.step_size,
        TEMPERATURE,
        friction=state.settings.friction,
        mass=state.mass,
        key=3,
    )
    updates, new = quick_jit(tx.update)(x, state, x)
    expected, _ = quick_jit(plain.update)(x, state.inner_state, x)
    np.testing.assert_allclose(updates, expected, rtol=1e-5)
    for name in ("settings", "mass", "gauges", "findings", "memory"):
        for old, now in zip(
            jax.tree.leaves(getattr(state, name)), jax.tree.leaves(getattr(new, name)), strict=True
        ):
            np.testing.assert_array_equal(old, now)


def test_samples_of_the_warm_up_are_left_out():
    x = jnp.ones(5)
    for collect in (functools.partial(to.collect_samples, num_samples=100), to.running_moments):
        tx = collect(to.warm_up(make_langevin(0), 40))
        state, _ = quick_jit(functools.partial(run, tx, lambda x: x, steps=47))(x)
        assert state.num_collected == 7


def test_a_gradient_that_is_not_finite_is_counted_and_harmless():
    x = jnp.ones(8)

    def gradient_at(count, x):
        return jnp.where((count == 30) & (jnp.arange(8) == 2), jnp.nan, x)

    tx = to.warm_up(make_langevin(0), WARM)

    @quick_jit
    def chain(x):
        def step(carry, count):
            x, state = carry
            updates, state = tx.update(gradient_at(count, x), state, x)
            return (x + jnp.nan_to_num(updates), state), None

        return jax.lax.scan(step, (x, tx.init(x)), jnp.arange(WARM))[0]

    _, state = chain(x)
    report = to.warm_up_report(state)
    assert report.faults == 1
    assert "1 gradients were not finite" in str(report)
    assert 0.2 < report.step_size < 2 and np.all(np.isfinite(report.mass))


def test_replicas_choose_for_themselves():
    tx = to.replicate(to.warm_up(make_langevin(0), 60), 3)
    x = jnp.ones((3, 6)) * jnp.array([[1.0], [2.0], [3.0]])
    state, _ = quick_jit(functools.partial(run, tx, lambda x: x, steps=60))(x)
    assert np.unique(np.asarray(state.settings.step_size)).size == 3


def test_the_report_says_what_was_chosen_and_why():
    chains = well(False, None)
    states, _ = chains(0.01, jnp.full(12, 1.0))
    report = to.warm_up_report(jax.tree.map(lambda leaf: leaf[0], states))
    text = str(report)
    assert report.done
    assert f"step_size {report.step_size:.3g}" in text and "friction" in text and "mass" in text
    assert abs(report.temperature - 1) < 5 * report.temperature_error + 0.05
    with pytest.raises(ValueError, match="32 chains"):
        to.warm_up_report(states)


def test_the_report_of_a_warm_up_that_is_not_over():
    tx = to.warm_up(make_langevin(0), 40)
    state = tx.init(jnp.ones(3))
    report = to.warm_up_report(state)
    assert not report.done and "not over" in str(report)
    with pytest.raises(ValueError, match="has no `warm_up` in it"):
        to.warm_up_report(to.sgld(0.1, 1.0, key=0).init(jnp.ones(3)))


def test_the_report_warns_of_what_was_not_seen():
    """Rotated, with a slow mode whose period is longer than the warm-up."""
    states, _ = well(True, ("step_size", "friction"))(0.1, jnp.full(12, 0.3))
    report = to.warm_up_report(jax.tree.map(lambda leaf: leaf[0], states))
    assert any("slowest motion is longer" in text for text in report.warnings)


def test_the_report_warns_of_a_funnel():
    def gradient(x):
        return jax.grad(lambda x: x[0] ** 2 / 18 + jnp.sum(x[1:] ** 2 * jnp.exp(-x[0])) / 2)(x)

    def one(key):
        tx = to.warm_up(functools.partial(to.langevin, temperature=1.0, key=key), WARM)
        return run(tx, gradient, jnp.zeros(8), steps=WARM)[0]

    states = quick_jit(jax.vmap(one))(jax.random.split(jax.random.key(0), 16))
    warned = [
        any("stiffer at times" in text for text in to.warm_up_report(state).warnings)
        for state in (jax.tree.map(lambda leaf, i=i: leaf[i], states) for i in range(16))
    ]
    assert any(warned)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"make_sampler": 3}, TypeError, "`make_sampler` must be a function"),
        ({"num_steps": 0}, ValueError, "`num_steps` must be"),
        ({"num_steps": 39}, ValueError, "`num_steps` must be"),
        ({"step_size": 0.0}, ValueError, "`step_size` must be finite and positive"),
        ({"step_size": None}, TypeError, "`step_size` must be a number"),
        ({"friction": -1.0}, ValueError, "`friction` must be"),
        ({"batch_order": 0}, ValueError, "`batch_order` must be an integer of at least 1"),
        ({"batch_order": "reshuffled"}, ValueError, "Pass what `batch_order` returns"),
        ({"learn": ("step_size", "temperature")}, ValueError, "`learn` must name some of"),
        ({"learn": "mass"}, ValueError, "`learn` must have 'step_size'"),
        (
            {"make_sampler": lambda step_size: to.langevin(step_size, 1.0, friction=1.0, key=0)}
            | {"learn": ("step_size", "mass")},
            ValueError,
            "`make_sampler` takes no argument of that name",
        ),
    ],
)
def test_bad_arguments(arguments, error, message):
    settings = {"make_sampler": make_langevin(0)} | arguments
    with pytest.raises(error, match=message):
        to.warm_up(**settings)


def test_a_sampler_without_momenta():
    tx = to.warm_up(lambda step_size: to.sgld(step_size**2 / 2, 1.0, key=0))
    with pytest.raises(ValueError, match="must build a sampler with momenta"):
        tx.init(jnp.ones(3))


def test_samplers_of_several_temperatures():
    def make(step_size):
        groups = {
            name: to.langevin(step_size, temperature, friction=1.0, key=0)
            for name, temperature in [("a", 1.0), ("b", 2.0)]
        }
        return optax.partition(groups, {"a": "a", "b": "b"})

    with pytest.raises(ValueError, match=r"of one temperature.*got \[1.0, 2.0\]"):
        to.warm_up(make).init({"a": jnp.ones(2), "b": jnp.ones(2)})


def test_a_warm_up_that_is_over_stays_over():
    """Also where a run goes on with a longer one, which would mix two plans."""
    x, short = jnp.ones(4), to.warm_up(make_langevin(0), 40)
    state, _ = quick_jit(functools.partial(run, short, jnp.sin, steps=45))(x)
    _, after = quick_jit(to.warm_up(make_langevin(0), 400).update)(x, state, x)
    assert not after.warming
    np.testing.assert_array_equal(after.settings.step_size, state.settings.step_size)


def test_a_traced_number_of_steps():
    make = optax.inject_hyperparams(lambda num_steps: to.warm_up(make_langevin(0), num_steps))
    with pytest.raises(TypeError, match=r'static_args=\("num_steps",\)'):
        jax.jit(make(num_steps=50).init)(jnp.ones(3))


def test_parameters_are_required():
    tx, x = to.warm_up(make_langevin(0)), jnp.ones(3)
    with pytest.raises(ValueError, match="`params` is required"):
        tx.update(x, tx.init(x))
