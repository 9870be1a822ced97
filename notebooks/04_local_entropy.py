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
# Is a minimum wide or sharp? Local entropy smooths the loss over a neighbourhood, by heat, and descends what is left. In one
# dimension everything can be computed; then a small network, with its Hessian's spectrum.

# %%
import os

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import optax

import thermo_optax as to

FAST = bool(os.environ.get("THERMO_OPTAX_FAST"))  # few steps, for the tests
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#999999"

# %% [markdown]
# ## Two wells
#
# A wide bowl with its minimum at $x = 1$, and at $x = -1$ a sharp hole of 220 times its curvature. The hole is the deeper one:
# descent that gets in stays in. For a scope $\gamma$ and a temperature $T$ the smoothed loss is
#
# $$ F(x) = -T \ln \int e^{-\left( f(x') + \frac{\gamma}{2} (x' - x)^2 \right) / T} dx' + \text{const} . $$

# %%


def loss(x):
    return 0.25 * (x - 1) ** 2 - 1.1 * jnp.exp(-((x + 1) ** 2) / (2 * 0.1**2))


def local_entropy(x, scope, temperature):
    grid = jnp.linspace(-8, 8, 8_001)
    exponent = -(loss(grid) + scope / 2 * (grid - x) ** 2) / temperature
    width = jnp.sqrt(scope / (2 * jnp.pi * temperature))  # so that a constant loss stays what it is
    return -temperature * (jax.nn.logsumexp(exponent) + jnp.log(width * (grid[1] - grid[0])))


xs = jnp.linspace(-2, 2.5, 400)
T = 0.25
fig, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
ax.plot(xs, loss(xs), color=GREY, label="loss $f$")
for scope, color in [(30.0, BLUE), (3.0, GREEN), (0.5, ORANGE)]:
    smoothed = jax.vmap(lambda x, scope=scope: local_entropy(x, scope, T))(xs)
    ax.plot(xs, smoothed, color=color, label=rf"$F$, scope $\gamma = {scope:g}$")
ax.set(xlabel="parameter $x$", ylabel="loss", ylim=(-0.3, 2))
ax.legend(loc="upper right")
plt.show()

# %% [markdown]
# The smaller the scope, the farther the smoothing sees. At $\gamma = 30$ the hole has lost its lead, at 0.5 it is gone: a well
# of curvature $k$ is lifted by $\frac{T}{2} \ln (1 + k / \gamma)$, a sharp one by more.

# %% [markdown]
# ## Descending it
#
# `local_entropy` takes an inner sampler and an outer optimizer. Here SGLD explores around the outer point, and SGD moves that. The
# *outer* point is what counts; the parameters are inner iterates. All chains begin in the hole, where plain gradient descent would stay for ever.

# %%
SCOPE = 0.5
tx = to.local_entropy(
    to.sgld(0.005, T, key=0),
    optax.sgd(0.3),
    num_inner_steps=1_000,  # long enough to leave the hole now and then
    scope=SCOPE,
    new_sample_weight=lambda count: 1 / (1 + count),  # the plain mean of a loop
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
ax.plot(jnp.arange(0, steps, 50), outer[::50, :12], color=BLUE, lw=0.7, alpha=0.7)
for at, color, name in [(-1.4, GREY, "hole"), (1.15, ORANGE, "bowl")]:
    ax.axhline(round(at), color=color, ls="--", lw=1.5)
    ax.text(0.01 * steps, at, name, color=color)
ax.set(xlabel="inner step", ylabel="outer point $x$", ylim=(-2, 3), xlim=(0, steps))
print(f"in the bowl at the end: {(outer[-1] > 0).mean():.0%} of the chains")
assert FAST or (outer[-1] > 0).mean() > 0.9
plt.show()

# %% [markdown]
# The inner loop has to be long enough for the chain to see the neighbourhood: with 20 steps instead of 1,000 none of these chains leaves the hole.

# %% [markdown]
# ## A network
#
# Now Entropy-SGD, and SGD with momentum, on a small classifier, at an equal number of gradients: an outer step takes $L = 20$ of them.
# Whether the minima really are wider is measured, not assumed: by the spectrum of the Hessian, and by the rise of the loss under
# noise on the weights.

# %%
key = jax.random.key(0)
points = jax.random.normal(key, (400, 4))
labels = (jnp.sum(points[:, :2] ** 2, axis=1) > 1.4).astype(jnp.float32)
labels = jnp.where(jax.random.bernoulli(jax.random.key(1), 0.1, (400,)), 1 - labels, labels)
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
    return jax.jit(lambda carry: jax.lax.scan(step, carry, keys)[0])((params, tx.init(params)))


params, _ = train(optax.sgd(optax.cosine_decay_schedule(0.1, gradients), momentum=0.9))
inner, state = train(
    to.entropy_sgd(1.0, 0.01, inner_learning_rate=0.1, scope=0.1, scope_growth=0.0, key=0)
)
solutions = {"SGD, momentum 0.9": params, "Entropy-SGD": to.local_entropy_params(state, inner)}

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
rises = {}
for (name, solution), color in zip(solutions.items(), [BLUE, ORANGE], strict=True):
    eigenvalues = to.diagnostics.exact_spectrum(network_loss, solution, [batch])
    to.plot.spectrum(eigenvalues, width=0.01, label=name, color=color, ax=left)
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
# The two disagree, and both are right. The eigenvalues, at one point, are *not* smaller. But the loss in a neighbourhood
# of width $\sqrt{T / \gamma} = 0.3$, which is what was descended, rises only half as much: what local entropy lowers is loss
# plus rise, and it pays with a higher loss at the point itself. So compare solutions at the scale that matters to you, and
# by more than one measure. `python -m benchmarks` trains larger networks.

# %%
for name, solution in solutions.items():
    total = network_loss(solution, batch) + rises[name].rise.value[-1]
    print(f"{name:18} loss under noise of 0.3 on each weight: {total:.3f}")
