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
# The target has 25 Gaussian modes in the plane. A sampler at $T = 1$ stays near the mode where it started for tens of
# thousands of steps. Continuous tempering lets the temperature of the bath vary, and takes samples while it is $T$.

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
# ## The landscape
#
# Neighbouring modes have the distance 4, and each has the standard deviation 1/2. The barriers between them are about
# $7\,T$ high.

# %%
T, DEVIATION = 1.0, 0.5
line = 4.0 * np.arange(-2, 3)
MEANS = jnp.asarray(
    np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2), jnp.float32
)


def loss(x):
    squares = jnp.sum((x - MEANS) ** 2, axis=-1)
    return -jax.nn.logsumexp(-squares / (2 * DEVIATION**2))


def nearest(x):
    squares = jnp.sum((x[..., None, :] - MEANS) ** 2, axis=-1)
    return jnp.argmin(squares, axis=-1), jnp.sqrt(jnp.min(squares, axis=-1))


# %% [markdown]
# ## Langevin dynamics, and the same with tempering
#
# The tempering variable $\alpha$ has a momentum $r_\alpha$ of its own. The joint stationary law is
#
# $$ \rho \propto \exp\Big( {-g(\alpha)} \frac{H(x, p)}{T} - \phi(\alpha) - V(\alpha) - \frac{r_\alpha^2}{2} \Big), $$
#
# with $g = 1$ on the plateau $|\alpha| < 0.4$ and $g = 0.15$ at the edges $|\alpha| = 1.5$. The bias $V$ is learnt by
# metadynamics: hills are added where $\alpha$ has been, until it visits all values equally often. Where $g = 1$, and
# once $V$ hardly changes, $x$ has the law $e^{-L / T}$.

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

    (x, state), (xs, alphas) = jax.lax.scan(
        record, (x, tx.init(x)), length=STEPS // EVERY
    )
    return state, xs, alphas


keys = jax.random.split(jax.random.key(0), CHAINS)
_, plain_xs, _ = jax.jit(jax.vmap(lambda key: chain(plain, key)))(keys)
states, xs, alphas = jax.jit(jax.vmap(lambda key: chain(tempered, key)))(keys)

# %% [markdown]
# ## The tempering variable
#
# `plot.tempering` shows the last 6,000 steps of one chain: $\alpha$, the temperature of the bath, how evenly $\alpha$
# visits its range, and the free energy that the bias has learnt. The free energy of 2 parameters and 2 momenta is lower
# by a few $T$ at the hot end, so without the bias $\alpha$ would stay there.

# %%
first = jax.tree.map(lambda leaf: leaf[0], states)
figure = to.plot.tempering(
    alphas[0, -6_000 // EVERY :],
    first,
    T,
    stride=EVERY,
    figure=plt.figure(figsize=(10.5, 6.5), layout="constrained"),
)
plt.show()

# %% [markdown]
# ## What was sampled
#
# Left: Langevin dynamics for the same number of steps. Right: tempering. Points with the bath at $T$ are coloured and
# are samples. Hot points are grey: they are not samples, but the way from mode to mode.

# %%
cold = jnp.abs(alphas) < 0.4
settled = jnp.arange(alphas.shape[1]) > alphas.shape[1] // 4  # the bias hardly changes
kept = cold & settled

fig, axes = plt.subplots(1, 2, figsize=(9, 4.6), layout="constrained", sharey=True)
axes[0].plot(
    *plain_xs[:4, ::2].reshape(-1, 2).T, ".", ms=1, color=to.plot.colour_of("langevin")
)
axes[1].plot(*xs[:4][~cold[:4]][::2].T, ".", ms=1, color="0.85")
axes[1].plot(*xs[:4][kept[:4]].T, ".", ms=1.5, color=to.plot.colour_of("tempering"))
titles = ["Langevin, 4 chains", "tempering, 4 chains (coloured: at T)"]
for ax, title in zip(axes, titles, strict=True):
    ax.plot(*MEANS.T, "+", color="black", ms=5)
    ax.set(title=title, xlabel="$x_1$", aspect="equal", xlim=(-11, 11), ylim=(-11, 11))
axes[0].set_ylabel("$x_2$")
plt.show()

# %% [markdown]
# ## Is the law right?
#
# Two numbers test it: how many modes each chain visited, and the variance within a mode, which should be 0.25.

# %%


def report(name, xs, kept):
    mode, distance = nearest(xs)
    inside = kept & (distance < 2)
    seen = np.mean(
        [
            len(np.unique(m[k]))
            for m, k in zip(np.asarray(mode), np.asarray(inside), strict=True)
        ]
    )
    away = xs - MEANS[mode]
    variance = jnp.mean(away[kept] ** 2)
    print(
        f"{name:10} modes a chain saw {seen:4.1f} of 25, "
        f"variance within a mode {variance:.3f}"
    )
    return seen, variance


seen_plain, _ = report("Langevin", plain_xs, jnp.ones_like(cold))
seen, variance = report("tempering", xs, kept)
print(f"time at T: {cold[:, alphas.shape[1] // 4 :].mean():.0%} (a flat law has 25 %)")
assert seen > 2 * seen_plain
assert FAST or abs(variance / 0.25 - 1) < 0.05

# %% [markdown]
# ## Which mode for how many parameters
#
# The force on $\alpha$ grows with the number $d$ of parameters.
#
# - `mode="paper"`, the published dynamics, is good for tens of parameters.
# - `mode="exact"` subtracts the mean energy and the momenta's share. It samples the same law at any $d$. The time to
#   cross the range grows like $d$.
# - `mode="exploration"` is for training networks. It crosses the range in hundreds of steps at any $d$, and is not exact.
#
# `python -m benchmarks gaussians` and `dimensions` measure this.
