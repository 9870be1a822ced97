"""Training with heat: thermodynamic methods as optax gradient transformations.

Gradients are those of a loss L, and every sampler leaves exp(-L / temperature) invariant.
"""

from .integrators import AdaptiveLangevinState as AdaptiveLangevinState
from .integrators import SGLDState as SGLDState
from .integrators import UnderdampedState as UnderdampedState
from .integrators import adaptive_langevin as adaptive_langevin
from .integrators import langevin as langevin
from .integrators import leimkuhler_matthews as leimkuhler_matthews
from .integrators import sghmc as sghmc
from .integrators import sgld as sgld
