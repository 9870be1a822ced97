"""What noise alone costs, used where it is drawn: x <- a x + s z, jitted, x donated."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.updates import clock
from thermo_optax._noise import GENERATORS, map_with_noise

BASE = "jax.random.normal"
NOTHING = "no noise"


def measure(size: int, rounds: int, check: Callable[[], None]) -> clock.Times:
    """Seconds per number for jax's own normals and for each generator of ours."""
    key = jnp.array([1, 2], jnp.uint32)

    def theirs(x, tick):
        now = jax.random.fold_in(jax.random.wrap_key_data(key), tick)
        return jax.random.normal(now, x.shape)

    def ours(generator):
        return lambda x, tick: map_with_noise(lambda z, x: z, key, (tick,), x, generator=generator)

    # "jax" is the base itself, but for the way to its key.
    draws = {BASE: theirs, NOTHING: lambda x, tick: jnp.float32(1)}
    draws |= {name: ours(name) for name in GENERATORS if name != "jax"}
    turns = {}
    for name, draw in draws.items():
        check()

        def step(x, tick, draw=draw):
            return np.float32(0.99) * x + np.float32(0.01) * draw(x, tick), tick + 1

        carry = (jnp.zeros(size), jnp.int32(0))
        turns[name] = clock.advancing(clock.build(step, *carry).run, carry, units=size)
    return clock.interleave(turns, rounds, "noise alone", check)
