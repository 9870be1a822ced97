"""WHAT does a run measure: learning coefficients."""

from ._checkpoints import LearningCoefficients as LearningCoefficients
from ._checkpoints import learning_coefficients as learning_coefficients
from ._learning_coefficient import learning_coefficient as learning_coefficient
from ._report import LearningCoefficient as LearningCoefficient
from ._sweep import LearningCoefficientSweep as LearningCoefficientSweep
from ._sweep import sweep_learning_coefficient as sweep_learning_coefficient
