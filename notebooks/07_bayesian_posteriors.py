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
# # Bayesian posteriors
#
# A small network learns from data with a gap: what does it predict, and how sure is it? The state of the optimizer keeps
# samples and running moments, `run_chains` runs the chains, and ArviZ tests whether they have converged.

# %%
import functools
import os

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import thermo_optax as to

FAST = bool(os.environ.get("THERMO_OPTAX_FAST"))  # few steps, for the tests
COLOUR = to.plot.colour_of("langevin")

# %% [markdown]
# ## A regression, and its posterior
#
# The data are $y = \sin(3 x) + \text{noise}$ on two intervals; the noise has the standard deviation $\sigma = 0.1$. With a
# Gaussian likelihood and a Gaussian prior of standard deviation 1 on each weight, the posterior is
#
# $$ p(w \mid D) \propto \exp\Big( -\sum_{i=1}^N \frac{(y_i - f_w(x_i))^2}{2 \sigma^2} - \frac{|w|^2}{2} \Big) = e^{-L(w) / T}, \qquad T = \frac1N, $$
#
# where $L$ is a *mean* over examples, as in training, and so the prior is divided by $N$.

# %%
N, SIGMA = 60, 0.1
key = jax.random.key(0)
x = jnp.concatenate([jnp.linspace(-1.5, -0.5, N // 2), jnp.linspace(0.5, 1.5, N // 2)])
y = jnp.sin(3 * x) + SIGMA * jax.random.normal(key, x.shape)


def init(key):
    keys = jax.random.split(key, 3)
    return {
        "hidden": {
            "w": jax.random.normal(keys[0], (1, 20)),
            "b": jax.random.normal(keys[1], (20,)),
        },
        "output": {"w": jax.random.normal(keys[2], (20,)) / 4, "b": jnp.zeros(())},
    }


def predict(params, x):
    hidden = jnp.tanh(2 * x[:, None] @ params["hidden"]["w"] + params["hidden"]["b"])
    return hidden @ params["output"]["w"] + params["output"]["b"]


def loss(params):
    prior = optax.tree.norm(params, squared=True) / (2 * N)
    return jnp.mean((y - predict(params, x)) ** 2) / (2 * SIGMA**2) + prior


# %% [markdown]
# ## Chains that keep samples
#
# `warm_up` chooses the step size and the friction. `collect_samples` stores the parameters of every `thinning`-th step.
# `running_moments` keeps their mean and variance, in the memory of two copies. Four chains start from different networks, each
# with noise of its own.

# %%
SAMPLES, THINNING = (100, 20) if FAST else (400, 50)
BURN_IN = SAMPLES * THINNING // 2
sampler = functools.partial(
    to.langevin, temperature=to.units.posterior_temperature(N), key=0
)


def four_chains(sampler):
    tx = to.running_moments(sampler, burn_in=BURN_IN)
    tx = to.collect_samples(tx, SAMPLES, burn_in=BURN_IN, thinning=THINNING)
    chains = to.init_chains(tx, init, 4, key=1)
    chains, _ = to.run_chains(tx, loss, chains, BURN_IN)
    return to.run_chains(tx, loss, chains, SAMPLES * THINNING)


chains, trace = four_chains(to.warm_up(sampler, BURN_IN // 2))
print(to.warm_up_report(jax.tree.map(lambda leaf: leaf[0], chains.state)))
heats = np.median(trace.temperature, axis=1) * N
print("measured / set temperature of each chain:", heats.round(3))
print("hottest 1,000 steps:", (trace.temperature.max(axis=1) * N).round(3))
assert np.all(abs(heats - 1) < (0.2 if FAST else 0.06))

# %% [markdown]
# Each reading of `trace` is a mean over 1,000 steps of 61 momenta, which by chance is off by some per cent; the median over
# the run is off by less. A single reading far above 1 is a burst of heat: the chain met a place that is stiffer than all that
# the warm-up had seen, and the step was too large for it. Networks have such places. Where the force there is more than the law
# allows, `warm_up` makes the steps shorter, and its report counts them. If they are many, take half of the step by hand.

# %% [markdown]
# ## Predictions
#
# The picture shows the mean of the network's output over the samples, and its standard deviation, which is the uncertainty
# that the data leave. The noise of the data comes on top of it.

# %%
samples = to.collected_samples(chains)  # chains, samples, ...
merged = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), samples)
grid = jnp.linspace(-2.2, 2.2, 200)
ensemble = to.ensemble_predict(predict, merged, grid, batch_size=100)

fig, ax = plt.subplots(figsize=(7, 3.8), layout="constrained")
for width, alpha in [(2, 0.2), (1, 0.3)]:
    spread = width * ensemble.standard_deviation
    ax.fill_between(
        grid,
        ensemble.mean - spread,
        ensemble.mean + spread,
        color=COLOUR,
        alpha=alpha,
        lw=0,
        label="1 standard deviation" if width == 1 else "2 standard deviations",
    )
ax.plot(grid, ensemble.mean, color=COLOUR, label="mean")
ax.plot(grid, jnp.sin(3 * grid), color="black", ls="--", lw=1, label="truth")
ax.plot(x, y, ".", color="black", label="data")
ax.set(xlabel="$x$", ylabel="$y$", ylim=(-4, 5.5))
ax.legend(loc="upper center", ncols=3, fontsize="small")

inside = ensemble.standard_deviation[
    (jnp.abs(grid) > 0.6) & (jnp.abs(grid) < 1.4)
].mean()
outside = ensemble.standard_deviation[jnp.abs(grid) > 1.9].mean()
print(f"spread where there are data {inside:.3f}, beyond them {outside:.3f}")
assert outside > 3 * inside
plt.show()

# %% [markdown]
# ## Have the chains converged?
#
# Judge functions, not weights. Exchanging two hidden units does not change the network, so weights of different chains need
# not agree. Below, ArviZ computes the effective sample size and $\hat R$ of the predictions at a few points.

# %%
places = jnp.array([-1.0, 0.0, 1.0, 2.0])
predictions = jax.vmap(jax.vmap(lambda one: predict(one, places)))(samples)
print("at x =      ", places)
print("R-hat       ", to.diagnostics.rhat(predictions).round(3))
ess = to.diagnostics.effective_sample_size(predictions, has_chains=True)
print("ESS of", 4 * SAMPLES, "  ", ess.round(0))

# %% [markdown]
# Where there are data, the chains agree at once. The gap and the region beyond the data take longer, and the effective sample
# sizes show it: there the posterior is wide, and slow motions decide. The friction decides how slow they are. The loss is a
# mean, so that slow frequencies are of the order of $1 / \sqrt N = 0.13$. With a friction of 1 momenta are forgotten long before
# such a motion is over, and the chain creeps. Here are chains of equal length with a step of 0.02 and two frictions.

# %%
for friction in (1.0, 0.3):
    others, _ = four_chains(sampler(0.02, friction=friction))
    predictions_of_others = jax.vmap(jax.vmap(lambda one: predict(one, places)))(
        to.collected_samples(others)
    )
    rhat = to.diagnostics.rhat(predictions_of_others)[1]
    by_hand = to.diagnostics.effective_sample_size(
        predictions_of_others, has_chains=True
    )
    print(f"friction {friction}: at x = 0 R-hat {rhat:.3f}, ESS {by_hand[1]:.0f}")
print(f"what `warm_up` chose: ESS {ess[1]:.0f}")

# %% [markdown]
# `to_arviz` converts everything for ArviZ's own plots and tables, with names from the tree.

# %%
data = to.diagnostics.to_arviz({"prediction": predictions}, has_chains=True)
draws = data.posterior["prediction"]
fig, axes = plt.subplots(1, 4, figsize=(10, 2.8), layout="constrained")
for i, ax in enumerate(axes):
    for chain in range(4):
        ax.hist(
            draws[chain, :, i],
            bins=25,
            density=True,
            histtype="step",
            color=COLOUR,
            alpha=0.7,
        )
    ax.set(title=f"$x = {places[i]:g}$", xlabel="prediction $y$")
axes[0].set_ylabel("density, one line a chain")
plt.show()

# %% [markdown]
# ## Without storing samples
#
# `running_moments` gives the mean and variance of each weight. With `rank=K` it keeps K deviations as well, and
# `draw_posterior` draws from the Gaussian that they define, as SWAG does. A Gaussian in weight space is an approximation:
# good around one mode, no substitute for samples here.

# %%
state = jax.tree.map(lambda leaf: leaf[0], chains.state)
one = jax.tree.map(lambda leaf: leaf[0], chains.params)
deviation = jax.tree.map(jnp.sqrt, to.posterior_variance(state, one))
print("posterior standard deviation of the output weights")
print(np.asarray(deviation["output"]["w"][:5], float).round(2))
