"""Posterior moments agree with NUTS: a logistic regression, and a small Bayesian network.

Both sides start anywhere and know their own error, from the effective number of their draws. What
is compared of the network are its predictions: its weights have many equal modes, which are the
same function with the hidden units in another order, and no chain of either side visits them all.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import thermo_optax as to
from tests.statistics import Z

CHAINS = 64


@dataclasses.dataclass(frozen=True)
class Model:
    """A posterior exp(-size * loss), and the functions of the parameters that are compared."""

    loss: Callable[[Any], jax.Array]  # a mean over the examples, prior included
    size: int  # examples
    shapes: dict[str, tuple[int, ...]]
    apply: Callable[[Any, jax.Array], jax.Array]
    inputs: jax.Array

    def starts(self, key: int, chains: int) -> Any:
        """Draws from the standard normal law, far from the posterior."""
        keys = dict(zip(self.shapes, jax.random.split(jax.random.key(key), 3), strict=False))
        return {n: jax.random.normal(keys[n], (chains, *s)) for n, s in self.shapes.items()}

    def functions(self, samples: Any) -> np.ndarray:
        """What is compared: [chains, draws, functions]."""
        chains = jax.tree.leaves(samples)[0].shape[0]
        pooled = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), samples)
        found = to.ensemble_predict(self.apply, pooled, self.inputs, batch_size=1000)
        return np.asarray(found.predictions, np.float64).reshape(chains, -1, len(self.inputs))


def logistic_regression() -> Model:
    """100 examples with an intercept and two correlated features, prior N(0, 2^2)."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(100, 2)) @ np.array([[1.0, 0.6], [0.0, 0.8]])
    features = np.concatenate([np.ones((100, 1)), features], 1)
    chance = 1 / (1 + np.exp(-features @ np.array([0.5, -1.0, 1.5])))
    labels = jnp.asarray(rng.uniform(size=100) < chance, jnp.float32)
    features = jnp.asarray(features, jnp.float32)

    def loss(params):
        logits = features @ params["weights"]
        prior = jnp.sum(params["weights"] ** 2) / (2 * 2.0**2)
        return jnp.mean(jax.nn.softplus(logits) - labels * logits) + prior / 100

    # The weights themselves, as products with unit vectors.
    return Model(loss, 100, {"weights": (3,)}, lambda p, x: x @ p["weights"], jnp.eye(3))


def bayesian_network() -> Model:
    """Three tanh units on 30 points of a sine with noise of 0.2, prior N(0, 1)."""
    rng = np.random.default_rng(1)
    points = rng.uniform(-2, 2, 30)
    values = jnp.asarray(np.sin(1.5 * points) + 0.2 * rng.normal(size=30), jnp.float32)
    points = jnp.asarray(points, jnp.float32)

    def apply(params, x):
        hidden = jnp.tanh(x[:, None] * params["in"][None] + params["bias"][None])
        return hidden @ params["out"]

    def loss(params):
        misfit = jnp.sum((apply(params, points) - values) ** 2) / (2 * 0.2**2)
        return (misfit + sum(jnp.sum(x**2) for x in params.values()) / 2) / 30

    # One of the test inputs lies outside of the data.
    inputs = jnp.array([-1.5, -0.5, 0.0, 1.0, 2.5])
    return Model(loss, 30, {"in": (3,), "bias": (3,), "out": (3,)}, apply, inputs)


MODELS = {"logistic regression": logistic_regression(), "network": bayesian_network()}


@functools.cache
def nuts(name):
    """The functions along 16 chains of blackjax's NUTS."""
    blackjax = pytest.importorskip("blackjax")
    model = MODELS[name]

    def log_density(params):
        return -model.size * model.loss(params)

    def run(key, start):
        warm_up, draw = jax.random.split(key)
        adaptation = blackjax.window_adaptation(blackjax.nuts, log_density)
        (state, tuned), _ = adaptation.run(warm_up, start, num_steps=500)
        kernel = blackjax.nuts(log_density, **tuned)

        def step(state, key):
            state, _ = kernel.step(key, state)
            return state, state.position

        return jax.lax.scan(step, state, jax.random.split(draw, 1_000))[1]

    keys = jax.random.split(jax.random.key(0), 16)
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        samples = jax.jit(jax.vmap(run))(keys, model.starts(1, 16))
    return model.functions(samples)


def sampled(name, make, steps, thinning):
    """The functions along chains of our own."""
    model = MODELS[name]
    burn_in = steps // 5

    def run(key, start):
        inner = make(1 / model.size, key)
        number = (steps - burn_in) // thinning
        tx = to.collect_samples(inner, number, burn_in=burn_in, thinning=thinning)

        def step(carry, _):
            params, state = carry
            updates, state = tx.update(jax.grad(model.loss)(params), state, params)
            return (optax.apply_updates(params, updates), state), None

        return jax.lax.scan(step, (start, tx.init(start)), length=steps)[0][1]

    keys = jax.random.split(jax.random.key(2), CHAINS)
    return model.functions(
        to.collected_samples(jax.jit(jax.vmap(run))(keys, model.starts(3, CHAINS)))
    )


def with_error(series):
    """Means over chains and draws, and their standard errors."""
    size = to.diagnostics.effective_sample_size(series, has_chains=True, method="mean")
    assert np.all(size > 400)
    return series.mean((0, 1)), np.std(series, axis=(0, 1)) / np.sqrt(size)


def assert_agree(ours, theirs, tightness):
    """Means and variances within five standard errors of both, which are as small as promised."""
    for name, moment in (
        ("mean", lambda series: series),
        ("variance", lambda series: (series - series.mean((0, 1))) ** 2),
    ):
        (value, error), (expected, other) = with_error(moment(ours)), with_error(moment(theirs))
        both = np.hypot(error, other)
        unit = np.std(theirs, axis=(0, 1)) if name == "mean" else expected
        assert np.all(both < tightness * unit), f"{name}: errors of {both / unit} tell too little"
        off = np.abs(value - expected) / both
        assert np.all(off < Z), f"{name}: {value} and NUTS {expected} are {off} errors apart"


def _langevin(step_size):
    return lambda T, key: to.langevin(step_size, T, friction=0.5, key=key)


def _sghmc(learning_rate, momentum):
    return lambda T, key: to.sghmc(learning_rate, T, momentum=momentum, key=key)


def _adaptive(step_size):
    """Its own noise has the temperature of a friction of 1/2, which it finds again."""

    def make(T, key):
        noise = {"noise_amplitude": T**0.5, "coupling": 1.0, "initial_friction": 0.2}
        return to.adaptive_langevin(step_size, T, **noise, key=key)

    return make


def _leimkuhler_matthews(learning_rate):
    return lambda T, key: to.leimkuhler_matthews(learning_rate, T, key=key)


# Steps at which the bias of the discretisation is below the Monte Carlo error of 1 to 3 per cent.
SAMPLERS = {
    "langevin": {
        "logistic regression": (_langevin(1.0), 5_000, 5),
        "network": (_langevin(0.05), 30_000, 30),
    },
    "sghmc": {
        "logistic regression": (_sghmc(0.05, 0.9), 20_000, 20),
        "network": (_sghmc(6e-4, 0.988), 80_000, 80),
    },
    "adaptive_langevin": {
        "logistic regression": (_adaptive(0.5), 10_000, 10),
        "network": (_adaptive(0.04), 30_000, 30),
    },
    "leimkuhler_matthews": {
        "logistic regression": (_leimkuhler_matthews(0.3), 20_000, 20),
        "network": (_leimkuhler_matthews(2e-3), 300_000, 300),
    },
}
HARD = ("network", "leimkuhler_matthews")  # without momentum, ten times as many steps
PAIRS = [
    pytest.param(model, name, marks=[pytest.mark.slow] * (model == "network"))
    for model in MODELS
    for name in SAMPLERS
]


@pytest.mark.slow
@pytest.mark.parametrize(("model", "sampler"), PAIRS)
def test_posterior_moments_agree_with_nuts(model, sampler):
    ours, theirs = sampled(model, *SAMPLERS[sampler][model]), nuts(model)
    assert np.all(to.diagnostics.rhat(theirs) < 1.01)
    assert np.all(to.diagnostics.rhat(ours) < (1.1 if (model, sampler) == HARD else 1.03))
    assert_agree(ours, theirs, tightness=0.06 if (model, sampler) == HARD else 0.04)


def test_the_weights_of_the_network_have_many_modes():
    """Hence the predictions: swapped units give the same function, and other weights."""
    model = MODELS["network"]
    params = {name: leaf[0] for name, leaf in model.starts(5, 1).items()}
    swapped = {name: leaf[::-1] for name, leaf in params.items()}
    np.testing.assert_allclose(model.loss(swapped), model.loss(params), rtol=1e-5)
