"""Samplers that choose their own settings."""

from ._adaptive_step import AdaptiveStepState as AdaptiveStepState
from ._adaptive_step import adaptive_step as adaptive_step
from ._adaptive_step import time_weight as time_weight
from ._report import WarmUpReport as WarmUpReport
from ._report import warm_up_report as warm_up_report
from ._warm_up import WarmUpState as WarmUpState
from ._warm_up import warm_up as warm_up
