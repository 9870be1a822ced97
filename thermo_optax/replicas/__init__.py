"""HOW MANY copies, and when do they swap?"""

from ._barrier import CommunicationBarrier as CommunicationBarrier
from ._barrier import adapted_ladder as adapted_ladder
from ._barrier import communication_barrier as communication_barrier
from ._barrier import recommended_replicas as recommended_replicas
from ._energies_by_rung import EnergiesByRung as EnergiesByRung
from ._exchange import replica_exchange as replica_exchange
from ._ladders import geometric_ladder as geometric_ladder
from ._ladders import harmonic_acceptance as harmonic_acceptance
from ._ladders import harmonic_barrier as harmonic_barrier
from ._ladders import ladder_from_acceptance as ladder_from_acceptance
from ._ladders import linear_ladder as linear_ladder
from ._readers import SwapAcceptance as SwapAcceptance
from ._readers import best_replica as best_replica
from ._readers import by_rung as by_rung
from ._readers import replica_hyperparams as replica_hyperparams
from ._readers import swap_acceptance as swap_acceptance
from ._records import EnergyRecord as EnergyRecord
from ._records import ReplicaExchangeState as ReplicaExchangeState
from ._records import SwapRecord as SwapRecord
from ._replicate import init_replicas as init_replicas
from ._replicate import replicate as replicate
from ._thermodynamics import LadderThermodynamics as LadderThermodynamics
from ._thermodynamics import ladder_thermodynamics as ladder_thermodynamics
