"""WHICH landscape is descended?"""

from ._aliases import entropy_adam as entropy_adam
from ._aliases import entropy_sgd as entropy_sgd
from ._aliases import scoping as scoping
from ._elastic import ElasticState as ElasticState
from ._elastic import elastic_coupling as elastic_coupling
from ._elastic import parle as parle
from ._entropy_mcmc import EntropyMCMCState as EntropyMCMCState
from ._entropy_mcmc import entropy_mcmc as entropy_mcmc
from ._entropy_mcmc import guiding_params as guiding_params
from ._local_entropy import LocalEntropyState as LocalEntropyState
from ._local_entropy import local_entropy as local_entropy
from ._local_entropy import local_entropy_params as local_entropy_params
from ._tether import TetherState as TetherState
from ._tether import tether as tether
