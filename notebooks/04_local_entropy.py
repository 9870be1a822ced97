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
# # Local entropy
#
# Local entropy smooths the loss over a neighbourhood, by heat, and descends the smoothed loss, which prefers wide minima.
# This notebook shows it in one dimension, where everything can be computed, and then on a small network, with the
# spectrum of its Hessian.

# %%
import os

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import optax

import thermo_optax as to

FAST = bool(os.environ.get("THERMO_OPTAX_FAST"))  # few steps, for the tests

# %% [markdown]
# ## Two wells
#
# The loss has a wide bowl with its minimum at $x = 1$, and at $x = -1$ a sharp hole of 220 times the curvature. The hole is
# deeper, and descent that enters it stays there. For a scope $\gamma$ and a temperature $T$ the smoothed loss is
#
# $$ F(x) = -T \ln \int e^{-\left( f(x') + \frac{\gamma}{2} (x' - x)^2 \right) / T} dx' + \text{const} . $$

# %%


def loss(x):
    return 0.25 * (x - 1) ** 2 - 1.1 * jnp.exp(-((x + 1) ** 2) / (2 * 0.1**2))


def local_entropy(x, scope, temperature):
    grid = jnp.linspace(-8, 8, 8_001)
    exponent = -(loss(grid) + scope / 2 * (grid - x) ** 2) / temperature
    # So that a constant loss stays what it is.
    width = jnp.sqrt(scope / (2 * jnp.pi * temperature))
    return -temperature * (
        jax.nn.logsumexp(exponent) + jnp.log(width * (grid[1] - grid[0]))
    )


xs = jnp.linspace(-2, 2.5, 400)
T = 0.25
fig, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
ax.plot(xs, loss(xs), color="black", label="loss $f$")
for scope, style in [(30.0, ":"), (3.0, "--"), (0.5, "-")]:
    smoothed = jax.vmap(lambda x, scope=scope: local_entropy(x, scope, T))(xs)
    label = rf"$F$, scope $\gamma = {scope:g}$"
    ax.plot(xs, smoothed, style, color=to.plot.colour_of("local_entropy"), label=label)
ax.set(xlabel="parameter $x$", ylabel="loss", ylim=(-0.3, 2))
ax.legend(loc="upper right")
plt.show()

# %% [markdown]
# The smaller the scope, the wider the neighbourhood. At $\gamma = 30$ the hole is no longer the deeper minimum, and at 0.5
# it is gone. Smoothing lifts a well of curvature $k$ by $\frac{T}{2} \ln (1 + k / \gamma)$, so sharp wells rise more.

# %% [markdown]
# ## Descent on the smoothed loss
#
# `local_entropy` takes an inner sampler and an outer optimizer. Here SGLD explores around the outer point, and
# SGD moves the outer point. The result of the method is the *outer* point; `params` is an inner iterate. All chains begin
# in the hole, where plain gradient descent would stay for ever.

# %%
SCOPE = 0.5
tx = to.local_entropy(
    to.sgld(0.005, T, key=0),
    optax.sgd(0.3),
    num_inner_steps=1_000,  # long enough to leave the hole now and then
    scope=SCOPE,
    new_sample_weight=lambda count: (
        1 / (1 + count)
    ),  # the mean of a loop, each sample weighted equally
)
steps = 3_000 if FAST else 40_000


@jax.jit
def descend(x, state):
    def step(carry, _):
        x, state = carry
        updates, state = tx.update(jax.vmap(jax.grad(loss))(x), state, x)
        x = optax.apply_updates(x, updates)
        return (x, state), to.local_entropy_params(state, x)

    return jax.lax.scan(step, (x, state), length=steps)


start = jnp.full(32, -1.0)  # 32 chains at once
_, outer = descend(start, tx.init(start))

fig, ax = plt.subplots(figsize=(7, 3.2), layout="constrained")
colour = to.plot.colour_of("local_entropy")
ax.plot(jnp.arange(0, steps, 50), outer[::50, :12], color=colour, lw=0.7, alpha=0.7)
for at, name in [(-1.4, "hole"), (1.15, "bowl")]:
    ax.axhline(round(at), color="black", ls="--", lw=1)
    ax.text(0.01 * steps, at, name)
ax.set(xlabel="inner step", ylabel="outer point $x$", ylim=(-2, 3), xlim=(0, steps))
print(f"in the bowl at the end: {(outer[-1] > 0).mean():.0%} of the chains")
assert FAST or (outer[-1] > 0).mean() > 0.9
plt.show()

# %% [markdown]
# The inner loop must be long enough for the chain to see the neighbourhood. With 20 steps instead of 1,000 none of these
# chains leaves the hole.

# %% [markdown]
# ## A network
#
# Entropy-SGD and SGD with momentum now train a small classifier with an equal number of gradients; an outer step takes
# $L = 20$ of them. Two measurements tell whether the minima are wider: the spectrum of the Hessian, and the rise of the
# loss under noise on the weights.

# %%
key = jax.random.key(0)
points = jax.random.normal(key, (400, 4))
labels = (jnp.sum(points[:, :2] ** 2, axis=1) > 1.4).astype(jnp.float32)
labels = jnp.where(
    jax.random.bernoulli(jax.random.key(1), 0.1, (400,)), 1 - labels, labels
)
batch = (points, labels)


def init(key):
    first, second = jax.random.split(key)
    return {
        "hidden": {"w": jax.random.normal(first, (4, 24)) / 2, "b": jnp.zeros(24)},
        "output": {"w": jax.random.normal(second, (24,)) / 5, "b": jnp.zeros(())},
    }


def network_loss(params, batch):
    x, y = batch
    hidden = jnp.tanh(x @ params["hidden"]["w"] + params["hidden"]["b"])
    logits = hidden @ params["output"]["w"] + params["output"]["b"]
    return optax.sigmoid_binary_cross_entropy(logits, y).mean()


gradients = 1_000 if FAST else 20_000


def train(tx):
    def step(carry, key):
        params, state = carry
        chosen = jax.random.randint(key, (50,), 0, 400)
        grads = jax.grad(network_loss)(params, jax.tree.map(lambda x: x[chosen], batch))
        updates, state = tx.update(grads, state, params)
        return (optax.apply_updates(params, updates), state), None

    params = init(jax.random.key(2))
    keys = jax.random.split(jax.random.key(3), gradients)
    return jax.jit(lambda carry: jax.lax.scan(step, carry, keys)[0])(
        (params, tx.init(params))
    )


params, _ = train(optax.sgd(optax.cosine_decay_schedule(0.1, gradients), momentum=0.9))
inner, state = train(
    to.entropy_sgd(
        1.0, 0.01, inner_learning_rate=0.1, scope=0.1, scope_growth=0.0, key=0
    )
)
solutions = {
    "SGD, momentum 0.9": params,
    "Entropy-SGD": to.local_entropy_params(state, inner),
}

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
rises = {}
for name, solution in solutions.items():
    eigenvalues = to.diagnostics.exact_spectrum(network_loss, solution, [batch])
    to.plot.spectrum(
        eigenvalues, width=0.01, label=name, color=to.plot.colour_of(name), ax=left
    )
    rises[name] = to.diagnostics.loss_under_noise(
        network_loss, solution, [batch], scales=jnp.array([0.01, 0.03, 0.1, 0.3]), key=0
    )
    print(
        f"{name:18} training loss {network_loss(solution, batch):.3f}, "
        f"largest eigenvalue {eigenvalues[-1]:.2f}, trace {eigenvalues.sum():.2f}"
    )
left.legend(loc="upper right")
to.plot.loss_under_noise(rises, ax=right)
plt.show()

# %% [markdown]
# The two measurements disagree, and both are right. The eigenvalues at the solution are *not* smaller. But local entropy
# descends the loss of a neighbourhood of width $\sqrt{T / \gamma} = 0.3$, and there the loss rises only half as much. Local
# entropy lowers the sum of loss and rise, and accepts a higher loss at the point itself. So compare solutions at the scale
# that matters to you, and by more than one measure. `python -m benchmarks entropy` trains larger networks.

# %%
for name, solution in solutions.items():
    total = network_loss(solution, batch) + rises[name].rise.value[-1]
    print(f"{name:18} loss under noise of 0.3 on each weight: {total:.3f}")
