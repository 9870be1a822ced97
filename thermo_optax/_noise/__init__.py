"""Random numbers: keys, the words behind them, their variates, and which coordinate gets which."""

from ._keys import KeyLike as KeyLike
from ._keys import check_key as check_key
from ._keys import check_streams as check_streams
from ._keys import is_replica as is_replica
from ._keys import next_key as next_key
from ._keys import num_streams as num_streams
from ._keys import replica_axis as replica_axis
from ._keys import replica_key as replica_key
from ._keys import resolve_generator as resolve_generator
from ._keys import single_key as single_key
from ._keys import stream_key as stream_key
from ._keys import streams_of as streams_of
from ._keys import with_own_stream as with_own_stream
from ._map import map_with_noise as map_with_noise
from ._shards import on_all_shards as on_all_shards
from ._shards import over_shards as over_shards
from ._shards import size as size
from ._shards import sum_of_squares as sum_of_squares
from ._shards import varying_axes as varying_axes
from ._variates import GENERATORS as GENERATORS
from ._variates import fold as fold
from ._variates import noise_generators as noise_generators
from ._variates import threefry2x32 as threefry2x32
