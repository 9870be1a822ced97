"""Three laws that are known exactly: their losses, independent draws from them, and their moments.

All act on a vector of coordinates, in units in which the temperature and the largest curvature of
the loss are 1: the loss is T u(x sqrt(K / T)), and u is what stands here. On a hotter rung of a
ladder the law is exp(-u / heat).
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp

from thermo_optax._base import like


@dataclasses.dataclass(frozen=True)
class Gaussian:
    """A Gaussian whose modes lie across all coordinates, with curvatures from 1/4 to 1.

    Coordinates depend on each other, over leaves too: noise that is shared between leaves, or a
    group that is too hot, shows in modes that ought to be independent. The center is not 0.
    """

    size: int

    @property
    def curvatures(self) -> np.ndarray:
        """Of the modes."""
        return np.geomspace(0.25, 1.0, self.size) if self.size > 1 else np.ones(1)

    @property
    def modes(self) -> np.ndarray:
        """An orthogonal matrix, one mode in each column."""
        # No structure, and always the same.
        matrix = np.random.default_rng(0).normal(size=(self.size, self.size))
        return np.linalg.qr(matrix)[0]

    @property
    def center(self) -> np.ndarray:
        """Where the loss is smallest."""
        return np.where(np.arange(self.size) % 2, -1.0, 1.0)

    def potential(self, x: jax.Array) -> jax.Array:
        """The function u."""
        along = (x - like(self.center, x.dtype)) @ like(self.modes, x.dtype)
        return jnp.sum(like(self.curvatures, x.dtype) * jnp.square(along)) / 2

    def draw(self, random: np.random.Generator, count: int, heat: float = 1.0) -> np.ndarray:
        """Independent draws from exp(-u / heat), [draw, coordinate]."""
        along = random.normal(size=(count, self.size)) * np.sqrt(heat / self.curvatures)
        return self.center + along @ self.modes.T

    def standardised(self, x: np.ndarray) -> np.ndarray:
        """Independent standard normals, one for each mode, from draws [chain, coordinate]."""
        return (x - self.center) @ self.modes * np.sqrt(self.curvatures)


@dataclasses.dataclass(frozen=True)
class StiffGaussian(Gaussian):
    """A Gaussian whose modes are the coordinates, with curvatures from 1/100 to 1.

    What treats each coordinate by its own gradients, as a preconditioner or an estimate of their
    noise does, sees modes that differ here, and the same mixture everywhere in the other one. A
    slow mode need not forget its start: its exact law has to stay, and a wrong one would show
    wherever it moves.
    """

    condition: float = 100.0

    @property
    def curvatures(self) -> np.ndarray:
        """Of the coordinates, the stiff and the soft ones in turn, in every leaf."""
        falling = np.geomspace(1.0, 1 / self.condition, self.size) if self.size > 1 else np.ones(1)
        return np.concatenate([falling[0::2], falling[1::2][::-1]])

    @property
    def modes(self) -> np.ndarray:
        """One mode in each column."""
        return np.eye(self.size)


@dataclasses.dataclass(frozen=True)
class DoubleWell:
    """Independent coordinates, each in a tilted double well: a mixture of two normal laws.

    Its density is w N(-a, 1) + (1 - w) N(a, 1), so that draws, moments and distribution function
    are exact and the curvature of u is at most 1.
    """

    size: int
    distance: float = 1.75  # a: the barrier is half a temperature high, as seen from the left
    left: float = 0.35  # w

    def potential(self, x: jax.Array) -> jax.Array:
        """The function u, up to a constant."""
        wells = [np.log(self.left) - self.distance * x, np.log1p(-self.left) + self.distance * x]
        return jnp.sum(jnp.square(x) / 2 - logsumexp(jnp.stack(wells), axis=0))

    def draw(self, random: np.random.Generator, count: int, heat: float = 1.0) -> np.ndarray:
        """Independent draws from exp(-u / heat), [draw, coordinate]."""
        if heat != 1:  # no mixture of normal laws: by its distribution function, on a grid
            reach = self.distance + 8 * np.sqrt(heat)
            grid = np.linspace(-reach, reach, 20_001)
            wells = (
                np.log(self.left) - self.distance * grid,
                np.log1p(-self.left) + self.distance * grid,
            )
            weights = np.exp((np.logaddexp(*wells) - grid**2 / 2) / heat)
            below = np.cumsum((weights[1:] + weights[:-1]) / 2)
            levels = random.uniform(size=(count, self.size))
            return np.interp(levels, np.concatenate([[0], below]) / below[-1], grid)
        left = random.uniform(size=(count, self.size)) < self.left
        return random.normal(size=left.shape) + np.where(left, -self.distance, self.distance)

    def central_moments(self) -> tuple[float, float, float]:
        """Mean, variance and fourth central moment of each coordinate."""
        offset, weights = self.distance * np.array([-1, 1]), np.array([self.left, 1 - self.left])
        mean = float(weights @ offset)
        d2 = (offset - mean) ** 2
        return mean, float(weights @ (1 + d2)), float(weights @ (3 + 6 * d2 + d2**2))

    def quantiles(self, levels: np.ndarray) -> np.ndarray:
        """Where the distribution function of a coordinate reaches these levels."""
        from scipy.special import ndtr  # here, because importing SciPy is slow

        grid = np.linspace(-self.distance - 8, self.distance + 8, 20_001)
        right = (1 - self.left) * ndtr(grid - self.distance)
        return np.interp(levels, self.left * ndtr(grid + self.distance) + right, grid)
