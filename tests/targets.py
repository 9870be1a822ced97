"""Systems whose moments are known: energies of one coordinate, with their law at a temperature.

Energies act on arrays elementwise, so that an array of n numbers is n independent particles.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np


@dataclasses.dataclass(frozen=True)
class Target:
    """A one-dimensional energy L(x), and the law exp(-L / T) by quadrature."""

    name: str
    energy: Callable
    reach: float  # exp(-L / T) is negligible outside [-reach, reach], for T up to 1

    def gradient(self, x: jax.Array) -> jax.Array:
        return jax.grad(lambda y: jnp.sum(self.energy(y)))(x)

    def _density(self, temperature: float) -> tuple[np.ndarray, np.ndarray]:
        # The trapezoid sum of a smooth function that vanishes at its ends is exact to rounding.
        grid = np.linspace(-self.reach, self.reach, 20_001)
        with jax.ensure_compile_time_eval():  # a number, also when the caller is being traced
            energy = np.asarray(self.energy(jnp.asarray(grid, jnp.float32)), np.float64)
        weights = np.exp(-energy / temperature)
        return grid, weights / np.sum(weights)

    def expect(self, function: Callable, temperature: float = 1.0) -> float:
        """The mean of function(x)."""
        grid, weights = self._density(temperature)
        return float(np.sum(weights * function(grid)))

    def cdf(self, temperature: float = 1.0) -> Callable:
        """The distribution function."""
        grid, weights = self._density(temperature)
        cumulative = np.cumsum(weights) - weights / 2
        return lambda x: np.interp(x, grid, cumulative)

    def sample(self, size: int, temperature: float = 1.0, seed: int = 0) -> jax.Array:
        """Exact draws, by the inverse distribution function."""
        grid, weights = self._density(temperature)
        cumulative = np.cumsum(weights) - weights / 2
        uniform = np.random.default_rng(seed).uniform(size=size)
        return jnp.asarray(np.interp(uniform, cumulative, grid), jnp.float32)


def harmonic(curvature: float = 1.0) -> Target:
    """L = k x^2 / 2, of variance T / k."""
    return Target(f"harmonic {curvature}", lambda x: 0.5 * curvature * x**2, 12 / curvature**0.5)


QUARTIC = Target("quartic", lambda x: 0.25 * x**4, 6.0)
DOUBLE_WELL = Target("double well", lambda x: 0.5 * (x**2 - 1) ** 2 + 0.2 * x, 4.0)


def anisotropic(curvatures: jax.Array) -> Callable:
    """The gradient of sum_i k_i x_i^2 / 2: coordinate i has variance T / k_i."""
    return lambda x: curvatures * x
