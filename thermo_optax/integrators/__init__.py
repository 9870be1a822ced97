"""HOW does a step move, at a given temperature?"""

from ._adaptive import AdaptiveLangevinState as AdaptiveLangevinState
from ._adaptive import adaptive_langevin as adaptive_langevin
from ._overdamped import SGLDState as SGLDState
from ._overdamped import sgld as sgld
from ._underdamped import UnderdampedState as UnderdampedState
from ._underdamped import langevin as langevin
from ._underdamped import leimkuhler_matthews as leimkuhler_matthews
from ._underdamped import sghmc as sghmc
