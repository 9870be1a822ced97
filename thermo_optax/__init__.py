"""Training with heat: thermodynamic methods as optax gradient transformations.

Gradients are those of a loss L, and every sampler leaves exp(-L / temperature) invariant.
"""

from . import diagnostics as diagnostics
from . import plot as plot
from . import units as units
from ._base import noise_generators as noise_generators
from .geometry import LocalEntropyState as LocalEntropyState
from .geometry import entropy_adam as entropy_adam
from .geometry import entropy_sgd as entropy_sgd
from .geometry import local_entropy as local_entropy
from .geometry import local_entropy_params as local_entropy_params
from .geometry import scoping as scoping
from .integrators import AdaptiveLangevinState as AdaptiveLangevinState
from .integrators import CovarianceControlledState as CovarianceControlledState
from .integrators import PSGLDState as PSGLDState
from .integrators import SantaState as SantaState
from .integrators import SGLDState as SGLDState
from .integrators import UnderdampedState as UnderdampedState
from .integrators import adaptive_langevin as adaptive_langevin
from .integrators import covariance_controlled_langevin as covariance_controlled_langevin
from .integrators import langevin as langevin
from .integrators import leimkuhler_matthews as leimkuhler_matthews
from .integrators import psgld as psgld
from .integrators import santa as santa
from .integrators import sghmc as sghmc
from .integrators import sgld as sgld
from .partitions import adlala as adlala
from .partitions import label_layers as label_layers
from .partitions import lala as lala
from .partitions import lol as lol
from .temperature import AdaptiveBiasingForceState as AdaptiveBiasingForceState
from .temperature import Bias as Bias
from .temperature import CyclicalCooling as CyclicalCooling
from .temperature import MetadynamicsState as MetadynamicsState
from .temperature import TemperingProfile as TemperingProfile
from .temperature import TemperingState as TemperingState
from .temperature import TwoPhaseState as TwoPhaseState
from .temperature import adaptive_biasing_force as adaptive_biasing_force
from .temperature import confining_force as confining_force
from .temperature import confining_potential as confining_potential
from .temperature import continuous_tempering as continuous_tempering
from .temperature import ctld as ctld
from .temperature import cyclical_cooling as cyclical_cooling
from .temperature import explore_then_refine as explore_then_refine
from .temperature import logarithmic_cooling as logarithmic_cooling
from .temperature import metadynamics as metadynamics
from .temperature import polynomial_cooling as polynomial_cooling
from .temperature import temperature_scaling as temperature_scaling
from .temperature import temperature_scaling_slope as temperature_scaling_slope
from .temperature import tempering_profile as tempering_profile
from .temperature import tempering_state as tempering_state
from .temperature import unbiasing_log_weights as unbiasing_log_weights
from .validation import ValidationReport as ValidationReport
from .validation import validate as validate
