"""HOW does a step move, at a given temperature?"""

from ._affine import UnderdampedState as UnderdampedState
from ._covariance import CovarianceControlledState as CovarianceControlledState
from ._covariance import covariance_controlled_langevin as covariance_controlled_langevin
from ._masters import MastersState as MastersState
from ._masters import float32_masters as float32_masters
from ._overdamped import SGLDState as SGLDState
from ._overdamped import sgld as sgld
from ._preconditioned import PSGLDState as PSGLDState
from ._preconditioned import psgld as psgld
from ._santa import SantaState as SantaState
from ._santa import santa as santa
from ._thermostat import AdaptiveLangevinState as AdaptiveLangevinState
from ._thermostat import adaptive_langevin as adaptive_langevin
from ._underdamped import langevin as langevin
from ._underdamped import leimkuhler_matthews as leimkuhler_matthews
from ._underdamped import sghmc as sghmc
from ._words import AffineStep as AffineStep
from ._words import Settings as Settings
from ._words import compose as compose
from ._words import cycle as cycle
