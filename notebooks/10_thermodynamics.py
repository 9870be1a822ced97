# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Thermodynamics of a trained network
#
# How many of its weights does a network use, and how does that number change while it learns? And which of several models do
# the data prefer? Both questions are about heat: the first is how much it raises the loss around trained weights, the
# second is a difference of free energies along a ladder.

# %%
import os

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import thermo_optax as to

FAST = bool(os.environ.get("THERMO_OPTAX_FAST"))  # few steps, for the tests

# %% [markdown]
# ## A network that learns in two stages
#
# The data are a slow wave and a faster, smaller one, with noise. A tanh network of 37 weights learns one after the other.
# We keep checkpoints on the way.

# %%
N, SIGMA, HIDDEN = 500, 0.1, 12
key = jax.random.key(0)
x = jnp.linspace(-1.5, 1.5, N)
y = jnp.sin(2 * x) + 0.3 * jnp.sin(6 * x) + SIGMA * jax.random.normal(key, (N,))


def predict(params, x):
    hidden = jnp.tanh(x[:, None] * params["w"] + params["b"])
    return hidden @ params["v"] + params["c"]


def loss(params):
    return jnp.mean((y - predict(params, x)) ** 2) / (2 * SIGMA**2)


def start(key):
    keys = jax.random.split(key, 3)
    return {
        "w": 2 * jax.random.normal(keys[0], (HIDDEN,)),
        "b": jax.random.normal(keys[1], (HIDDEN,)),
        "v": 0.1 * jax.random.normal(keys[2], (HIDDEN,)),
        "c": jnp.zeros(()),
    }


TRAINING = 40_000
steps = np.unique(np.geomspace(100, TRAINING, 10).astype(int))
tx = optax.adam(optax.linear_schedule(0.01, 0.0, TRAINING))


@jax.jit
def train(params):
    def step(carry, _):
        params, state = carry
        updates, state = tx.update(jax.grad(loss)(params), state, params)
        params = optax.apply_updates(params, updates)
        return (params, state), params

    return jax.lax.scan(step, (params, tx.init(params)), length=TRAINING)[1]


checkpoints = jax.tree.map(lambda leaf: leaf[steps - 1], train(start(key)))

# %% [markdown]
# ## Its learning coefficient
#
# `learning_coefficients` takes the stacked checkpoints. Four chains run around each of them, held by a tether, and all are
# one compiled program. Heat at the temperature $T = \ln n / n$ raises the loss by $\lambda T$, and $\lambda$ is the
# learning coefficient. Early checkpoints are not minima yet: the chains find lower losses, and the table says so instead
# of printing a meaningless number.

# %%
PRECISION = 10.0
found = to.learning_coefficients(
    loss,
    checkpoints,
    num_examples=N,
    precision=PRECISION,
    key=1,
    num_steps=2_000 if FAST else 8_000,
    num_burn_in=500 if FAST else 2_000,
)
print(found)

# %%
fig, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
axes[0].plot(x, y, ".", color="0.7", ms=2)
for number in (1, len(steps) // 2, len(steps) - 1):
    params = jax.tree.map(lambda leaf, n=number: leaf[n], checkpoints)
    axes[0].plot(x, predict(params, x), label=f"step {steps[number]:,}")
axes[0].set(xlabel="$x$", ylabel="$y$")
axes[0].legend(frameon=False)
to.plot.coefficients(found, steps=steps, ax=axes[1])
axes[1].set_xscale("log")
plt.show()

# %% [markdown]
# After the first stage the loss hardly changes, but the coefficient goes on rising: the network uses more of its weights.
# Each weight that mattered by itself would count 1/2, so 37 weights could count 18.5. Print a single result to see how it was
# checked, and look at the losses of its chains.

# %%
last = found[-1]
print(last)
fig, ax = plt.subplots(figsize=(7, 3.2), layout="constrained")
to.plot.loss_trace(last, ax=ax)
plt.show()
assert last.is_minimum and last.value < 37 / 2

# %% [markdown]
# ## Energies and the evidence of models
#
# The evidence of a model is the likelihood averaged over the prior. A ladder of powers of the likelihood leads from the prior
# to the posterior, and `replica_exchange` keeps the energies of each rung in its state. We compare polynomials of degree 0 to
# 5 on 30 points that came from a cubic. Six ladders run at once under `vmap`; a mask leaves out high powers of $x$.

# %%
POINTS, NOISE, DEGREES = 30, 0.3, np.arange(6)
rng = np.random.default_rng(3)
u = np.linspace(-1, 1, POINTS)
targets = 1.5 * u**3 - u + NOISE * rng.normal(size=POINTS)
features = jnp.asarray(np.vander(u, 6, increasing=True), jnp.float32)
targets = jnp.asarray(targets, jnp.float32)
powers = jnp.linspace(1.0, 0.0, 10) ** 4
stiffness = 1 + powers * jnp.linalg.eigvalsh(features.T @ features / NOISE**2).max()


def ladder_of(degree, key):
    mask = jnp.arange(6) <= degree

    def misfit(w):  # -ln likelihood
        squares = jnp.sum((features @ (mask * w) - targets) ** 2) / (2 * NOISE**2)
        return squares + POINTS * jnp.log(NOISE * jnp.sqrt(2 * jnp.pi))

    def energy(w, power):
        return power * misfit(w) + jnp.sum(w**2) / 2  # a standard normal prior

    inner = optax.inject_hyperparams(to.langevin)(0.1, 1.0, friction=1.0, key=key)
    tx = to.replica_exchange(
        inner,
        {"power": powers, "step_size": 0.8 / jnp.sqrt(stiffness)},
        betas={"power": lambda power: power},
        normalization={"power": 1.0},
        model_hyperparams=("power",),
        swap_period=100,
        key=key,
    )

    def step(carry, _):
        w, state = carry
        power = to.replica_hyperparams(state)["power"]
        grads = jax.vmap(jax.grad(energy))(w, power)
        updates, state = tx.update(grads, state, w, value=jax.vmap(misfit)(w))
        return (optax.apply_updates(w, updates), state), None

    w = jnp.zeros((len(powers), 6))
    length = 4_000 if FAST else 40_000
    return jax.lax.scan(step, (w, tx.init(w)), length=length)[0][1]


states = jax.jit(jax.vmap(ladder_of))(
    jnp.asarray(DEGREES), jax.random.split(jax.random.key(2), 6)
)
ladders = to.ladder_thermodynamics(states)
evidence = -ladders.log_partition[:, -1]
errors = ladders.standard_error["log_partition"][:, -1]

exact = []
for degree in DEGREES:
    design = np.asarray(features, float)[:, : degree + 1]
    covariance = NOISE**2 * np.eye(POINTS) + design @ design.T
    square = targets @ np.linalg.solve(covariance, targets)
    exact.append(-(square + np.linalg.slogdet(2 * np.pi * covariance)[1]) / 2)
for degree in DEGREES:
    print(f"degree {degree}: {evidence[degree]:.2f}, exact {exact[degree]:.2f}")
assert np.all(np.abs(evidence - exact) < (1.0 if FAST else 0.2))

# %% [markdown]
# The evidence is largest for the degree of the law that the data came from: a higher degree fits better but spreads its prior
# over more functions. The heat capacity $b^2\, \mathrm{Var}(L)$ at the power $b$ counts the parameters that the data hold
# fast, one half for each: near the prior none, at the posterior nearly all.

# %%
fig, axes = plt.subplots(1, 3, figsize=(12, 3.5), layout="constrained")
axes[0].errorbar(DEGREES, evidence, 2 * errors, fmt="o", capsize=3, label="ladder")
axes[0].plot(DEGREES, exact, "k_", ms=14, label="exact")
axes[0].set(xlabel="degree", ylabel="log evidence, nats")
axes[0].legend(frameon=False)
inside = slice(0, len(powers) - 1)  # the prior's power is 0
for degree in (1, 3, 5):
    label = f"degree {degree}"
    axes[1].plot(powers[inside], ladders.energy[degree, inside], ".-", label=label)
    axes[2].plot(powers[inside], ladders.heat_capacity[degree, inside], ".-")
    axes[2].axhline((degree + 1) / 2, color="0.7", lw=0.8, zorder=0)
axes[1].set(
    xscale="log", yscale="log", xlabel="power $b$", ylabel="mean -ln likelihood"
)
axes[1].legend(frameon=False)
axes[2].set(xscale="log", xlabel="power $b$", ylabel="heat capacity")
plt.show()
