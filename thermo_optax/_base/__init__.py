"""Ground floor: what every other module may use. Imports nothing of the package."""

from ._checks import check_choice as check_choice
from ._checks import check_finite as check_finite
from ._checks import check_fraction as check_fraction
from ._checks import check_leaves as check_leaves
from ._checks import check_nonnegative as check_nonnegative
from ._checks import check_positive as check_positive
from ._checks import check_structure as check_structure
from ._checks import tree_size as tree_size
from ._keys import KeyLike as KeyLike
from ._keys import check_generator as check_generator
from ._keys import check_key as check_key
from ._keys import stream_key as stream_key
from ._momenta import check_momentum_options as check_momentum_options
from ._momenta import compute_dtype as compute_dtype
from ._momenta import finite_or_zero as finite_or_zero
from ._momenta import initial_momenta as initial_momenta
from ._noise import map_with_noise as map_with_noise
from ._scalars import ScalarOrSchedule as ScalarOrSchedule
from ._scalars import at as at
from ._scalars import bath_temperature as bath_temperature
from ._scalars import like as like
