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
# # A Bayesian neural network, from the table to the checks
#
# A day's work in 60 lines of code. A network reads handwritten digits, and four chains sample its posterior from minibatches.
# The run is saved and resumed, checked, and its predictions come with intervals.

# %%
import os
import tempfile
from functools import partial

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import orbax.checkpoint as ocp
from sklearn.datasets import load_digits

import thermo_optax as to

# Few steps, for the tests, or many.
WARM, STEPS = (400, 1_000) if "THERMO_OPTAX_FAST" in os.environ else (2_000, 22_000)

# %% [markdown]
# ## The data
#
# scikit-learn has a table of 1,797 digits, with 64 pixels each. The first 1,400 are for training. The rest, partly by other
# writers, are for the test.

# %%
pixels, digits = load_digits(return_X_y=True)
x, x_test = jnp.split(jnp.asarray(pixels / 16), [1_400])
y, y_test = jnp.split(jnp.asarray(digits), [1_400])
N = len(x)

# %% [markdown]
# ## The posterior
#
# The network has 64 inputs, 32 hidden units and 10 classes: 2,410 weights. Each has a Gaussian prior of standard deviation
# 1. The loss is a *mean* over the $N$ examples, so the temperature of the posterior is $1 / N$, and the prior is divided by
# $N$, too:
#
# $$ L(w) = -\frac1N \sum_{i=1}^N \log p(y_i \mid x_i, w) + \frac{|w|^2}{2 N}, \qquad p(w \mid D) \propto e^{-L(w) / T}, \qquad T = \frac1N . $$
#
# A minibatch estimates the first term. It comes as the indices of its examples and their weights.


# %%
def init(key):
    w = jax.random.normal(key, (74, 32)) / 8
    return {"w1": w[:64], "b1": jnp.zeros(32), "w2": w[64:].T, "b2": jnp.zeros(10)}


def network(w, x):
    return jax.nn.log_softmax(jnp.tanh(x @ w["w1"] + w["b1"]) @ w["w2"] + w["b2"])


def loss(w, batch):
    right = network(w, x[batch.indices])[jnp.arange(280), y[batch.indices]]
    prior = sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(w)) / (2 * N)
    return prior - jnp.mean(batch.weights * right)


# %% [markdown]
# ## Four chains
#
# `warm_up` chooses step size and friction in the first steps. It is told how long an epoch is, because the errors of the batches
# of an epoch cancel. `collect_samples` leaves these steps out, and then keeps every
# 20th network. `init_chains` starts each chain from weights of its own. `run_chains` is the loop, in which each
# chain has an order of the batches of its own. It reads the loss and the temperature as it goes.

# %%
sampler = partial(to.langevin, temperature=1 / N, key=0)
order = to.batch_order(N, 280, key=1)
tx = to.warm_up(sampler, WARM, batch_order=order)
tx = to.collect_samples(tx, (STEPS - WARM) // 20, thinning=20)
start = partial(to.init_chains, tx, init, 4, key=2)
run = partial(to.run_chains, tx, loss, batches=order)
chains, _ = run(start(), STEPS // 2)

# %% [markdown]
# ## Saved and resumed
#
# All that a run needs is in `chains`, one tree of arrays that any checkpointer saves. Here Orbax saves the first half. It is
# restored, as after a crash, and goes on, to the bits of a run that was never stopped.

# %%
folder = tempfile.mkdtemp() + "/half"
checkpointer = ocp.StandardCheckpointer()
checkpointer.save(folder, chains)
checkpointer.wait_until_finished()
chains, trace = run(checkpointer.restore(folder, jax.eval_shape(start)), STEPS // 2)
print(to.warm_up_report(jax.tree.map(lambda leaf: leaf[0], chains.state)))

# %% [markdown]
# ## Can the chains be trusted?
#
# Two numbers, side by side. The *thermometer* compares the temperature of the momenta with the one that was set. It shows a
# step that is too large, and the heat of noisy gradients. `warm_up` lets noise heat by about 5 %.
# $\hat R$ compares the chains with each other. It shows chains that
# have not explored. Judge functions, not weights, because hidden units may change places. Here these are the probabilities of
# the right classes of 100 digits, with an axis of chains and one of samples in front.

# %%
predict = jax.vmap(jax.vmap(network, (0, None)), (0, None))
predictions = jnp.exp(predict(to.collected_samples(chains), x_test))
right = predictions[:, :, jnp.arange(len(y_test)), y_test][..., :100]
print("measured / set temperature", trace.temperature.mean(1) * N)
print("largest R-hat", to.diagnostics.rhat(right).max())
print("least ESS", to.diagnostics.effective_sample_size(right, has_chains=True).min())

# %% [markdown]
# ArviZ ranks the samples of all chains together, here for two of the digits. Where chains agree, each has as many high ranks as
# low ones.

# %%
import arviz

arviz.plot_rank(to.diagnostics.to_arviz({"p": right[..., :2]}, has_chains=True))
plt.show()

# %% [markdown]
# ## Predictions with intervals
#
# The predictive is the mean of the *probabilities* over all networks. The spread of the networks is what the data leave open.
# This is the digit that the predictive is least sure of, and a 90 % interval for the probability of each class.

# %%
mean = predictions.mean((0, 1))
entropy = jax.scipy.special.entr(mean).sum(-1)
worst = entropy.argmax()
fig, (left, bars) = plt.subplots(1, 2, figsize=(6, 2.6), layout="constrained")
left.imshow(x_test[worst].reshape(8, 8), cmap="Greys")
low, high = jnp.quantile(predictions[:, :, worst], jnp.array([0.05, 0.95]), axis=(0, 1))
bars.vlines(range(10), low, high, lw=8)
bars.set(xticks=range(10), ylim=(0, 1), xlabel="class", ylabel="probability")
plt.show()

# %% [markdown]
# ## Is it calibrated?
#
# Of the predictions of 80 % confidence, 80 % should be right. The calibration error is the mean gap between confidence and
# accuracy. The Brier score is the squared distance to the truth. This predictive is right more often than it believes: with a
# prior of standard deviation 1 the weights stay small, and the network cautious. A prior is a choice, and this is how to see it.

# %%
print("accuracy", (mean.argmax(1) == y_test).mean(), "confidence", mean.max(1).mean())
print("calibration error", to.diagnostics.calibration_error(mean, y_test))
print("Brier score", to.diagnostics.brier_score(mean, y_test))

# %% [markdown]
# ## Inputs from elsewhere
#
# Turned by 90 degrees, most digits are none. The predictive should be less sure of them: its entropy should be higher.

# %%
turned = jnp.rot90(x_test.reshape(-1, 8, 8), axes=(1, 2)).reshape(-1, 64)
others = jnp.exp(predict(to.collected_samples(chains), turned)).mean((0, 1))
plt.hist([entropy, jax.scipy.special.entr(others).sum(-1)], bins=20)
plt.legend(["entropy of the predictive, test digits", "the same digits, turned"])
plt.show()
