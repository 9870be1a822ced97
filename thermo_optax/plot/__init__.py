"""WHAT does it look like?  Pictures; they need matplotlib: pip install 'thermo_optax[plot]'."""

from ._tempering import alpha_histogram as alpha_histogram
from ._tempering import alpha_trace as alpha_trace
from ._tempering import free_energy as free_energy
from ._tempering import temperature_trace as temperature_trace
from ._tempering_figure import tempering as tempering
