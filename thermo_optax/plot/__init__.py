"""WHAT does it look like?  Pictures; they need matplotlib: pip install 'thermo_optax[plot]'."""

from ._coefficients import calibration as calibration
from ._coefficients import coefficients as coefficients
from ._coefficients import loss_trace as loss_trace
from ._colours import colour_of as colour_of
from ._curvature import flatness as flatness
from ._curvature import loss_under_noise as loss_under_noise
from ._curvature import spectrum as spectrum
from ._diffusion import diffusion as diffusion
from ._replicas import acceptance as acceptance
from ._replicas import ladder as ladder
from ._replicas import replica_paths as replica_paths
from ._surfaces import loss_line as loss_line
from ._surfaces import loss_surface as loss_surface
from ._tempering import alpha_histogram as alpha_histogram
from ._tempering import alpha_trace as alpha_trace
from ._tempering import free_energy as free_energy
from ._tempering import temperature_trace as temperature_trace
from ._tempering import tempering as tempering
from ._training import learning_curves as learning_curves
from ._training import level_sets as level_sets
from ._training import thermometer as thermometer
from ._training import weight_histogram as weight_histogram
