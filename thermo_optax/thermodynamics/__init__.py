"""WHAT does a run measure: learning coefficients."""

from ._learning_coefficient import learning_coefficient as learning_coefficient
from ._report import LearningCoefficient as LearningCoefficient
