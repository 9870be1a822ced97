"""Defects of learning coefficients."""

from tests.mutants.mutant import Mutant

CHAINS = "thermodynamics/_chains.py"
CURVATURE = "thermodynamics/_curvature.py"
STATISTICS = "thermodynamics/_statistics.py"
REPORT = "thermodynamics/_report.py"

TESTS = "thermodynamics/test_learning_coefficient.py"
QUADRATIC = (f"{TESTS}::test_quadratic",)
MINIBATCHES = (f"{TESTS}::test_minibatches",)
BAD_CHAIN = (f"{TESTS}::test_one_bad_chain_does_not_poison_the_others",)

MUTANTS = [
    Mutant(
        "coefficient: no tether",
        CHAINS,
        "tied = tether(precision, temperature, center=center.params)",
        "tied = tether(0.0, temperature, center=center.params)",
        QUADRATIC,
    ),
    Mutant(
        "coefficient: the temperature without the pull of the tether",
        CHAINS,
        "like(precision * temperature, x.dtype) * x",
        "like(0 * temperature, x.dtype) * x",
        QUADRATIC,
    ),
    Mutant(
        "coefficient: the noise of minibatches stays in the gradient",
        CHAINS,
        "return value - base - slope, jax.tree.map(jnp.subtract, gradient, excess)",
        "return value - base - slope, gradient",
        MINIBATCHES,
    ),
    Mutant(
        "coefficient: the noise of the mean gradient is not shrunk",
        CHAINS,
        "share = jnp.where(own > SIGNIFICANT * noise, 1 - noise / own, 0)",
        "share = jnp.ones_like(own)",
        (f"{TESTS}::test_minibatches",),
    ),
    Mutant(
        "coefficient: a chain that left slows the others",
        CHAINS,
        "met = jax.lax.pmax(jnp.where(sane, gauge.largest, 0), AXIS)",
        "met = jax.lax.pmax(gauge.largest * jnp.where(sane, 1, 1e9), AXIS)",
        BAD_CHAIN,
    ),
    Mutant(
        "coefficient: chains that left count",
        REPORT,
        "good &= means < high",
        "good &= means < np.inf",
        BAD_CHAIN,
    ),
    Mutant(
        "coefficient: the curvature at the centre only",
        CURVATURE,
        "return Gauge(vector, jnp.maximum(gauge.largest, jnp.where(good, size, 0)))",
        "return Gauge(vector, gauge.largest)",
        (f"{TESTS}::test_a_singularity_without_curvature",),
    ),
    Mutant(
        "coefficient: errors as of independent draws",
        STATISTICS,
        "size = series.size / time",
        "return Mean(float(series.mean()), math.sqrt(pooled / series.size), series.size, 1.0)",
        (f"{TESTS}::test_the_error_covers_in_ninety_of_a_hundred_seeds",),
    ),
]
