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
# # Langevin dynamics and a law for each layer
#
# A spiral of four turns is a hard problem for a small network: gradient descent stops in poor minima. Three methods
# train the same network on the same minibatches: SGD with momentum, Langevin dynamics with one bath for all layers, and
# AdLaLa, with a thermostat in the hidden layer and a cold output layer. Thermometers show why the results differ.

# %%
import os

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import thermo_optax as to

FAST = bool(os.environ.get("THERMO_OPTAX_FAST"))  # few steps, for the tests
COLOURS = {
    "points": ["#00456B", "#8A3B00"],
    "areas": ["#CFE3F0", "#F6DCCB"],
}  # of the classes

# %% [markdown]
# ## Data and network
#
# Two interleaved spirals of four turns, and a network of 2-100-1 units.

# %%


def spiral(seed, count):
    generator = np.random.default_rng(seed)
    progress = np.sqrt(generator.random(count))  # covers the disc evenly
    angle = 8 * np.pi * progress
    arm = 2 * progress[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    labels = np.arange(count) % 2
    points = np.where(labels[:, None], -arm, arm) + 0.02 * generator.standard_normal(
        (count, 2)
    )
    return jnp.asarray(points, jnp.float32), jnp.asarray(labels, jnp.float32)


points, labels = spiral(0, 500)
test_points, test_labels = spiral(1, 1_000)


def init(key):
    def uniform(key, shape, fan_in):
        return jax.random.uniform(
            key, shape, minval=-(fan_in**-0.5), maxval=fan_in**-0.5
        )

    keys = jax.random.split(key, 4)
    return {
        "hidden": {
            "w": uniform(keys[0], (2, 100), 2),
            "b": uniform(keys[1], (100,), 2),
        },
        "output": {
            "w": uniform(keys[2], (100, 1), 100),
            "b": uniform(keys[3], (1,), 100),
        },
    }


def logits(params, x):
    hidden = jax.nn.relu(x @ params["hidden"]["w"] + params["hidden"]["b"])
    return (hidden @ params["output"]["w"] + params["output"]["b"])[:, 0]


def loss(params, x, y):
    return optax.sigmoid_binary_cross_entropy(logits(params, x), y).mean()


def accuracy(params):
    return jnp.mean((logits(params, test_points) > 0) == test_labels)


# %% [markdown]
# ## Three laws
#
# **Langevin dynamics**, "BAOAB": one bath with friction $\gamma$ for all layers.
#
# **AdLaLa**: in the hidden layer the friction $\xi$ is a dynamical variable,
#
# $$ dp = -\nabla L\, dt - \xi p\, dt + \sigma_A\, dW, \qquad d\xi = \varepsilon\, (p \cdot p - n T)\, dt . $$
#
# While the momenta are hotter than $T$ the friction grows, whatever heats them. The output layer has Langevin
# dynamics at a temperature near 0.

# %%
T = 1e-3
methods = {
    "SGD, momentum 0.9": optax.sgd(0.05, momentum=0.9),
    "Langevin": to.langevin(0.25, 1e-4, friction=0.5, key=0),
    "AdLaLa": to.adlala(
        0.25,
        adaptive_groups={"hot": T},
        langevin_groups={"cold": 1e-7},
        noise_amplitude=0.005,
        coupling=0.1,
        friction=2.0,
        thermostat="group",
        param_labels=lambda params: to.label_layers(
            params, {"hot": "first", "cold": "last"}
        ),
        key=0,
    ),
}

STEPS, RECORDS, BATCH = (2_000, 10, 25) if FAST else (40_000, 40, 25)


def hidden_temperature(name, state, grads):
    if name == "Langevin":
        return to.diagnostics.equipartition(state, grads)["hidden"].value
    if name == "AdLaLa":  # the reading of the thermostat
        return state.inner_states["hot"].inner_state.kinetic_temperature
    return jnp.nan


def train(name, tx):
    def step(carry, key):
        params, state = carry
        batch = jax.random.randint(key, (BATCH,), 0, len(points))
        grads = jax.grad(loss)(params, points[batch], labels[batch])
        updates, state = tx.update(grads, state, params)
        heat = jnp.mean(hidden_temperature(name, state, grads))
        return (optax.apply_updates(params, updates), state), heat

    def stretch(carry, keys):
        carry, heat = jax.lax.scan(step, carry, keys)
        return carry, (accuracy(carry[0]), heat.mean())

    keys = jax.random.split(jax.random.key(2), (RECORDS, STEPS // RECORDS))
    params = init(jax.random.key(1))
    (params, state), records = jax.jit(lambda c, k: jax.lax.scan(stretch, c, k))(
        (params, tx.init(params)), keys
    )
    return params, state, records


runs = {name: train(name, tx) for name, tx in methods.items()}
for name, (_, _, (accuracies, heats)) in runs.items():
    late = RECORDS // 2
    heat = heats[late:].mean()
    measured = "" if jnp.isnan(heat) else f", hidden temperature {heat:.2e}"
    print(f"{name:18} accuracy {accuracies[-1]:.1%}{measured}")

# %% [markdown]
# ## Accuracy and temperature
#
# The kinetic temperature of $n$ momenta is $p \cdot p / n$. With Langevin dynamics the hidden layer becomes several
# times as hot as its bath of $10^{-4}$, because minibatch gradients are noisy and the friction is fixed. AdLaLa's
# thermostat holds the temperature that was set.

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
steps = STEPS / RECORDS * np.arange(1, RECORDS + 1) / 1_000
for name, (_, _, (accuracies, heats)) in runs.items():
    color = to.plot.colour_of(name)
    left.plot(steps, 100 * accuracies, color=color, label=name)
    if name != "SGD, momentum 0.9":
        right.semilogy(steps, heats, color=color, label=name)
right.axhline(1e-4, color=to.plot.colour_of("Langevin"), ls=":", label="set, Langevin")
right.axhline(T, color=to.plot.colour_of("AdLaLa"), ls=":", label="set, AdLaLa")
left.set(xlabel="steps / 1,000", ylabel="test accuracy / %", ylim=(40, 100))
left.legend(loc="lower right")
right.set(
    xlabel="steps / 1,000", ylabel="temperature of the hidden layer", ylim=(5e-5, 5e-3)
)
right.legend(loc="upper right", ncols=2)

heat = runs["AdLaLa"][2][1][RECORDS // 2 :].mean()
assert abs(heat / T - 1) < (0.5 if FAST else 0.05)
assert FAST or runs["Langevin"][2][1][RECORDS // 2 :].mean() > 1.5e-4
assert FAST or runs["AdLaLa"][2][0][-1] > runs["SGD, momentum 0.9"][2][0][-1] + 0.05
plt.show()

# %% [markdown]
# ## What the networks have learnt

# %%
grid = jnp.stack(jnp.meshgrid(*[jnp.linspace(-2.2, 2.2, 200)] * 2), axis=-1)
fig, axes = plt.subplots(1, 3, figsize=(9, 3.2), layout="constrained", sharey=True)
for ax, (name, (params, _, (accuracies, _))) in zip(axes, runs.items(), strict=True):
    values = logits(params, grid.reshape(-1, 2)).reshape(200, 200)
    sides = {"levels": [-1, 0.5, 2], "colors": COLOURS["areas"]}
    ax.contourf(*jnp.moveaxis(grid, -1, 0), values > 0, **sides)
    for label, color in enumerate(COLOURS["points"]):
        ax.plot(*points[labels == label].T, ".", ms=2, color=color)
    ax.set(title=f"{name}: {accuracies[-1]:.1%}", xlabel="$x_1$", aspect="equal")
axes[0].set_ylabel("$x_2$")
plt.show()

# %% [markdown]
# ## The thermostat at work
#
# In equilibrium the thermostat's friction is $\xi = (\sigma_A^2 + h s^2) / 2T$, where $s^2$ is the variance of the
# gradient noise. So the friction measures that noise.

# %%
sampler = runs["AdLaLa"][1].inner_states["hot"].inner_state
own = to.units.equilibrium_friction(0.005, temperature=T)
print(
    f"friction {jnp.mean(sampler.friction):.4f}; "
    f"without gradient noise it would be {own:.4f}"
)

# %% [markdown]
# One seed and one problem prove little. `python -m benchmarks spiral` compares eight methods over 20 seeds. Five have
# the best setting of a grid; tuned Adam, LOL and AdLaLa have one setting each, found beforehand on other seeds.
