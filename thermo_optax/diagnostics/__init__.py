"""DID it equilibrate?  Pure functions of states, parameters and gradients."""

from ._bands import Temperature as Temperature
from ._bands import temperature_band as temperature_band
from ._tempering import AlphaHistogram as AlphaHistogram
from ._tempering import TemperingCrossings as TemperingCrossings
from ._tempering import TimeAtTemperature as TimeAtTemperature
from ._tempering import alpha_histogram as alpha_histogram
from ._tempering import tempering_crossings as tempering_crossings
from ._tempering import time_at_temperature as time_at_temperature
from ._thermometers import configurational_temperature as configurational_temperature
from ._thermometers import equipartition as equipartition
from ._thermometers import kinetic_temperature as kinetic_temperature
