"""What a warm-up does when: the stages of its n steps.

Masses are learnt in three windows, each from its own gradients, which end at 0.1, 0.25 and 0.5 n.
The step settles until 0.7 n, and then stands still, to be judged. From 0.95 n on the step for good
is tried, and gives way if it heats.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

_ENDS = (0.1, 0.25, 0.5)  # of the windows in which masses are learnt
_JUDGED, _TRIED = 0.7, 0.95  # from here on the step stands still; the final one is tried


class Stages(NamedTuple):
    """The steps at which the stages of a warm-up begin."""

    windows: tuple[int, ...]  # of masses, the last one that of the step
    judged: int
    tried: int
    end: int

    def age(self, count: jax.Array) -> jax.Array:
        """Steps since the window began, float32[]."""
        begun = [jnp.where(count >= start, start, 0) for start in self.windows]
        return (count - functools.reduce(jnp.maximum, begun)).astype(jnp.float32)

    def window_length(self, count: jax.Array) -> jax.Array:
        """Steps of the window of masses that ends here; 1 elsewhere."""
        length = jnp.ones([], jnp.float32)
        for begin, end in zip(self.windows, self.windows[1:], strict=False):
            length = jnp.where(count == end, jnp.float32(end - begin), length)
        return length

    def far(self, count: jax.Array) -> jax.Array:
        """Whether the chain may still be far away: 1, falling to 0 until masses are learnt."""
        return jnp.clip(2 - 2 * count.astype(jnp.float32) / self.windows[-1], 0, 1)

    def number_judged(self, count: jax.Array) -> jax.Array:
        """Steps with this one since the step stands still, float32[]."""
        return (count - self.judged + 1).astype(jnp.float32)

    def half(self, count: jax.Array) -> jax.Array:
        """-1 in the first half of the last window, and 1 in the second."""
        return jnp.where(count < (self.windows[-1] + self.end) // 2, -1.0, 1.0)


def stages(num_steps: int) -> Stages:
    """Of a warm-up of so many steps."""
    windows = tuple(max(1, int(share * num_steps)) for share in _ENDS)
    return Stages((0, *windows), int(_JUDGED * num_steps), int(_TRIED * num_steps), num_steps)
