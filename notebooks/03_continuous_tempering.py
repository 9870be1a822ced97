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
# # Continuous tempering
#
# 25 Gaussian modes in the plane: a sampler at $T = 1$ stays for tens of thousands of steps in the mode where it
# started. Continuous tempering lets the temperature of its bath wander, and takes samples while it is at $T$.

# %%
import os

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import thermo_optax as to

FAST = bool(os.environ.get("THERMO_OPTAX_FAST"))  # few steps, for the tests
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#999999"

# %% [markdown]
# ## The landscape
#
# Modes at distance 4, of standard deviation 1/2: the barriers between neighbours are about $7\,T$ high.

# %%
T, DEVIATION = 1.0, 0.5
line = 4.0 * np.arange(-2, 3)
MEANS = jnp.asarray(np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2), jnp.float32)


def loss(x):
    squares = jnp.sum((x - MEANS) ** 2, axis=-1)
    return -jax.nn.logsumexp(-squares / (2 * DEVIATION**2))


def nearest(x):
    squares = jnp.sum((x[..., None, :] - MEANS) ** 2, axis=-1)
    return jnp.argmin(squares, axis=-1), jnp.sqrt(jnp.min(squares, axis=-1))


# %% [markdown]
# ## Langevin dynamics, and the same with tempering
#
# The tempering variable $\alpha$ has a momentum of its own, and the law of everything together is
#
# $$ \rho \propto \exp\Big( {-g(\alpha)} \frac{H(x, p)}{T} - \phi(\alpha) - V(\alpha) - \frac{r_\alpha^2}{2} \Big), $$
#
# with $g = 1$ on the plateau $|\alpha| < 0.4$ and $g = 0.15$ at the edges $|\alpha| = 1.5$. The bias $V$ is learnt:
# hills are dropped where $\alpha$ has been, until it is everywhere alike. Where $g = 1$ the law of $x$ is
# $e^{-L / T}$, exactly.

# %%
STEPS, CHAINS, EVERY = (4_000, 4, 10) if FAST else (40_000, 16, 10)


def plain(key):
    return to.langevin(0.05, T, friction=1.0, key=key)


def tempered(key):
    return to.continuous_tempering(plain(key), T, key=key)


def chain(make, key):
    tx = make(key)
    x = MEANS[12]  # the mode in the middle

    def step(carry, _):
        x, state = carry
        value, grads = jax.value_and_grad(loss)(x)
        updates, state = tx.update(grads, state, x, value=value)
        return (optax.apply_updates(x, updates), state), None

    def record(carry, _):
        carry, _ = jax.lax.scan(step, carry, length=EVERY)
        x, state = carry
        return carry, (x, getattr(state, "alpha", jnp.zeros([])))

    (x, state), (xs, alphas) = jax.lax.scan(record, (x, tx.init(x)), length=STEPS // EVERY)
    return state, xs, alphas


keys = jax.random.split(jax.random.key(0), CHAINS)
_, plain_xs, _ = jax.jit(jax.vmap(lambda key: chain(plain, key)))(keys)
states, xs, alphas = jax.jit(jax.vmap(lambda key: chain(tempered, key)))(keys)

# %% [markdown]
# ## The tempering variable
#
# `plot.tempering` shows one chain: where $\alpha$ was, how hot that made the bath, whether it visited its range evenly, and the
# free energy that the bias has learnt. Hills start from nothing, so $\alpha$ is at the hot end at first: with 2
# parameters and 2 momenta the free energy there is lower by a few $T$.

# %%
first = jax.tree.map(lambda leaf: leaf[0], states)
figure = to.plot.tempering(
    alphas[0], first, T, stride=EVERY, figure=plt.figure(figsize=(9, 6), layout="constrained")
)
plt.show()

# %% [markdown]
# ## What was sampled
#
# Left: Langevin dynamics for the same number of steps. Right: tempering, with the samples on the plateau in blue. The
# hot ones in between are no samples of the law, they are the way from mode to mode.

# %%
cold = jnp.abs(alphas) < 0.4
settled = jnp.arange(alphas.shape[1]) > alphas.shape[1] // 4  # the bias has come to rest
kept = cold & settled

fig, axes = plt.subplots(1, 2, figsize=(9, 4.6), layout="constrained", sharey=True)
axes[0].plot(*plain_xs[:4].reshape(-1, 2).T, ",", color=BLUE)
axes[1].plot(*xs[:4][~cold[:4]].T, ",", color="0.8")
axes[1].plot(*xs[:4][kept[:4]].T, ",", color=BLUE)
for ax, title in zip(axes, ["Langevin, 4 chains", "tempering, 4 chains (blue: at T)"], strict=True):
    ax.plot(*MEANS.T, "+", color=ORANGE, ms=5)
    ax.set(title=title, xlabel="$x_1$", aspect="equal", xlim=(-11, 11), ylim=(-11, 11))
axes[0].set_ylabel("$x_2$")
plt.show()

# %% [markdown]
# ## Is the law right?
#
# Two checks that a picture does not give: how many modes were seen, and the variance within a mode, which is 0.25.

# %%


def report(name, xs, kept):
    mode, distance = nearest(xs)
    inside = kept & (distance < 2)
    seen = np.mean(
        [len(np.unique(m[k])) for m, k in zip(np.asarray(mode), np.asarray(inside), strict=True)]
    )
    away = xs - MEANS[mode]
    variance = jnp.mean(away[kept] ** 2)
    print(f"{name:10} modes a chain saw {seen:4.1f} of 25, variance within a mode {variance:.3f}")
    return seen, variance


seen_plain, _ = report("Langevin", plain_xs, jnp.ones_like(cold))
seen, variance = report("tempering", xs, kept)
print(f"time at T: {cold[:, alphas.shape[1] // 4 :].mean():.0%} (a flat law has 25 %)")
assert seen > 2 * seen_plain
assert FAST or abs(variance / 0.25 - 1) < 0.05

# %% [markdown]
# ## Which mode, for how many parameters
#
# The energy that pushes $\alpha$ grows with the number $d$ of parameters. For tens of parameters the paper's law, `mode="paper"`, is
# good. `mode="exact"` takes away the mean of the energy and the momenta's share, and samples the same law at any $d$, in a
# time that grows like $d$. `mode="exploration"` is for training networks: it crosses its range in hundreds of steps whatever $d$,
# and is not exact. `python -m benchmarks gaussians` and `dimensions` measure all of this.
