"""Defects of energies by rung, of what is read off them, and of covariances of losses."""

from tests.mutants.mutant import Mutant

RECORD = "replicas/_energies_by_rung.py"
READER = "replicas/_thermodynamics.py"
COVARIANCES = "samples/_covariances.py"

LADDER = "replicas/test_thermodynamics.py"
SUMS = f"{LADDER}::test_sums_are_those_of_all_losses"
EXAMPLES = "samples/test_covariances.py"

MUTANTS = [
    Mutant(
        "energies by rung: those of the rung after the swap",
        "replicas/_exchange.py",
        "latest, rest = energies.latest[order], energies.latest_rest[order]",
        "latest, rest = (x[replica_at(rung)] for x in (energies.latest, energies.latest_rest))",
        (f"{LADDER}::test_energies_are_of_the_rung_that_drew_the_parameters",),
    ),
    Mutant(
        "energies by rung: losses of a value_fn enter in every update",
        "replicas/_exchange.py",
        'seen = due if energy == "value_fn" else value is not None',
        "seen = True",
        (f"{LADDER}::test_losses_of_value_fn_are_those_of_rounds",),
    ),
    Mutant(
        "energies by rung: another ladder goes on with the record",
        RECORD,
        "other = differs(record.beta, beta)",
        "other = jnp.zeros([], bool)",
        (f"{LADDER}::test_another_ladder_begins_a_new_record",),
    ),
    Mutant(
        "energies by rung: a block begins with what another ladder left",
        RECORD,
        "before = LossSums(*jnp.where(begun, blocks[place], 0))",
        "before = LossSums(*blocks[place])",
        (f"{LADDER}::test_another_ladder_begins_a_new_record",),
    ),
    Mutant(
        "energies by rung: losses that are not finite enter",
        RECORD,
        "sound = jnp.abs(loss * unit) < _LARGEST",
        "sound = jnp.ones_like(loss, bool)",
        (f"{LADDER}::test_losses_that_are_not_finite_do_not_enter",),
    ),
    Mutant(
        "energies by rung: joined blocks have the variance within only",
        RECORD,
        "+ (difference * unit) ** 2 * share * a.count",
        "+ 0 * difference",
        (SUMS,),
    ),
    Mutant(
        "energies by rung: the weight of what was before is rounded, always alike",
        RECORD,
        "return added(old, share * (new - old), count)",
        "return (1 - share) * old + share * new",
        (f"{LADDER}::test_means_of_exponentials_do_not_drift",),
    ),
    Mutant(
        "energies by rung: squares of losses underflow",
        RECORD,
        "return jnp.where((size > 1 / _USUAL) & (size < _USUAL), 1, size)",
        "return jnp.ones_like(size)",
        ("replicas/test_any_unit.py::test_swaps_and_thermodynamics_know_no_unit",),
    ),
    Mutant(
        "energies by rung: exponentials keep an anchor that moved",
        RECORD,
        "jnp.exp(jnp.minimum(-exponent, 0))",
        "1.0",
        (SUMS,),
    ),
    Mutant(
        "energies by rung: the hotter neighbour's step for the colder one's",
        RECORD,
        "jnp.concatenate([gap, none]), jnp.concatenate([none, gap])",
        "jnp.concatenate([gap, none]), jnp.concatenate([gap, none])",
        (SUMS,),
    ),
    Mutant(
        "thermodynamics: the variance is that within blocks",
        READER,
        "share * (within + (means - energy[..., None, :]) ** 2)",
        "share * within",
        (SUMS,),
    ),
    Mutant(
        "thermodynamics: only one way of the stepping stones",
        READER,
        '"log_partition": from_first((upwards + downwards) / 2)',
        '"log_partition": from_first((upwards - downwards) / 2)',
        (f"{LADDER}::test_harmonic_well",),
    ),
    Mutant(
        "thermodynamics: integration corrects the wrong way",
        READER,
        "gap**2 * (variance[cold] - variance[hot]) / 12",
        "gap**2 * (variance[hot] - variance[cold]) / 12",
        (f"{LADDER}::test_harmonic_well",),
    ),
    Mutant(
        "thermodynamics: errors as of independent halves",
        READER,
        "np.sqrt(squares * (number - 1) / number)",
        "np.sqrt(squares / number)",
        (f"{LADDER}::test_harmonic_well",),
    ),
    Mutant(
        "thermodynamics: the burn-in is rounded to nothing",
        READER,
        "np.ceil(burn_in * used)",
        "np.floor(burn_in * used)",
        (f"{LADDER}::test_burn_in_leaves_out_whole_blocks",),
    ),
    Mutant(
        "loss covariances: about the means after the draw on both sides",
        COVARIANCES,
        "both = (1 - share) * jnp.outer",
        "both = (1 - share) ** 2 * jnp.outer",
        (f"{EXAMPLES}::test_covariance_is_that_of_the_draws",),
    ),
    Mutant(
        "loss covariances: losses that are not finite enter",
        COVARIANCES,
        "due &= jnp.all(is_sound(losses)) & jnp.all(is_sound(seen))",
        "due &= True",
        (f"{EXAMPLES}::test_what_is_not_finite_does_not_enter",),
    ),
    Mutant(
        "loss covariances: influence without its temperature",
        COVARIANCES,
        "influence = -covariance / jnp.asarray(temperature, covariance.dtype)",
        "influence = -covariance",
        (f"{EXAMPLES}::test_linear_regression",),
    ),
]
