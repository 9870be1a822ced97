"""The trees of parameters on which updates are timed."""

import jax
import jax.numpy as jnp
import numpy as np


def mlp(*widths: int) -> dict:
    """A fully connected network."""
    pairs = zip(widths[:-1], widths[1:], strict=True)
    return {f"layer{i}": {"w": (a, b), "b": (b,)} for i, (a, b) in enumerate(pairs)}


def transformer(width: int = 256, blocks: int = 12, words: int = 2035) -> dict:
    """A small transformer: 10.01 million parameters in 148 leaves of 7 shapes."""
    square, wide = (width, width), 4 * width
    block = {
        **{name: square for name in ("query", "key", "value", "out")},
        **{f"norm{i}": (width,) for i in range(4)},
        **{"up": (width, wide), "up_bias": (wide,), "down": (wide, width), "down_bias": (width,)},
    }
    ends = {"embedding": (words, width), "positions": (width // 4, width)}
    norm = {"scale": (width,), "shift": (width,)}
    return {**{f"block{i:02}": block for i in range(blocks)}, **ends, "norm": norm}


SHAPES = {
    "mlp1.7M": mlp(784, 500, 500, 2000, 10),
    "flat10M": {"x": (10_000_000,)},
    "tfm10M": transformer(),
    "flat100M": {"x": (100_000_000,)},
    "tfm100M": transformer(768, 14, 2035),
    "tiny": mlp(20, 30, 10),
}


def arrays(name: str, seed: int = 0) -> dict:
    """A tree of small random numbers, with which no method runs away during the measurement."""
    draw = np.random.default_rng(seed)

    def leaf(shape):
        return jnp.asarray(draw.standard_normal(shape, np.float32) * np.float32(0.01))

    return jax.tree.map(leaf, SHAPES[name], is_leaf=lambda node: isinstance(node, tuple))


def size(tree) -> int:
    """The number of parameters."""
    return sum(leaf.size for leaf in jax.tree.leaves(tree))
