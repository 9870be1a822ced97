"""Small trainings on which whole steps are timed: forward, backward, update.

The data lie in batches; one pass over them is an epoch. Losses are written for jax and for torch.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

Arrays = Any  # a dict of NumPy arrays
DIMENSIONS = 100
PRECISIONS = np.linspace(1, 100, DIMENSIONS, dtype=np.float32)


class Problem(NamedTuple):
    """What is trained."""

    params: dict[str, np.ndarray]
    batches: dict[str, np.ndarray]  # leading axes: batch, example
    loss: Callable[[Any, Any], jax.Array]
    torch_loss: Callable[[Any, Any, Any], Any]  # of (torch, params, batch)
    learning_rate: float
    temperature: float
    epochs: int  # of one program, in jax


def _mlp() -> Problem:
    draw = np.random.default_rng(0)
    widths, batches = (784, 500, 500, 10), 20
    params = {}
    for i, (a, b) in enumerate(zip(widths[:-1], widths[1:], strict=True)):
        params[f"w{i}"] = draw.standard_normal((a, b), np.float32) * np.float32((2 / a) ** 0.5)
        params[f"b{i}"] = np.zeros(b, np.float32)
    data = {
        "x": draw.standard_normal((batches, 128, widths[0]), np.float32),
        "y": draw.integers(0, widths[-1], (batches, 128)),
    }

    def loss(params, batch):
        x = batch["x"]
        x = jax.nn.relu(x @ params["w0"] + params["b0"])
        x = jax.nn.relu(x @ params["w1"] + params["b1"])
        logits = x @ params["w2"] + params["b2"]
        return optax.softmax_cross_entropy_with_integer_labels(logits, batch["y"]).mean()

    def torch_loss(torch, params, batch):
        x = batch["x"]
        x = torch.relu(torch.addmm(params["b0"], x, params["w0"]))
        x = torch.relu(torch.addmm(params["b1"], x, params["w1"]))
        logits = torch.addmm(params["b2"], x, params["w2"])
        return torch.nn.functional.cross_entropy(logits, batch["y"])

    return Problem(params, data, loss, torch_loss, 1e-3, 1e-5, epochs=1)


def _logistic() -> Problem:
    draw = np.random.default_rng(0)
    x = draw.standard_normal((100, 100, 50), np.float32)  # 10,000 examples of 50 features
    truth = draw.standard_normal(50, np.float32)
    y = (draw.random((100, 100)) < 1 / (1 + np.exp(-x @ truth))).astype(np.float32)

    def loss(params, batch):
        return optax.sigmoid_binary_cross_entropy(batch["x"] @ params["w"], batch["y"]).mean()

    def torch_loss(torch, params, batch):
        logits = batch["x"] @ params["w"]
        return torch.nn.functional.binary_cross_entropy_with_logits(logits, batch["y"])

    params, data = {"w": np.zeros(50, np.float32)}, {"x": x, "y": y}
    return Problem(params, data, loss, torch_loss, 1e-1, 1e-4, epochs=50)


def _gaussian() -> Problem:
    """No data: the batches only count the steps."""

    def loss(params, batch):
        del batch
        return 0.5 * jnp.sum(PRECISIONS * params["x"] ** 2)

    def torch_loss(torch, params, batch):
        del batch
        precisions = torch.as_tensor(PRECISIONS, device=params["x"].device)
        return 0.5 * torch.sum(precisions * params["x"] ** 2)

    params = {"x": np.ones(DIMENSIONS, np.float32)}
    data = {"nothing": np.zeros((1000, 1), np.float32)}
    return Problem(params, data, loss, torch_loss, 1e-4, 1.0, epochs=20)


PROBLEMS: dict[str, tuple[str, Callable[[], Problem]]] = {
    "mlp": ("MLP 784-500-500-10, batch 128", _mlp),
    "logistic": ("logistic regression, 10,000 x 50, batch 100", _logistic),
    "gaussian": ("100-dimensional Gaussian, precisions 1 to 100", _gaussian),
}
