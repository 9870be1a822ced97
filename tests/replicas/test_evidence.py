"""Evidence of a logistic regression against quadrature, and against pymbar's estimate.

The ladder is of powers of the likelihood, from the posterior to the prior.
"""

import functools
import importlib.util
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.statistics import assert_mean

EXAMPLES, SIZE, STEPS = 60, 2, 30_000
POWERS = jnp.linspace(1.0, 0.0, 9) ** 4
RANDOM = np.random.default_rng(0)
INPUTS = RANDOM.normal(size=(EXAMPLES, SIZE))
SIGNS = np.where(RANDOM.random(EXAMPLES) < 1 / (1 + np.exp(-INPUTS @ [2.0, -1.0])), 1.0, -1.0)
FEATURES = jnp.asarray(SIGNS[:, None] * INPUTS, jnp.float32)


def misfit(w):
    """-ln likelihood."""
    return jnp.sum(jax.nn.softplus(-FEATURES @ w))


def loss(w, power):
    return power * misfit(w) + jnp.sum(jnp.square(w)) / 2  # a standard normal prior


def quadrature():
    """ln of the mean likelihood under the prior, on a grid."""
    grid = np.linspace(-7, 7, 401)
    points = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, SIZE)
    margins = points @ (SIGNS[:, None] * INPUTS).T
    log_density = -np.logaddexp(0, -margins).sum(1) - np.square(points).sum(1) / 2
    top = log_density.max()
    cell = (grid[1] - grid[0]) ** 2 / (2 * np.pi)
    return top + np.log(np.exp(log_density - top).sum() * cell)


@functools.cache
def run():
    """The state, and the losses of the replica on each rung, [steps, rungs]."""
    inner = optax.inject_hyperparams(to.langevin)(0.1, 1.0, friction=1.0, key=2)
    stiffness = 1 + POWERS * np.linalg.eigvalsh(INPUTS.T @ INPUTS / 4).max()
    tx = to.replica_exchange(
        inner,
        {"power": POWERS, "step_size": 0.7 / jnp.sqrt(stiffness)},
        betas={"power": lambda power: power},
        normalization={"power": 1.0},
        model_hyperparams=("power",),
        swap_period=25,
        key=3,
    )

    def step(carry, _):
        w, state = carry
        grads = jax.vmap(jax.grad(loss))(w, to.replica_hyperparams(state)["power"])
        losses = jax.vmap(misfit)(w)
        updates, new = tx.update(grads, state, w, value=losses)
        return (optax.apply_updates(w, updates), new), to.by_rung(state, losses)

    w = jnp.zeros((len(POWERS), SIZE))
    (_, state), losses = jax.lax.scan(step, (w, tx.init(w)), length=STEPS)
    return state, np.asarray(losses, np.float64)


@pytest.fixture
def evidence(standard_promotion):
    """`optax.inject_hyperparams` needs the promotion."""
    return run()


@pytest.mark.slow
def test_logistic_regression(evidence):
    found = to.ladder_thermodynamics(evidence[0])
    exact = quadrature()
    for name in ("log_partition", "bridge"):
        value, error = -getattr(found, name)[-1], found.standard_error[name][-1]
        assert abs(value - exact) < 0.2 and abs(value - exact) < 4 * error < 0.4, (name, value)


MBAR = """
import sys, numpy as np, pymbar
found = np.load(sys.argv[1])
losses, powers = found["losses"], found["powers"]
number = np.full(len(powers), len(losses))
u = powers[:, None] * losses.T.ravel()
result = pymbar.MBAR(u, number).compute_free_energy_differences()
print("MBAR", result["Delta_f"][0, -1], result["dDelta_f"][0, -1])
"""


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("pymbar") is None,
    reason="pymbar is not installed: the evidence is not compared with its estimate",
)
def test_the_same_as_pymbar(evidence, tmp_path):
    """In a process of its own, because pymbar switches jax to 64 bit."""
    state, losses = evidence
    path = tmp_path / "losses.npz"
    np.savez(path, losses=losses[STEPS // 10 :: 5], powers=np.asarray(POWERS, np.float64))
    done = subprocess.run(
        [sys.executable, "-c", MBAR, str(path)], capture_output=True, text=True, check=True
    )
    theirs, their_error = map(float, done.stdout.split()[-2:])  # -ln Z of the prior, less ours
    found = to.ladder_thermodynamics(state)
    ours, our_error = -found.log_partition[-1], found.standard_error["log_partition"][-1]
    assert abs(ours - theirs) < 4 * np.hypot(our_error, their_error), (ours, theirs)
    assert abs(theirs - quadrature()) < 0.2


def linear_regression():
    """-ln likelihood with all its constants, the curvature of it, and the evidence."""
    rng, noise = np.random.default_rng(0), 0.5
    features = rng.normal(size=(30, 3))
    targets = features @ [1.0, -0.5, 0.3] + noise * rng.normal(size=30)
    covariance = noise**2 * np.eye(30) + features @ features.T
    exact = -(targets @ np.linalg.solve(covariance, targets)) / 2
    exact -= np.linalg.slogdet(2 * np.pi * covariance)[1] / 2

    def misfit(w):
        squares = jnp.sum((jnp.float32(features) @ w - jnp.float32(targets)) ** 2)
        return squares / (2 * noise**2) + 30 * jnp.log(noise * jnp.sqrt(2 * jnp.pi))

    return misfit, np.linalg.eigvalsh(features.T @ features / noise**2).max(), exact


@pytest.mark.slow
@pytest.mark.parametrize("period", [1, 5])
def test_linear_regression_with_frequent_swaps(period, standard_promotion):
    """With the gradients of the old rung in the first step on a new one it was off by 0.4 nats."""
    misfit, stiffest, exact = linear_regression()
    powers = jnp.linspace(1.0, 0.0, 10) ** 4
    ladder = {"power": powers, "step_size": 0.8 / jnp.sqrt(1 + powers * stiffest)}

    def chain(key):
        tx = to.replica_exchange(
            optax.inject_hyperparams(to.langevin)(0.1, 1.0, friction=1.0, key=key),
            ladder,
            betas={"power": lambda power: power},
            normalization={"power": 1.0},
            model_hyperparams=("power",),
            swap_period=period,
            key=jax.random.fold_in(key, 1),
        )

        def step(carry, _):
            w, state = carry
            losses, slopes = jax.vmap(jax.value_and_grad(misfit))(w)
            grads = to.replica_hyperparams(state)["power"][:, None] * slopes + w
            updates, state = tx.update(grads, state, w, value=losses)
            return (optax.apply_updates(w, updates), state), None

        w = jnp.zeros((len(powers), 3))
        return jax.lax.scan(step, (w, tx.init(w)), length=10_000)[0][1]

    states = jax.jit(jax.vmap(chain))(jax.random.split(jax.random.key(0), 32))
    each = [jax.tree.map(lambda leaf, i=i: leaf[i], states) for i in range(32)]
    found = [-to.ladder_thermodynamics(state).log_partition[-1] for state in each]
    assert_mean(found, exact, z=4, name=f"evidence, with a swap every {period} updates")
