"""Defects of the invariance test itself: it must judge by the right samples."""

from tests.mutants.mutant import Mutant

KINDS = "validation/_kinds.py"
LAWS = "validation/_laws.py"
TESTS = "validation/test_cold_samples.py"

MUTANTS = [
    Mutant(
        "validate: half a step of burn-in, so that nothing is drawn afresh",
        "validation/_validate.py",
        'check_steps(0, "Pass 0 for none.", burn_in=burn_in)',
        "check_nonnegative(burn_in=burn_in)",
        ("validation/test_validate.py::test_bad_arguments",),
    ),
    Mutant(
        "validate: hot ends count",
        KINDS,
        "jnp.asarray(alphas or [0.0])) < PLATEAU",
        "jnp.asarray(alphas or [0.0])) < 9 * PLATEAU",
        (f"{TESTS}::test_tempering_is_judged_by_its_cold_samples[exact]",),
    ),
    Mutant(
        "validate: a replica is compared, not the first rung",
        KINDS,
        "replica = jnp.argmax(exchange.rung == 0)",
        "replica = 0",
        (f"{TESTS}::test_replica_exchange_is_judged_by_its_cold_rung",),
    ),
    Mutant(
        "validate: a law without stiff coordinates",
        LAWS,
        "condition: float = 100.0",
        "condition: float = 1.0",
        ("validation/test_validate.py::test_what_treats_stiff_coordinates_differently_is_seen",),
    ),
    Mutant(
        "validate: hot rungs of the double well drawn cold",
        LAWS,
        "weights = np.exp((np.logaddexp(*wells) - grid**2 / 2) / heat)",
        "weights = np.exp(np.logaddexp(*wells) - grid**2 / 2)",
        (f"{TESTS}::test_draws_of_a_hot_rung",),
    ),
]
