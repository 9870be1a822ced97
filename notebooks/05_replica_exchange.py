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
# # Replica exchange
#
# Several replicas run at different temperatures and exchange these now and then. Hot replicas move between modes, cold ones
# sample, and the law at each temperature stays exact. The second half exchanges learning rates, which is a heuristic, and
# shows a test of which hyperparameters are worth exchanging.

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
# ## 25 Gaussians, on a ladder
#
# The landscape is that of [notebook 03](03_continuous_tempering.ipynb). Replicas $i$ and $j$ are on neighbouring rungs, with
# inverse temperatures $\beta_i$ and $\beta_j$. They exchange their rungs with probability
#
# $$ P = \min\big(1, e^{(\beta_i - \beta_j)(L_i - L_j)}\big). $$
#
# If the colder one has the higher loss, they always exchange. Weights stay where they are.

# %%
DEVIATION = 0.5
line = 4.0 * np.arange(-2, 3)
MEANS = jnp.asarray(
    np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2), jnp.float32
)


def loss(x):
    squares = jnp.sum((x - MEANS) ** 2, axis=-1)
    return -jax.nn.logsumexp(-squares / (2 * DEVIATION**2))


RUNGS = 6
ladder = to.geometric_ladder(1.0, 16.0, RUNGS)
sampler = to.langevin(0.05, temperature=1.0, friction=1.0, key=0)
tx = to.replica_exchange(
    sampler, {"temperature": ladder}, swap_period=20, path_length=200, key=1
)
steps, every = (4_000, 20) if FAST else (80_000, 20)


@jax.jit
def run(x, state):
    def step(carry, _):
        x, state = carry
        values, grads = jax.vmap(jax.value_and_grad(loss))(x)
        updates, state = tx.update(grads, state, x, value=values)
        return (optax.apply_updates(x, updates), state), None

    def record(carry, _):
        carry, _ = jax.lax.scan(step, carry, length=every)
        x, state = carry
        return carry, to.by_rung(state, x)

    return jax.lax.scan(record, (x, state), length=steps // every)


x = jnp.zeros((RUNGS, 2))  # all in the mode in the middle
(x, state), samples = run(x, tx.init(x))

# %%
fig, axes = plt.subplots(1, 3, figsize=(10, 3.7), layout="constrained", sharey=True)
for ax, rung in zip(axes, [0, 2, 5], strict=True):
    ax.plot(
        *samples[::2, rung].T, ".", ms=1, color=to.plot.colour_of("replica_exchange")
    )
    ax.plot(*MEANS.T, "+", color="black", ms=5)
    ax.set(
        title=f"T = {ladder[rung]:.2g}",
        xlabel="$x_1$",
        xlim=(-12, 12),
        ylim=(-12, 12),
        aspect="equal",
    )
axes[0].set_ylabel("$x_2$")
plt.show()

# %% [markdown]
# The cold rung has visited modes that no cold chain reaches by itself. Its variance within a mode should be 0.25:

# %%
cold = samples[samples.shape[0] // 10 :, 0]
squares = jnp.sum((cold[:, None] - MEANS) ** 2, axis=-1)
seen = len(np.unique(jnp.argmin(squares, axis=1)))
variance = jnp.min(squares, axis=1).mean() / 2
print(f"modes at T = 1: {seen} of 25; variance within a mode {variance:.3f}")
assert seen > (3 if FAST else 20)
assert FAST or abs(variance / 0.25 - 1) < 0.1

# %% [markdown]
# ## Does the ladder work?
#
# All neighbours should accept about equally often. Replicas should go from the cold end to the hot end and back, since only
# round trips bring new modes to the cold end. By default even and odd pairs are tried in turn, so that replicas drift along
# the ladder rather than diffuse.

# %%
acceptance = to.swap_acceptance(state)
barrier = to.communication_barrier(1 / ladder, 1 - acceptance.probability)
print("acceptance ", np.asarray(acceptance.probability, float).round(2))
rounds = int(state.swaps.rounds)
print(f"round trips {state.swaps.round_trips} in {rounds:,} rounds of swaps")
print("replicas that this ladder needs:", to.recommended_replicas(barrier))

fig, axes = plt.subplots(
    1, 3, figsize=(12, 3.4), layout="constrained", width_ratios=[1, 2.4, 1.4]
)
to.plot.acceptance(acceptance.probability, ax=axes[0])
recorded = state.swaps.path[: min(60, rounds)]
to.plot.replica_paths(recorded, values=ladder, ax=axes[1])
to.plot.ladder(
    barrier, to.adapted_ladder(1 / ladder, 1 - acceptance.probability), ax=axes[2]
)
plt.show()

# %% [markdown]
# ## Which hyperparameters are worth a ladder?
#
# A learning rate or a dropout rate has no stationary law to preserve, so an exchange of these is a heuristic. The paper's
# criterion for a hyperparameter is *diffusion*: run replicas with different values, without exchange, and see whether the
# value orders their distances from the start. If it does, the hyperparameter acts like a temperature.

# %%
points = jax.random.normal(jax.random.key(0), (256, 4))
targets = (jnp.sum(points[:, :2] ** 2, axis=1) > 1.4).astype(jnp.float32)


def init(key):
    first, second = jax.random.split(key)
    return {
        "w": jax.random.normal(first, (4, 32)) / 2,
        "v": jax.random.normal(second, (32,)) / 6,
    }


def network_loss(params, batch):
    logits = jax.nn.relu(points[batch] @ params["w"]) @ params["v"]
    return optax.sigmoid_binary_cross_entropy(logits, targets[batch]).mean()


rates = jnp.geomspace(0.01, 0.3, 6)
times = np.unique(np.geomspace(1, 300 if FAST else 3_000, 20).astype(int))
sgd = optax.inject_hyperparams(optax.sgd)(learning_rate=0.1)
independent = to.replicate(sgd, 6, hyperparams={"learning_rate": rates})


def distances_of(key):
    start = to.init_replicas(init, key, 6)

    def step(carry, key):
        params, state = carry
        batch = jax.random.randint(key, (16,), 0, 256)
        grads = jax.vmap(jax.grad(network_loss), (0, None))(params, batch)
        updates, state = independent.update(grads, state, params)
        params = optax.apply_updates(params, updates)
        return (params, state), to.diagnostics.distance(params, start)

    keys = jax.random.split(jax.random.fold_in(key, 1), times[-1])
    return jax.lax.scan(step, (start, independent.init(start)), keys)[1][times - 1]


seeds = jax.random.split(jax.random.key(2), 4)
distances = jax.jit(jax.vmap(distances_of))(seeds)  # seeds, times, replicas
distances = jnp.moveaxis(distances, 0, 1)
reading = to.diagnostics.diffusion(distances, rates, jnp.asarray(times, jnp.float32))
print(reading)

fig, ax = plt.subplots(figsize=(6.5, 3.8), layout="constrained")
to.plot.diffusion(reading, label="learning rate", ax=ax)
plt.show()

# %% [markdown]
# ## Training with exchange
#
# Here the ladder holds learning rates, `inject_hyperparams` keeps them in the state, and `normalization` (the paper's $C$)
# sets how strictly replicas are sorted by their loss. Losses on validation data order replicas better than losses on
# minibatches: pass `energy="value_fn"`.

# %%
tx = to.replica_exchange(
    sgd,
    {"learning_rate": rates},
    swap_period=50,
    normalization=1.0,
    energy="value_fn",
    key=3,
)
everything = jnp.arange(256)


@jax.jit
def train(params, state, keys):
    def step(carry, key):
        params, state = carry
        batch = jax.random.randint(key, (16,), 0, 256)
        grads = jax.vmap(jax.grad(network_loss), (0, None))(params, batch)
        updates, state = tx.update(
            grads, state, params, value_fn=lambda one: network_loss(one, everything)
        )
        return (optax.apply_updates(params, updates), state), None

    return jax.lax.scan(step, (params, state), keys)[0]


params = to.init_replicas(init, 4, 6)
keys = jax.random.split(jax.random.key(5), 500 if FAST else 4_000)
params, state = train(params, tx.init(params), keys)
best = to.best_replica(state, params, by="latest")
print(f"best replica: loss {network_loss(best, everything):.3f}")
now = np.asarray(to.replica_hyperparams(state)["learning_rate"], float)
print("learning rates now", now.round(3))
print("swaps accepted    ", state.swaps.acceptances)
