"""WHAT has been visited?  Samples, moments and posteriors, kept in the state of the optimizer."""

from ._batches import BatchIndices as BatchIndices
from ._batches import BatchOrder as BatchOrder
from ._batches import batch_order as batch_order
from ._collect import CollectedSamplesState as CollectedSamplesState
from ._collect import collect_samples as collect_samples
from ._covariances import BayesianInfluence as BayesianInfluence
from ._covariances import LossCovariancesState as LossCovariancesState
from ._covariances import bayesian_influence as bayesian_influence
from ._covariances import loss_covariances as loss_covariances
from ._ensemble import EnsemblePrediction as EnsemblePrediction
from ._ensemble import ensemble_predict as ensemble_predict
from ._moments import RunningMomentsState as RunningMomentsState
from ._moments import running_moments as running_moments
from ._posterior import draw_posterior as draw_posterior
from ._posterior import posterior_deviations as posterior_deviations
from ._posterior import posterior_mean as posterior_mean
from ._posterior import posterior_variance as posterior_variance
from ._readings import collected_samples as collected_samples
from ._readings import samples_and_mask as samples_and_mask
from ._sharding import copy_sharding as copy_sharding
