"""The posteriors, each with its over-dispersed start and with what is compared of it.

A loss is a mean over the examples, so the temperature is 1 / N, or 1 where there are no data. What
is compared is a vector of observables: the parameters, or for networks, whose hidden units can
change places, what the network says. Their means and standard deviations are exact, come from a
package, or come from long NUTS runs (see `references`).
"""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Truth(NamedTuple):
    """Moments of the observables, with the standard errors of these numbers."""

    mean: np.ndarray  # [observables]
    deviation: np.ndarray
    mean_error: np.ndarray
    deviation_error: np.ndarray
    curvature: float  # of the loss, the largest in a typical place: the unit of steps
    spread: float  # the largest standard deviation of a parameter: the unit of friction


class Data(NamedTuple):
    """How a loss looks for a part of the examples."""

    examples: int
    batch_loss: Callable[[jax.Array, jax.Array, jax.Array], jax.Array]  # of x, indices, weights


class Test(NamedTuple):
    """Test images of a classifier."""

    predict: Callable[[jax.Array], jax.Array]  # x -> probabilities [images, classes]
    labels: np.ndarray


_MANY = 8  # chains for each setting, where gradients cost next to nothing


class Target(NamedTuple):
    """One law, exp(-loss / temperature)."""

    title: str
    loss: Callable[[jax.Array], jax.Array]
    size: int  # parameters
    temperature: float
    start: Callable[[jax.Array], jax.Array]  # of a key
    budget: int  # gradients of a chain, in full mode
    observe: Callable[[jax.Array], jax.Array] = lambda x: x
    truth: Truth | None = None  # where it needs no reference run
    data: Data | None = None
    test: Test | None = None
    chains: int = 2  # for each setting of the search; with few of them luck takes part in it
    multimodal: bool = False
    reference: str = ""  # the target whose NUTS run it shares


def _exact(mean, deviation, curvature, spread) -> Truth:
    mean, deviation = np.asarray(mean, float), np.asarray(deviation, float)
    return Truth(mean, deviation, 0 * mean, 0 * mean, float(curvature), float(spread))


def gaussian(dimension: int = 100, condition: float = 1e4) -> Target:
    """Curvatures from 1 to the condition number, in axes that are turned at random."""
    rotation, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((dimension, dimension)))
    curvatures = np.geomspace(1, condition, dimension)
    matrix = jnp.asarray(rotation * curvatures @ rotation.T, jnp.float32)
    root = jnp.asarray(rotation / np.sqrt(curvatures), jnp.float32)
    deviations = np.sqrt(np.diag(rotation / curvatures @ rotation.T))
    return Target(
        f"rotated Gaussian, {dimension} dimensions, condition {condition:g}",
        lambda x: 0.5 * x @ (matrix @ x),
        dimension,
        1.0,
        lambda key: 2 * root @ jax.random.normal(key, (dimension,)),
        20_000,
        truth=_exact(np.zeros(dimension), deviations, condition, 1.0),
    )


def mixture() -> Target:
    """Three modes of unequal weight, six standard deviations apart."""
    angles = 2 * np.pi * np.arange(3) / 3
    centres = 3.4 * np.stack([np.cos(angles), np.sin(angles)], -1)
    weights = np.array([0.5, 0.3, 0.2])
    mean = weights @ centres
    deviation = np.sqrt(1 + weights @ centres**2 - mean**2)

    def loss(x):
        squares = jnp.sum((x[None] - jnp.asarray(centres, jnp.float32)) ** 2, -1)
        return -jax.nn.logsumexp(jnp.asarray(np.log(weights), jnp.float32) - squares / 2)

    return Target(
        "mixture of 3 Gaussians in the plane",
        loss,
        2,
        1.0,
        lambda key: 5 * jax.random.normal(key, (2,)),
        40_000,
        truth=_exact(mean, deviation, 1.0, deviation.max()),
        multimodal=True,
        chains=_MANY,
    )


_EFFECTS = np.array([28.0, 8, -3, 7, -1, 1, 18, 12], np.float32)
_ERRORS = np.array([15.0, 10, 16, 11, 9, 11, 10, 18], np.float32)


def _schools_start(key):
    """(mean, log tau, 8 standardised effects): wider than the posterior, the effects by a third.

    Effects that are wider still have energies of hundreds of T where tau is large, from which no
    sampler with a step that suits the posterior comes back.
    """
    centre = jnp.array([6.0, 2.5] + 8 * [0.0])
    return centre + jnp.array([11.0, 0.7] + 8 * [1.0]) * jax.random.normal(key, (10,))


def to_centred(x):
    return jnp.concatenate([x[:2], x[0] + jnp.exp(x[1]) * x[2:]])


def schools() -> Target:
    """Eight schools with standardised effects."""

    def loss(x):
        mean, log_tau, effects = x[0], x[1], x[2:]
        errors = (_EFFECTS - mean - jnp.exp(log_tau) * effects) / _ERRORS
        prior = (mean / 10) ** 2 + (log_tau - 5) ** 2 + jnp.sum(effects**2)
        return 0.5 * (prior + jnp.sum(errors**2))

    title = "eight schools, not centred"
    return Target(title, loss, 10, 1.0, _schools_start, 20_000, chains=_MANY)


def schools_centred() -> Target:
    """Eight schools with the effects themselves as parameters: a funnel."""

    def loss(x):
        mean, log_tau, effects = x[0], x[1], x[2:]
        spread = (effects - mean) * jnp.exp(-log_tau)
        prior = (mean / 10) ** 2 + (log_tau - 5) ** 2 + jnp.sum(spread**2)
        return 0.5 * (prior + jnp.sum(((_EFFECTS - effects) / _ERRORS) ** 2)) + 8 * log_tau

    def start(key):
        return to_centred(_schools_start(key))

    title = "eight schools, centred"
    return Target(title, loss, 10, 1.0, start, 40_000, reference="schools", chains=_MANY)


def _over_examples(examples: int, losses, penalty, order):
    """The loss, and that of a batch, from the losses of examples and a penalty for the sum."""

    def batch_loss(x, indices, weights):
        return jnp.mean(weights * losses(x, *(a[indices] for a in order))) + penalty(x) / examples

    return (
        lambda x: jnp.mean(losses(x, *order)) + penalty(x) / examples,
        Data(examples, batch_loss),
    )


def _half_square(x):
    return 0.5 * jnp.sum(x**2)


@jax.custom_jvp
def _softplus(z):
    """log(1 + exp(z)); its slope needs neither a logarithm nor the value: 3 times as fast."""
    return jnp.logaddexp(0, z)


_softplus.defjvps(lambda tangent, _, z: tangent * jax.nn.sigmoid(z))


def logistic() -> Target:
    """Logistic regression, scikit-learn's table of breast cancer, standard normal prior."""
    from sklearn.datasets import load_breast_cancer

    data: Any = load_breast_cancer(return_X_y=True)
    table, labels = data
    table = (table - table.mean(0)) / table.std(0)
    inputs = jnp.asarray(np.c_[np.ones(len(table)), table], jnp.float32)
    labels = jnp.asarray(labels, jnp.float32)

    def losses(x, inputs, labels):
        logits = inputs @ x
        return _softplus(logits) - labels * logits

    size = inputs.shape[1]
    loss, data = _over_examples(len(labels), losses, _half_square, (inputs, labels))
    return Target(
        "logistic regression, breast cancer",
        loss,
        size,
        1 / len(labels),
        lambda key: jax.random.normal(key, (size,)),
        10_000,
        data=data,
    )


def network() -> Target:
    """A regression network with 20 hidden units and 50 noisy points of a sine."""
    generator, hidden, noise = np.random.default_rng(0), 20, 0.1
    points = generator.uniform(-2, 2, 50)
    values = np.sin(2 * points) + noise * generator.standard_normal(50)
    places = jnp.linspace(-2.5, 2.5, 26)

    def outputs(x, points):
        a, b, c = x[:hidden], x[hidden : 2 * hidden], x[2 * hidden : 3 * hidden]
        return jnp.tanh(points[:, None] * a[None] + b[None]) @ c / math.sqrt(hidden) + x[-1]

    def losses(x, points, values):
        return 0.5 * ((values - outputs(x, points)) / noise) ** 2

    data = jnp.asarray(points, jnp.float32), jnp.asarray(values, jnp.float32)
    loss, data = _over_examples(50, losses, _half_square, data)
    size = 3 * hidden + 1
    return Target(
        "regression network, 61 weights",
        loss,
        size,
        1 / 50,
        lambda key: jax.random.normal(key, (size,)),
        10_000,
        observe=lambda x: outputs(x, places),
        data=data,
    )


def digits() -> Target:
    """A classifier, 16-10-10, of scikit-learn's digits, at 4 x 4 pixels: 280 weights."""
    from sklearn.datasets import load_digits

    data: Any = load_digits(return_X_y=True)
    images, labels = data
    pixels = images.reshape(-1, 4, 2, 4, 2).mean((2, 4)).reshape(-1, 16)
    order = np.random.default_rng(0).permutation(len(labels))
    pixels, labels = ((pixels - pixels.mean(0)) / pixels.std())[order], labels[order]
    examples, hidden, seen = 500, 10, 30
    inputs, test = (jnp.asarray(p, jnp.float32) for p in (pixels[:examples], pixels[-300:]))

    def logits(x, inputs):
        first, second = x[:170].reshape(17, hidden), x[170:].reshape(11, 10)
        # Images last, for the vector units. Pixels have 16 = 4^2 neighbours.
        active = jnp.tanh(first[:-1].T @ inputs.T / 2 + first[-1][:, None])
        return second[:-1].T @ active + second[-1][:, None]  # [classes, images]

    def losses(x, inputs, labels):
        chosen = jax.nn.one_hot(labels, 10, axis=0)
        return -jnp.sum(chosen * jax.nn.log_softmax(logits(x, inputs), axis=0), axis=0)

    train = jnp.asarray(labels[:examples], jnp.int32)
    loss, data = _over_examples(examples, losses, _half_square, (inputs, train))
    return Target(
        "digits network, 280 weights",
        loss,
        280,
        1 / examples,
        lambda key: jax.random.normal(key, (280,)),
        6_000,
        observe=lambda x: jax.nn.log_softmax(logits(x, test[:seen]), axis=0).T.ravel(),
        data=data,
        test=Test(lambda x: jax.nn.softmax(logits(x, test), axis=0).T, labels[-300:]),
        chains=1,
    )


def item_response() -> Target:
    """Item response theory with inference_gym's synthetic answers and its reference moments."""
    from benchmarks.posteriors.gym import ITEM_RESPONSE_MOMENTS, item_response_data, moments

    answers, asked = item_response_data()  # [400 students, 100 questions]
    signs = jnp.asarray(asked * (2 * answers - 1), jnp.float32)
    asked = jnp.asarray(asked, jnp.float32)

    def loss(x):
        mean, abilities, difficulties = x[0], x[1:401], x[401:]
        logits = mean + abilities[:, None] - difficulties[None]
        losses = jnp.sum(asked * _softplus(-signs * logits))
        prior = (mean - 0.75) ** 2 + jnp.sum(abilities**2) + jnp.sum(difficulties**2)
        return losses + 0.5 * prior

    mean, deviation, mean_error = moments(ITEM_RESPONSE_MOMENTS)
    curvature = np.linalg.eigvalsh(np.asarray(jax.hessian(loss)(jnp.asarray(mean, jnp.float32))))
    return Target(
        "item response, 501 parameters",
        loss,
        501,
        1.0,
        lambda key: jax.random.normal(key, (501,)).at[0].add(0.75),
        3_000,
        truth=Truth(
            mean,
            deviation,
            mean_error,
            mean_error / math.sqrt(2),  # of a Gaussian, at the same effective sample size
            float(curvature.max()),
            float(deviation.max()),
        ),
        chains=1,
    )


TARGETS: dict[str, Callable[[], Target]] = {
    "logistic": logistic,
    "network": network,
    "digits": digits,
    "schools": schools,
    "schools_centred": schools_centred,
    "mixture": mixture,
    "gaussian": gaussian,
    "item_response": item_response,
}


@functools.cache
def named(name: str) -> Target:
    """The target with its truth."""
    from benchmarks.posteriors import references

    target: Any = TARGETS[name]()
    return target if target.truth else target._replace(truth=references.truth(name))
