"""Energies, heat capacities and free energies by rung, against closed forms and quadrature."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.special import logsumexp

import thermo_optax as to
from tests.compiling import quick, quick_jit
from thermo_optax.replicas import _energies_by_rung as records

Z = 3.0  # standard errors, which are estimates themselves
DEGREES, SIZE = 100, 5
LADDER = to.geometric_ladder(1.0, 2.0, SIZE)
RUNGS, MOST = (0.5, 1.0, 2.0, 8.0), 1000  # of records of losses that are given


def harmonic(x):
    return jnp.sum(x**2) / 2


def run(tx, loss, x, steps, state=None):
    """Parameters and state after some steps, by a loss of one replica."""

    def step(carry, _):
        x, state = carry
        losses, grads = jax.vmap(jax.value_and_grad(loss))(x)
        updates, state = tx.update(grads, state, x, value=losses)
        return (optax.apply_updates(x, updates), state), None

    return jax.lax.scan(step, (x, tx.init(x) if state is None else state), length=steps)[0]


def exchange(key=0, swap_key=1, ladder=LADDER, **settings):
    sampler = to.langevin(0.8, 1.0, friction=1.0, key=key)
    return to.replica_exchange(sampler, {"temperature": ladder}, key=swap_key, **settings)


@pytest.fixture(scope="module")
def wells():
    """Eight independent ladders over a harmonic well, vmapped."""

    def one(keys):
        return run(exchange(*keys), harmonic, jnp.zeros((SIZE, DEGREES)), 20_000)[1]

    keys = jax.random.split(jax.random.key(3), (8, 2))
    return jax.jit(jax.vmap(one))(keys)


EXACT = {
    "energy": DEGREES / 2 * np.asarray(LADDER),
    "heat_capacity": np.full(SIZE, DEGREES / 2),
    **dict.fromkeys(
        ["log_partition", "upwards", "downwards", "bridge", "integral"],
        DEGREES / 2 * np.log(np.asarray(LADDER, np.float64)),
    ),
}


@pytest.mark.parametrize("name", EXACT)
def test_harmonic_well(wells, name):
    """Each of the ladders within its own standard error, in root mean square, and their mean."""
    found = to.ladder_thermodynamics(wells)
    first = int(EXACT[name][0] == 0)
    off = (getattr(found, name) - EXACT[name])[:, first:]
    error = found.standard_error[name][:, first:]
    assert np.all(np.abs(off) < 5 * error)
    assert 0.5 < np.sqrt(np.mean((off / error) ** 2)) < 1.6
    if name == "heat_capacity":
        np.testing.assert_allclose(found.heat_capacity.mean(0), DEGREES / 2, rtol=0.05)


def test_learning_coefficient(wells):
    found = to.ladder_thermodynamics(wells, loss_at_minimum=0.0)
    np.testing.assert_allclose(found.learning_coefficient, found.beta * found.energy, rtol=1e-6)
    by_line = to.ladder_thermodynamics(wells)
    off = by_line.learning_coefficient - DEGREES / 2
    assert np.all(np.abs(off) < 5 * by_line.standard_error["learning_coefficient"])


def test_one_of_several(wells):
    """A vmapped run has the numbers of each exchange, and each prints a table."""
    found = to.ladder_thermodynamics(wells)
    one = to.ladder_thermodynamics(jax.tree.map(lambda leaf: leaf[2], wells))
    np.testing.assert_allclose(found.log_partition[2], one.log_partition, rtol=1e-12)
    np.testing.assert_allclose(
        found.standard_error["bridge"][2], one.standard_error["bridge"], rtol=1e-6
    )
    assert len(str(one).splitlines()) == SIZE + 1
    assert "index them" in str(found)


@functools.cache
def recorder(ladder):
    """One program for every number of steps up to the largest."""
    tx = exchange(ladder=list(ladder), swap_period=None)
    x = jnp.zeros((len(ladder), 1))

    def record(losses, steps):
        def step(index, state):
            return tx.update(x, state, x, value=losses[index])[1]

        return jax.lax.fori_loop(0, steps, step, tx.init(x))

    return quick_jit(record)


def recorded(losses, ladder=RUNGS):
    """The state after losses [steps, num_rungs], of replicas that never swap."""
    missing = ((0, MOST - len(losses)), (0, 0))
    return recorder(ladder)(np.pad(losses, missing, constant_values=np.nan), len(losses))


def direct(losses, beta):
    """The same from all losses, by the definitions."""
    losses, beta = np.asarray(losses, np.float64), np.asarray(beta, np.float64)
    gap, number = beta[:-1] - beta[1:], np.log(len(losses))
    sums = functools.partial(logsumexp, axis=0)
    up = sums(gap * losses[:, :-1]) - number
    down = number - sums(-gap * losses[:, 1:])
    bridge = sums(gap * losses[:, :-1] / 2) - sums(-gap * losses[:, 1:] / 2)
    return {
        "energy": losses.mean(0),
        "heat_capacity": beta**2 * losses.var(0),
        "upwards": np.append(0, np.cumsum(up)),
        "downwards": np.append(0, np.cumsum(down)),
        "bridge": np.append(0, np.cumsum(bridge)),
    }


@pytest.mark.quick("0.0-33", "1000000.0-33")
@pytest.mark.parametrize("steps", [1, 31, 32, 33, 1000])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_sums_are_those_of_all_losses(steps, offset):
    """Whatever the blocks, a constant, or losses at the start a thousand times as large."""
    losses = np.random.default_rng(steps).gamma(3.0, RUNGS, (steps, 4))
    losses[: steps // 10] *= 1000
    losses = np.asarray(losses, np.float32) + np.float32(offset)
    found = to.ladder_thermodynamics(recorded(losses), burn_in=0.0)
    for name, expected in direct(losses, 1 / np.array(RUNGS)).items():
        np.testing.assert_allclose(
            getattr(found, name), expected, rtol=1e-5, atol=1e-3, err_msg=name
        )
    assert found.count.tolist() == [steps] * 4


def test_means_of_exponentials_do_not_drift():
    """Late in a long block, where a weight of 1 - 1/n has digits for a few units of 1/n only."""
    beta, count = jnp.array([1.0, 0.5]), 6e6
    unit = records.unit_of(beta)
    gaps = (*records._gaps(beta), unit)
    losses = np.random.default_rng(0).uniform(-3, 0, (500_000, 2)).astype(np.float32)
    mean = (1 - np.exp(-1.5)) / 1.5  # of exp(L / 2)
    late = records._one(jnp.zeros(2), jnp.zeros(2), unit)
    late = late._replace(count=jnp.full(2, count), up=jnp.full(2, mean), squares=jnp.full(2, count))

    def step(sums, loss):
        return records._joined(sums, records._one(loss, 0 * loss, unit), gaps), None

    sums = quick_jit(lambda sums, losses: jax.lax.scan(step, sums, losses)[0])(late, losses)
    losses = losses.astype(float)
    number = count + len(losses)
    total = count * mean + np.sum(np.exp(0.5 * losses[:, 0]))
    np.testing.assert_allclose(sums.up[0], total / number, rtol=5e-4)
    squares = count + np.sum(losses**2, 0) - np.sum(losses, 0) ** 2 / number
    np.testing.assert_allclose(sums.squares, squares, rtol=5e-4)


def test_powers_of_a_likelihood_down_to_the_prior():
    """Of several names only those that decide count, each with its C."""
    powers = np.array([1.0, 0.3, 0.0], np.float32)
    losses = np.random.default_rng(1).normal(3.0, 1.0, (100, 3)).astype(np.float32)
    tx = to.replica_exchange(
        to.sgld(0.1, 0.5, key=0),
        {"power": powers, "depth": [1.0, 5.0, 2.0]},
        betas={"power": lambda power: power},
        normalization={"power": 2.0},
        model_hyperparams=("power", "depth"),
        swap_period=None,
        key=1,
    )
    x = jnp.zeros((3, 1))

    def step(state, value):
        return tx.update(x, state, x, value=value)[1], None

    state = quick_jit(lambda losses: jax.lax.scan(step, tx.init(x), losses)[0])(losses)
    found = to.ladder_thermodynamics(state, burn_in=0.0)
    for name, expected in direct(losses, 2 * powers).items():
        np.testing.assert_allclose(getattr(found, name), expected, rtol=1e-5, err_msg=name)
    assert found.learning_coefficient[-1] == 0 and np.all(np.isfinite(found.integral))


@pytest.mark.slow
def test_float64_losses_keep_their_digits():
    """Of a loss summed over many examples, what counts is behind the digits of float32."""
    ladder = (1.0, 2.0)
    losses = 1e9 + np.random.default_rng(1).normal(0, ladder, (50, 2))
    with jax.enable_x64():
        found = to.ladder_thermodynamics(recorded(losses, ladder), burn_in=0.0)
    expected = direct(losses - 1e9, 1 / np.array(ladder))
    np.testing.assert_allclose(found.energy - 1e9, expected["energy"], atol=1e-4)
    np.testing.assert_allclose(found.heat_capacity, expected["heat_capacity"], rtol=1e-4)
    np.testing.assert_allclose(
        found.upwards - 5e8 * np.array([0, 1]), expected["upwards"], atol=1e-4
    )


def test_burn_in_leaves_out_whole_blocks():
    state = recorded(np.repeat(np.arange(64, dtype=np.float32)[:, None], 4, axis=1))
    for share, first in {0.0: 0, 0.01: 2, 0.25: 16, 0.9: 58, 0.999: 62}.items():
        found = to.ladder_thermodynamics(state, burn_in=share)
        np.testing.assert_allclose(found.energy, (first + 63) / 2)
    with pytest.raises(ValueError, match="`burn_in` must be a share"):
        to.ladder_thermodynamics(state, burn_in=1.0)


def test_losses_that_are_not_finite_do_not_enter():
    losses = np.random.default_rng(0).normal(size=(100, 4)).astype(np.float32)
    bad = losses.copy()
    bad[::7, 2] = np.tile([np.nan, np.inf, -np.inf], 5)
    found = to.ladder_thermodynamics(recorded(bad), burn_in=0.0)
    assert found.count.tolist() == [100, 100, 85, 100]
    sound = bad[:, 2][np.isfinite(bad[:, 2])]
    np.testing.assert_allclose(found.energy[2], sound.mean(), rtol=1e-5)
    np.testing.assert_allclose(found.heat_capacity[2], sound.var() / 4, rtol=1e-5)
    assert np.all(np.isfinite(found.log_partition))


def test_a_rung_without_finite_losses():
    losses = np.ones((40, 4), np.float32)
    losses[:, 2] = np.nan
    found = to.ladder_thermodynamics(recorded(losses))
    np.testing.assert_allclose(found.energy, [1, 1, np.nan, 1], rtol=1e-6)
    np.testing.assert_allclose(found.log_partition, [0, 1, np.nan, np.nan], rtol=1e-6)


def test_no_losses():
    state = quick(exchange()).init(jnp.zeros((SIZE, 3)))
    with pytest.raises(ValueError, match="no finite losses"):
        to.ladder_thermodynamics(state)
    with pytest.raises(TypeError, match="concrete"):
        jax.eval_shape(lambda state: to.ladder_thermodynamics(state).energy, state)
    with pytest.raises(ValueError, match="replica_exchange"):
        to.ladder_thermodynamics(optax.sgd(0.1).init(jnp.zeros(2)))


def test_a_run_in_two_parts_is_the_same_to_the_bit():
    tx, x = exchange(), jnp.ones((SIZE, 3))

    @quick_jit
    def part(x, state, steps):
        step = functools.partial(run, tx, harmonic, steps=1)
        return jax.lax.fori_loop(
            0, steps, lambda _, carry: step(carry[0], state=carry[1]), (x, state)
        )

    start = quick(tx).init(x)
    once = part(x, start, 80)
    half, state = part(x, start, 37)
    twice = part(half, jax.tree.map(jnp.asarray, jax.tree.map(np.asarray, state)), 43)
    jax.tree.map(np.testing.assert_array_equal, once, twice)
    before, after = (jax.tree.map(jax.typeof, s) for s in (start, once[1]))
    assert before == after


@pytest.mark.slow
@pytest.mark.parametrize("change", ["ladder", "scale", "nothing"])
def test_another_ladder_begins_a_new_record(change):
    x, losses = jnp.zeros((2, 1)), jnp.array([1e30, 2.0])
    first = quick(exchange(ladder=[1.0, 2.0], swap_period=None))
    state = first.init(x)
    for _ in range(3):
        _, state = first.update(x, state, x, value=losses)
    other = quick(exchange(ladder=[1.0, 3.0], swap_period=None))
    tx = other if change == "ladder" else first
    scale = {"temperature_scale": 0.5} if change == "scale" else {}
    for _ in range(2):
        _, state = tx.update(x, state, x, value=jnp.ones(2), **scale)
    assert state.energies_by_rung.updates == (5 if change == "nothing" else 2)
    if change != "nothing":
        np.testing.assert_allclose(to.ladder_thermodynamics(state).heat_capacity, 0, atol=0)


def test_losses_of_value_fn_are_those_of_rounds():
    tx = exchange(ladder=[1.0, 2.0], energy="value_fn", swap_period=2)
    x = jnp.array([[1.0], [3.0]])
    state = quick(tx).init(x)
    update = quick_jit(lambda state: tx.update(x, state, x, value_fn=lambda x: jnp.sum(x))[1])
    for _ in range(5):  # rounds in the third and in the fifth
        state = update(state)
    found = to.ladder_thermodynamics(state, burn_in=0.0)
    assert found.count.tolist() == [2, 2]
    np.testing.assert_allclose(found.energy.sum(), 4.0)


def test_energies_are_of_the_rung_that_drew_the_parameters():
    """With C = 0 all swaps are accepted: two replicas, each of one loss, alternate."""
    tx = quick(exchange(ladder=[1.0, 2.0], normalization=0.0, swap_period=3))
    x, losses, rungs = jnp.zeros((2, 1)), jnp.array([10.0, 20.0]), []
    state = tx.init(x)
    for _ in range(5):
        rungs.append(np.asarray(state.rung))
        _, state = tx.update(x, state, x, value=losses)
    expected = np.mean([np.asarray(losses)[np.argsort(rung)] for rung in rungs], axis=0)
    assert expected[0] != 15
    np.testing.assert_allclose(
        to.ladder_thermodynamics(state, burn_in=0.0).energy, expected, rtol=1e-6
    )


def untempered(precision, temperature):
    """Multiplies the law at every temperature by exp(-precision |x|^2 / 2)."""
    return optax.stateless(
        lambda updates, params: jax.tree.map(
            lambda g, x: g + precision * temperature * x, updates, params
        )
    )


@pytest.mark.slow
@pytest.mark.usefixtures("standard_promotion")  # `optax.inject_hyperparams` needs it
def test_singular_loss_with_an_untempered_prior():
    """exp(-(w1 w2)^2 / T - |w|^2 / 2) over four decades of T, exact by quadrature."""
    ladder = to.geometric_ladder(1e-3, 10.0, 10)

    def one(keys):
        def inner(temperature, step_size):
            sampler = to.langevin(step_size, temperature, friction=0.3, key=keys[0])
            return optax.chain(untempered(1.0, temperature), sampler)

        tx = to.replica_exchange(
            optax.inject_hyperparams(inner)(temperature=1.0, step_size=0.1),
            {"temperature": ladder, "step_size": to.geometric_ladder(0.08, 0.25, 10)[::-1]},
            swap_period=5,
            key=keys[1],
        )
        start = jax.random.normal(jax.random.fold_in(keys[0], 3), (10, 2))
        return run(tx, lambda w: (w[0] * w[1]) ** 2, start, 60_000)[1]

    state = jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(0), (8, 2)))
    found = to.ladder_thermodynamics(state, loss_at_minimum=0.0)
    w = np.linspace(-12, 12, 400_001)
    temperatures = np.asarray(ladder, np.float64)
    density = np.exp(-(w**2) / 2) / np.sqrt(1 + 2 * w**2 / temperatures[:, None])
    exact = np.log(density.sum(1) / density[0].sum())
    for name in ["log_partition", "bridge"]:
        off = np.abs(getattr(found, name).mean(0) - exact)[1:]
        error = np.sqrt(np.mean(found.standard_error[name] ** 2, axis=0) / 8)[1:]
        assert np.all(off < Z * error) and np.all(off < 0.03), (name, off, error)
    # E(L) / T of the same density, by quadrature: given w1, w2 is Gaussian.
    share = w**2 / temperatures[:, None] / (1 + 2 * w**2 / temperatures[:, None])
    coefficient = (density * share).sum(1) / density.sum(1)
    off = np.abs(found.learning_coefficient.mean(0) - coefficient)
    error = np.std(found.learning_coefficient, axis=0, ddof=1) / np.sqrt(8)
    assert np.all(off < 5 * error), (off, error)
