"""The law of the noise, and its independence across coordinates, leaves, ticks and keys."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import ndtr

from tests.statistics import assert_law, assert_mean, assert_uncorrelated
from thermo_optax._noise import GENERATORS, map_with_noise
from thermo_optax._noise._layout import plan
from thermo_optax._noise._variates import fold

SIZE = 1 << 19
KEY = np.array([0x0BADCAFE, 0xDEADBEEF], np.uint32)


@functools.partial(jax.jit, static_argnums=2)
def draw(key, tick, generator):
    """Two leaves of equal size: a lane each of the same counters."""
    tree = {"cos": jnp.zeros((512, SIZE // 512)), "sin": jnp.zeros(SIZE)}
    noise = map_with_noise(
        lambda z, leaf: z, key, (tick,), tree, generator=generator, _layout="paired"
    )
    return {name: leaf.ravel() for name, leaf in noise.items()}


@functools.cache
def noise(generator, tick=0, stream=None):
    key = KEY if stream is None else fold(KEY, stream)
    return jax.tree.map(np.asarray, draw(key, jnp.uint32(tick), generator))


def test_the_two_leaves_share_their_counters():
    (group,) = plan([SIZE, SIZE])
    assert [place.lane for place in group.places] == [0, 1]
    assert group.length == SIZE


@pytest.mark.parametrize("generator", GENERATORS)
@pytest.mark.parametrize("leaf", ["cos", "sin"])
def test_moments(generator, leaf):
    z = noise(generator)[leaf].astype(np.float64)
    for order, moment in enumerate([0, 1, 0, 3, 0], start=1):
        assert_mean(z**order, moment, name=f"moment {order}")


@pytest.mark.parametrize("generator", [name for name in GENERATORS if name != "ternary"])
def test_normal_law_to_its_tails(generator):
    z = np.concatenate([*noise(generator).values(), *noise(generator, tick=1).values()])
    assert_law(z, ndtr)
    for bound in (1, 2, 3, 4):
        assert_mean(z > bound, ndtr(-bound), name=f"upper tail at {bound}")
        assert_mean(z < -bound, ndtr(-bound), name=f"lower tail at {bound}")


@pytest.mark.parametrize("generator", GENERATORS)
def test_independence(generator):
    base = noise(generator)
    others = {
        "leaves, or lanes": (base["cos"], base["sin"]),
        "ticks": (base["cos"], noise(generator, tick=1)["cos"]),
        "distant ticks": (base["cos"], noise(generator, tick=1 << 31)["cos"]),
        "lanes of successive ticks": (base["sin"], noise(generator, tick=1)["cos"]),
        "keys": (base["cos"], noise(generator, stream=1)["cos"]),
        "streams": (noise(generator, stream=1)["sin"], noise(generator, stream=2)["sin"]),
    }
    for step in (1, 2, 32, 512, 1024, SIZE // 4, SIZE // 2):  # the last: digits of a word
        others[f"neighbours {step} apart"] = (base["cos"][:-step], base["cos"][step:])
    for name, (one, other) in others.items():
        # Squares and products too: a radius in common, say, shows in the squares alone.
        assert_uncorrelated(one, other, name=name)
        assert_uncorrelated(one**2, other**2, name=f"squares, {name}")
        assert_uncorrelated(one**2, other, name=f"square and number, {name}")
