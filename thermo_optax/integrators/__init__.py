"""HOW does a step move, at a given temperature?"""

from ._adaptive import AdaptiveLangevinState as AdaptiveLangevinState
from ._adaptive import adaptive_langevin as adaptive_langevin
from ._covariance import CovarianceControlledState as CovarianceControlledState
from ._covariance import covariance_controlled_langevin as covariance_controlled_langevin
from ._overdamped import SGLDState as SGLDState
from ._overdamped import sgld as sgld
from ._preconditioned import PSGLDState as PSGLDState
from ._preconditioned import psgld as psgld
from ._underdamped import UnderdampedState as UnderdampedState
from ._underdamped import langevin as langevin
from ._underdamped import leimkuhler_matthews as leimkuhler_matthews
from ._underdamped import sghmc as sghmc
