"""Deep linear networks: their learning coefficients, and exact draws at any temperature."""

import math

import jax.numpy as jnp
import numpy as np


def limit(widths, rank):
    """The learning coefficient of a linear network of any depth (Aoyagi 2024), for T to 0.

    The widths without the true rank are sorted. The smallest of them count, as many as have a sum
    that reaches the number of their layers times the largest of them, but not times the next one.
    """
    surplus = sorted(width - rank for width in widths)
    for layers in range(1, len(surplus)):
        inside, outside = surplus[: layers + 1], surplus[layers + 1 :]
        total = sum(inside)
        if total < layers * max(inside) or (outside and total >= layers * min(outside)):
            continue
        part = total - (math.ceil(total / layers) - 1) * layers if total else layers
        pairs = (total**2 - sum(m**2 for m in inside)) / 4
        value = (rank * (widths[0] + widths[-1]) - rank**2) / 2 + pairs
        return value + (part * (layers - part) - (layers - 1) * total**2) / (4 * layers)
    raise ValueError("no set of widths fits")


def weights(widths, rank):
    """A network that is the identity on `rank` coordinates, and 0 elsewhere."""
    sizes = zip(widths[1:], widths, strict=False)
    return [jnp.zeros(size).at[:rank, :rank].set(jnp.eye(rank)) for size in sizes]


def product(layers):
    """From the input on."""
    result = layers[0]
    for layer in layers[1:]:
        result = layer @ result
    return result


def loss_of(layers):
    """Half of the squared distance to the map of these layers."""
    target = product(layers)
    return lambda params: jnp.sum(jnp.square(product(params) - target)) / 2


def gibbs(layers, temperature, precision, sweeps, seed=0):
    """The mean rise of the loss over T, by exact draws of each layer given the others.

    Given the others a layer is Gaussian. In the eigenbases of what stands before and after it, all
    of its elements are independent.
    """
    random = np.random.default_rng(seed)
    center = [np.asarray(layer, float) for layer in layers]
    now, target, seen = list(center), product(center), []
    for _ in range(sweeps):
        for place, middle in enumerate(center):
            before = product([np.eye(center[0].shape[1]), *now[:place]])
            after = product([np.eye(middle.shape[0]), *now[place + 1 :]])
            left, u = np.linalg.eigh(after.T @ after)
            right, v = np.linalg.eigh(before @ before.T)
            spread = np.outer(left, right).clip(0) / temperature + precision
            pull = after.T @ target @ before.T / temperature + precision * middle
            draw = random.normal(size=middle.shape) / np.sqrt(spread)
            now[place] = u @ (u.T @ pull @ v / spread + draw) @ v.T
        seen.append(np.sum((product(now) - target) ** 2) / (2 * temperature))
    return float(np.mean(seen[sweeps // 10 :]))
