"""A network of 2,410 weights on handwritten digits: what a warm-up chooses makes its chains mix."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sklearn.datasets import load_digits

import thermo_optax as to

EXAMPLES, WARM, STEPS = 500, 2_000, 24_000


def start(key):
    weights = jax.random.normal(key, (74, 32)) / 8
    hidden = {"w": weights[:64], "b": jnp.zeros(32)}
    return {"hidden": hidden, "output": {"w": weights[64:].T, "b": jnp.zeros(10)}}


def logits(params, x):
    hidden = jnp.tanh(x @ params["hidden"]["w"] + params["hidden"]["b"])
    return hidden @ params["output"]["w"] + params["output"]["b"]


@pytest.mark.slow  # two minutes
@pytest.mark.usefixtures("standard_promotion")
def test_chains_of_a_network_agree_on_its_loss():
    """With the defaults, full batches and a prior of standard deviation 1 on each weight."""
    pixels, digits = load_digits(return_X_y=True)
    x, y = jnp.asarray(pixels[:EXAMPLES] / 16, jnp.float32), jnp.asarray(digits[:EXAMPLES])

    def loss(params):
        data = optax.softmax_cross_entropy_with_integer_labels(logits(params, x), y)
        return jnp.mean(data) + optax.tree.norm(params, squared=True) / (2 * EXAMPLES)

    sampler = functools.partial(to.langevin, temperature=1 / EXAMPLES, key=0)
    tx = to.collect_samples(to.warm_up(sampler, WARM), (STEPS - WARM) // 40, thinning=40)
    with jax.numpy_rank_promotion("allow"):
        chains = to.init_chains(tx, start, 4, key=1)
        chains, _ = to.run_chains(tx, loss, chains, WARM)
        chains, trace = to.run_chains(tx, loss, chains, STEPS - WARM)
        losses = jax.lax.map(jax.vmap(loss), to.collected_samples(chains))
    masses = jax.tree.leaves(chains.state.inner_state.mass)
    assert all(jnp.all(mass == 1) for mass in masses)  # none are learnt
    rhat = to.diagnostics.rhat(losses)
    ess = to.diagnostics.effective_sample_size(losses, has_chains=True)
    heats = trace.temperature.mean(axis=1) * EXAMPLES
    print("R-hat", rhat, "ESS", ess, "temperatures", heats, chains.state.inner_state.settings)
    assert rhat < 1.02 and ess > 200
    assert np.all(np.abs(heats - 1) < 0.03)
