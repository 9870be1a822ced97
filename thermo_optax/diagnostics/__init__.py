"""DID it equilibrate?  Pure functions of states, parameters and gradients."""

from ._bands import Temperature as Temperature
from ._bands import temperature_band as temperature_band
from ._thermometers import configurational_temperature as configurational_temperature
from ._thermometers import equipartition as equipartition
from ._thermometers import kinetic_temperature as kinetic_temperature
