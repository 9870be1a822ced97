"""What a chain's predictive is worth: next to the labels, and next to the reference's."""

import jax
import jax.numpy as jnp
import numpy as np

import thermo_optax as to
from benchmarks.posteriors import references
from benchmarks.posteriors.targets import Target, named

COLUMNS = {
    "agreement": "agreement with the reference",
    "total_variation": "total variation to it",
    "log_likelihood": "log likelihood",
    "calibrated": "at its best temperature",
    "calibration_error": "calibration error",
    "brier": "Brier score",
}


def metrics(name: str, target: Target, predictive: np.ndarray) -> dict[str, list[float]]:
    """The metrics of each chain's predictive, [chains, images, classes]."""
    if target.test is None:
        return {}
    labels = jnp.asarray(target.test.labels)
    reference = jnp.asarray(references.predictive(name), jnp.float32)

    def of_chain(probabilities):
        return table(probabilities, reference, labels)

    found = jax.lax.map(of_chain, jnp.asarray(predictive, jnp.float32))
    return {column: np.asarray(values, float).tolist() for column, values in found.items()}


def table(probabilities, reference, labels) -> dict[str, jax.Array]:
    """One predictive's row."""
    said = to.diagnostics
    chosen = jnp.take_along_axis(probabilities, labels[:, None], axis=1)
    return {
        "agreement": said.agreement(probabilities, reference),
        "total_variation": said.total_variation(probabilities, reference),
        "log_likelihood": jnp.mean(jnp.log(jnp.maximum(chosen, 1e-30))),
        "calibrated": said.calibrated_log_likelihood(probabilities, labels).log_likelihood,
        "calibration_error": said.calibration_error(probabilities, labels),
        "brier": said.brier_score(probabilities, labels),
    }


def of_reference(name: str) -> dict[str, float]:
    """The reference's own row, without what compares it with itself."""
    target = named(name)
    assert target.test is not None
    reference = jnp.asarray(references.predictive(name), jnp.float32)
    found = table(reference, reference, jnp.asarray(target.test.labels))
    return {key: float(found[key]) for key in list(COLUMNS)[2:]}
