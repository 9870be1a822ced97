"""Training with heat: thermodynamic methods as optax gradient transformations.

Gradients are those of a loss L, and every sampler leaves exp(-L / temperature) invariant.
"""

from . import diagnostics as diagnostics
from . import units as units
from ._base import noise_generators as noise_generators
from .integrators import AdaptiveLangevinState as AdaptiveLangevinState
from .integrators import CovarianceControlledState as CovarianceControlledState
from .integrators import PSGLDState as PSGLDState
from .integrators import SGLDState as SGLDState
from .integrators import UnderdampedState as UnderdampedState
from .integrators import adaptive_langevin as adaptive_langevin
from .integrators import covariance_controlled_langevin as covariance_controlled_langevin
from .integrators import langevin as langevin
from .integrators import leimkuhler_matthews as leimkuhler_matthews
from .integrators import psgld as psgld
from .integrators import sghmc as sghmc
from .integrators import sgld as sgld
from .partitions import adlala as adlala
from .partitions import label_layers as label_layers
from .partitions import lala as lala
from .partitions import lol as lol
from .validation import ValidationReport as ValidationReport
from .validation import validate as validate
