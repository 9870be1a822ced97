"""What the order of the batches does to the variance of a sampler, against exact laws.

The loss of example j is k x^2 / 2 - b_j x, with the b_j adding up to 0. A step is then linear in
the state and in the sum of the b of its batch, and those sums have known covariances: of n examples
out of N, drawn without replacement, n s^2 (N - n) / (N - 1), and of two disjoint lots of n and m
-n m s^2 / (N - 1). So the stationary variance at each step of an epoch is exact.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.physics import oracle
from tests.statistics import assert_mean

CURVATURE = 1.0
FRICTION = 1.0
ORDERS = ["replacement", "reshuffled", "symmetric"]


def covariance_of_sums(order, counts, num, squared):
    """The covariance of the sums of b over the batches of two epochs."""
    counts = np.asarray(counts, float)
    if order == "replacement":
        return np.diag(np.tile(counts, 2)) * squared
    epoch = -np.outer(counts, counts) * squared / (num - 1)
    epoch += np.diag(counts) * squared * num / (num - 1)
    none = np.zeros_like(epoch)
    if order == "reshuffled":
        return np.block([[epoch, none], [none, epoch]])
    return np.block([[epoch, epoch[:, ::-1]], [epoch[::-1], epoch[::-1, ::-1]]])


def step_of(method, step, curvature, temperature):
    """(M, c, Q) of one step: v' = M v + c b + noise of covariance Q, for v = x or (x, p)."""
    if method == "sgld":
        return np.array([[1 - step * curvature]]), [step], [[2 * step * temperature]]
    args = (FRICTION, 1.0, temperature)
    matrix, noise = oracle.propagator("BAOAB", step, curvature, *args)
    free, _ = oracle.propagator("BAOAB", step, 0.0, *args)
    return matrix, free @ np.array([0, step]), noise


def variances(method, step, temperature, order, num, size, squared):
    """The exact stationary variance of x at the start of each step of two epochs."""
    steps = -(-num // size)
    counts = np.array([num // steps + (i < num % steps) for i in range(steps)])
    if order == "replacement":
        counts, weight = np.full(steps, size), 1.0
    else:
        weight = steps * size / num
    covariance = covariance_of_sums(order, counts, num, squared) * (weight / size) ** 2
    back = counts[::-1] if order == "symmetric" else counts
    pulls = np.concatenate([counts, back]) * weight / size * CURVATURE

    # After t steps v is start @ v_0, plus one row of `columns` for each batch so far.
    start = np.eye(1 if method == "sgld" else 2)
    columns, heat = np.zeros((0, len(start))), np.zeros_like(start)
    along = [(start, columns, heat)]
    for pull in pulls:
        matrix, kick, noise = step_of(method, step, pull, temperature)
        start = matrix @ start
        columns = np.vstack([columns @ matrix.T, kick])
        heat = matrix @ heat @ matrix.T + noise
        along.append((start, columns, heat))

    def added(columns, heat):
        return heat + columns.T @ covariance[: len(columns), : len(columns)] @ columns

    cycle, columns, heat = along.pop()
    size_of = cycle.size
    system = np.eye(size_of) - np.kron(cycle, cycle)
    first = np.linalg.solve(system, added(columns, heat).ravel()).reshape(cycle.shape)
    return np.array([(a @ first @ a.T + added(c, q))[0, 0] for a, c, q in along])


def measured(make, order, num, size, noises, chains, cycles):
    """x at each step of the last cycle of two epochs: [steps, chains]."""
    steps = 2 * -(-num // size)

    def chain(key):
        batches = to.batch_order(num, size, order=order, key=key)
        tx = make(key)

        def step(carry, count):
            x, state = carry
            indices, weights = batches(count)
            gradient = jnp.mean(weights * (CURVATURE * x - noises[indices]))
            updates, state = tx.update(gradient, state, x)
            return (optax.apply_updates(x, updates), state), x

        x = jnp.zeros(())
        return jax.lax.scan(step, (x, tx.init(x)), jnp.arange(cycles * steps))[1][-steps:]

    keys = jax.random.split(jax.random.key(0), chains)
    return np.asarray(jax.jit(jax.vmap(chain))(keys), np.float64).T


METHODS = {
    "sgld": (0.3, 0.0, lambda step, heat, key: to.sgld(step, heat, key=key)),
    "langevin": (0.7, 0.02, lambda h, heat, key: to.langevin(h, heat, friction=FRICTION, key=key)),
}


def check(method, order, num, size, chains):
    step, temperature, make = METHODS[method]
    noises = np.linspace(-1, 1, num) ** 3
    expected = variances(method, step, temperature, order, num, size, np.mean(noises**2))
    positions = measured(
        lambda key: make(step, temperature, key),
        *(order, num, size, jnp.asarray(noises, jnp.float32), chains, 4),
    )
    assert_mean(np.mean(positions**2, axis=0), np.mean(expected), name=f"{method} {order}")
    for time in (0, len(expected) // 4, len(expected) // 2):  # within an epoch it is not constant
        assert_mean(positions[time] ** 2, expected[time], name=f"{method} {order} at {time}")


@pytest.mark.quick("symmetric")
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("method", METHODS)
def test_stationary_variance(method, order):
    """19 examples in batches of 3 make epochs of 7 batches, some of which are filled up."""
    check(method, order, num=19, size=3, chains=5_000)


@pytest.mark.slow
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("method", METHODS)
def test_stationary_variance_of_many_chains(method, order):
    check(method, order, num=43, size=4, chains=200_000)


@pytest.mark.parametrize(
    "method, order, expected",
    [
        *(("sgld", "replacement", 1), ("sgld", "reshuffled", 2), ("sgld", "symmetric", 2)),
        *(("langevin", "replacement", 1), ("langevin", "reshuffled", 3)),
        ("langevin", "symmetric", 4),
    ],
)
def test_orders_in_the_step_size(method, order, expected):
    """By regression on the exact excess, the mean over an epoch."""
    temperature = METHODS[method][1]
    steps = 0.08 / 2.0 ** np.arange(5)
    excess = [
        np.mean(variances(method, step, temperature, order, 24, 3, 1.0)) - temperature / CURVATURE
        for step in steps
    ]
    slope = np.polyfit(np.log(steps), np.log(excess), 1)[0]
    assert abs(slope - expected) < 0.1, slope
