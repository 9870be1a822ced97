"""DOES it sample what it claims?  The invariance test, for anybody's transformation."""

from ._report import Check as Check
from ._report import ValidationReport as ValidationReport
from ._validate import validate as validate
