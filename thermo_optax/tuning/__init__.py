"""Samplers that choose their own settings."""

from ._report import WarmUpReport as WarmUpReport
from ._report import warm_up_report as warm_up_report
from ._warm_up import WarmUpState as WarmUpState
from ._warm_up import warm_up as warm_up
