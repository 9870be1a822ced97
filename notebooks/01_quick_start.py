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
# # Quick start
#
# Five minutes: sample the posterior of a logistic regression with Langevin dynamics, read its temperature, and
# turn the heat off.
#
# Every sampler of `thermo_optax` is an optax transformation. Its `update` receives the gradient of a loss $L$ and
# leaves the density
#
# $$ \pi(x) \propto e^{-L(x) / T} $$
#
# invariant. That is the one convention for temperature here, and all there is to remember.

# %%
import os

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import optax

import thermo_optax as to

FAST = bool(os.environ.get("THERMO_OPTAX_FAST"))  # few steps, for the tests
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"  # told apart by all eyes

# %% [markdown]
# ## A loss
#
# 500 examples, three weights, and the *mean* of the negative log-likelihood, as one trains networks. The posterior
# with a flat prior is $e^{-N L}$, so its temperature is $1 / N$.

# %%
N = 500
key_x, key_y = jax.random.split(jax.random.key(0))
inputs = jax.random.normal(key_x, (N, 3))
truth = jnp.array([1.0, -2.0, 0.5])
targets = jax.random.bernoulli(key_y, jax.nn.sigmoid(inputs @ truth)).astype(jnp.float32)


def loss(weights):
    return optax.sigmoid_binary_cross_entropy(inputs @ weights, targets).mean()


T = to.units.posterior_temperature(N)
print(f"temperature {T}")

# %% [markdown]
# ## A sampler
#
# Underdamped Langevin dynamics is SGD with momentum in a heat bath:
#
# $$ dx = p\, dt, \qquad dp = -\nabla L\, dt - \gamma p\, dt + \sqrt{2 \gamma T}\, dW . $$
#
# The step size is a time; the friction $\gamma$ says how soon a momentum is forgotten. Randomness is explicit: the key
# is read by `init`, and lives in the state.

# %%
tx = to.langevin(step_size=1.0, temperature=T, friction=0.5, key=0)


@jax.jit
def run(weights, state, steps):
    def step(carry, _):
        weights, state = carry
        updates, state = tx.update(jax.grad(loss)(weights), state, weights)
        weights = optax.apply_updates(weights, updates)
        return (weights, state), (weights, to.diagnostics.kinetic_temperature(state).value)

    return jax.lax.scan(step, (weights, state), steps)


steps = 1_000 if FAST else 10_000
weights = jnp.zeros(3)
(weights, state), (samples, temperatures) = run(weights, tx.init(weights), jnp.arange(steps))
kept = samples[steps // 10 :]  # without the way from the start
print("truth            ", truth)
print("posterior mean   ", kept.mean(0))
print("posterior std    ", kept.std(0))

# %% [markdown]
# ## A thermometer
#
# In equilibrium every momentum has the variance $T$ (mass 1), so the momenta are a thermometer. One reading of three
# momenta is worth little; its average is a test of the run.

# %%
measured = temperatures[steps // 10 :].mean()
print(f"measured / set temperature: {measured / T:.3f}")
assert abs(measured / T - 1) < (0.3 if FAST else 0.1)

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
for i, color in enumerate([BLUE, ORANGE, GREEN]):
    left.plot(samples[:600, i], color=color, lw=1, label=f"weight {i + 1}")
    left.axhline(truth[i], color=color, ls=":", lw=1)
    right.hist(kept[:, i], bins=40, density=True, color=color, alpha=0.6)
    right.axvline(truth[i], color=color, ls=":", lw=1)
left.set(xlabel="step", ylabel="weight", title="a chain finds the posterior")
left.legend(loc="upper right", bbox_to_anchor=(1, 0.62))
right.set(xlabel="weight", ylabel="posterior density", title="and samples it (dotted: the truth)")
plt.show()

# %% [markdown]
# ## The limit of no heat
#
# `temperature_scale` multiplies the temperature of a step; it is how schedules, tempering and replica exchange
# control a sampler from outside, and 0 makes the step deterministic. `explore_then_refine` uses it: heat for some
# steps, and then none. What remains is gradient descent with momentum, so the loss falls to its minimum.

# %%
cooled = to.explore_then_refine(tx, exploration_steps=200)


@jax.jit
def train(weights, state):
    def step(carry, _):
        weights, state = carry
        value, grads = jax.value_and_grad(loss)(weights)
        updates, state = cooled.update(grads, state, weights)
        return (optax.apply_updates(weights, updates), state), value

    return jax.lax.scan(step, (weights, state), length=400)


start = jnp.zeros(3)
(end, _), values = train(start, cooled.init(start))
gap = values - loss(end)
assert gap[50:200].mean() > 100 * jnp.abs(gap[-10:]).mean()

fig, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
ax.semilogy(jnp.maximum(gap, 1e-8), color=BLUE, lw=1)
ax.axvline(200, color="0.5", ls="--", lw=1)
ax.axhline(1.5 * T, color=ORANGE, lw=1)
ax.text(395, 1.8 * T, "3 T / 2: equipartition", color=ORANGE, ha="right")
ax.set(xlabel="step (dashed: the heat goes off)", ylabel="loss above its minimum", ylim=(1e-8, 1))
plt.show()

# %% [markdown]
# With heat the loss stays above its minimum by $T / 2$ for each of the three weights: equipartition of energy. That is
# not an error of the method but what a posterior looks like.
#
# Next: laws for each layer and their thermometers ([notebook 02](02_langevin_and_layers.ipynb)), temperatures that
# wander ([03](03_continuous_tempering.ipynb)), and how to choose temperature, friction and step size
# ([06](06_choosing_settings.ipynb)).
