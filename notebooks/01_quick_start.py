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
# invariant. This is the only convention for temperature in the library.

# %%
import os

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import optax

import thermo_optax as to

FAST = bool(os.environ.get("THERMO_OPTAX_FAST"))  # few steps, for the tests

# %% [markdown]
# ## A loss
#
# The data are 500 examples. The loss is the *mean* of the negative log-likelihood, as in training networks. With a
# flat prior the posterior is $e^{-N L}$, so its temperature is $1 / N$.

# %%
N = 500
key_x, key_y = jax.random.split(jax.random.key(0))
inputs = jax.random.normal(key_x, (N, 3))
truth = jnp.array([1.0, -2.0, 0.5])
targets = jax.random.bernoulli(key_y, jax.nn.sigmoid(inputs @ truth)).astype(
    jnp.float32
)


def loss(weights):
    return optax.sigmoid_binary_cross_entropy(inputs @ weights, targets).mean()


T = to.units.posterior_temperature(N)
print(f"temperature {T:.4f}")

# %% [markdown]
# ## A sampler
#
# Underdamped Langevin dynamics is SGD with momentum in a heat bath:
#
# $$ dx = p\, dt, \qquad dp = -\nabla L\, dt - \gamma p\, dt + \sqrt{2 \gamma T}\, dW . $$
#
# The step size is a time. The friction $\gamma$ is the rate at which momenta are forgotten. Randomness is explicit:
# `init` reads the key and keeps it in the state.

# %%
tx = to.langevin(step_size=1.0, temperature=T, friction=0.5, key=0)


@jax.jit
def run(weights, state, steps):
    def step(carry, _):
        weights, state = carry
        updates, state = tx.update(jax.grad(loss)(weights), state, weights)
        weights = optax.apply_updates(weights, updates)
        return (weights, state), (
            weights,
            to.diagnostics.kinetic_temperature(state).value,
        )

    return jax.lax.scan(step, (weights, state), steps)


steps = 1_000 if FAST else 10_000
weights = jnp.zeros(3)
(weights, state), (samples, temperatures) = run(
    weights, tx.init(weights), jnp.arange(steps)
)
kept = samples[steps // 10 :]  # without the burn-in
print("truth            ", truth)
print("posterior mean   ", kept.mean(0))
print("posterior std    ", kept.std(0))

# %% [markdown]
# ## A thermometer
#
# In equilibrium every momentum has the variance $T$ (at mass 1), so the momenta are a thermometer. One reading of
# three momenta says little. Its average over the run is a test.

# %%
measured = temperatures[steps // 10 :].mean()
print(f"measured / set temperature: {measured / T:.3f}")
assert abs(measured / T - 1) < (0.3 if FAST else 0.1)

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
for i, color in enumerate(["#0072B2", "#CC79A7", "#009E73"]):
    left.plot(samples[:600, i], color=color, lw=1, label=f"weight {i + 1}")
    left.axhline(truth[i], color=color, ls=":", lw=1)
    right.hist(kept[:, i], bins=40, density=True, color=color, alpha=0.6)
    right.axvline(truth[i], color=color, ls=":", lw=1)
left.set(xlabel="step", ylabel="weight", title="a chain finds the posterior")
left.legend(loc="upper right", bbox_to_anchor=(1, 0.62))
right.set(
    xlabel="weight",
    ylabel="posterior density",
    title="and samples it (dotted: the truth)",
)
plt.show()

# %% [markdown]
# ## The limit of no heat
#
# `temperature_scale` multiplies the temperature of a step. Schedules, tempering and replica exchange control a sampler
# through it. At 0 the step is deterministic. `explore_then_refine` sets it to 1 for some steps and then to 0. The
# sampler is then gradient descent with momentum, and the loss falls to its minimum.

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
ax.semilogy(jnp.maximum(gap, 1e-8), color=to.plot.colour_of("langevin"), lw=1)
ax.axvline(200, color="0.5", ls="--", lw=1)
ax.axhline(1.5 * T, color="black", lw=1)
ax.text(395, 1.8 * T, "3 T / 2: equipartition", ha="right")
ax.set(
    xlabel="step (dashed: the heat goes off)",
    ylabel="loss above its minimum",
    ylim=(1e-7, 1),
)
plt.show()

# %% [markdown]
# With heat, the loss stays on average $T / 2$ above its minimum for each of the three weights (equipartition of
# energy). This is not an error of the method: a posterior has a width.
#
# Next: a law for each layer, with thermometers ([notebook 02](02_langevin_and_layers.ipynb)), temperatures that
# wander ([03](03_continuous_tempering.ipynb)), and how to choose temperature, friction and step size
# ([06](06_choosing_settings.ipynb)).
